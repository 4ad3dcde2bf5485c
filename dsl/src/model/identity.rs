//! `identity.yaml`: identifiers and how they join.

use super::SourceKind;
use crate::time::Duration;

/// How messages become people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// In order of priority, the highest first.
    pub identifiers: Vec<IdentifierKind>,
    /// Which kinds a source of a kind may link; a kind of source that is not listed may link all.
    pub trust: Vec<(SourceKind, Trust)>,
    /// A value shared by more people than this identifies nobody.
    pub generic_after: Option<u32>,
}

/// A kind of identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentifierKind {
    /// `user_id`, `email` …
    pub name: String,
    /// Two people with different values of it are never one.
    pub unique: bool,
    /// How values are made comparable, in order.
    pub normalize: Vec<Normalizer>,
    /// How many values one person may have.
    pub limit: Option<LinkLimit>,
    /// Values that identify nobody.
    pub block: Vec<BlockedValue>,
    /// A value not seen for so long no longer links new messages.
    pub expires: Option<Duration>,
    /// Paths in a message that it is read from, instead of the usual places.
    pub from: Option<Vec<Vec<String>>>,
}

/// `limit: 5`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimit {
    /// How many different values.
    pub count: u32,
}

/// One step of making values comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalizer {
    /// Without white space at the ends.
    Trim,
    /// In lower case.
    Lowercase,
    /// Digits with a leading `+`; a value that cannot be one is refused.
    E164,
}

/// A value that identifies nobody.
#[derive(Clone, Debug)]
pub enum BlockedValue {
    /// Exactly this, after normalisation.
    Exact(String),
    /// `/…/`: whatever matches.
    Pattern(regex::Regex),
}

impl PartialEq for BlockedValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

/// What a source may link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every kind.
    All,
    /// These kinds (by index into `identifiers`); others are noted on the event but join nobody.
    Kinds(Vec<crate::ir::IdentifierKindId>),
}
