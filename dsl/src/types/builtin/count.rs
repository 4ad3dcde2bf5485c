//! `count(E)`: how many.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "count",
    signature: "count(E)",
    takes: Takes::Events(Function::Count, Type::Int),
    compares: false,
    per: true,
    meaning: "How many of these events there were; 0 for none.",
    examples: &[
        r#"segment keen { when count(view where category == "a", last 24h) >= 3 }"#,
        "segment stuck { when count(view, per product, last 7d) >= 2 }",
        "trait activity = count(any, last 30d)",
    ],
};
