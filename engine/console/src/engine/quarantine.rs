//! Messages that were set aside, and why.

use serde::Serialize;
use serde_json::Value as Json;

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
