//! Finding the smallest part of a condition that is to blame, and saying so. The text and the typed expression of a rule
//! are walked side by side; where they do not run parallel, nothing is said.

use super::assume::{Mind, State, States, test};
use super::facts::{self, OfEvent};
use super::values::{End, Fact, Point, Values};
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::ir::{
    Aggregate, BinaryOperator, EventSelector, Expression, Function, Lowered, Pattern, UnaryOperator, Window,
};
use crate::model::Declarations;
use crate::source::{SourceSet, Span};
use crate::syntax::ast::{self, Branches, Call, ExpressionKind, Modifier, Node, Step};
use crate::time::Duration;
use crate::types::expression::{excerpt, place_text};

/// Reads one rule, or one condition about an event.
pub struct Reader<'a> {
    /// For excerpts.
    pub sources: &'a SourceSet,
    /// What is declared.
    pub declarations: &'a Declarations,
    /// What rules became.
    pub lowered: &'a Lowered,
    /// What follows from what.
    pub mind: Mind<'a>,
}

/// A part of a condition as it is written, and what it became.
type Part<'p> = (&'p ast::Expression, &'p Expression);

impl Reader<'_> {
    /// Says what is wrong with a condition.
    pub fn condition(&self, text: &ast::Expression, meaning: &Expression, found: &mut Vec<Diagnostic>) {
        let start = vec![State::default()];
        match (&text.value, meaning) {
            (ExpressionKind::Binary(_, operator, _), Expression::Binary { operator: BinaryOperator::And, .. })
                if operator.value == BinaryOperator::And =>
            {
                self.joined(text, meaning, BinaryOperator::And, found);
            }
            (ExpressionKind::Binary(_, operator, _), Expression::Binary { operator: BinaryOperator::Or, .. })
                if operator.value == BinaryOperator::Or =>
            {
                self.joined(text, meaning, BinaryOperator::Or, found);
            }
            (ExpressionKind::Unary(_, inner), Expression::Unary { operator: UnaryOperator::Not, operand }) => {
                self.condition(inner, operand, found)
            }
            (ExpressionKind::Literal(_), _) => {}
            (ExpressionKind::If(branches), Expression::If { .. }) => self.branches(branches, meaning, &start, found),
            _ => {
                let before = errors(found);
                self.value(text, meaning, &start, found);
                if errors(found) == before {
                    self.alone(text, meaning, &start, found);
                }
            }
        }
    }

    /// A condition without conditions in it.
    fn alone(&self, text: &ast::Expression, meaning: &Expression, start: &States<'_>, found: &mut Vec<Diagnostic>) {
        let never = self.mind.never(meaning, start);
        if !never && !self.mind.always(meaning, start) {
            return;
        }
        let shown = excerpt(self.sources, text.span);
        if let ExpressionKind::IsKnown(..) = &text.value {
            let answer = if never { "never" } else { "always" };
            found.push(
                Diagnostic::warning(
                    codes::DECIDED_TEST,
                    format!("`{shown}` {answer} holds"),
                    text.span,
                    "decided already",
                )
                .help("leave it out, or ask it of a value that may be unknown"),
            );
            return;
        }
        if let Expression::Rule(id) = meaning {
            let (Some(rule), Some(place)) =
                (self.lowered.rules.get(id.index()), self.lowered.rule_places.get(id.index()))
            else {
                return;
            };
            if never {
                let message = format!("`{}` never holds, for anybody", rule.name);
                found.push(
                    Diagnostic::warning(codes::NEVER_IN, message, text.span, "so this never holds")
                        .note(format!("declared in {}", place_text(self.sources, *place))),
                );
            }
            return;
        }
        let mut diagnostic = if never {
            let code = if self.is_of_schema(meaning) { codes::BEYOND_SCHEMA } else { codes::NEVER };
            Diagnostic::error(code, format!("`{shown}` never holds"), text.span, "for nobody, at no time")
        } else {
            Diagnostic::warning(codes::ALWAYS, format!("`{shown}` always holds"), text.span, "it decides nothing")
        };
        if let Some((side, fact)) = self.deciding(text, meaning) {
            diagnostic = diagnostic.note(format!("`{}` {}", excerpt(self.sources, side.span), described(&fact)));
        }
        found.push(diagnostic.help(if never {
            "compare it with a value that it can have, or leave the condition out"
        } else {
            "leave it out, or compare it with another value"
        }));
    }

    /// The side of a comparison that is not written out, and what it may be.
    fn deciding<'t>(&self, text: &'t ast::Expression, meaning: &Expression) -> Option<(&'t ast::Expression, Fact)> {
        let (ExpressionKind::Binary(left_text, _, right_text), Expression::Binary { operator, left, right }) =
            (&text.value, meaning)
        else {
            return None;
        };
        test(*operator)?;
        let (side, value) = match (left.as_ref(), right.as_ref()) {
            (value, Expression::Constant(_)) => (left_text, value),
            (Expression::Constant(_), value) => (right_text, value),
            _ => return None,
        };
        let fact = self.mind.value(value, &State::default());
        (fact.values != Values::ALL).then_some((side.as_ref(), fact))
    }

    /// Whether it compares a property itself: then it is its schema that decides.
    fn is_of_schema(&self, meaning: &Expression) -> bool {
        let bare = |side: &Expression| match side {
            Expression::Convert { value, .. } => matches!(**value, Expression::Property(_) | Expression::Step { .. }),
            other => matches!(other, Expression::Property(_) | Expression::Step { .. }),
        };
        match meaning {
            Expression::Binary { left, right, .. } => {
                let constant = |side: &Expression| matches!(side, Expression::Constant(_));
                bare(left) && constant(right) || constant(left) && bare(right)
            }
            _ => false,
        }
    }

    /// Conditions joined by `and`, or by `or`.
    fn joined(&self, text: &ast::Expression, meaning: &Expression, by: BinaryOperator, found: &mut Vec<Diagnostic>) {
        let mut parts: Vec<Part<'_>> = Vec::new();
        flatten(text, meaning, by, &mut parts);
        let before = found.len();
        for (text, meaning) in &parts {
            self.condition(text, meaning, found);
        }
        let word = if by == BinaryOperator::And { "and" } else { "or" };
        for (index, (text, meaning)) in parts.iter().enumerate() {
            if let Some((first, _)) = parts.iter().take(index).find(|(_, other)| other == meaning) {
                found.push(
                    Diagnostic::warning(
                        codes::DUPLICATE_CONDITION,
                        format!("`{}` is there twice", excerpt(self.sources, text.span)),
                        text.span,
                        "the second time",
                    )
                    .label(first.span, "the first time")
                    .help(format!("leave one of them out: `{word}` needs it once")),
                );
            }
        }
        let start = vec![State::default()];
        if found.len() > before {
            return;
        }
        if by == BinaryOperator::And && self.mind.never(meaning, &start) {
            let pair = parts.iter().enumerate().find_map(|(index, (text, second))| {
                let first = parts.iter().take(index).find(|(_, first)| {
                    let states = self.mind.assume_all(first, true, &start);
                    self.mind.never(second, &states)
                })?;
                Some((first.0.span, text.span))
            });
            let diagnostic = match pair {
                Some((first, second)) => Diagnostic::error(
                    codes::CONTRADICTION,
                    format!("`{}` excludes this", excerpt(self.sources, first)),
                    second,
                    "never holds together with the other",
                )
                .label(first, "when this holds"),
                None => Diagnostic::error(
                    codes::CONTRADICTION,
                    "these conditions never hold together",
                    text.span,
                    "for nobody, at no time",
                ),
            };
            found.push(diagnostic.help("join them with `or` if one of them is enough"));
        }
        if by == BinaryOperator::Or && self.mind.always(meaning, &start) {
            found.push(
                Diagnostic::warning(
                    codes::ALWAYS,
                    "one of these conditions always holds",
                    text.span,
                    "together they decide nothing",
                )
                .help("join them with `and` if all of them are needed"),
            );
        }
    }

    /// Says what is wrong inside a value.
    pub fn value(
        &self,
        text: &ast::Expression,
        meaning: &Expression,
        states: &States<'_>,
        found: &mut Vec<Diagnostic>,
    ) {
        let meaning = converted(meaning);
        match (&text.value, meaning) {
            (ExpressionKind::If(branches), Expression::If { .. }) => self.branches(branches, meaning, states, found),
            (ExpressionKind::Call(call), Expression::Aggregate(id)) => {
                if let Some(aggregate) = self.lowered.aggregates.get(id.index()) {
                    self.call(call, aggregate, found);
                }
            }
            (ExpressionKind::Binary(left_text, _, right_text), Expression::Binary { operator, left, right }) => {
                if matches!(operator, BinaryOperator::And | BinaryOperator::Or) {
                    self.condition(text, meaning, found);
                } else {
                    self.value(left_text, left, states, found);
                    self.value(right_text, right, states, found);
                }
            }
            (ExpressionKind::Binary(left_text, _, right_text), Expression::OrDefault { value, default }) => {
                self.value(left_text, value, states, found);
                self.value(right_text, default, states, found);
            }
            (ExpressionKind::IsKnown(text, known), meaning) => match (known, meaning) {
                (true, Expression::IsKnown(value)) => self.value(text, value, states, found),
                (false, Expression::Unary { operand, .. }) => {
                    if let Expression::IsKnown(value) = operand.as_ref() {
                        self.value(text, value, states, found);
                    }
                }
                _ => {}
            },
            (ExpressionKind::Unary(_, text), Expression::Unary { operand, .. }) => {
                self.value(text, operand, states, found);
            }
            _ => {}
        }
    }

    /// An `if`, in the states in which it is reached.
    fn branches(&self, branches: &Branches, meaning: &Expression, states: &States<'_>, found: &mut Vec<Diagnostic>) {
        let Expression::If { condition, then, otherwise } = converted(meaning) else { return };
        let before = found.len();
        self.condition(&branches.condition, condition, found);
        let decided = found.len() > before;
        let dead = |text: &ast::Expression, because: &str| {
            Diagnostic::warning(
                codes::DEAD_BRANCH,
                format!("`{}` is never given", excerpt(self.sources, text.span)),
                text.span,
                "this branch is never taken",
            )
            .label(branches.condition.span, because)
            .help("leave the branch out, or change the conditions before it")
        };
        let holding = self.mind.assume_all(condition, true, states);
        let failing = self.mind.assume_all(condition, false, states);
        if !decided && self.mind.never(condition, states) {
            found.push(dead(&branches.then, "never holds when it is asked"));
        } else {
            self.value(&branches.then, then, &holding, found);
        }
        if !decided && self.mind.always(condition, states) {
            found.push(dead(&branches.otherwise, "always holds when it is asked"));
        } else {
            self.value(&branches.otherwise, otherwise, &failing, found);
        }
    }

    /// An aggregate: what it asks of single events, and of time.
    fn call(&self, call: &Call, aggregate: &Aggregate, found: &mut Vec<Diagnostic>) {
        let [argument] = call.arguments.as_slice() else { return };
        let mut patterns: Vec<&Pattern> = vec![&aggregate.pattern];
        if let Function::Sequence(sequence) = &aggregate.function {
            patterns.extend(sequence.then.iter().map(|step| &step.pattern));
            patterns.extend(sequence.absence.iter().map(|absence| &absence.pattern));
        }
        if patterns.len() != argument.value.steps.len() {
            return;
        }
        let mut earlier: Vec<EventSelector> = Vec::new();
        for (step, pattern) in argument.value.steps.iter().zip(patterns) {
            if let (Some(text), Some(filter)) = (&step.value.filter, &pattern.filter) {
                let leaves = OfEvent {
                    declarations: self.declarations,
                    lowered: self.lowered,
                    event: pattern.event,
                    earlier: &earlier,
                };
                let mind = Mind { leaves: &leaves, steps: self.mind.steps };
                let reader = Reader { mind, ..*self };
                reader.condition(text, filter, found);
            }
            earlier.push(pattern.event);
        }
        self.absence(&argument.value.steps, call, aggregate, found);
        self.retention(call, aggregate, found);
    }

    fn absence(&self, steps: &[Node<Step>], call: &Call, aggregate: &Aggregate, found: &mut Vec<Diagnostic>) {
        if facts::absence_fits(aggregate) {
            return;
        }
        let Some(lasting) = steps.last().and_then(|step| step.value.lasting.as_ref()) else { return };
        let diagnostic = Diagnostic::error(
            codes::ABSENCE_OUTSIDE,
            format!("nothing can be absent for {} inside of this window", lasting.value),
            lasting.span,
            "not shorter than the window",
        )
        .help("the first step must lie inside the window when the time is over: make the window longer");
        found.push(match window(call) {
            Some((span, _)) => diagnostic.label(span, "the window"),
            None => diagnostic,
        });
    }

    fn retention(&self, call: &Call, aggregate: &Aggregate, found: &mut Vec<Diagnostic>) {
        let (Window::Last(length), EventSelector::One(id), Some((span, _))) =
            (aggregate.window, aggregate.pattern.event, window(call))
        else {
            return;
        };
        let Some(event) = self.declarations.event(id) else { return };
        let kept = event.retention.or(self.declarations.settings.retain_events);
        if let Some(kept) = kept.filter(|kept| *kept < length) {
            let whose = if event.retention.is_some() { event.name.as_str() } else { "the project" };
            found.push(
                Diagnostic::warning(
                    codes::BEYOND_RETENTION,
                    format!("a window of {length} over events that are kept for {kept}"),
                    span,
                    "longer than they are kept",
                )
                .note(format!("the `retention` of `{whose}` says so"))
                .help(format!("write `last {kept}` at most, or keep the events longer")),
            );
        }
    }
}

/// The operands of a chain of one operator, left to right.
fn flatten<'p>(text: &'p ast::Expression, meaning: &'p Expression, by: BinaryOperator, parts: &mut Vec<Part<'p>>) {
    match (&text.value, meaning) {
        (ExpressionKind::Binary(left_text, written, right_text), Expression::Binary { operator, left, right })
            if written.value == by && *operator == by =>
        {
            flatten(left_text, left, by, parts);
            flatten(right_text, right, by, parts);
        }
        _ => parts.push((text, meaning)),
    }
}

fn converted(expression: &Expression) -> &Expression {
    match expression {
        Expression::Convert { value, .. } => converted(value),
        other => other,
    }
}

fn errors(found: &[Diagnostic]) -> usize {
    found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

fn window(call: &Call) -> Option<(Span, Duration)> {
    call.modifiers.iter().find_map(|modifier| match modifier.value {
        Modifier::Last(length) => Some((modifier.span, length)),
        _ => None,
    })
}

/// `is 0 or more`
fn described(fact: &Fact) -> String {
    let known = match &fact.values {
        Values::OneOf(points) if points.is_empty() => return "is never known".to_owned(),
        Values::OneOf(points) if points.len() > 6 => format!("is one of {} values", points.len()),
        Values::OneOf(points) => format!("is {}", points.iter().map(shown).collect::<Vec<_>>().join(" or ")),
        Values::Between { low, high, .. } => match (low, high) {
            (Some(low), Some(high)) => format!("is {} and {}", above(low), below(high)),
            (Some(low), None) => format!("is {}", above(low)),
            (None, Some(high)) => format!("is {}", below(high)),
            (None, None) => "may be anything".to_owned(),
        },
    };
    if fact.unknown { format!("{known}, or unknown") } else { known }
}

fn above(end: &End) -> String {
    let at = shown(&end.at);
    if end.open { format!("more than {at}") } else { format!("{at} or more") }
}

fn below(end: &End) -> String {
    let at = shown(&end.at);
    if end.open { format!("less than {at}") } else { format!("{at} or less") }
}

fn shown(point: &Point) -> String {
    match point {
        Point::Exact(number) => number.normalize().to_string(),
        Point::Float(number) => number.to_string(),
        Point::Text(text) => format!("\"{text}\""),
        Point::Micros(length) => Duration(*length).to_string(),
        Point::Flag(flag) => flag.to_string(),
    }
}
