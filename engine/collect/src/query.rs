//! Query strings: pairs of percent-encoded text.

/// The pairs of a query, decoded, in order. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

/// The first value of a key.
pub(crate) fn value(query: Option<&str>, key: &str) -> Option<String> {
    pairs(query?).find(|(name, value)| name == key && !value.is_empty()).map(|(_, value)| value)
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = if byte == b'%' { bytes.get(at + 1..at + 3).and_then(hex_pair) } else { None };
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else { return None };
    let value = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(value(high)? * 16 + value(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let decoded: Vec<_> = pairs("a=1&b%20c=x+y&&d&e=%zz%4&f=%ff&g=a=b").collect();
        let expected = [("a", "1"), ("b c", "x y"), ("d", ""), ("e", "%zz%4"), ("f", "\u{fffd}"), ("g", "a=b")];
        assert_eq!(decoded, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(value(Some("writeKey=&writeKey=wk"), "writeKey").as_deref(), Some("wk"));
    }
}
