//! How the engine is.

use serde::Serialize;

/// The whole picture, for people and monitors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// Of the project.
    pub project: String,
    /// Which version of the project runs: its fingerprint as 16 hexadecimal digits.
    pub fingerprint: String,
    /// The region that the engine stands in, where the project has regions.
    pub region: Option<String>,
    /// What is being rolled out to some people.
    pub rollout: Option<RolloutStatus>,
    /// What it is doing.
    pub stage: Stage,
    /// When it was started.
    pub started_at: String,
    /// What starting took.
    pub recovery: Option<Recovery>,
    /// The log.
    pub log: LogStatus,
    /// Requests of clients that were refused since the start, in the order of their reasons.
    pub rejections: Vec<RejectionStatus>,
    /// How many people there are.
    pub people: u64,
    /// How far behind each stage is.
    pub lag: Lag,
    /// What happened when the project's files last changed.
    pub reload: Reload,
    /// In the order of their names.
    pub destinations: Vec<DestinationStatus>,
    /// Requests of people that are to be dealt with.
    pub privacy: super::OpenRequests,
    /// Where memory goes.
    pub memory: Memory,
}

/// Rules that are new for some people only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RolloutStatus {
    /// For how many: `25%`.
    pub share: String,
    /// The rules and journeys that are not the same for everybody, by name.
    pub rules: Vec<String>,
}

/// What the engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Refolding the tail of the log.
    Recovering,
    /// Taking traffic.
    Running,
    /// Reading works, writing does not: the disk is full or failing.
    Degraded,
    /// Finishing what it has.
    Stopping,
}

/// What starting took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// People loaded from the checkpoint.
    pub people: u64,
    /// Records refolded after it.
    pub records: u64,
    /// How long all of it took.
    pub millis: f64,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogStatus {
    /// The last durable place.
    pub seq: u64,
    /// The last place that the fold has seen.
    pub folded_seq: u64,
    /// The place that the last checkpoint stands for.
    pub checkpoint_seq: u64,
    /// When the last record was logged; `null` on an empty log.
    pub last_received_at: Option<String>,
    /// Messages that were seen again and left out, since the start.
    pub duplicates: u64,
    /// Messages in quarantine.
    pub quarantined: u64,
}

/// Requests that were refused for one reason. None of what they held is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectionStatus {
    /// The reason's code, as the client was told.
    pub code: String,
    /// How many, since the start.
    pub count: u64,
    /// When the last one came.
    pub last_at: String,
    /// Where the last one went, without its query.
    pub last_path: String,
    /// The beginning of the last one's body, as it came.
    pub last_sample: String,
}

/// How far behind each stage is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lag {
    /// Messages accepted by a connection and not yet in the log.
    pub queued: u64,
    /// Records in the log and not yet folded.
    pub unfolded: u64,
    /// Deliveries in the outbox.
    pub undelivered: u64,
    /// Age of the oldest delivery in the outbox, in milliseconds.
    pub oldest_undelivered_ms: u64,
    /// How late the fold's clock is: wall time minus the moment it was last advanced to, in milliseconds.
    pub clock_ms: u64,
}

/// What happened when the project's files last changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reload {
    /// The outcome.
    pub outcome: ReloadOutcome,
    /// When; `null` when nothing has changed since the start.
    pub at: Option<String>,
    /// Errors, one line each, that keep a change from being applied.
    pub errors: Vec<String>,
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// The project is as it was at the start.
    Unchanged,
    /// The new version runs.
    Applied,
    /// The new version has errors; the old one runs on.
    Rejected,
    /// The new version waits for somebody's approval.
    NeedsApproval,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// Delivered since the start.
    pub delivered: u64,
    /// Tries that failed and will be repeated, since the start.
    pub retried: u64,
    /// Given up since the start.
    pub dead: u64,
    /// In the outbox.
    pub pending: u64,
    /// Whether calls are held back because too many failed.
    pub paused: bool,
    /// Why the last try failed; `null` when the last one did not.
    pub last_error: Option<String>,
}

/// Where memory goes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The fold's own estimate of people's state.
    pub people: u64,
    /// What the operating system counts for the process; 0 where it does not say.
    pub resident: u64,
}
