//! What another version of the project would change.

use super::preview::{AsOf, PreviewedPerson};
use serde::Serialize;
use serde_json::Value as Json;
use sonder_dsl::plan::Changes;
use sonder_dsl::syntax::ast::Share;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// To whom a version of the rules is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this part of the people; all others keep the version before.
    Share(Share),
    /// To nobody any more: what is being rolled out is taken back.
    Nobody,
}

impl Reach {
    /// `25%`, or `none`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::Nobody);
        }
        Share::parse(text.strip_suffix('%')?).map(Self::Share)
    }
}

/// A version of the project as files.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// Paths in the project, and what is in them.
    pub files: Vec<(String, String)>,
    /// To whom; `None` for the files as they are.
    pub reach: Option<Reach>,
    /// It is given up after this long.
    pub timeout: Duration,
    /// Set when the client has left.
    pub cancelled: Arc<AtomicBool>,
}

/// A version of the project that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyRequest {
    /// Paths in the project, and what is in them: all of it.
    pub files: Vec<(String, String)>,
    /// The version that it was planned against.
    pub base: String,
    /// To whom; `None` for the files as they are.
    pub reach: Option<Reach>,
    /// Whether destinations are told nothing of whom it makes enter or leave.
    pub silent: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Whether it means something else than the version before.
    pub changed: bool,
    /// The version that runs now.
    pub fingerprint: String,
}

/// What is wrong with a version, or what it would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// As `sonder check --format json` prints them. When one is an error, there is nothing else.
    pub diagnostics: Vec<Json>,
    /// The same for people, as `sonder check` prints them.
    pub rendered: String,
    /// The version that runs.
    pub base: String,
    /// The version that is planned; `None` when it has an error.
    pub target: Option<String>,
    /// The moment, and how far the log had come.
    pub as_of: Option<AsOf>,
    /// What differs.
    pub changes: Changes,
    /// Who comes and goes, for each segment that is new, means something else or is gone.
    pub segments: Vec<PlannedSegment>,
    /// What destinations would be told of that.
    pub deliveries: Vec<PlannedDelivery>,
    /// Where people stand in journeys that change or go.
    pub journeys: Vec<PlannedStep>,
    /// What journeys that go have sent and still waits: it is called back.
    pub recalls: Vec<PlannedRecall>,
}

/// Who would come and go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedSegment {
    /// Its name.
    pub name: String,
    /// How many are in it now.
    pub before: u64,
    /// How many would be.
    pub after: u64,
    /// How many would enter.
    pub entering: u64,
    /// How many would leave.
    pub leaving: u64,
    /// Some of those who would enter.
    pub enter: Vec<PreviewedPerson>,
    /// Some of those who would leave.
    pub leave: Vec<PreviewedPerson>,
}

/// What a destination would be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedDelivery {
    /// The destination.
    pub destination: String,
    /// The segment.
    pub segment: String,
    /// Of how many that they entered.
    pub entered: u64,
    /// Of how many that they left.
    pub left: u64,
}

/// Messages that are called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedRecall {
    /// The journey that sent them.
    pub journey: String,
    /// How many wait.
    pub messages: u64,
}

/// Where people stand in a journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// The journey.
    pub journey: String,
    /// What they stand at.
    pub step: String,
    /// How many.
    pub people: u64,
    /// Whether they stay there; otherwise they leave the journey.
    pub stays: bool,
}
