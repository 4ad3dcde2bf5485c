//! `in(segment)`: whether the person is in another segment.

use super::{Builtin, Takes};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "in",
    signature: "in(segment)",
    takes: Takes::Segment,
    compares: false,
    per: false,
    meaning: "Whether the person is in another segment.",
    examples: &["segment buyers { when did(order) }\nsegment loyal { when in(buyers) and count(order) >= 4 }"],
};
