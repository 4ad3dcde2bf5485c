//! `first(E.p)`: the value of the earliest.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "first",
    signature: "first(E.p)",
    takes: Takes::Property(Function::First, result),
    compares: false,
    per: true,
    meaning: "The value of the earliest of these events that has one, by the moment it happened and then by its place in the log.",
    examples: &[
        "trait first_product = first(view.product)",
        r#"segment first_seen_a { when first(view.category) == "a" }"#,
    ],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    Ok(kind.clone())
}
