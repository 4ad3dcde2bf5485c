//! No false alarm: what is called never true is false, and what is called always true is true, for whatever values, by an
//! evaluation that knows nothing of any of this.

#![expect(clippy::unreachable, reason = "the generators make nothing else")]

use super::assume::{Mind, State};
use super::facts::{self, OfEvent, OfPerson};
use crate::diagnostic::Report;
use crate::ir::{
    AggregateId, BinaryOperator, EventSelector, Expression, Function, Lowered, Type, UnaryOperator, Value,
};
use crate::model::{Declarations, Plugins};
use crate::project::{self, Memory};
use crate::source::{SourceFile, SourceSet};
use crate::time::Duration;
use crate::{limits, syntax};
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use std::cell::Cell;
use std::cmp::Ordering;

const EVENT: &str = "event: view
properties:
  category: {type: string, enum: [a, b, c]}
  code: {type: string, minLength: 2, pattern: '^[a-z]+$'}
  stars: {type: integer, minimum: 0, maximum: 5}
  level: {type: integer}
  price: {type: number, multipleOf: 0.1, minimum: 0, exclusiveMaximum: 4}
  weight: {type: number, maximum: 3}
  flag: {type: boolean}
";

fn lowered(rules: &str) -> (Declarations, Lowered) {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let sources = SourceSet::new(vec![
        file("sonder.yaml", "name: shop"),
        file("events/view.yaml", EVENT),
        file("rules/r.sonder", rules),
    ]);
    let mut report = Report::default();
    let declared = project::declare(&sources, &mut Memory::default(), &mut report);
    let mut diagnostics = Vec::new();
    let id = declared.rule_files[0];
    let parsed = syntax::parse(id, rules, &mut diagnostics);
    let (lowered, _) =
        crate::ir::lower(&sources, (vec![parsed], Vec::new()), &declared.declarations, &Plugins::default());
    assert!(diagnostics.is_empty() && lowered.faulty_rules.is_empty(), "{rules}\n{diagnostics:?}");
    (declared.declarations, lowered)
}

/// Every condition inside an expression, with what is said of it, against what it is for some values.
fn no_false_alarm(
    mind: &Mind<'_>,
    condition: &Expression,
    leaf: &dyn Fn(&Expression) -> Option<Value>,
) -> Result<u32, TestCaseError> {
    let mut parts = Vec::new();
    gather(condition, &mut parts);
    let start = vec![State::default()];
    let mut claims = 0;
    for part in parts {
        let truth = evaluate(part, leaf) == Some(Value::Bool(true));
        let (never, always) = (mind.never(part, &start), mind.always(part, &start));
        prop_assert!(!never || !truth, "said to be never true: {part:?}");
        prop_assert!(!always || truth, "said to be always true: {part:?}");
        claims += u32::from(never) + u32::from(always);
    }
    Ok(claims)
}

fn gather<'e>(expression: &'e Expression, parts: &mut Vec<&'e Expression>) {
    let is_condition = match expression {
        Expression::Unary { operator, .. } => *operator == UnaryOperator::Not,
        Expression::Binary { operator, .. } => {
            super::assume::test(*operator).is_some() || matches!(operator, BinaryOperator::And | BinaryOperator::Or)
        }
        Expression::IsKnown(_) => true,
        _ => false,
    };
    if is_condition {
        parts.push(expression);
    }
    expression.children().into_iter().flatten().for_each(|child| gather(child, parts));
}

/// The value of an expression, read off its definition.
fn evaluate(expression: &Expression, leaf: &dyn Fn(&Expression) -> Option<Value>) -> Option<Value> {
    let holds = |part: &Expression| evaluate(part, leaf) == Some(Value::Bool(true));
    match expression {
        Expression::Constant(value) => Some(value.clone()),
        Expression::Unary { operator: UnaryOperator::Not, operand } => Some(Value::Bool(!holds(operand))),
        Expression::Unary { operator: UnaryOperator::Negate, operand } => Some(match evaluate(operand, leaf)? {
            Value::Int(number) => Value::Int(-number),
            Value::Decimal(number) => Value::Decimal(-number),
            Value::Float(number) => Value::Float(-number),
            Value::Duration(length) => Value::Duration(Duration(-length.0)),
            other => other,
        }),
        Expression::If { condition, then, otherwise } => {
            evaluate(if holds(condition) { then } else { otherwise }, leaf)
        }
        Expression::IsKnown(value) => Some(Value::Bool(evaluate(value, leaf).is_some())),
        Expression::OrDefault { value, default } => evaluate(value, leaf).or_else(|| evaluate(default, leaf)),
        Expression::Convert { value, to } => Some(match (evaluate(value, leaf)?, to) {
            (Value::Int(number), Type::Decimal { .. }) => Value::Decimal(number.into()),
            (Value::Int(number), Type::Float) => Value::Float(number as f64),
            (Value::Decimal(number), Type::Float) => Value::Float(number.to_string().parse().ok()?),
            (other, _) => other,
        }),
        Expression::Binary { operator: BinaryOperator::And, left, right } => {
            Some(Value::Bool(holds(left) && holds(right)))
        }
        Expression::Binary { operator: BinaryOperator::Or, left, right } => {
            Some(Value::Bool(holds(left) || holds(right)))
        }
        Expression::Binary { operator, left, right } => {
            let (left, right) = (evaluate(left, leaf), evaluate(right, leaf));
            if super::assume::test(*operator).is_none() {
                return calculate(*operator, &left?, &right?);
            }
            let order = left.zip(right).and_then(|(left, right)| compare(&left, &right));
            Some(Value::Bool(order.is_some_and(|order| match operator {
                BinaryOperator::Equal => order.is_eq(),
                BinaryOperator::NotEqual => order.is_ne(),
                BinaryOperator::Less => order.is_lt(),
                BinaryOperator::LessOrEqual => order.is_le(),
                BinaryOperator::Greater => order.is_gt(),
                _ => order.is_ge(),
            })))
        }
        other => leaf(other),
    }
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn calculate(operator: BinaryOperator, left: &Value, right: &Value) -> Option<Value> {
    Some(match (operator, left, right) {
        (BinaryOperator::Add, Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b)?),
        (BinaryOperator::Subtract, Value::Int(a), Value::Int(b)) => Value::Int(a.checked_sub(*b)?),
        (BinaryOperator::Multiply, Value::Int(a), Value::Int(b)) => Value::Int(a.checked_mul(*b)?),
        (BinaryOperator::Add, Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(a.checked_add(*b)?),
        (BinaryOperator::Subtract, Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(a.checked_sub(*b)?),
        (BinaryOperator::Multiply, Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(a.checked_mul(*b)?),
        (BinaryOperator::Add, Value::Float(a), Value::Float(b)) => Value::Float(a + b),
        (BinaryOperator::Subtract, Value::Float(a), Value::Float(b)) => Value::Float(a - b),
        (BinaryOperator::Multiply, Value::Float(a), Value::Float(b)) => Value::Float(a * b),
        (BinaryOperator::Divide, Value::Float(a), Value::Float(b)) if *b != 0.0 => Value::Float(a / b),
        (BinaryOperator::Add, Value::Duration(a), Value::Duration(b)) => Value::Duration(Duration(a.0 + b.0)),
        (BinaryOperator::Subtract, Value::Duration(a), Value::Duration(b)) => Value::Duration(Duration(a.0 - b.0)),
        _ => return None,
    })
}

fn operator() -> impl Strategy<Value = &'static str> {
    select(vec!["==", "!=", "<", "<=", ">", ">="])
}

/// Conditions made of some others.
fn joined(atoms: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    atoms.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            1 => inner.clone().prop_map(|a| format!("(not {a})")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

fn about_an_event() -> impl Strategy<Value = String> {
    let whole = || {
        select(vec![
            "stars",
            "level",
            "(stars or 2)",
            "(stars + level)",
            "(2 * stars)",
            "(if flag then stars else 3)",
            "(-stars)",
            "(level - stars)",
        ])
    };
    let atoms = prop_oneof![
        4 => (whole(), operator(), -2..8_i8).prop_map(|(a, op, n)| format!("{a} {op} {n}")),
        2 => (whole(), operator(), whole()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (whole(), operator(), -2..8_i8).prop_map(|(a, op, n)| format!("{n} {op} {a}")),
        1 => (select(vec!["stars", "level"]), operator(), -2..8_i8).prop_map(|(a, op, n)| format!("{a} {op} {n}.5")),
        2 => (select(vec!["price", "(price + price)", "(price * price)"]), operator(), -2..6_i8, 0..10_u8).prop_map(|(a, op, n, d)| format!("{a} {op} {n}.{d}")),
        2 => (select(vec!["weight", "(weight + stars)", "(weight * weight)"]), operator(), -3..6_i8).prop_map(|(a, op, n)| format!("{a} {op} {n}.5")),
        2 => (select(vec!["==", "!="]), select(vec!["a", "b", "c"])).prop_map(|(op, text)| format!("category {op} \"{text}\"")),
        1 => (select(vec!["==", "!=", "<", ">"]), select(vec!["x", "ab", "AB", "abc"])).prop_map(|(op, text)| format!("code {op} \"{text}\"")),
        1 => Just("code == category".to_owned()),
        1 => Just("flag".to_owned()),
        1 => select(vec!["flag == true", "flag != false", "flag == (stars > 2)"]).prop_map(str::to_owned),
        2 => (select(vec!["stars", "level", "category", "price", "flag", "(stars or 1)"]), select(vec!["known", "unknown"])).prop_map(|(a, b)| format!("{a} is {b}")),
    ];
    joined(atoms.boxed())
}

fn about_a_person() -> impl Strategy<Value = String> {
    let count = || {
        select(vec![
            "count(view)",
            "count(view, last 7d)",
            "distinct(view.category)",
            "distinct(view.flag)",
            "count(view where stars > 9)",
            "(count(view) + 2 * count(view, last 7d))",
            "max(view.stars)",
            "first(view.stars where stars < 3)",
            "sum(view.stars)",
        ])
    };
    let atoms = prop_oneof![
        4 => (count(), operator(), -2..6_i8).prop_map(|(a, op, n)| format!("{a} {op} {n}")),
        2 => (count(), operator(), count()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => select(vec!["did(view)", "did(view where price > 9.0)", "did(view, last 7d)"]).prop_map(str::to_owned),
        1 => (select(vec!["==", "!="]), select(vec!["a", "b"])).prop_map(|(op, text)| format!("top(view.category) {op} \"{text}\"")),
        2 => (select(vec!["since(view)", "since(view, last 7d)"]), select(vec!["<", "<=", ">", ">="]), 0..10_u8).prop_map(|(a, op, n)| format!("{a} {op} {n}d")),
        1 => (select(vec!["sum(view.price)", "min(view.price)"]), operator(), -2..6_i8).prop_map(|(a, op, n)| format!("{a} {op} {n}.5")),
        1 => (count(), select(vec!["known", "unknown"])).prop_map(|(a, b)| format!("{a} is {b}")),
    ];
    joined(atoms.boxed())
}

/// A number made from a seed, small, so that limits are met.
fn small(seed: u64, from: i64, to: i64) -> i64 {
    from + (seed % (to - from + 1) as u64) as i64
}

fn mixed(seed: u64, salt: u64) -> u64 {
    let mut state = seed ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^= state >> 31;
    state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state ^ (state >> 29)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_events(condition in about_an_event(), seeds in prop::collection::vec(any::<u64>(), 40)) {
        let (declarations, lowered) = lowered(&format!("trait t = count(view where {condition})"));
        let aggregate = &lowered.aggregates[0];
        let EventSelector::One(event) = aggregate.pattern.event else { unreachable!() };
        let steps = Cell::new(limits::SATISFIABLE_STEPS * 100);
        let leaves = OfEvent { declarations: &declarations, lowered: &lowered, event: aggregate.pattern.event, earlier: &[] };
        let mind = Mind { leaves: &leaves, steps: &steps };
        let filter = aggregate.pattern.filter.as_ref().unwrap();
        for seed in seeds {
            let leaf = |leaf: &Expression| {
                let Expression::Property(slot) = leaf else { unreachable!() };
                let name = lowered.slots[event.index()][slot.index()].path[0].as_str();
                let seed = mixed(seed, u64::from(slot.0));
                if seed.is_multiple_of(4) {
                    return None;
                }
                let seed = seed / 4;
                Some(match name {
                    "category" => Value::String(["a", "b", "c"][(seed % 3) as usize].into()),
                    "code" => Value::String(["ab", "abc", "zz"][(seed % 3) as usize].into()),
                    "stars" => Value::Int(small(seed, 0, 5)),
                    "level" => Value::Int(small(seed, -3, 9)),
                    "price" => Value::Decimal(Decimal::new(small(seed, 0, 39), 1)),
                    "weight" => Value::Float(small(seed, -8, 6) as f64 / 2.0),
                    _ => Value::Bool(seed.is_multiple_of(2)),
                })
            };
            no_false_alarm(&mind, filter, &leaf)?;
        }
    }

    #[test]
    fn of_people(condition in about_a_person(), seeds in prop::collection::vec(any::<u64>(), 40)) {
        let (declarations, lowered) = lowered(&format!("segment s {{ when {condition} }}"));
        let steps = Cell::new(limits::SATISFIABLE_STEPS * 100);
        let facts: Vec<_> = (0..lowered.aggregates.len() as u32)
            .map(|id| facts::of_aggregate(&declarations, &lowered, AggregateId(id), &steps))
            .collect();
        let leaves = OfPerson { declarations: &declarations, aggregates: &facts, rules: &[] };
        let mind = Mind { leaves: &leaves, steps: &steps };
        for seed in seeds {
            let leaf = |leaf: &Expression| {
                let Expression::Aggregate(id) = leaf else { unreachable!() };
                let aggregate = &lowered.aggregates[id.index()];
                let seed = mixed(seed, u64::from(id.0));
                let text = format!("{:?}", aggregate.pattern.filter);
                let impossible = text.contains("Int(9)") || text.contains("Decimal(9.0)");
                let day = 86_400_000_000_i64;
                match &aggregate.function {
                    Function::Count => Some(Value::Int(if impossible { 0 } else { small(seed, 0, 5) })),
                    Function::Did => Some(Value::Bool(!impossible && seed.is_multiple_of(2))),
                    Function::Distinct => {
                        let slot = &lowered.slots[0][aggregate.value.unwrap().index()];
                        Some(Value::Int(small(seed, 0, if slot.path[0] == "flag" { 2 } else { 3 })))
                    }
                    _ if seed.is_multiple_of(3) => None,
                    Function::Sum if aggregate.result == Type::Int => Some(Value::Int(small(seed, 0, 9))),
                    Function::Sum | Function::Min => Some(Value::Decimal(Decimal::new(small(seed, 0, 39), 1))),
                    Function::Max => Some(Value::Int(small(seed, 0, 5))),
                    Function::First => Some(Value::Int(small(seed, 0, 2))),
                    Function::Top => Some(Value::String(["a", "b", "c"][(seed % 3) as usize].into())),
                    Function::Since if aggregate.window == crate::ir::Window::Always => {
                        Some(Value::Duration(Duration(small(seed, 0, 12) * day)))
                    }
                    Function::Since => Some(Value::Duration(Duration(small(seed, 0, 6) * day))),
                    _ => unreachable!(),
                }
            };
            no_false_alarm(&mind, &lowered.rules[0].expression, &leaf)?;
        }
    }
}

/// No value of `stars` and `level` is equal to one of each of six pairs; who is short of steps must not say so.
#[test]
fn without_steps_nothing_is_said() {
    let parts: Vec<String> = (0..90).map(|n| format!("(stars == {} or level == {n})", n % 6)).collect();
    let (declarations, lowered) = lowered(&format!("trait t = count(view where {})", parts.join(" and ")));
    let pattern = &lowered.aggregates[0].pattern;
    let filter = pattern.filter.as_ref().unwrap();
    let leaves = OfEvent { declarations: &declarations, lowered: &lowered, event: pattern.event, earlier: &[] };
    for (steps, said) in [(0, false), (1, false), (5, false), (limits::SATISFIABLE_STEPS, true)] {
        let steps = Cell::new(steps);
        let mind = Mind { leaves: &leaves, steps: &steps };
        assert_eq!(mind.never(filter, &vec![State::default()]), said, "{steps:?}");
    }
}
