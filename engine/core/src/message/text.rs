//! Message text: keeping the client's own bytes where nothing changes, and mending what JavaScript cuts in two.

use serde_json::Value as Json;
use std::borrow::Cow;

/// The object `text` with keys added that it does not have; its own bytes stay as they are.
///
/// `text` must be a JSON object, without white space at its ends.
pub(super) fn with_additions(text: &str, additions: &[(&str, Json)]) -> String {
    let Some(body) = text.strip_suffix('}') else { return text.to_owned() };
    let mut longer = String::with_capacity(text.len() + additions.len() * 64);
    longer.push_str(body);
    let mut first = body.trim_end().ends_with('{');
    for (key, value) in additions {
        if !first {
            longer.push(',');
        }
        first = false;
        longer.push('"');
        longer.push_str(key);
        longer.push_str("\":");
        longer.push_str(&value.to_string());
    }
    longer.push('}');
    longer
}

/// Replaces `\ud83d` and its like, where the other half of the pair is missing, by U+FFFD.
///
/// A page that cuts a text in the middle of an emoji sends these; JSON allows them, but they are no Unicode text.
pub(super) fn mend_surrogates(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut mended: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == b'\\')) {
        let start = at + found;
        let Some(unit) = code_unit(bytes, start) else {
            at = start + 2;
            continue;
        };
        let is_pair = is_high(unit) && code_unit(bytes, start + 6).is_some_and(is_low);
        at = start + if is_pair { 12 } else { 6 };
        if !is_pair && (is_high(unit) || is_low(unit)) {
            let result = mended.get_or_insert_with(|| String::with_capacity(text.len()));
            result.push_str(text.get(copied..start).unwrap_or_default());
            result.push_str("\\ufffd");
            copied = at;
        }
    }
    match mended {
        None => Cow::Borrowed(text),
        Some(mut result) => {
            result.push_str(text.get(copied..).unwrap_or_default());
            Cow::Owned(result)
        }
    }
}

/// The UTF-16 code unit that is written as `\uXXXX` at `start`.
fn code_unit(bytes: &[u8], start: usize) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = bytes.get(start..start + 6)? else { return None };
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_pairs_stay() {
        for (sent, mended) in [
            (r#"{"a":"plain"}"#, r#"{"a":"plain"}"#),
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":"x\ud83d"}"#, r#"{"a":"x\ufffd"}"#),
            (r#"{"a":"\ude00y"}"#, r#"{"a":"\ufffdy"}"#),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
            (r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
            (r#"{"a":"\\\ud83d"}"#, r#"{"a":"\\\ufffd"}"#),
            (r#"{"a":"\uD83D \n"}"#, r#"{"a":"\ufffd \n"}"#),
        ] {
            assert_eq!(mend_surrogates(sent), mended, "{sent}");
        }
    }

    #[test]
    fn keys_are_added_at_the_end() {
        let additions = [("sentAt", Json::from("x")), ("n", Json::from(1))];
        assert_eq!(with_additions(r#"{"a": 1 }"#, &additions), r#"{"a": 1 ,"sentAt":"x","n":1}"#);
        assert_eq!(with_additions("{ }", &additions), r#"{ "sentAt":"x","n":1}"#);
    }
}
