//! `sonder.yaml`: the project itself.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// Settings of the whole project.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The project's name.
    pub name: String,
    /// IANA time zone, for people whose own is unknown and for dates in rules. Default `UTC`.
    pub timezone: String,
    /// A session ends after this long without an event. Default 30 m.
    pub session_idle: Duration,
    /// No session is longer than this. Default 24 h.
    pub session_max: Duration,
    /// A message id seen again within this time is a duplicate. Default 48 h.
    pub dedup: Duration,
    /// What happens to events without a schema.
    pub undeclared_events: UndeclaredEvents,
    /// A client clock up to this far ahead is believed (and still clamped to the time of receipt); further ahead, the
    /// event is labelled. Default 5 m.
    pub future_tolerance: Duration,
    /// How long events are kept; `None` for ever.
    pub retain_events: Option<Duration>,
    /// How long quarantined messages are kept. Default 30 days.
    pub retain_quarantine: Duration,
    /// The address the engine listens on, unless the command line says otherwise.
    pub listen: Option<String>,
    /// The data directory, unless the command line says otherwise.
    pub store: Option<String>,
    /// Bytes of people's state kept in memory before cold people are spilled; `None` for all of them.
    pub state_memory: Option<u64>,
}

/// `undeclared_events`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UndeclaredEvents {
    /// Kept aside with the reason, until a schema is there.
    Quarantine,
    /// Stored and visible, unusable in rules until declared.
    Accept,
}

/// `200/s per key`: how often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}
