//! How ids, moments and values are written in answers and read from requests.

use serde_json::{Number, Value as Json};
use sonder_core::effect::{EffectId, PersonId};
use sonder_dsl::ir::{Type, Value};
use sonder_dsl::time::Moment;

/// A person's id as 32 lower-case hexadecimal digits.
#[must_use]
pub fn person_id(id: PersonId) -> String {
    format!("{:032x}", id.0)
}

/// An effect's id, which is its idempotency key, as 32 lower-case hexadecimal digits.
#[must_use]
pub fn effect_id(id: EffectId) -> String {
    format!("{:032x}", id.0)
}

/// Reads what [`person_id`] writes, and the same with the dashes of a UUID, as SQL shows it; `None` for anything else.
#[must_use]
pub fn parse_person_id(text: &str) -> Option<PersonId> {
    let is_dash = |place: usize| text.len() == 36 && matches!(place, 8 | 13 | 18 | 23);
    let well_formed = matches!(text.len(), 32 | 36)
        && text.bytes().enumerate().all(|(place, byte)| match byte {
            b'-' => is_dash(place),
            b'0'..=b'9' | b'a'..=b'f' => !is_dash(place),
            _ => false,
        });
    if !well_formed {
        return None;
    }
    u128::from_str_radix(&text.replace('-', ""), 16).ok().map(PersonId)
}

/// A moment as `2026-03-01T03:00:00.000000Z`.
#[must_use]
pub fn instant(moment: Moment) -> String {
    moment.to_string()
}

/// Reads a timestamp with an offset or `Z`; `None` for anything else.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Moment> {
    Moment::parse(text)
}

/// A value as JSON: decimals are strings in the scale of `kind`, moments and durations are strings.
#[must_use]
pub fn value_json(value: &Value, kind: &Type) -> Json {
    match value {
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::Decimal(number) => {
            let mut scaled = *number;
            if let Type::Decimal { scale } = kind {
                scaled.rescale(u32::from(*scale));
            }
            Json::String(scaled.to_string())
        }
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.to_string()),
        Value::Time(moment) => Json::String(instant(*moment)),
        Value::Duration(duration) => Json::String(duration.to_string()),
        Value::List(items) => {
            let kind = if let Type::List(item) = kind { item } else { kind };
            items.iter().map(|item| value_json(item, kind)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_written_and_as_uuids() {
        let id = PersonId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(parse_person_id(&person_id(id)), Some(id));
        assert_eq!(parse_person_id("01234567-89ab-cdef-0123-456789abcdef"), Some(id));
        for wrong in [
            "",
            "0",
            "01234567-89ab-cdef-0123-456789abcde",
            "0123456789ab-cdef-0123-456789abcdef-",
            "0123456789ABCDEF0123456789ABCDEF",
            "+123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(parse_person_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn decimals_keep_the_scale_of_their_schema() {
        let value = Value::List([Value::Decimal("1.5".parse().unwrap())].into());
        let kind = Type::List(Box::new(Type::Decimal { scale: 2 }));
        assert_eq!(value_json(&value, &kind), serde_json::json!(["1.50"]));
    }
}
