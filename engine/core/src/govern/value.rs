//! JSON values as values of the language. Nothing is coerced: the text `"3"` is no number.
//!
//! Decimals are read from the shortest text of the JSON number, never through binary arithmetic, so that 0.1 is 0.1. A
//! number of more than 15 significant digits that is not whole may have lost its last ones when the JSON was parsed.

use crate::message::parse_timestamp;
use rust_decimal::Decimal;
use serde_json::{Number, Value as Json};
use sonder_dsl::ir::{Type, Value};
use sonder_dsl::time::Duration;
use std::sync::Arc;

/// Whole numbers up to here are exact in binary floating point.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// The value as `kind`; `None` when it is of another type. Text outside an enum is text all the same.
pub(super) fn read(json: &Json, kind: &Type) -> Option<Value> {
    Some(match (kind, json) {
        (Type::Bool, Json::Bool(value)) => Value::Bool(*value),
        (Type::Int, Json::Number(number)) => Value::Int(whole(number)?),
        (Type::Decimal { scale }, Json::Number(number)) => Value::Decimal(decimal(number, *scale)?),
        // Adding zero makes the negative zero the same as the other.
        (Type::Float, Json::Number(number)) => Value::Float(number.as_f64()? + 0.0),
        (Type::String { one_of }, Json::String(text)) => Value::String(shared(text, one_of.as_deref())),
        (Type::Time, Json::String(_)) => Value::Time(parse_timestamp(json)?),
        (Type::Duration, Json::String(text)) => {
            let duration: jiff::SignedDuration = text.trim().parse().ok()?;
            Value::Duration(Duration(i64::try_from(duration.as_micros()).ok()?))
        }
        (Type::List(of), Json::Array(items)) => {
            Value::List(items.iter().map(|item| read(item, of)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// An id, as text; some SDKs send the moment at which something began, as a whole number.
pub(super) fn read_id(json: &Json) -> Option<Value> {
    match json {
        Json::Number(number) => Some(Value::String(whole(number)?.to_string().into())),
        Json::String(text) if !text.is_empty() => Some(Value::String(text.as_str().into())),
        _ => None,
    }
}

/// As [`read`], but text outside an enum is of another type.
pub(super) fn read_strictly(json: &Json, kind: &Type) -> Option<Value> {
    let value = read(json, kind)?;
    is_allowed(&value, kind).then_some(value)
}

fn is_allowed(value: &Value, kind: &Type) -> bool {
    match (kind, value) {
        (Type::String { one_of: Some(allowed) }, Value::String(text)) => allowed.contains(text),
        (Type::List(of), Value::List(items)) => items.iter().all(|item| is_allowed(item, of)),
        _ => true,
    }
}

/// 5.0 is a whole number, as JSON Schema has it.
fn whole(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let float =
        number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT_FLOAT)?;
    Some(float as i64)
}

/// With exactly `scale` digits after the point, so that equal values are equal bytes; `None` when it has more.
fn decimal(number: &Number, scale: u8) -> Option<Decimal> {
    let mut decimal = if let Some(whole) = number.as_i64() {
        Decimal::from(whole)
    } else if let Some(whole) = number.as_u64() {
        Decimal::from(whole)
    } else {
        // Never in scientific notation, and the shortest that is this number.
        Decimal::from_str_exact(&number.as_f64()?.to_string()).ok()?
    };
    if decimal.scale() > u32::from(scale) {
        decimal = decimal.normalize();
        if decimal.scale() > u32::from(scale) {
            return None;
        }
    }
    decimal.rescale(u32::from(scale));
    if decimal.is_zero() {
        decimal.set_sign_positive(true);
    }
    Some(decimal)
}

fn shared(text: &str, one_of: Option<&[Arc<str>]>) -> Arc<str> {
    let declared = one_of.and_then(|allowed| allowed.iter().find(|value| value.as_ref() == text));
    declared.cloned().unwrap_or_else(|| Arc::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MONEY: Type = Type::Decimal { scale: 2 };

    #[test]
    fn decimals_are_what_was_written() {
        for (json, text) in [
            ("0.1", "0.10"),
            ("0.2", "0.20"),
            ("19.99", "19.99"),
            ("5", "5.00"),
            ("5.0", "5.00"),
            ("-0.0", "0.00"),
            ("1e2", "100.00"),
            ("4596039.58", "4596039.58"),
            ("123456789012345.67", "123456789012345.67"),
            ("9223372036854775807", "9223372036854775807.00"),
            ("18446744073709551615", "18446744073709551615.00"),
        ] {
            let Some(Value::Decimal(decimal)) = read(&parsed(json), &MONEY) else { panic!("{json} is a decimal") };
            assert_eq!(decimal.to_string(), text, "{json}");
        }
        for json in ["0.001", "1e40", "\"1.00\"", "true", "null"] {
            assert_eq!(read(&parsed(json), &MONEY), None, "{json}");
        }
    }

    #[test]
    fn every_cent_is_exact() {
        for cents in 0..100_000_i64 {
            let json = parsed(&format!("{}.{:02}", cents / 100, cents % 100));
            assert_eq!(read(&json, &MONEY), Some(Value::Decimal(Decimal::new(cents, 2))));
        }
    }

    #[test]
    fn nothing_is_coerced() {
        let text = Type::String { one_of: None };
        for (json, kind) in [
            (json!("3"), &Type::Int),
            (json!(3.5), &Type::Int),
            (json!(1e300), &Type::Int),
            (json!(u64::MAX), &Type::Int),
            (json!("true"), &Type::Bool),
            (json!(1), &Type::Bool),
            (json!(3), &text),
            (json!(3), &Type::Time),
            (json!("soon"), &Type::Time),
            (json!(["a", 1]), &Type::List(Box::new(text.clone()))),
            (json!({}), &text),
        ] {
            assert_eq!(read(&json, kind), None, "{json} as {kind:?}");
        }
    }

    #[test]
    fn each_type_reads_its_own() {
        assert_eq!(read(&json!(5.0), &Type::Int), Some(Value::Int(5)));
        assert_eq!(read(&json!(i64::MIN), &Type::Int), Some(Value::Int(i64::MIN)));
        assert_eq!(read(&json!(3), &Type::Float), Some(Value::Float(3.0)));
        assert_eq!(read(&json!("PT1H30M"), &Type::Duration), Some(Value::Duration(Duration::from_secs(5_400))));
        assert_eq!(
            read(&json!(["a", "b"]), &Type::List(Box::new(Type::String { one_of: None }))),
            Some(Value::List(Arc::new([Value::String("a".into()), Value::String("b".into())])))
        );
    }

    #[test]
    fn an_enum_is_part_of_a_traits_type_only() {
        let kind = Type::String { one_of: Some(Arc::new(["a".into(), "b".into()])) };
        assert_eq!(read_strictly(&json!("a"), &kind), Some(Value::String("a".into())));
        assert_eq!(read_strictly(&json!("c"), &kind), None);
        assert_eq!(read(&json!("c"), &kind), Some(Value::String("c".into())));
    }

    fn parsed(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }
}
