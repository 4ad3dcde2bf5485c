//! Takes an identifier of somebody out of the message of another.

use serde_json::Value as Json;

/// What a text has in place of an identifier.
pub(super) const ERASED: &str = "erased";

/// Removes what is nothing but one of `values`, and replaces them where they are part of a longer text. Values are lower case.
pub(super) fn redact(json: &mut Json, values: &[String]) {
    match json {
        Json::Object(fields) => {
            fields.retain(|name, value| {
                let is_named = name.chars().count() >= super::strike::TELLING && values.contains(&name.to_lowercase());
                !is_named && !is_one(value, values)
            });
            fields.values_mut().for_each(|value| redact(value, values));
        }
        Json::Array(items) => {
            items.retain(|item| !is_one(item, values));
            items.iter_mut().for_each(|item| redact(item, values));
        }
        Json::String(text) => {
            for value in values {
                while let Some(place) = find(text, value) {
                    text.replace_range(place, ERASED);
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// A text without the values.
pub(super) fn redacted(text: &str, values: &[String]) -> String {
    let mut json = Json::from(text);
    redact(&mut json, values);
    json.as_str().unwrap_or_default().to_owned()
}

fn is_one(json: &Json, values: &[String]) -> bool {
    match json {
        Json::String(text) => values.contains(&text.trim().to_lowercase()),
        Json::Number(number) => values.contains(&number.to_string()),
        _ => false,
    }
}

/// Where a text has the value, in whatever case.
fn find(text: &str, value: &str) -> Option<std::ops::Range<usize>> {
    if value.chars().count() < super::strike::TELLING || ERASED.contains(value) {
        return None;
    }
    let starts = text.char_indices().map(|(start, _)| start);
    let ranges = starts.filter_map(|start| {
        let (mut rest, mut end) = (value, start);
        for character in text[start..].chars() {
            if rest.is_empty() {
                break;
            }
            let lower: String = character.to_lowercase().collect();
            rest = rest.strip_prefix(lower.as_str())?;
            end += character.len_utf8();
        }
        rest.is_empty().then_some(start..end)
    });
    ranges.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_identifier_goes_and_everything_else_stays() {
        let mut message = json!({
            "userId": "bob", "traits": {"email": " Ada@X.example ", "name": "Bob"}, "number": 4711,
            "properties": {"link": "https://x.example?to=ADA@x.example&a=1", "all": ["ada@x.example", "z"]},
        });
        redact(&mut message, &["ada@x.example".to_owned(), "4711".to_owned()]);
        assert_eq!(
            message,
            json!({
                "userId": "bob", "traits": {"name": "Bob"},
                "properties": {"link": "https://x.example?to=erased&a=1", "all": ["z"]},
            })
        );
    }
}
