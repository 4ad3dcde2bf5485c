//! `distinct(E.p)`: how many different values.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "distinct",
    signature: "distinct(E.p)",
    takes: Takes::Property(Function::Distinct, result),
    compares: true,
    per: true,
    meaning: "How many different values of a property there were; 0 of nothing.",
    examples: &[
        "trait products = distinct(view.product)",
        "segment browsers { when distinct(view.product, last 7d) >= 5 }",
    ],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    match kind {
        Type::List(_) => Err("a single value"),
        _ => Ok(Type::Int),
    }
}
