//! Segments and who is in them.

use serde::Serialize;
use sonder_dsl::ir::RuleId;

/// How many people are in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize {
    /// Which.
    pub segment: RuleId,
    /// How many, now.
    pub size: u64,
}

/// Somebody who is in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// 32 hexadecimal digits.
    pub person: String,
    /// Since when.
    pub since: String,
    /// Their identifiers as (kind, value), by kind and value.
    pub identifiers: Vec<(String, String)>,
}
