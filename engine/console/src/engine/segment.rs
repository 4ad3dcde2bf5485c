//! Segments and who is in them.

use super::Trouble;
use serde::Serialize;
use sonder_core::effect::PersonId;
use sonder_dsl::ir::{Program, RuleId};
use std::fs::File;
use std::sync::Arc;

/// How many people are in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize {
    /// Which.
    pub segment: RuleId,
    /// How many, now.
    pub size: u64,
}

/// How many people are in each segment of a version of the project.
#[derive(Clone, Debug)]
pub struct SegmentSizes {
    /// The version.
    pub program: Arc<Program>,
    /// In the order of [`Program::segments`].
    pub sizes: Vec<SegmentSize>,
}

impl SegmentSizes {
    /// The size of one of the version's segments.
    #[must_use]
    pub fn of(&self, segment: RuleId) -> u64 {
        self.sizes.iter().find(|size| size.segment == segment).map_or(0, |size| size.size)
    }
}

/// The segment whose members are exported, and for what. Left out is whoever does not consent to its purpose, or to the one that
/// the export is for, and whoever restricts all that is done with their data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its name.
    pub segment: String,
    /// A purpose of the project.
    pub purpose: Option<String>,
}

/// Some of the people who are in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// How many are in it altogether.
    pub size: u64,
    /// Some of those who are not left out, in order of id.
    pub members: Vec<Member>,
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

/// Members on their way into a file that is read once. Whatever is kept of them on a disk is gone when it is dropped.
pub trait Export: Send {
    /// Slow. Adds some, as whoever gets the file knows them.
    ///
    /// # Errors
    /// When the disk cannot be written.
    fn add(&mut self, members: &[Member]) -> Result<(), Trouble>;

    /// Slow. The file, from its beginning.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(self: Box<Self>) -> Result<File, Trouble>;
}

/// How an audience knows people: by pseudonyms that nobody else knows.
pub trait Audience: Send + Sync {
    /// Somebody, by their pseudonyms.
    fn pseudonymous(&self, member: Member) -> Member;

    /// A place in a list, which tells nothing of who is there.
    fn place(&self, last: PersonId) -> String;

    /// Who is at such a place; `None` where it is none of this audience.
    fn at(&self, place: &str) -> Option<PersonId>;
}
