//! A text of JSON, changed in some places: all others stay as they were written, to the last digit of a number.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Result, Value as Json};
use std::fmt;

/// The text of what is `left` of what a text says: values may have changed, and fields may have gone.
pub(super) fn patched(text: &str, left: &Json) -> Result<String> {
    if serde_json::from_str::<Json>(text)? == *left {
        return Ok(text.to_owned());
    }
    match left {
        Json::Object(fields) => {
            let Fields(written) = serde_json::from_str(text)?;
            let kept = written.iter().filter_map(|(name, value)| {
                let left = fields.get(name)?;
                Some(patched(value.get(), left).map(|value| format!("{}:{value}", Json::from(name.as_str()))))
            });
            Ok(format!("{{{}}}", kept.collect::<Result<Vec<_>>>()?.join(",")))
        }
        Json::Array(items) => {
            let written: Vec<&RawValue> = serde_json::from_str(text)?;
            let kept = written.iter().zip(items).map(|(value, left)| patched(value.get(), left));
            Ok(format!("[{}]", kept.collect::<Result<Vec<_>>>()?.join(",")))
        }
        other => Ok(other.to_string()),
    }
}

/// What an object has, in its order.
struct Fields<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Fields<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_did_not_change_stays_as_it_was_written() {
        let text = r#"{"a":12.50,"b":["x",1e3,{"c":"y"}],"d":"\u00e9","e":1234567890123456789012,"f":{}}"#;
        let mut left: Json = serde_json::from_str(text).unwrap();
        assert_eq!(patched(text, &left).unwrap(), text);
        left["b"][2]["c"] = json!("z\"");
        left["f"] = json!(null);
        assert_eq!(
            patched(text, &left).unwrap(),
            r#"{"a":12.50,"b":["x",1e3,{"c":"z\""}],"d":"\u00e9","e":1234567890123456789012,"f":null}"#
        );
        left.as_object_mut().unwrap().shift_remove("b");
        assert_eq!(patched(text, &left).unwrap(), r#"{"a":12.50,"d":"\u00e9","e":1234567890123456789012,"f":null}"#);
    }
}
