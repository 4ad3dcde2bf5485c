//! `did(E)`: whether there was one.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "did",
    signature: "did(E)",
    takes: Takes::Events(Function::Did, Type::Bool),
    compares: false,
    per: true,
    meaning: "Whether there was such an event.",
    examples: &[
        "segment buyers { when did(order, last 30d) }",
        "segment window_shoppers { when did(view) and not did(order) }",
    ],
};
