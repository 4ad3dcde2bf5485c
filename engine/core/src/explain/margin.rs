//! How far a comparison is from turning.

use super::explanation::Margin;
use crate::datum::Datum;
use crate::operators::holds;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::Value as Json;
use sonder_dsl::ir::BinaryOperator;
use sonder_dsl::time::{Duration, Moment};

/// A comparison's sides, the threshold on the right.
pub(super) struct Sides<'a> {
    pub operator: BinaryOperator,
    pub value: Datum<'a>,
    pub threshold: Datum<'a>,
    /// How the sides are shown.
    pub shown: [Json; 2],
    /// When the value falls by itself, if it does.
    pub falls: Option<Moment>,
}

/// `3 <= x` is `x >= 3`.
pub(super) fn mirrored(operator: BinaryOperator) -> BinaryOperator {
    match operator {
        BinaryOperator::Less => BinaryOperator::Greater,
        BinaryOperator::LessOrEqual => BinaryOperator::GreaterOrEqual,
        BinaryOperator::Greater => BinaryOperator::Less,
        BinaryOperator::GreaterOrEqual => BinaryOperator::LessOrEqual,
        other => other,
    }
}

/// The margin of an ordering between numbers, moments or lengths of time; `None` where there is no distance to speak of.
pub(super) fn margin(sides: Sides<'_>) -> Option<Margin> {
    let Sides { operator, value, threshold, shown: [shown, limit], falls } = sides;
    let is_holding = holds(operator, value.compare(threshold)?);
    let wants_more = match operator {
        BinaryOperator::Greater | BinaryOperator::GreaterOrEqual => true,
        BinaryOperator::Less | BinaryOperator::LessOrEqual => false,
        BinaryOperator::Equal => value.compare(threshold)?.is_lt(),
        _ => return None,
    };
    if operator == BinaryOperator::Equal && is_holding {
        return None;
    }
    let Gap { length, strict } = gap(operator, value, threshold)?;
    Some(Margin {
        operator: symbol(operator),
        value: shown,
        threshold: limit,
        missing: (!is_holding).then(|| length.clone()),
        spare: is_holding.then_some(length),
        direction: if wants_more == is_holding { "less" } else { "more" },
        strict,
        enough_until: falls.filter(|_| !is_holding && wants_more),
    })
}

struct Gap {
    length: Json,
    strict: bool,
}

/// The distance between the value and the nearest value at which the comparison turns, or would.
fn gap(operator: BinaryOperator, value: Datum<'_>, threshold: Datum<'_>) -> Option<Gap> {
    let exact = |length: Json| Some(Gap { length, strict: false });
    let strict_side = matches!(operator, BinaryOperator::Greater | BinaryOperator::Less);
    match (value, threshold) {
        (Datum::Int(whole), Datum::Int(_) | Datum::Decimal(_)) => {
            // The last whole number on the side where the comparison holds.
            let limit = threshold.as_decimal()?;
            let (floor, ceiling) = (limit.floor(), limit.ceil());
            let turning = match operator {
                BinaryOperator::GreaterOrEqual => ceiling,
                BinaryOperator::Greater => floor.checked_add(Decimal::ONE)?,
                BinaryOperator::LessOrEqual => floor,
                BinaryOperator::Less => ceiling.checked_sub(Decimal::ONE)?,
                _ if floor == ceiling => floor,
                _ => return None,
            };
            exact(turning.checked_sub(Decimal::from(whole))?.abs().to_u64()?.into())
        }
        (Datum::Decimal(_), Datum::Int(_) | Datum::Decimal(_)) => {
            let length = value.as_decimal()?.checked_sub(threshold.as_decimal()?)?.abs();
            Some(Gap { length: length.to_string().into(), strict: strict_side })
        }
        (Datum::Duration(a), Datum::Duration(b)) => time(a.0, b.0, strict_side),
        (Datum::Time(a), Datum::Time(b)) => time(a.0, b.0, strict_side),
        (Datum::Int(_) | Datum::Decimal(_) | Datum::Float(_), Datum::Int(_) | Datum::Decimal(_) | Datum::Float(_)) => {
            let length = (value.as_float()? - threshold.as_float()?).abs();
            Some(Gap { length: length.into(), strict: strict_side })
        }
        _ => None,
    }
}

fn time(a: i64, b: i64, strict: bool) -> Option<Gap> {
    let length = Duration(a.checked_sub(b)?.checked_abs()?);
    Some(Gap { length: length.to_string().into(), strict })
}

const fn symbol(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Less => "<",
        BinaryOperator::LessOrEqual => "<=",
        BinaryOperator::Greater => ">",
        BinaryOperator::GreaterOrEqual => ">=",
        _ => "==",
    }
}
