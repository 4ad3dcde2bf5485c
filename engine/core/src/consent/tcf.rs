//! The purposes of a TC string: what a banner of IAB Europe's Transparency and Consent Framework was told (versions 2.0 to
//! 2.3, which have the same core).
//!
//! Only the 24 purposes are read, from their fixed place in the core segment. Lists of vendors, whose ranges may stand for
//! far more than their text has, are not: what counts here is what the site itself may do.

use super::bits::Bits;

/// Sets of TCF purposes: bit 0 is purpose 1.
pub type TcfPurposes = u32;

/// Where the purposes stand, in bits.
const PURPOSES: usize = 152;

/// The purposes that a TC string consents to; `None` when it is none of version 2.
#[must_use]
pub fn consented(text: &str) -> Option<TcfPurposes> {
    let core = Bits::new(text.trim().split('.').next()?);
    if core.number(0, 6)? != 2 {
        return None;
    }
    core.set(PURPOSES, 24)
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
