//! Evaluating expressions: a value as of `now`, and the moment until which it holds if no event comes.
//!
//! The second half is what makes timers exact. Every sub-expression answers with both; operators combine them. A value
//! that grows with the clock (`since(order)`) answers with the rate at which it grows, and a comparison of it solves for
//! the microsecond at which it flips. So a rule's answer names the earliest moment at which it may change by itself,
//! and the fold looks again exactly then.
//!
//! Invariant: for every moment `t` with `now <= t < until`, evaluating at `t` gives the same value (grown by `rate`).

use crate::datum::Datum;
use crate::operators::{apply, holds, negate};
use crate::record::Event;
use sonder_dsl::ir::{BinaryOperator, Expression, Type, UnaryOperator};
use sonder_dsl::time::Moment;

/// What evaluating gives.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The value as of `now`.
    pub datum: Datum<'a>,
    /// The first moment at which it may be another.
    pub until: Moment,
    /// By how many microseconds it grows each microsecond; 0 for what stands still. The compiler lets such values be
    /// added, subtracted and compared, but not scaled, so this is always a whole number.
    pub rate: i64,
}

impl<'a> Answer<'a> {
    /// A value that stands still until a moment.
    pub fn new(datum: Datum<'a>, until: Moment) -> Self {
        Self { datum, until, rate: 0 }
    }

    /// A value that no clock changes.
    pub fn constant(datum: Datum<'a>) -> Self {
        Self::new(datum, Moment::MAX)
    }
}

/// Where an expression's leaves get their values: an event, a chain of a sequence, a person.
pub trait Scene<'a> {
    /// The value of a leaf that is not a constant.
    fn leaf(&self, leaf: &'a Expression, now: Moment) -> Answer<'a>;

    /// A better answer than comparing both sides could give, where the scene knows one.
    fn compare(
        &self,
        _: BinaryOperator,
        _left: &'a Expression,
        _right: &'a Expression,
        _now: Moment,
    ) -> Option<Answer<'a>> {
        None
    }
}

/// Evaluates `expression` as of `now`.
pub fn evaluate<'a>(expression: &'a Expression, scene: &impl Scene<'a>, now: Moment) -> Answer<'a> {
    match expression {
        Expression::Constant(value) => Answer::constant(Datum::from(value)),
        Expression::Unary { operator, operand } => {
            let answer = evaluate(operand, scene, now);
            match operator {
                UnaryOperator::Not => Answer::new(Datum::Bool(!answer.datum.is_true()), answer.until),
                UnaryOperator::Negate => {
                    Answer { datum: negate(answer.datum), rate: answer.rate.saturating_neg(), ..answer }
                }
            }
        }
        Expression::Binary { operator, left, right } => binary(*operator, left, right, scene, now),
        Expression::If { condition, then, otherwise } => {
            let condition = evaluate(condition, scene, now);
            let branch = evaluate(if condition.datum.is_true() { then } else { otherwise }, scene, now);
            Answer { until: branch.until.min(condition.until), ..branch }
        }
        Expression::IsKnown(operand) => {
            let answer = evaluate(operand, scene, now);
            Answer::new(Datum::Bool(answer.datum.is_known()), answer.until)
        }
        Expression::OrDefault { value, default } => {
            let value = evaluate(value, scene, now);
            if value.datum.is_known() {
                return value;
            }
            let default = evaluate(default, scene, now);
            Answer { until: default.until.min(value.until), ..default }
        }
        Expression::Convert { value, to } => convert(evaluate(value, scene, now), to),
        Expression::Property(_)
        | Expression::Context(_)
        | Expression::Step { .. }
        | Expression::Profile(_)
        | Expression::Rule(_)
        | Expression::Consented(_)
        | Expression::Early(_)
        | Expression::Aggregate(_) => scene.leaf(expression, now),
    }
}

fn binary<'a>(
    operator: BinaryOperator,
    left: &'a Expression,
    right: &'a Expression,
    scene: &impl Scene<'a>,
    now: Moment,
) -> Answer<'a> {
    match operator {
        BinaryOperator::And | BinaryOperator::Or => {
            // One side can decide alone: as long as it stands, the other does not matter.
            let decisive = operator == BinaryOperator::Or;
            let first = evaluate(left, scene, now);
            if first.datum.is_true() == decisive {
                return Answer::new(Datum::Bool(decisive), first.until);
            }
            let second = evaluate(right, scene, now);
            if second.datum.is_true() == decisive {
                return Answer::new(Datum::Bool(decisive), second.until);
            }
            Answer::new(Datum::Bool(!decisive), first.until.min(second.until))
        }
        BinaryOperator::Equal
        | BinaryOperator::NotEqual
        | BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual => {
            scene.compare(operator, left, right, now).unwrap_or_else(|| comparison(operator, left, right, scene, now))
        }
        BinaryOperator::Add | BinaryOperator::Subtract | BinaryOperator::Multiply | BinaryOperator::Divide => {
            let (left, right) = (evaluate(left, scene, now), evaluate(right, scene, now));
            let datum = apply(operator, left.datum, right.datum);
            Answer { datum, until: left.until.min(right.until), rate: combined_rate(operator, &left, &right) }
        }
    }
}

fn combined_rate(operator: BinaryOperator, left: &Answer<'_>, right: &Answer<'_>) -> i64 {
    match operator {
        BinaryOperator::Add => left.rate.saturating_add(right.rate),
        BinaryOperator::Subtract => left.rate.saturating_sub(right.rate),
        // INVARIANT: neither grows; see `Answer::rate`.
        _ => 0,
    }
}

fn convert<'a>(answer: Answer<'a>, to: &Type) -> Answer<'a> {
    let datum = match (answer.datum, to) {
        (Datum::Int(_), Type::Decimal { .. }) => answer.datum.as_decimal().map_or(Datum::Unknown, Datum::Decimal),
        (datum, Type::Float) => datum.as_float().map_or(Datum::Unknown, Datum::float),
        (datum, _) => datum,
    };
    Answer { datum, ..answer }
}

fn comparison<'a>(
    operator: BinaryOperator,
    left: &'a Expression,
    right: &'a Expression,
    scene: &impl Scene<'a>,
    now: Moment,
) -> Answer<'a> {
    let (a, b) = (evaluate(left, scene, now), evaluate(right, scene, now));
    let until = a.until.min(b.until);
    // Unknown: false, until a side may become known.
    let Some(order) = a.datum.compare(b.datum) else { return Answer::new(Datum::Bool(false), until) };
    let value = holds(operator, order);
    let approach = i128::from(a.rate) - i128::from(b.rate);
    let gap = if approach == 0 { None } else { distance(a.datum, b.datum) };
    let flips = gap.map_or(Moment::MAX, |gap| line_flip(operator, now, gap, approach));
    Answer::new(Datum::Bool(value), until.min(flips))
}

/// How far the left side is ahead of the right one, in microseconds.
fn distance(a: Datum<'_>, b: Datum<'_>) -> Option<i128> {
    match (a, b) {
        (Datum::Duration(a), Datum::Duration(b)) => Some(i128::from(a.0) - i128::from(b.0)),
        (Datum::Time(a), Datum::Time(b)) => Some(i128::from(a.0) - i128::from(b.0)),
        _ => None,
    }
}

/// The first moment after `now` at which `operator` judges the sides differently, when the gap between them moves by
/// `approach` each microsecond.
fn line_flip(operator: BinaryOperator, now: Moment, gap: i128, approach: i128) -> Moment {
    if approach == 0 {
        return Moment::MAX;
    }
    // The gap's sign can only change when it arrives at zero, and one step after it has.
    let arrives = (-gap).div_euclid(approach) + i128::from((-gap).rem_euclid(approach) != 0);
    let at = |after: i128| holds(operator, (gap + approach * after).cmp(&0));
    let before = at(0);
    let candidates = [arrives - 1, arrives, arrives + 1];
    let flip = candidates.into_iter().chain([1]).filter(|after| *after >= 1 && at(*after) != before).min();
    let moment = flip.and_then(|after| i64::try_from(i128::from(now.0) + after).ok());
    moment.map_or(Moment::MAX, Moment)
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct EventScene<'a> {
    /// The event.
    pub event: &'a Event,
}

impl EventScene<'_> {
    /// Whether a filter holds for it.
    pub fn holds(&self, filter: &Expression) -> bool {
        evaluate(filter, &EventScene { event: self.event }, Moment::MIN).datum.is_true()
    }
}

impl<'a> Scene<'a> for EventScene<'a> {
    fn leaf(&self, leaf: &'a Expression, _now: Moment) -> Answer<'a> {
        let value = match leaf {
            Expression::Property(slot) => self.event.properties.get(slot.index()),
            Expression::Context(slot) => self.event.context.get(slot.index()),
            _ => None,
        };
        Answer::constant(value.and_then(Option::as_ref).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPERATORS: [BinaryOperator; 6] = [
        BinaryOperator::Equal,
        BinaryOperator::NotEqual,
        BinaryOperator::Less,
        BinaryOperator::LessOrEqual,
        BinaryOperator::Greater,
        BinaryOperator::GreaterOrEqual,
    ];

    proptest! {
        /// The announced flip is the first, tried microsecond by microsecond.
        #[test]
        fn a_line_flips_exactly_when_announced(operator in prop::sample::select(&OPERATORS), gap in -40..40_i128, approach in -4..4_i128) {
            let judged = |after: i128| holds(operator, (gap + approach * after).cmp(&0));
            let first = (1..200).find(|after| judged(*after) != judged(0));
            let announced = line_flip(operator, Moment(1_000), gap, approach);
            prop_assert_eq!(announced, first.map_or(Moment::MAX, |after| Moment(1_000 + after as i64)));
        }
    }
}
