//! What is kept for a time only, and what went as that was over.

use serde::Serialize;
use std::collections::BTreeMap;

/// What a project keeps how long, and what went lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// What is kept for a time only.
    pub keeps: Vec<Kept>,
    /// When something went, the latest first.
    pub runs: Vec<RetentionRun>,
}

/// What is kept for a time only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// `events`, `event order`, `trait phone`, `quarantine`, `decisions`, `audit`.
    pub what: String,
    /// How long: `750d`.
    pub kept: String,
}

/// What went at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionRun {
    /// Names it.
    pub id: String,
    /// When.
    pub at: String,
    /// Since when the state is made of what is left; `None` while it is being made.
    pub done_at: Option<String>,
    /// What went.
    pub expired: Expired,
}

/// What went, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Events by name.
    pub events: BTreeMap<String, u64>,
    /// Messages that lost a trait.
    pub traits: u64,
    /// People who were known by nothing but events that are all over.
    pub people: u64,
    /// Messages that were kept aside.
    pub quarantined: u64,
    /// Changes of people, and deliveries.
    pub decisions: u64,
    /// Entries of the audit log, which has it on record itself: none of a run that is told of later.
    pub audit: u64,
}
