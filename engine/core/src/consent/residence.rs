//! Where somebody lives: what the most trustworthy trait of `residence` says that is known, such as `NL` or `US-CA`. What the law
//! says of them follows from it, and in which region they belong.

use sonder_dsl::ir::Value;

/// The place that traits say, in the order of `residence`.
pub fn place(known: impl IntoIterator<Item = Option<Value>>) -> Option<String> {
    match known.into_iter().flatten().next() {
        Some(Value::String(place)) => Some(place.to_string()),
        _ => None,
    }
}
