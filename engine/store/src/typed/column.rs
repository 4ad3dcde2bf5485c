//! Types of columns, and how a JSON value becomes one of their cells.
//!
//! INVARIANT: any JSON value goes into any column. What does not fit is NULL, never an error: one odd value must not keep
//! a batch out of the log.
//!
//! INVARIANT: a column of a type holds what rules read of the property: the same values, and NULL for the same ones.

use crate::seal::WORD;
use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Array, Decimal128Builder, Float64Builder, Int64Builder, ListArray,
    NullBufferBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, TimeUnit};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use serde_json::{Number, Value as Json};
use sonder_core::message::parse_timestamp;
use sonder_dsl::ir::Type;
use std::str::FromStr;
use std::sync::Arc;

/// Digits of every decimal column: as many as there can be, so that a sum never overflows.
const DECIMAL_DIGITS: u8 = 38;
/// What the kind of a sealed column begins with, where it is recorded.
const SEALED: &str = "SEALED ";
/// Scales beyond what a decimal of the language has are not kept as decimals.
const MAX_SCALE: u8 = 28;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Bool,
    Int,
    Decimal {
        scale: u8,
    },
    Float,
    Text,
    Time,
    /// Any value, as JSON text.
    Json,
    List(Box<ColumnKind>),
    /// Whether there is a value of another kind: what it is stands sealed beside its message.
    Sealed(Box<ColumnKind>),
}

impl ColumnKind {
    /// The column for a property of this type; what has no type of its own is kept as JSON.
    pub fn of(kind: Option<&Type>) -> Self {
        match kind {
            Some(Type::Bool) => Self::Bool,
            Some(Type::Int) => Self::Int,
            Some(Type::Decimal { scale }) if *scale <= MAX_SCALE => Self::Decimal { scale: *scale },
            Some(Type::Float | Type::Decimal { .. }) => Self::Float,
            Some(Type::String { .. }) => Self::Text,
            Some(Type::Time) => Self::Time,
            Some(Type::List(item)) => match Self::of(Some(item)) {
                Self::List(_) | Self::Json => Self::Json,
                scalar => Self::List(Box::new(scalar)),
            },
            Some(Type::Duration) | None => Self::Json,
        }
    }

    /// Whether it keeps only that there is a value.
    pub const fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed(_))
    }

    /// As in `CREATE TABLE`.
    pub fn sql(&self) -> String {
        match self {
            Self::Bool => "BOOLEAN".into(),
            Self::Int => "BIGINT".into(),
            Self::Decimal { scale } => format!("DECIMAL({DECIMAL_DIGITS},{scale})"),
            Self::Float => "DOUBLE".into(),
            Self::Text | Self::Json | Self::Sealed(_) => "VARCHAR".into(),
            Self::Time => "TIMESTAMP".into(),
            Self::List(item) => format!("{}[]", item.sql()),
        }
    }

    /// As recorded in `typed_columns`; unlike [`sql`](Self::sql) it tells JSON text from text.
    pub fn name(&self) -> String {
        match self {
            Self::Json => "JSON".into(),
            Self::Sealed(kind) => format!("{SEALED}{}", kind.name()),
            other => other.sql(),
        }
    }

    /// The inverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(kind) = name.strip_prefix(SEALED) {
            return Some(Self::Sealed(Box::new(Self::from_name(kind)?)));
        }
        if let Some(item) = name.strip_suffix("[]") {
            return Some(Self::List(Box::new(Self::from_name(item)?)));
        }
        Some(match name {
            "BOOLEAN" => Self::Bool,
            "BIGINT" => Self::Int,
            "DOUBLE" => Self::Float,
            "VARCHAR" => Self::Text,
            "TIMESTAMP" => Self::Time,
            "JSON" => Self::Json,
            _ => {
                let scale = name.strip_prefix("DECIMAL(38,")?.strip_suffix(')')?;
                Self::Decimal { scale: scale.parse().ok()? }
            }
        })
    }

    /// The Arrow type that is appended to such a column.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Decimal { scale } => DataType::Decimal128(DECIMAL_DIGITS, scale.cast_signed()),
            Self::Float => DataType::Float64,
            Self::Text | Self::Json | Self::Sealed(_) => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.arrow(), true))),
        }
    }
}

/// Collects the cells of one column.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Decimal { values: Decimal128Builder, scale: u8 },
    Float(Float64Builder),
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Json(StringBuilder),
    Sealed { like: Box<ColumnBuilder>, words: StringBuilder },
    List { items: Box<ColumnBuilder>, count: i32, ends: Vec<i32>, valid: NullBufferBuilder, item: DataType },
}

impl ColumnBuilder {
    pub fn new(kind: &ColumnKind) -> Self {
        match kind {
            ColumnKind::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnKind::Int => Self::Int(Int64Builder::new()),
            ColumnKind::Decimal { scale } => Self::Decimal { values: Decimal128Builder::new(), scale: *scale },
            ColumnKind::Float => Self::Float(Float64Builder::new()),
            ColumnKind::Text => Self::Text(StringBuilder::new()),
            ColumnKind::Time => Self::Time(TimestampMicrosecondBuilder::new()),
            ColumnKind::Json => Self::Json(StringBuilder::new()),
            ColumnKind::Sealed(kind) => Self::Sealed { like: Box::new(Self::new(kind)), words: StringBuilder::new() },
            ColumnKind::List(item) => Self::List {
                items: Box::new(Self::new(item)),
                count: 0,
                ends: vec![0],
                valid: NullBufferBuilder::new(0),
                item: item.arrow(),
            },
        }
    }

    /// Adds a cell.
    pub fn push(&mut self, value: Option<&Json>) {
        match self {
            Self::Bool(values) => values.append_option(value.and_then(Json::as_bool)),
            Self::Int(values) => values.append_option(value.and_then(int)),
            Self::Decimal { values, scale } => values.append_option(value.and_then(|value| decimal(value, *scale))),
            Self::Float(values) => values.append_option(value.and_then(float)),
            Self::Text(values) => values.append_option(value.and_then(Json::as_str)),
            Self::Time(values) => values.append_option(value.and_then(time)),
            Self::Json(values) => match value {
                None | Some(Json::Null) => values.append_null(),
                Some(value) => values.append_value(value.to_string()),
            },
            Self::Sealed { like, words } => {
                let is_known = value.is_some_and(|value| !value.is_null() && like.takes(value));
                words.append_option(is_known.then_some(WORD));
            }
            Self::List { items, count, ends, valid, .. } => {
                match value {
                    Some(Json::Array(cells))
                        if fits(*count, cells.len()) && cells.iter().all(|cell| items.takes(cell)) =>
                    {
                        for cell in cells {
                            items.push(Some(cell));
                        }
                        *count += i32::try_from(cells.len()).unwrap_or(0);
                        valid.append_non_null();
                    }
                    _ => valid.append_null(),
                }
                ends.push(*count);
            }
        }
    }

    /// Whether a value fits: a list with one item that does not is no list of that type.
    fn takes(&self, value: &Json) -> bool {
        match self {
            Self::Bool(_) => value.is_boolean(),
            Self::Int(_) => int(value).is_some(),
            Self::Decimal { scale, .. } => decimal(value, *scale).is_some(),
            Self::Float(_) => float(value).is_some(),
            Self::Text(_) => value.is_string(),
            Self::Time(_) => time(value).is_some(),
            Self::Json(_) => true,
            Self::Sealed { like, .. } => like.takes(value),
            Self::List { items, .. } => {
                value.as_array().is_some_and(|cells| cells.iter().all(|cell| items.takes(cell)))
            }
        }
    }

    /// The column, with the cells in the order they were added.
    pub fn finish(self) -> Result<ArrayRef, arrow::error::ArrowError> {
        Ok(match self {
            Self::Bool(mut values) => Arc::new(values.finish()),
            Self::Int(mut values) => Arc::new(values.finish()),
            Self::Decimal { mut values, scale } => {
                let array: Decimal128Array = values.finish();
                Arc::new(array.with_precision_and_scale(DECIMAL_DIGITS, scale.cast_signed())?)
            }
            Self::Float(mut values) => Arc::new(values.finish()),
            Self::Text(mut values) | Self::Json(mut values) | Self::Sealed { words: mut values, .. } => {
                Arc::new(values.finish())
            }
            Self::Time(mut values) => Arc::new(values.finish()),
            Self::List { items, ends, mut valid, item, .. } => {
                let field = Arc::new(Field::new("item", item, true));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(ListArray::try_new(field, offsets, items.finish()?, valid.finish())?)
            }
        })
    }
}

fn fits(count: i32, more: usize) -> bool {
    i32::try_from(more).is_ok_and(|more| count.checked_add(more).is_some())
}

/// Whole numbers, however they are written: JSON Schema calls `5.0` an integer, too.
fn int(value: &Json) -> Option<i64> {
    let Json::Number(number) = value else { return None };
    if let Some(int) = number.as_i64() {
        return Some(int);
    }
    let float = number.as_f64()?;
    // Up to 2^53 a float that has no fraction is exactly that integer.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
}

/// Adding zero makes the negative zero the same as the other.
fn float(value: &Json) -> Option<f64> {
    value.as_f64().filter(|float| float.is_finite()).map(|float| float + 0.0)
}

/// A number as so many units of the last digit of `scale`; `None` where it has more digits than that.
fn decimal(value: &Json, scale: u8) -> Option<i128> {
    let Json::Number(number) = value else { return None };
    if let Some(int) = number.as_i64() {
        let units = i128::from(int).checked_mul(10_i128.checked_pow(u32::from(scale))?)?;
        return (units.unsigned_abs() < 10_u128.pow(38)).then_some(units);
    }
    short_decimal(number, scale).or_else(|| long_decimal(number, scale))
}

/// The usual case, money, without going through text: with up to 15 digits, a float is the nearest to exactly one
/// decimal of a scale, and dividing two exact floats finds the nearest.
fn short_decimal(number: &Number, scale: u8) -> Option<i128> {
    let float = number.as_f64()?;
    let unit = 10_f64.powi(i32::from(scale.min(15)));
    let units = (float * unit).round();
    (scale <= 15 && units.abs() < 1e15 && units / unit == float).then_some(units as i128)
}

fn long_decimal(number: &Number, scale: u8) -> Option<i128> {
    let text = number.to_string();
    let exact = Decimal::from_str(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
        .or_else(|| number.as_u64().and_then(Decimal::from_u64))?
        .normalize();
    let missing = u32::from(scale).checked_sub(exact.scale())?;
    let units = exact.mantissa().checked_mul(10_i128.checked_pow(missing)?)?;
    (units.unsigned_abs() < 10_u128.pow(38)).then_some(units)
}

/// Text only: that a number is milliseconds is agreed upon for the message's own times, not for properties.
fn time(value: &Json) -> Option<i64> {
    parse_timestamp(value).filter(|_| value.is_string()).map(|moment| moment.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn decimals_are_exact_or_absent() {
        for (value, scale, units) in [
            (json!(49.95), 2, Some(4_995)),
            (json!(-0.07), 2, Some(-7)),
            (json!(0.1), 2, Some(10)),
            (json!(12), 2, Some(1_200)),
            (json!(1.005), 2, None),
            (json!(1.005), 3, Some(1_005)),
            (json!(4_596_039.58), 2, Some(459_603_958)),
            (json!(1e300), 2, None),
            (json!(1e20), 2, Some(10_i128.pow(22))),
            (json!(1e-9), 9, Some(1)),
            (json!(u64::MAX), 0, Some(i128::from(u64::MAX))),
            (json!(i64::MAX), 28, None),
            (json!("12.50"), 2, None),
            (json!(null), 2, None),
        ] {
            assert_eq!(decimal(&value, scale), units, "{value} with scale {scale}");
        }
    }

    #[test]
    fn integers_may_be_written_with_a_point() {
        assert_eq!(int(&json!(5.0)), Some(5));
        assert_eq!(int(&json!(5.5)), None);
        assert_eq!(int(&json!(u64::MAX)), None);
        assert_eq!(int(&json!("5")), None);
    }

    #[test]
    fn kinds_survive_the_catalog() {
        for kind in [
            ColumnKind::Bool,
            ColumnKind::Int,
            ColumnKind::Decimal { scale: 2 },
            ColumnKind::Float,
            ColumnKind::Text,
            ColumnKind::Time,
            ColumnKind::Json,
            ColumnKind::List(Box::new(ColumnKind::Decimal { scale: 4 })),
            ColumnKind::Sealed(Box::new(ColumnKind::List(Box::new(ColumnKind::Int)))),
        ] {
            assert_eq!(ColumnKind::from_name(&kind.name()), Some(kind));
        }
    }
}
