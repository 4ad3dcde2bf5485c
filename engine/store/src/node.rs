//! Identifiers as numbers: how a timeline finds the rows of a person without comparing text.

use sonder_core::record::Identifier;
use sonder_dsl::ir::Program;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A hash of an identifier. Two that collide would show in each other's timelines, unless the reader compares the text;
/// it does.
pub(crate) fn node(kind: &str, value: &str) -> u64 {
    xxh3_64_with_seed(value.as_bytes(), xxh3_64_with_seed(kind.as_bytes(), 0))
}

/// The name of an identifier's kind.
pub(crate) fn kind_name<'a>(program: &'a Program, identifier: &Identifier) -> &'a str {
    program.identity.identifiers.get(identifier.kind.index()).map_or("", |kind| kind.name.as_str())
}
