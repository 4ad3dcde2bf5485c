//! `top(E.p)`: the most frequent value.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "top",
    signature: "top(E.p)",
    takes: Takes::Property(Function::Top, result),
    compares: true,
    per: false,
    meaning: "The most frequent value of a property; of equally frequent ones the most recent; unknown of nothing.",
    examples: &["trait favourite = top(view.category, last 30d)"],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    match kind {
        Type::List(_) => Err("a single value"),
        _ => Ok(kind.clone()),
    }
}
