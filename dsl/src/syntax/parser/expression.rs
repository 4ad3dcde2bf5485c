//! Expressions, calls and steps.

use super::{Builder, Rule};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{BinaryOperator, UnaryOperator};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{Argument, Branches, Call, ExpressionKind, Literal, Modifier, Node, Step, When};
use crate::syntax::climb::{Fallen, Part, Tree, climb};
use crate::syntax::{literal, mistakes};
use crate::time::Duration;
use pest::iterators::{Pair, Pairs};

impl Builder<'_> {
    pub(super) fn expression(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let span = self.span(&pair);
        let mut parts = Vec::new();
        for child in pair.into_inner() {
            if child.as_rule() == Rule::operand {
                for part in child.into_inner() {
                    let part = self.operand_part(part);
                    parts.push(part);
                }
            } else {
                let operator = self.infix(&child);
                parts.push(Part::Infix(operator));
            }
        }
        match climb(parts) {
            Ok(climbed) => {
                self.diagnostics.extend(climbed.chained.into_iter().map(mistakes::chained));
                climbed.tree
            }
            Err(Fallen::TooDeep) => self.too_deep(span),
            Err(Fallen::Nonsense) => leaf(ExpressionKind::Faulty, span),
        }
    }

    fn bounded(&mut self, tree: Tree) -> Tree {
        if tree.depth > limits::EXPRESSION_DEPTH { self.too_deep(tree.expression.span) } else { tree }
    }

    fn too_deep(&mut self, span: Span) -> Tree {
        if !std::mem::replace(&mut self.depth_reported, true) {
            self.diagnostics.push(
                Diagnostic::error(codes::RULE_TOO_DEEP, "an expression of too many parts", span, "").help(format!(
                    "it may have {} levels: give parts of it names, as traits of their own",
                    limits::EXPRESSION_DEPTH
                )),
            );
        }
        leaf(ExpressionKind::Faulty, span)
    }

    fn operand_part(&mut self, pair: Pair<'_, Rule>) -> Part {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::not => Part::Prefix(Node { value: UnaryOperator::Not, span }),
            Rule::minus => Part::Prefix(Node { value: UnaryOperator::Negate, span }),
            Rule::wrong_not => {
                self.diagnostics.push(mistakes::wrong_not(pair.as_str(), span));
                Part::Prefix(Node { value: UnaryOperator::Not, span })
            }
            Rule::is_known => {
                let state = pair.into_inner().find(|part| part.as_rule() != Rule::is);
                let known = match state {
                    Some(state) if state.as_rule() == Rule::wrong_state => {
                        let (known, diagnostic) = mistakes::wrong_state(state.as_str(), self.span(&state));
                        self.diagnostics.push(diagnostic);
                        known
                    }
                    Some(state) => state.as_rule() == Rule::known,
                    None => true,
                };
                Part::IsKnown(Node { value: known, span })
            }
            Rule::wrong_in => {
                self.diagnostics.push(mistakes::wrong_in(span));
                Part::IsKnown(Node { value: true, span })
            }
            _ => Part::Operand(self.primary(pair)),
        }
    }

    fn infix(&mut self, pair: &Pair<'_, Rule>) -> Node<BinaryOperator> {
        let span = self.span(pair);
        let value = match pair.as_rule() {
            Rule::and => BinaryOperator::And,
            Rule::or => BinaryOperator::Or,
            Rule::not_equal => BinaryOperator::NotEqual,
            Rule::less_or_equal => BinaryOperator::LessOrEqual,
            Rule::greater_or_equal => BinaryOperator::GreaterOrEqual,
            Rule::less => BinaryOperator::Less,
            Rule::greater => BinaryOperator::Greater,
            Rule::plus => BinaryOperator::Add,
            Rule::minus => BinaryOperator::Subtract,
            Rule::times => BinaryOperator::Multiply,
            Rule::divide => BinaryOperator::Divide,
            Rule::wrong_operator => {
                let (meant, diagnostic) = mistakes::wrong_operator(pair.as_str(), span);
                self.diagnostics.push(diagnostic);
                meant
            }
            _ => BinaryOperator::Equal,
        };
        Node { value, span }
    }

    fn primary(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::group => {
                let Some(inner) = pair.into_inner().find(|part| part.as_rule() == Rule::expression) else {
                    return leaf(ExpressionKind::Faulty, span);
                };
                let mut tree = self.expression(inner);
                tree.expression.span = span;
                return tree;
            }
            Rule::if_else => return self.if_else(pair),
            Rule::reference => return self.reference(pair),
            Rule::boolean => ExpressionKind::Literal(Literal::Bool(pair.as_str() == "true")),
            Rule::string | Rule::wrong_string => ExpressionKind::Literal(Literal::String(self.text(&pair))),
            Rule::number => match literal::number(pair.as_str()) {
                Ok(value) => ExpressionKind::Literal(value),
                Err(refusal) => self.refused(codes::WRONG_NUMBER, refusal, span),
            },
            Rule::wrong_number => {
                self.diagnostics.push(mistakes::wrong_number(pair.as_str(), span));
                ExpressionKind::Faulty
            }
            Rule::duration | Rule::wrong_duration => match self.length(&pair) {
                Some(length) => ExpressionKind::Literal(Literal::Duration(length.value)),
                None => ExpressionKind::Faulty,
            },
            Rule::date => match self.date(&pair) {
                Some(when) => ExpressionKind::Literal(Literal::Time(when)),
                None => ExpressionKind::Faulty,
            },
            _ => ExpressionKind::Faulty,
        };
        leaf(kind, span)
    }

    pub(super) fn refused(&mut self, code: &'static str, refusal: literal::Refusal, span: Span) -> ExpressionKind {
        self.diagnostics.push(mistakes::refused(code, refusal, span));
        ExpressionKind::Faulty
    }

    fn if_else(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let whole = self.span(&pair);
        let mut parts = Vec::new();
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::else_if => {
                    for part in child.into_inner() {
                        self.if_part(part, &mut parts);
                    }
                }
                _ => self.if_part(child, &mut parts),
            }
        }
        // Condition, value, condition, value …, otherwise.
        let Some(mut tree) = parts.pop() else {
            return leaf(ExpressionKind::Faulty, whole);
        };
        while let (Some(then), Some(condition)) = (parts.pop(), parts.pop()) {
            let depth = tree.depth.max(then.depth).max(condition.depth) + 1;
            let span = Span { start: condition.expression.span.start, ..tree.expression.span };
            let branches =
                Branches { condition: condition.expression, then: then.expression, otherwise: tree.expression };
            let expression = Node { value: ExpressionKind::If(Box::new(branches)), span };
            tree = self.bounded(Tree { expression, depth });
        }
        tree.expression.span = whole;
        tree
    }

    fn if_part(&mut self, pair: Pair<'_, Rule>, parts: &mut Vec<Tree>) {
        match pair.as_rule() {
            Rule::expression => parts.push(self.expression(pair)),
            Rule::missing_then => {
                self.report(mistakes::missing_then(self.character(&pair)));
            }
            _ => {}
        }
    }

    fn reference(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let Some(path) = inner.next().map(|path| self.path(&path)) else {
            return leaf(ExpressionKind::Faulty, span);
        };
        let Some(arguments) = inner.next() else {
            return leaf(ExpressionKind::Path(path), span);
        };
        let mut call = Call { function: path, arguments: Vec::new(), modifiers: Vec::new() };
        let mut depth = 0;
        for child in arguments.into_inner() {
            match child.as_rule() {
                Rule::argument => {
                    for part in child.into_inner() {
                        if part.as_rule() == Rule::steps {
                            let (argument, levels) = self.steps(part);
                            depth = depth.max(levels);
                            call.arguments.push(argument);
                        } else if let Some(modifier) = self.modifier(&part) {
                            call.modifiers.push(modifier);
                        }
                    }
                }
                Rule::missing_comma => {
                    let at = self.character(&child);
                    self.diagnostics.push(mistakes::missing_comma(at));
                }
                _ => {}
            }
        }
        self.bounded(Tree { expression: Node { value: ExpressionKind::Call(call), span }, depth: depth + 1 })
    }

    fn steps(&mut self, pair: Pair<'_, Rule>) -> (Node<Argument>, usize) {
        let span = self.span(&pair);
        let mut depth = 0;
        let mut steps = Vec::new();
        for child in pair.into_inner().filter(|child| child.as_rule() == Rule::step) {
            let (step, levels) = self.step(child);
            depth = depth.max(levels);
            steps.extend(step);
        }
        (Node { value: Argument { steps }, span }, depth)
    }

    pub(super) fn step(&mut self, pair: Pair<'_, Rule>) -> (Option<Node<Step>>, usize) {
        let span = self.span(&pair);
        self.step_of(pair.into_inner(), span)
    }

    /// A step without its last part, which belongs to what is around it.
    pub(super) fn step_without_last(&mut self, pair: Pair<'_, Rule>) -> Option<Node<Step>> {
        let whole = self.span(&pair);
        let mut parts = pair.into_inner();
        parts.next_back();
        let end = parts.clone().next_back().map_or(whole.end, |part| self.span(&part).end);
        self.step_of(parts, Span { end, ..whole }).0
    }

    fn step_of(&mut self, parts: Pairs<'_, Rule>, span: Span) -> (Option<Node<Step>>, usize) {
        let mut depth = 0;
        let mut absent = false;
        let mut subject = None;
        let (mut alias, mut filter, mut within, mut lasting) = (None, None, None, None);
        for child in parts {
            let place = self.span(&child);
            let rule = child.as_rule();
            let repeated = match rule {
                Rule::no => {
                    absent = true;
                    false
                }
                Rule::expression => {
                    let tree = self.expression(child);
                    depth = depth.max(tree.depth);
                    subject = Some(tree.expression);
                    false
                }
                Rule::alias => {
                    let name =
                        child.into_inner().find(|part| part.as_rule() == Rule::name).map(|name| self.name(&name));
                    alias.is_some() | {
                        alias = name;
                        false
                    }
                }
                Rule::filter => {
                    let tree = child
                        .into_inner()
                        .find(|part| part.as_rule() == Rule::expression)
                        .map(|part| self.expression(part));
                    depth = depth.max(tree.as_ref().map_or(0, |tree| tree.depth));
                    let before = filter.is_some();
                    filter = tree.map(|tree| tree.expression);
                    before
                }
                Rule::within => {
                    let before = within.is_some();
                    within = child.into_inner().nth(1).and_then(|length| self.length(&length));
                    before
                }
                Rule::lasting => {
                    let before = lasting.is_some();
                    lasting = child.into_inner().nth(1).and_then(|length| self.length(&length));
                    before
                }
                _ => false,
            };
            if repeated {
                let help =
                    if rule == Rule::filter { "join both conditions with `and`" } else { "leave one of them out" };
                self.diagnostics.push(
                    Diagnostic::error(codes::UNEXPECTED, "the same thing is said twice", place, "for the second time")
                        .help(help),
                );
            }
        }
        let step =
            subject.map(|subject| Node { value: Step { absent, subject, alias, filter, within, lasting }, span });
        (step, depth)
    }

    pub(super) fn modifier(&mut self, pair: &Pair<'_, Rule>) -> Option<Node<Modifier>> {
        let span = self.span(pair);
        let argument = pair.clone().into_inner().nth(1);
        let value = match (pair.as_rule(), argument) {
            (Rule::last, Some(length)) => {
                self.length(&length).map_or(Modifier::Faulty, |length| Modifier::Last(length.value))
            }
            (Rule::next, Some(length)) => {
                self.length(&length).map_or(Modifier::Faulty, |length| Modifier::Next(length.value))
            }
            (Rule::since, Some(date)) if matches!(date.as_rule(), Rule::date | Rule::wrong_date) => {
                self.date(&date).map_or(Modifier::Faulty, Modifier::Since)
            }
            (Rule::since, Some(length)) => {
                self.diagnostics.push(mistakes::since_duration(length.as_str(), self.span(&length)));
                Modifier::Faulty
            }
            (Rule::per, Some(path)) => Modifier::Per(self.path(&path)),
            (Rule::this_session, _) => Modifier::ThisSession,
            _ => return None,
        };
        Some(Node { value, span })
    }

    pub(super) fn length(&mut self, pair: &Pair<'_, Rule>) -> Option<Node<Duration>> {
        let span = self.span(pair);
        let diagnostic = match pair.as_rule() {
            Rule::duration => match literal::duration(pair.as_str()) {
                Ok(value) => return Some(Node { value, span }),
                Err(refusal) => mistakes::refused(codes::WRONG_DURATION, refusal, span),
            },
            Rule::number => mistakes::missing_unit(pair.as_str(), span),
            Rule::wrong_number => mistakes::wrong_number(pair.as_str(), span),
            _ => mistakes::wrong_duration(pair.as_str(), span),
        };
        self.diagnostics.push(diagnostic);
        None
    }

    fn date(&mut self, pair: &Pair<'_, Rule>) -> Option<When> {
        match literal::date(pair.as_str()) {
            Ok(when) => Some(when),
            Err(refusal) => {
                self.diagnostics.push(mistakes::refused(codes::WRONG_DATE, refusal, self.span(pair)));
                None
            }
        }
    }
}

fn leaf(kind: ExpressionKind, span: Span) -> Tree {
    Tree { expression: Node { value: kind, span }, depth: 1 }
}
