//! `sum(E.p)`: the sum.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "sum",
    signature: "sum(E.p)",
    takes: Takes::Property(Function::Sum, result),
    compares: true,
    per: true,
    meaning: "The sum of a number over these events; 0 of nothing. Exact numbers stay exact.",
    examples: &[
        "trait spent = sum(order.total)",
        "segment big { when sum(order.total where total > 10, last 30d) > 100 }",
    ],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    match kind {
        Type::Int => Ok(Type::Int),
        Type::Decimal { scale } => Ok(Type::Decimal { scale: *scale }),
        Type::Float => Ok(Type::Float),
        _ => Err("a number"),
    }
}
