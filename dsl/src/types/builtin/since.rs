//! `since(E)`: how long ago the latest was.

use super::{Builtin, Takes};
use crate::ir::{Function, Type};

pub(super) static BUILTIN: Builtin = Builtin {
    name: "since",
    signature: "since(E)",
    takes: Takes::Events(Function::Since, Type::Duration),
    compares: false,
    per: true,
    meaning: "How long ago the latest of these events happened; unknown if never. It grows with the clock.",
    examples: &["segment quiet { when since(view) > 3d }", "segment slow { when since(view) - since(order) > 1d }"],
};
