//! `profile.yaml`: the golden record.

use super::PiiClass;
use crate::ir::{SourceId, Type};

/// One trait of the golden record.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileTrait {
    /// Unique name.
    pub name: String,
    /// The type of its values; an observation of another type is refused.
    pub kind: Type,
    /// What it means.
    pub description: Option<String>,
    /// Personal data: not comparable in rules.
    pub pii: Option<PiiClass>,
    /// For which purposes it may be used.
    pub purposes: Vec<String>,
    /// Where observations are read from, as paths in a message, the first that is there; default `traits.<name>`, which
    /// includes `context.traits.<name>`.
    pub from: Vec<Vec<String>>,
    /// Which observation wins.
    pub merge: MergePolicy,
}

/// Which of several observations wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergePolicy {
    /// The latest by (`occurred_at`, `seq`). The default.
    MostRecent,
    /// The earliest.
    First,
    /// The longest text; the most recent of equals.
    Longest,
    /// All of them, as a list in order of first observation.
    Union,
    /// The smallest; the most recent of equals.
    Min,
    /// The largest; the most recent of equals.
    Max,
    /// From the first of these sources that has one; within a source, and when none of them has, the most recent.
    Sources(Vec<SourceId>),
}
