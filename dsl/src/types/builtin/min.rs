//! `min(E.p)`: the smallest.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};
use crate::types::value::is_ordered;

pub(super) static BUILTIN: Builtin = Builtin {
    name: "min",
    signature: "min(E.p)",
    takes: Takes::Property(Function::Min, result),
    compares: true,
    per: true,
    meaning: "The smallest value of a property over these events; unknown of nothing. Text is ordered by its characters.",
    examples: &["trait cheapest = min(view.price, last 7d)"],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    if is_ordered(kind) { Ok(kind.clone()) } else { Err("a number, a moment or text") }
}
