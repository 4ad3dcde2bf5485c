//! What a message that no rule accepts claims all the same: when it happened, and every text that may say to whom.

use super::time::original_timestamp;
use serde_json::{Map, Value as Json};
use sonder_dsl::time::Moment;

/// When it happened by its own words, and all its values as text; `None` when it does not say when, or nobody can read it.
#[must_use]
pub fn claims(payload: &str) -> Option<(Moment, Vec<String>)> {
    let message: Map<String, Json> = serde_json::from_str(payload).ok()?;
    let at = original_timestamp(&message)?;
    let mut texts = Vec::new();
    message.values().for_each(|value| gather(value, &mut texts));
    Some((at, texts))
}

fn gather(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::String(text) => texts.push(text.clone()),
        Json::Number(number) => texts.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Json::Object(fields) => fields.values().for_each(|field| gather(field, texts)),
        Json::Null | Json::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_name_somebody_is_found() {
        let (at, texts) =
            claims(r#"{"timestamp": "2026-03-01", "userId": 7, "traits": {"email": ["a@x.example", null]}}"#).unwrap();
        assert_eq!(at, Moment::parse("2026-03-01T00:00:00Z").unwrap());
        assert_eq!(texts, ["2026-03-01", "7", "a@x.example"]);
        assert_eq!(claims(r#"{"userId": 7}"#), None);
        assert_eq!(claims("["), None);
    }
}
