//! Messages in the query of a picture's address, for e-mails and pages without scripts.

use crate::{limits, query};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value as Json};

/// A transparent picture of one pixel.
pub(crate) const GIF: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\
\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The message that a query carries: `data`, JSON in base64 of either alphabet or as it is, or one value a parameter
/// (`properties.subject=…`), or both, where parameters win.
pub(crate) fn message(query: &str) -> Option<Map<String, Json>> {
    let mut message = Map::new();
    for (key, value) in query::pairs(query) {
        if key == "data" {
            for (key, value) in decode(&value)? {
                message.entry(key).or_insert(value);
            }
        } else {
            put(&mut message, &key, value)?;
        }
    }
    (!message.is_empty()).then_some(message)
}

fn decode(data: &str) -> Option<Map<String, Json>> {
    // A plus that nobody encoded was decoded to a space.
    let data = data.trim();
    if data.starts_with('{') {
        return serde_json::from_str(data).ok();
    }
    let data = data.replace(' ', "+");
    let alphabet = if data.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    let bytes = GeneralPurpose::new(&alphabet, ANY_PADDING).decode(data).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Puts a value below `a.b.c`.
fn put(message: &mut Map<String, Json>, path: &str, value: String) -> Option<()> {
    let mut keys: Vec<_> = path.split('.').collect();
    let last = keys.pop()?;
    if keys.len() >= limits::PIXEL_DEPTH {
        return None;
    }
    let mut object = message;
    for key in keys {
        let below = object.entry(key).or_insert_with(|| Json::Object(Map::new()));
        if !below.is_object() {
            *below = Json::Object(Map::new());
        }
        object = below.as_object_mut()?;
    }
    object.insert(last.to_owned(), Json::String(value));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_encodings_are_one_message() {
        let expected = json!({"writeKey": "wk", "event": "Email Opened", "x": "~~>>??"});
        let text = expected.to_string();
        let standard = base64::engine::general_purpose::STANDARD.encode(&text);
        let url = base64::engine::general_purpose::URL_SAFE.encode(&text);
        assert_ne!(standard, url, "the example has characters that differ");
        let plain: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for data in [&standard, standard.trim_end_matches('='), &url, url.trim_end_matches('='), &plain] {
            assert_eq!(message(&format!("data={data}")).map(Json::Object), Some(expected.clone()), "{data}");
        }
    }

    #[test]
    fn dots_nest_and_parameters_win() {
        assert_eq!(
            message("userId=u1&properties.subject=A%20b&properties.a.b=1&properties.a.c=2&event=Own&data={\"event\":\"x\",\"y\":1}")
                .map(Json::Object),
            Some(json!({"userId": "u1", "properties": {"subject": "A b", "a": {"b": "1", "c": "2"}}, "event": "Own", "y": 1}))
        );
        assert_eq!(message("a=1&a.b=2").map(Json::Object), Some(json!({"a": {"b": "2"}})));
        for nothing in ["", "data=", "data=!!", "data=WzFd", "a.b.c.d.e.f.g.h.i.j=1"] {
            assert_eq!(message(nothing), None, "{nothing}");
        }
    }
}
