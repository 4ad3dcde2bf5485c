//! What operators do to values. Nothing fails: what cannot be computed (overflow, division by zero) is unknown.

use crate::datum::Datum;
use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};
use sonder_dsl::ir::BinaryOperator;
use sonder_dsl::time::{Duration, Moment};
use std::cmp::Ordering;

/// Whether a comparison holds for two values in this order.
pub fn holds(operator: BinaryOperator, order: Ordering) -> bool {
    match operator {
        BinaryOperator::Equal => order.is_eq(),
        BinaryOperator::NotEqual => order.is_ne(),
        BinaryOperator::Less => order.is_lt(),
        BinaryOperator::LessOrEqual => order.is_le(),
        BinaryOperator::Greater => order.is_gt(),
        BinaryOperator::GreaterOrEqual => order.is_ge(),
        _ => false,
    }
}

/// `-x`
pub fn negate(datum: Datum<'_>) -> Datum<'_> {
    match datum {
        Datum::Int(it) => it.checked_neg().map_or(Datum::Unknown, Datum::Int),
        Datum::Decimal(it) => Datum::Decimal(-it),
        Datum::Float(it) => Datum::Float(-it),
        Datum::Duration(it) => duration(it.0.checked_neg()),
        _ => Datum::Unknown,
    }
}

/// `+`, `-`, `*`, `/`
pub fn apply<'a>(operator: BinaryOperator, left: Datum<'a>, right: Datum<'a>) -> Datum<'a> {
    match (left, right) {
        (Datum::Duration(_) | Datum::Time(_), _) | (_, Datum::Duration(_) | Datum::Time(_)) => {
            apply_to_time(operator, left, right)
        }
        _ if operator == BinaryOperator::Divide => divide(left, right),
        (Datum::Int(a), Datum::Int(b)) => whole(match operator {
            BinaryOperator::Add => a.checked_add(b),
            BinaryOperator::Subtract => a.checked_sub(b),
            _ => a.checked_mul(b),
        }),
        (Datum::Float(_), _) | (_, Datum::Float(_)) => {
            let (Some(a), Some(b)) = (left.as_float(), right.as_float()) else { return Datum::Unknown };
            Datum::float(match operator {
                BinaryOperator::Add => a + b,
                BinaryOperator::Subtract => a - b,
                _ => a * b,
            })
        }
        _ => {
            let (Some(a), Some(b)) = (left.as_decimal(), right.as_decimal()) else { return Datum::Unknown };
            let result = match operator {
                BinaryOperator::Add => a.checked_add(b),
                BinaryOperator::Subtract => a.checked_sub(b),
                _ => a.checked_mul(b),
            };
            result.map_or(Datum::Unknown, Datum::Decimal)
        }
    }
}

fn divide<'a>(left: Datum<'a>, right: Datum<'a>) -> Datum<'a> {
    match (left.as_float(), right.as_float()) {
        (Some(_), Some(0.0)) | (None, _) | (_, None) => Datum::Unknown,
        (Some(a), Some(b)) => Datum::float(a / b),
    }
}

fn apply_to_time<'a>(operator: BinaryOperator, left: Datum<'a>, right: Datum<'a>) -> Datum<'a> {
    match (operator, left, right) {
        (BinaryOperator::Add, Datum::Duration(a), Datum::Duration(b)) => duration(a.0.checked_add(b.0)),
        (BinaryOperator::Subtract, Datum::Duration(a), Datum::Duration(b)) => duration(a.0.checked_sub(b.0)),
        (BinaryOperator::Divide, Datum::Duration(a), Datum::Duration(b)) => {
            if b.0 == 0 {
                Datum::Unknown
            } else {
                Datum::float(a.0 as f64 / b.0 as f64)
            }
        }
        (BinaryOperator::Multiply, Datum::Duration(a), factor)
        | (BinaryOperator::Multiply, factor, Datum::Duration(a)) => scale(a, factor),
        (BinaryOperator::Divide, Datum::Duration(a), divisor) => match divisor.as_float() {
            None | Some(0.0) => Datum::Unknown,
            Some(divisor) => rounded(a.0 as f64 / divisor),
        },
        (BinaryOperator::Add, Datum::Time(at), Datum::Duration(by))
        | (BinaryOperator::Add, Datum::Duration(by), Datum::Time(at)) => time(at.0.checked_add(by.0)),
        (BinaryOperator::Subtract, Datum::Time(at), Datum::Duration(by)) => time(at.0.checked_sub(by.0)),
        (BinaryOperator::Subtract, Datum::Time(a), Datum::Time(b)) => duration(a.0.checked_sub(b.0)),
        _ => Datum::Unknown,
    }
}

/// A duration times a number; to the nearest microsecond, halves away from zero, as SQL rounds.
fn scale<'a>(length: Duration, factor: Datum<'a>) -> Datum<'a> {
    match factor {
        Datum::Int(factor) => duration(length.0.checked_mul(factor)),
        Datum::Decimal(factor) => {
            let exact = Decimal::from(length.0).checked_mul(factor);
            let nearest = exact.map(|it| it.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero));
            duration(nearest.and_then(|it| it.to_i64()))
        }
        Datum::Float(factor) => rounded(length.0 as f64 * factor),
        _ => Datum::Unknown,
    }
}

fn rounded<'a>(micros: f64) -> Datum<'a> {
    let nearest = micros.round();
    // 2^63 itself does not fit; every float below it does.
    let fits = nearest.is_finite() && nearest.abs() < 9.223_372_036_854_776e18;
    duration(fits.then_some(nearest as i64))
}

fn whole<'a>(value: Option<i64>) -> Datum<'a> {
    value.map_or(Datum::Unknown, Datum::Int)
}

fn duration<'a>(value: Option<i64>) -> Datum<'a> {
    value.map_or(Datum::Unknown, |micros| Datum::Duration(Duration(micros)))
}

fn time<'a>(value: Option<i64>) -> Datum<'a> {
    value.map_or(Datum::Unknown, |micros| Datum::Time(Moment(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(datum: Datum<'_>) -> String {
        format!("{datum:?}")
    }

    #[test]
    fn arithmetic_is_exact_or_unknown() {
        let [a, b] = [Datum::Decimal(Decimal::new(1, 1)), Datum::Decimal(Decimal::new(2, 1))];
        assert_eq!(shown(apply(BinaryOperator::Add, a, b)), "Decimal(0.3)");
        assert_eq!(shown(apply(BinaryOperator::Add, Datum::Int(i64::MAX), Datum::Int(1))), "Unknown");
        assert_eq!(shown(apply(BinaryOperator::Divide, Datum::Int(1), Datum::Int(0))), "Unknown");
        assert_eq!(shown(apply(BinaryOperator::Divide, Datum::Int(1), Datum::Int(2))), "Float(0.5)");
        assert_eq!(shown(apply(BinaryOperator::Add, Datum::Unknown, Datum::Int(1))), "Unknown");
    }

    #[test]
    fn durations_round_halves_away_from_zero() {
        let half = Datum::Decimal(Decimal::new(5, 1));
        assert_eq!(shown(apply(BinaryOperator::Multiply, Datum::Duration(Duration(5)), half)), "Duration(Duration(3))");
        assert_eq!(
            shown(apply(BinaryOperator::Multiply, half, Datum::Duration(Duration(-5)))),
            "Duration(Duration(-3))"
        );
    }
}
