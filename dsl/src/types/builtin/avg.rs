//! `avg(E.p)`: the mean.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};
use crate::types::value::is_number;

pub(super) static BUILTIN: Builtin = Builtin {
    name: "avg",
    signature: "avg(E.p)",
    takes: Takes::Property(Function::Avg, result),
    compares: true,
    per: true,
    meaning: "The mean of a number over these events, a float; unknown of nothing.",
    examples: &[
        "trait usual_order = avg(order.total)",
        "segment high_tickets { when avg(order.total, last 90d) > 75 }",
    ],
};

fn result(kind: &Type) -> Result<Type, &'static str> {
    if is_number(kind) { Ok(Type::Float) } else { Err("a number") }
}
