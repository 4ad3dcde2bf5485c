//! Messages that were set aside, and why.

use serde::Serialize;
use serde_json::Value as Json;
use sonder_core::message::patch::Patch;

/// Which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// With this reason code.
    pub reason: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// With this event name, as sent.
    pub name: Option<String>,
    /// Only those with a smaller id: the page after that one.
    pub before: Option<u64>,
    /// No more than this.
    pub limit: usize,
}

/// Some of them, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QuarantinePage {
    /// How many match the filter, on all pages.
    pub total: u64,
    /// How many of those have each reason, most first; one with two reasons counts in both.
    pub reasons: Vec<ReasonCount>,
    /// What is wrong, where and with what; most first, as many as are worth showing.
    pub groups: Vec<QuarantineGroup>,
    /// This page.
    pub messages: Vec<Quarantined>,
    /// What to ask for as `before` to get the next page; `null` on the last.
    pub next: Option<u64>,
}

/// How many have one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// The reason.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// Messages of one name and source that have the same thing wrong at the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineGroup {
    /// The reason.
    pub code: String,
    /// A JSON pointer into the message, where one part is at fault.
    pub path: Option<String>,
    /// The event's name as sent, or the call.
    pub name: Option<String>,
    /// Where they came from.
    pub source: String,
    /// How many.
    pub count: u64,
    /// When the first of them arrived.
    pub first_at: String,
    /// When the last of them arrived.
    pub last_at: String,
    /// What is said of the last.
    pub message: String,
    /// The id of the last.
    pub last: u64,
}

/// Which messages something is done with, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineSelection {
    /// Only these; all that match the rest where there are none.
    pub ids: Vec<u64>,
    /// With this reason code.
    pub reason: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// With this event name, as sent.
    pub name: Option<String>,
    /// Only those with a greater id: the page after that one.
    pub after: u64,
    /// No more than this.
    pub limit: usize,
}

/// Which messages are taken in after all, and how they are mended before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuarantineReplay {
    /// Which.
    pub which: QuarantineSelection,
    /// What is changed in each.
    pub patch: Patch,
    /// Nothing is taken in: what would be is told.
    pub dry_run: bool,
    /// They change state, but destinations are told nothing of them.
    pub silent: bool,
}

/// What became of messages that were to be taken in after all, or would.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QuarantineReplayed {
    /// Whether nothing was taken in.
    pub dry_run: bool,
    /// How many were looked at.
    pub matched: u64,
    /// How many are in the log now.
    pub replayed: u64,
    /// How many the log had already, by their message id.
    pub duplicates: u64,
    /// How many are of people who were erased since.
    pub erased: u64,
    /// How many are not collected, for want of consent.
    pub without_consent: u64,
    /// How many are refused again, and stay.
    pub refused: u64,
    /// How many of those have each reason, most first.
    pub reasons: Vec<ReasonCount>,
    /// Some of those that were refused again, or, in a dry run, of all.
    pub samples: Vec<ReplaySample>,
    /// What to ask for as `after` to go on; `null` when all were looked at.
    pub next: Option<u64>,
}

/// How many messages were given up, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuarantineDismissed {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many.
    pub dismissed: u64,
    /// What to ask for as `after` to go on; `null` when all were looked at.
    pub next: Option<u64>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplaySample {
    /// Its id in quarantine.
    pub id: u64,
    /// Its name as sent.
    pub name: Option<String>,
    /// What became of it, or would.
    pub outcome: ReplayOutcome,
    /// Why it is refused; empty where it is not.
    pub reasons: Vec<QuarantineReason>,
    /// As it is after the patch.
    pub payload: Json,
}

/// What becomes of a message that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayOutcome {
    /// It is in the log.
    Replayed,
    /// The log has a message with its id.
    Duplicate,
    /// It is of somebody who was erased since.
    Erased,
    /// It is not collected, for want of consent.
    WithoutConsent,
    /// It is refused again.
    Refused,
}

/// A message that was set aside.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quarantined {
    /// Rises with time.
    pub id: u64,
    /// When it arrived.
    pub received_at: String,
    /// Where it came from.
    pub source: String,
    /// The event's name as sent, or the call.
    pub name: Option<String>,
    /// The client's id for it, where one could be read.
    pub message_id: Option<String>,
    /// Why; never empty.
    pub reasons: Vec<QuarantineReason>,
    /// The original: JSON where it is, else a string.
    pub payload: Json,
}

/// One thing that was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineReason {
    /// `undeclared_event`, `schema_violation` …
    pub code: String,
    /// A JSON pointer into the message, where one part is at fault.
    pub path: Option<String>,
    /// What is wrong, and what was expected.
    pub message: String,
}
