//! Items: their heads, their clauses, and the bodies of segments and traits.

use super::{Builder, Rule, places};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{Body, Expression, ExpressionKind, Item, ItemKind, Name, Node};
use crate::syntax::mistakes;
use pest::iterators::Pair;

/// What items of all kinds have.
struct Head {
    name: Name,
    was: Vec<Name>,
    description: Option<Node<String>>,
    purpose: Option<Name>,
}

impl Builder<'_> {
    pub(super) fn item(&mut self, pair: Pair<'_, Rule>) -> Option<Item> {
        let Head { name, was, description, purpose } = self.head(&pair)?;
        let body = match pair.as_rule() {
            Rule::segment => Body::Segment(self.segment(pair, &name)),
            Rule::computed_trait => Body::Trait(self.computed_trait(pair)?),
            Rule::journey => Body::Journey(self.journey(pair, &name)),
            Rule::funnel => Body::Funnel(self.funnel(pair, &name)),
            Rule::experiment => Body::Experiment(self.experiment(pair, &name)),
            Rule::experience => Body::Experience(self.experience(pair, &name)),
            _ => Body::Prediction(self.prediction(pair, &name)),
        };
        Some(Item { name, was, description, purpose, body })
    }

    fn head(&mut self, pair: &Pair<'_, Rule>) -> Option<Head> {
        let mut name = None;
        let mut was = Vec::new();
        let mut description = None;
        let mut purposes: Vec<Name> = Vec::new();
        for child in pair.clone().into_inner() {
            match child.as_rule() {
                Rule::name if name.is_none() => name = Some(self.name(&child)),
                Rule::was => {
                    let names = child.into_inner().filter(|part| part.as_rule() == Rule::name);
                    was.extend(names.map(|name| self.name(&name)));
                }
                Rule::description => {
                    description =
                        child.into_inner().next().map(|text| Node { span: self.span(&text), value: self.text(&text) });
                }
                Rule::purpose => purposes.extend(self.part(child, Rule::name).map(|name| self.name(&name))),
                _ => {}
            }
        }
        let name = name?;
        if name.value.chars().count() > limits::NAME_CHARACTERS {
            let message = format!("a name of {} characters is too long", name.value.chars().count());
            self.report(
                Diagnostic::error(codes::LITERAL_TOO_LONG, message, name.span, "")
                    .help(format!("a name has at most {} characters", limits::NAME_CHARACTERS)),
            );
            return None;
        }
        let spans = places(&purposes);
        let kind = if pair.as_rule() == Rule::segment { "a segment" } else { "a rule" };
        let code = if pair.as_rule() == Rule::segment { codes::WRONG_CLAUSES } else { codes::SECOND_CLAUSE };
        self.only_one(code, &spans, "purpose", &format!("{kind} has one purpose; what it may read follows from it"));
        self.at_most(limits::LIST, &places(&was), "old names");
        Some(Head { name, was, description, purpose: purposes.into_iter().next() })
    }

    fn segment(&mut self, pair: Pair<'_, Rule>, name: &Name) -> Expression {
        let whole = self.span(&pair);
        let mut faulty = false;
        let mut conditions = Vec::new();
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::when => conditions.extend(self.when(child)),
                Rule::faulty => faulty = true,
                _ => {}
            }
        }
        self.only_one(codes::WRONG_CLAUSES, &places(&conditions), "when", "join both conditions with `and` or `or`");
        if conditions.is_empty() && !faulty {
            self.report(
                Diagnostic::error(
                    codes::WRONG_CLAUSES,
                    format!("`{}` has no condition", name.value),
                    whole,
                    "no `when` in here",
                )
                .help("write who belongs to it: `when count(view, last 7d) >= 3`"),
            );
        }
        conditions.into_iter().next().unwrap_or(Node { value: ExpressionKind::Faulty, span: whole })
    }

    fn computed_trait(&mut self, pair: Pair<'_, Rule>) -> Option<Expression> {
        let mut body = None;
        for child in pair.into_inner() {
            match child.as_rule() {
                Rule::expression => body = Some(self.expression(child).expression),
                Rule::misplaced_window => self.report(mistakes::misplaced_window(self.span(&child))),
                _ => {}
            }
        }
        body
    }

    /// The condition of `when …`.
    pub(super) fn when(&mut self, pair: Pair<'_, Rule>) -> Option<Expression> {
        self.computed_trait(pair)
    }

    /// The child of that rule.
    pub(super) fn part<'i>(&self, pair: Pair<'i, Rule>, rule: Rule) -> Option<Pair<'i, Rule>> {
        pair.into_inner().find(|part| part.as_rule() == rule)
    }

    /// Reports the second of two clauses where only one makes sense.
    pub(super) fn only_one(&mut self, code: &'static str, clauses: &[Span], word: &str, help: &str) {
        if let [first, second, ..] = clauses {
            self.report(
                Diagnostic::error(code, format!("a second `{word}`"), *second, "")
                    .label(*first, "the first one")
                    .help(help),
            );
        }
    }

    /// Reports a list that is too long.
    pub(super) fn at_most(&mut self, limit: usize, places: &[Span], what: &str) {
        if let Some(surplus) = places.get(limit) {
            let message = format!("more than {limit} {what}");
            self.report(
                Diagnostic::error(codes::TOO_MANY_PARTS, message, *surplus, "one too many")
                    .help("leave some of them out, or make two of it"),
            );
        }
    }

    /// Reports a clause that is not there, unless one that could not be read may be it.
    pub(super) fn missing(&mut self, kind: ItemKind, name: &Name, word: &str, faulty: bool, help: &str) {
        if !faulty {
            self.report(
                Diagnostic::error(
                    codes::MISSING_CLAUSE,
                    format!("`{}` has no `{word}`", name.value),
                    name.span,
                    format!("{} needs one", kind.noun()),
                )
                .help(help),
            );
        }
    }
}
