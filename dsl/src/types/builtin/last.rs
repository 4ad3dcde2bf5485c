//! `last(E.p)`: the value of the latest.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "last",
    signature: "last(E.p)",
    takes: Takes::Property(Function::Last, result),
    compares: false,
    per: true,
    meaning: "The value of the latest of these events that has one, by the moment it happened and then by its place in the log.",
    examples: &[
        "trait last_product = last(view.product)",
        r#"segment last_seen_a { when last(view.category) == "a" }"#,
    ],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    Ok(kind.clone())
}
