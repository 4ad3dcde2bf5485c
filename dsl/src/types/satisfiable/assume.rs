//! What follows from a condition: assuming that it holds, or that it does not, says something about the values in it.
//! When nothing is left for some value, the assumption was impossible.
//!
//! A state of affairs is a list of facts; a condition with `or` gives several. Too many are given up, which loses
//! knowledge and never soundness.

use super::facts::Leaves;
use super::values::{End, Fact, Point, Test, Values};
use crate::ir::{BinaryOperator, Expression, Type, UnaryOperator};
use rust_decimal::Decimal;
use std::cell::Cell;

/// What is known of the values of expressions.
#[derive(Clone, Debug, Default)]
pub struct State<'e> {
    facts: Vec<(Term<'e>, Fact)>,
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Term<'e> {
    /// The value of an expression.
    Value(&'e Expression),
    /// How two compare: -1, 0 or 1.
    Order(&'e Expression, &'e Expression),
}

/// States of affairs, one of which is the case; none when that is impossible.
pub type States<'e> = Vec<State<'e>>;

/// Where conditions are read.
pub struct Mind<'a> {
    /// What is known of leaves to begin with.
    pub leaves: &'a dyn Leaves,
    /// Steps left; with none, everything is possible.
    pub steps: &'a Cell<u32>,
}

/// States beyond this many are not told apart.
const MOST_STATES: usize = 16;

impl Mind<'_> {
    /// Whether the condition holds in none of the states.
    pub fn never(&self, condition: &Expression, states: &States<'_>) -> bool {
        states.iter().all(|state| self.assume(condition, true, state).is_empty())
    }

    /// Whether the condition holds in all of the states.
    pub fn always(&self, condition: &Expression, states: &States<'_>) -> bool {
        states.iter().all(|state| self.assume(condition, false, state).is_empty())
    }

    /// The states in which the condition is `truth`.
    pub fn assume_all<'e>(&self, condition: &'e Expression, truth: bool, states: &States<'e>) -> States<'e> {
        let after: States<'e> = states.iter().flat_map(|state| self.assume(condition, truth, state)).collect();
        if after.len() > MOST_STATES { states.clone() } else { after }
    }

    /// The states in which the condition is `truth`, given that it is in `state`.
    pub fn assume<'e>(&self, condition: &'e Expression, truth: bool, state: &State<'e>) -> States<'e> {
        if !self.step() {
            return vec![state.clone()];
        }
        match condition {
            Expression::Unary { operator: UnaryOperator::Not, operand } => self.assume(operand, !truth, state),
            Expression::Binary { operator: BinaryOperator::And, left, right } => {
                self.joined(left, right, truth, true, state)
            }
            Expression::Binary { operator: BinaryOperator::Or, left, right } => {
                self.joined(left, right, truth, false, state)
            }
            Expression::Binary { operator, left, right } => match test(*operator) {
                Some(test) => self.compared(test, left, right, truth, state),
                None => vec![state.clone()],
            },
            Expression::If { condition, then, otherwise } => {
                let mut states = self.assume_all(then, truth, &self.assume(condition, true, state));
                states.extend(self.assume_all(otherwise, truth, &self.assume(condition, false, state)));
                few(states, state)
            }
            Expression::IsKnown(value) => {
                let mut fact = self.value(value, state);
                if truth {
                    fact.unknown = false;
                } else {
                    fact.values = Values::OneOf(Vec::new());
                }
                state.with(Term::Value(bare(value)), fact)
            }
            // An unknown yes or no counts as no.
            other => {
                let fact = self.value(other, state);
                let tested = fact.clone().tested(Test::Equal, &Point::Flag(truth));
                state.with(Term::Value(other), Fact { unknown: fact.unknown && !truth, ..tested })
            }
        }
    }

    fn joined<'e>(
        &self,
        left: &'e Expression,
        right: &'e Expression,
        truth: bool,
        and: bool,
        state: &State<'e>,
    ) -> States<'e> {
        if truth == and {
            // What the second says may be told apart better after the first, and the other way round.
            return few(self.assume_all(right, truth, &self.assume(left, truth, state)), state);
        }
        let mut states = self.assume(left, truth, state);
        states.extend(self.assume_all(right, truth, &self.assume(left, !truth, state)));
        few(states, state)
    }

    fn compared<'e>(
        &self,
        test: Test,
        left: &'e Expression,
        right: &'e Expression,
        truth: bool,
        state: &State<'e>,
    ) -> States<'e> {
        let (left, right) = (bare(left), bare(right));
        let (left_fact, right_fact) = (self.value(left, state), self.value(right, state));
        let may_be_unknown = left_fact.unknown || right_fact.unknown;
        let holding = if truth { test } else { test.opposite() };
        let constant = |side: &Expression| matches!(side, Expression::Constant(_));
        let (term, fact, point, holding) = match (left_fact.single(), right_fact.single()) {
            (_, Some(point)) if constant(right) => (left, &left_fact, point, holding),
            (Some(point), _) if constant(left) => (right, &right_fact, point, holding.mirrored()),
            _ => return self.related((left, left_fact), (right, right_fact), holding, truth, state),
        };
        let mut tested = fact.clone().tested(holding, point);
        if let (Test::Equal, Point::Text(text)) = (holding, point)
            && self.leaves.refuses(term, text)
        {
            tested.values = Values::OneOf(Vec::new());
        }
        state.with(Term::Value(term), Fact { unknown: may_be_unknown && !truth, ..tested })
    }

    /// Two values that both vary.
    fn related<'e>(
        &self,
        (left, left_fact): (&'e Expression, Fact),
        (right, right_fact): (&'e Expression, Fact),
        test: Test,
        truth: bool,
        state: &State<'e>,
    ) -> States<'e> {
        let may_be_unknown = left_fact.unknown || right_fact.unknown;
        let order = |signs: &[i64]| Values::OneOf(signs.iter().map(|sign| Point::Exact((*sign).into())).collect());
        let known = if left == right { order(&[0]) } else { order(&[-1, 0, 1]) };
        let before = state.get(Term::Order(left, right)).cloned().or_else(|| {
            let turned = state.get(Term::Order(right, left))?;
            Some(Fact { values: reversed(&turned.values), ..turned.clone() })
        });
        let before = before.map_or(known.clone(), |fact| fact.values.intersection(&known, true));
        // What the ends of both leave over.
        let possible = [-1, 0, 1].into_iter().filter(|sign| match sign {
            -1 => !apart(&left_fact, &right_fact, Test::Less),
            0 => !apart(&left_fact, &right_fact, Test::Equal),
            _ => !apart(&left_fact, &right_fact, Test::Greater),
        });
        let possible: Vec<i64> = possible.collect();
        let values = before.intersection(&order(&possible), true).tested(test, &Point::Exact(Decimal::ZERO), true);
        let unknown = may_be_unknown && !truth;
        let mut states = state.with(Term::Order(left, right), Fact { values, unknown, whole: true });
        if truth {
            states = states
                .into_iter()
                .flat_map(|state| state.with(Term::Value(left), Fact { unknown: false, ..left_fact.clone() }))
                .collect();
            states = states
                .into_iter()
                .flat_map(|state| state.with(Term::Value(right), Fact { unknown: false, ..right_fact.clone() }))
                .collect();
            if test == Test::Equal {
                let whole = left_fact.whole && right_fact.whole;
                let values = left_fact.values.intersection(&right_fact.values, whole);
                let same = Fact { values, unknown: false, whole };
                states = states.into_iter().flat_map(|state| state.with(Term::Value(left), same.clone())).collect();
                states = states.into_iter().flat_map(|state| state.with(Term::Value(right), same.clone())).collect();
            }
        }
        states
    }

    /// What a value may be.
    pub fn value(&self, expression: &Expression, state: &State<'_>) -> Fact {
        if !self.step() {
            return Fact::any();
        }
        let computed = self.computed(expression, state);
        match state.get(Term::Value(bare(expression))) {
            Some(fact) => Fact {
                values: computed.values.intersection(&fact.values, computed.whole),
                unknown: computed.unknown && fact.unknown,
                whole: computed.whole,
            },
            None => computed,
        }
    }

    fn computed(&self, expression: &Expression, state: &State<'_>) -> Fact {
        match expression {
            Expression::Constant(value) => Point::of(value).map_or_else(Fact::any, Fact::only),
            Expression::Convert { value, to } => converted(self.value(value, state), to),
            Expression::OrDefault { value, default } => {
                let value = self.value(value, state);
                if !value.unknown {
                    return value;
                }
                let default = self.value(default, state);
                let unknown = default.unknown;
                Fact { unknown, ..value.either(default) }
            }
            Expression::If { condition, then, otherwise } => {
                let branch = |truth, value: &Expression| {
                    let states = self.assume(condition, truth, state);
                    states.iter().map(|state| self.value(value, state)).reduce(Fact::either)
                };
                match (branch(true, then), branch(false, otherwise)) {
                    (Some(a), Some(b)) => a.either(b),
                    (a, b) => a.or(b).unwrap_or_else(Fact::any),
                }
            }
            Expression::Unary { operator: UnaryOperator::Negate, operand } => negated(&self.value(operand, state)),
            Expression::Unary { operator: UnaryOperator::Not, .. } | Expression::IsKnown(_) => {
                self.flag(expression, state)
            }
            Expression::Binary { operator, left, right } => match operator {
                BinaryOperator::Add => sum(&self.value(left, state), &self.value(right, state)),
                BinaryOperator::Subtract => sum(&self.value(left, state), &negated(&self.value(right, state))),
                BinaryOperator::Multiply => product(&self.value(left, state), &self.value(right, state)),
                BinaryOperator::Divide => Fact::any(),
                _ => self.flag(expression, state),
            },
            leaf => self.leaves.fact(leaf),
        }
    }

    /// Of a condition that is used as a value.
    fn flag(&self, condition: &Expression, state: &State<'_>) -> Fact {
        let mut points = Vec::new();
        for truth in [false, true] {
            if !self.assume(condition, truth, state).is_empty() {
                points.push(Point::Flag(truth));
            }
        }
        Fact { values: Values::OneOf(points), unknown: false, whole: false }
    }

    fn step(&self) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        left > 0
    }
}

impl<'e> State<'e> {
    fn get(&self, term: Term<'_>) -> Option<&Fact> {
        self.facts.iter().find(|(other, _)| *other == term).map(|(_, fact)| fact)
    }

    /// The same with one more fact; nothing when that is impossible. A constant is what it is.
    fn with(&self, term: Term<'e>, fact: Fact) -> States<'e> {
        if fact.is_impossible() {
            return Vec::new();
        }
        let mut state = self.clone();
        match state.facts.iter_mut().find(|(other, _)| *other == term) {
            Some((_, known)) => *known = fact,
            None => state.facts.push((term, fact)),
        }
        vec![state]
    }
}

fn few<'e>(states: States<'e>, before: &State<'e>) -> States<'e> {
    if states.len() > MOST_STATES { vec![before.clone()] } else { states }
}

/// Whole numbers made exact are the same numbers.
fn bare(expression: &Expression) -> &Expression {
    match expression {
        Expression::Convert { value, to: Type::Decimal { .. } } => bare(value),
        other => other,
    }
}

/// The test that an operator makes, if it makes one.
pub fn test(operator: BinaryOperator) -> Option<Test> {
    Some(match operator {
        BinaryOperator::Equal => Test::Equal,
        BinaryOperator::NotEqual => Test::NotEqual,
        BinaryOperator::Less => Test::Less,
        BinaryOperator::LessOrEqual => Test::LessOrEqual,
        BinaryOperator::Greater => Test::Greater,
        BinaryOperator::GreaterOrEqual => Test::GreaterOrEqual,
        _ => return None,
    })
}

/// Whether no value of the one and no value of the other pass the test.
fn apart(left: &Fact, right: &Fact, test: Test) -> bool {
    let ((left_low, left_high), (right_low, right_high)) = (left.values.ends(), right.values.ends());
    let below = |low: &Option<End>, high: &Option<End>, or_equal: bool| match (low, high) {
        (Some(low), Some(high)) => low
            .at
            .compare(&high.at)
            .is_some_and(|order| order.is_gt() || (order.is_eq() && (!or_equal || low.open || high.open))),
        _ => false,
    };
    match test {
        Test::Less => below(&left_low, &right_high, false),
        Test::Greater => below(&right_low, &left_high, false),
        _ => {
            below(&left_low, &right_high, true)
                || below(&right_low, &left_high, true)
                || left
                    .values
                    .clone()
                    .intersection(&right.values, left.whole && right.whole)
                    .is_empty(left.whole && right.whole)
        }
    }
}

fn reversed(values: &Values) -> Values {
    negated(&Fact { values: values.clone(), unknown: false, whole: true }).values
}

fn negated(fact: &Fact) -> Fact {
    let flip = |point: &Point| match point {
        Point::Exact(number) => Some(Point::Exact(-*number)),
        Point::Float(number) => Some(Point::Float(-*number)),
        Point::Micros(number) => number.checked_neg().map(Point::Micros),
        Point::Text(_) | Point::Flag(_) => None,
    };
    let end = |end: &Option<End>| end.as_ref().and_then(|end| Some(End { at: flip(&end.at)?, open: end.open }));
    let values = match &fact.values {
        Values::OneOf(points) => points.iter().map(flip).collect::<Option<Vec<_>>>().map_or(Values::ALL, Values::OneOf),
        Values::Between { low, high, .. } => Values::Between { low: end(high), high: end(low), except: Vec::new() },
    };
    Fact { values, ..fact.clone() }
}

/// A sum that leaves what can be counted with is unknown, or the nearest that can.
fn sum(left: &Fact, right: &Fact) -> Fact {
    let add = |a: &Point, b: &Point| match (a, b) {
        (Point::Exact(a), Point::Exact(b)) => a.checked_add(*b).map(Point::Exact),
        (Point::Float(a), Point::Float(b)) => Some(a + b).filter(|sum| sum.is_finite()).map(Point::Float),
        (Point::Micros(a), Point::Micros(b)) => a.checked_add(*b).map(Point::Micros),
        _ => None,
    };
    let end = |a: Option<End>, b: Option<End>| {
        let (a, b) = (a?, b?);
        // Rounding may reach an end that is out.
        let open = (a.open || b.open) && !matches!(a.at, Point::Float(_));
        Some(End { at: add(&a.at, &b.at)?, open })
    };
    let ((left_low, left_high), (right_low, right_high)) = (left.values.ends(), right.values.ends());
    Fact {
        values: Values::Between { low: end(left_low, right_low), high: end(left_high, right_high), except: Vec::new() },
        unknown: true,
        whole: left.whole && right.whole,
    }
}

/// Only what is not below zero on both sides says something.
fn product(left: &Fact, right: &Fact) -> Fact {
    let zero = |fact: &Fact| {
        let (low, _) = fact.values.ends();
        low.and_then(|low| {
            let zero = match low.at {
                Point::Exact(_) => Point::Exact(Decimal::ZERO),
                Point::Float(_) => Point::Float(0.0),
                Point::Micros(_) => Point::Micros(0),
                Point::Text(_) | Point::Flag(_) => return None,
            };
            low.at.compare(&zero).is_some_and(std::cmp::Ordering::is_ge).then_some(zero)
        })
    };
    let values = match (zero(left), zero(right)) {
        (Some(Point::Micros(_)), Some(_)) | (Some(_), Some(Point::Micros(_))) => Values::from(Point::Micros(0)),
        (Some(Point::Float(_)), Some(_)) | (Some(_), Some(Point::Float(_))) => Values::from(Point::Float(0.0)),
        (Some(zero), Some(_)) => Values::from(zero),
        _ => Values::ALL,
    };
    Fact { values, unknown: true, whole: left.whole && right.whole }
}

/// A number as a float is near to it.
fn converted(fact: Fact, to: &Type) -> Fact {
    if !matches!(to, Type::Float) {
        return fact;
    }
    let near = |end: Option<End>, down: bool| {
        let Some(End { at: Point::Exact(number), .. }) = end else { return None };
        let number: f64 = number.to_string().parse().ok()?;
        let slack = number.abs() * 1e-12;
        Some(End { at: Point::Float(if down { number - slack } else { number + slack }), open: false })
    };
    let (low, high) = fact.values.ends();
    let none_left = fact.values.is_empty(fact.whole);
    let values = if none_left {
        Values::OneOf(Vec::new())
    } else {
        Values::Between { low: near(low, true), high: near(high, false), except: Vec::new() }
    };
    Fact { values, unknown: fact.unknown, whole: false }
}
