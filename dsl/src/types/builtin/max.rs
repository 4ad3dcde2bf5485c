//! `max(E.p)`: the largest.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};
use crate::types::value::is_ordered;

pub(super) static BUILTIN: Builtin = Builtin {
    name: "max",
    signature: "max(E.p)",
    takes: Takes::Property(Function::Max, result),
    compares: true,
    per: true,
    meaning: "The largest value of a property over these events; unknown of nothing. Text is ordered by its characters.",
    examples: &["trait dearest = max(view.price, last 7d)"],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    if is_ordered(kind) { Ok(kind.clone()) } else { Err("a number, a moment or text") }
}
