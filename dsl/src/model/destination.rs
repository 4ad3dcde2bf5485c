//! `destinations/*.yaml`: where decisions go.

use super::{Rate, WriteKey};
use crate::ir::{EventId, ProfileTraitId, RuleId};

/// One configured destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Unique name.
    pub name: String,
    /// `sonder/webhook@1` for a bundled plugin, or the path of a `.wasm` in the project.
    pub plugin: String,
    /// Hosts that it may reach: `api.mail.example`, or with a port `localhost:9000`.
    pub allow: Vec<String>,
    /// Whether those may be private or loopback addresses, and plain http.
    pub allow_private: bool,
    /// Secrets by name; the plugin names them, the host fills them in.
    pub secrets: Vec<Secret>,
    /// What the plugin is configured with; checked by the plugin.
    pub config: serde_json::Value,
    /// For which purposes it may get data.
    pub purposes: Vec<String>,
    /// Segments whose entries and exits it gets.
    pub segments: Vec<RuleId>,
    /// Golden-record traits whose changes it gets and which go with each item.
    pub profile_traits: Vec<ProfileTraitId>,
    /// Computed traits whose changes it gets and which go with each item.
    pub computed_traits: Vec<RuleId>,
    /// Events that it gets as they come.
    pub events: Vec<EventId>,
    /// Kinds of identifiers that it may see; empty for all.
    pub identifiers: Vec<crate::ir::IdentifierKindId>,
    /// How often it may be called.
    pub rate: Option<Rate>,
    /// How many items one person may get in how long.
    pub cap_per_person: Option<Rate>,
    /// Memory of one instance, in bytes. Default 64 MiB.
    pub memory_limit: u64,
    /// Items in one batch. Default 100.
    pub batch_limit: u32,
    /// Time one batch may execute, network waits excluded. Default 2 s.
    pub time_limit: crate::time::Duration,
}

/// A secret: its name, and where its value is found when the engine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What the plugin writes: `{{secret:name}}`.
    pub name: String,
    /// Where the value is.
    pub value: WriteKey,
}
