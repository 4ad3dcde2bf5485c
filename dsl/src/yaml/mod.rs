//! YAML text -> a tree of values that know their places.
//!
//! The only room that knows the YAML crate. Why not `serde_yaml`? It is archived, has no places, keeps the last of
//! duplicate keys without a word, and stops at the first error; its maintained fork is the second opinion that our
//! tests compare with.

mod node;
mod reader;
#[cfg(test)]
mod tests;

pub use node::{Entry, Node, Number, Value};
pub use reader::read;
