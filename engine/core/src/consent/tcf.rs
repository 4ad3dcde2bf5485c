//! The purposes of a TC string: what a banner of IAB Europe's Transparency and Consent Framework was told (versions 2.0 to
//! 2.3, which have the same core).
//!
//! Only the 24 purposes are read, from their fixed place in the core segment. Lists of vendors, whose ranges may stand for
//! far more than their text has, are not: what counts here is what the site itself may do.

/// Sets of TCF purposes: bit 0 is purpose 1.
pub type TcfPurposes = u32;

/// Where the purposes stand, in bits.
const PURPOSES: usize = 152;

/// The purposes that a TC string consents to; `None` when it is none of version 2.
#[must_use]
pub fn consented(text: &str) -> Option<TcfPurposes> {
    let core = text.trim().split('.').next()?.as_bytes();
    let bit = |place: usize| -> Option<bool> {
        let sextet = value(*core.get(place / 6)?)?;
        Some(sextet >> (5 - place % 6) & 1 == 1)
    };
    let version = value(*core.first()?)?;
    if version != 2 {
        return None;
    }
    let mut purposes = 0;
    for purpose in 0..24 {
        purposes |= TcfPurposes::from(bit(PURPOSES + purpose)?) << purpose;
    }
    Some(purposes)
}

/// Of a digit of base64url.
const fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    /// What the framework's own library makes, and reads back.
    #[test]
    fn strings_of_the_reference_library_are_read_as_it_reads_them() {
        let cases: Vec<Json> = serde_json::from_str(include_str!("../../tests/fold/data/tcf.json")).unwrap();
        assert_eq!(cases.len(), 40);
        for case in cases {
            let listed = case["purposes"].as_array().unwrap().iter().filter_map(Json::as_u64);
            let expected = listed.fold(0, |set, purpose| set | 1 << (purpose - 1));
            assert_eq!(consented(case["text"].as_str().unwrap()), Some(expected), "{case}");
        }
    }

    #[test]
    fn what_is_no_such_string_says_nothing() {
        for text in ["", ".", "C", "CP", "1YNN", "BOEFEAyOEFEAyAHABDENAIgAAAB9vABAASA", "é", "CPXxRfAPXxRfAAfKABEN B"]
        {
            assert_eq!(consented(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "\\PC{0,80}|C[A-Za-z0-9_.-]{0,80}") {
            let _ = consented(&text);
        }
    }
}
