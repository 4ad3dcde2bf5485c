//! All that was said of somebody's traits: what the golden record chose from.

use serde::Serialize;

/// What was said of a person's traits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Observed {
    /// The person's id.
    pub person: String,
    /// Those of which something was said, as `profile.yaml` has them.
    pub traits: Vec<ObservedTrait>,
}

/// What was said of one trait.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObservedTrait {
    /// Its name.
    pub name: String,
    /// Which value wins, as `merge` says it.
    pub policy: String,
    /// The value that won; `None` where none counts.
    pub value: Option<serde_json::Value>,
    /// Whether different values were said, of which one had to be chosen.
    pub conflict: bool,
    /// What was said, the latest first.
    pub observations: Vec<Observation>,
}

/// A value that a message said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Observation {
    /// What.
    pub value: serde_json::Value,
    /// The source that said so.
    pub source: String,
    /// When it was so.
    pub at: String,
    /// The record of the log.
    pub record: u64,
    /// The id of the message.
    pub message_id: String,
    /// Whether it is the value that won, or one of them.
    pub counts: bool,
}
