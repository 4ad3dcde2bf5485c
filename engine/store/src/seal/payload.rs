//! Takes values out of the text of a message, and puts them back where they were, to the byte.

use super::WORD;
use std::ops::Range;

/// A text without some of its values, and these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parted {
    /// With `"sealed"` in the places of the values.
    pub text: String,
    /// Where each stands in `text`, and what was there.
    pub values: Vec<u8>,
}

/// Takes out what stands in `places`, which are in order and don't touch.
pub(super) fn part(whole: &str, places: &[Range<usize>]) -> Option<Parted> {
    let mut text = String::with_capacity(whole.len());
    let mut values = Vec::new();
    let mut from = 0;
    for place in places {
        text.push_str(whole.get(from..place.start)?);
        let value = whole.get(place.clone())?;
        for number in [text.len(), value.len()] {
            values.extend_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
        }
        values.extend_from_slice(value.as_bytes());
        text.push('"');
        text.push_str(WORD);
        text.push('"');
        from = place.end;
    }
    text.push_str(whole.get(from..)?);
    Some(Parted { text, values })
}

/// The whole again; `None` where the two don't belong together.
pub(super) fn join(text: &str, mut values: &[u8]) -> Option<String> {
    let mut whole = String::with_capacity(text.len() + values.len());
    let mut from = 0;
    while !values.is_empty() {
        let (place, rest) = number(values)?;
        let (length, rest) = number(rest)?;
        let value = std::str::from_utf8(rest.get(..length)?).ok()?;
        whole.push_str(text.get(from..place)?);
        whole.push_str(value);
        let after = text.get(place..)?.strip_prefix('"')?.strip_prefix(WORD)?.strip_prefix('"')?;
        from = text.len() - after.len();
        values = &rest[length..];
    }
    whole.push_str(text.get(from..)?);
    Some(whole)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}
