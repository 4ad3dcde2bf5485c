//! Where somebody lives: what the most trustworthy trait of `residence` says that can be read as a place, such as `NL` or `US-CA`.
//! What the law says of them follows from it, and in which region they belong.

use sonder_dsl::ir::Value;
use sonder_dsl::model::consent::place;

/// The place that traits say, in the order of `residence`.
pub fn place(known: impl IntoIterator<Item = Option<Value>>) -> Option<String> {
    known
        .into_iter()
        .flatten()
        .find_map(|value| if let Value::String(text) = value { place::read(&text) } else { None })
}
