//! What destinations were told.

use serde::Serialize;
use serde_json::Value as Json;
use sonder_core::effect::PersonId;

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// In the outbox: not yet tried, or to be tried again.
    Pending,
    /// The destination has it.
    Delivered,
    /// Given up: refused, or tried too often. It can be replayed.
    Dead,
    /// Not wanted any more: called back by a journey, without consent, or about somebody who was erased.
    Cancelled,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Dead, Self::Cancelled];

    /// As in JSON and in queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this destination, by name.
    pub destination: Option<String>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// About this person, or somebody who was merged into them.
    pub person: Option<PersonId>,
    /// Only those strictly before the one with this (`at` in microseconds, id): the page after it.
    pub before: Option<(i64, u128)>,
    /// No more than this.
    pub limit: usize,
}

/// Some of them, newest first by (`at`, `id`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryPage {
    /// How many match the filter, on all pages.
    pub total: u64,
    /// This page.
    pub deliveries: Vec<Delivery>,
    /// Whether there are more after this page.
    pub more: bool,
}

/// One thing a destination is or was told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    /// The idempotency key: 32 hexadecimal digits.
    pub id: String,
    /// To whom.
    pub destination: String,
    /// About whom.
    pub person: String,
    /// `message`, `segment_entered`, `segment_left`, `trait_changed`, `event`, `erase`.
    pub kind: String,
    /// Segment, trait or event name.
    pub name: String,
    /// When it was decided.
    pub at: String,
    /// How far it has come.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When the last try ended; `null` before that.
    pub settled_at: Option<String>,
    /// Why the last try failed; `null` where it did not.
    pub error: Option<String>,
    /// What the plugin was told.
    pub payload: Json,
}

/// Which deliveries that were given up are to be tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Those to this destination, by name; otherwise to all.
    pub destination: Option<String>,
    /// Those about this person, or somebody who was merged into them; otherwise about anybody.
    pub person: Option<PersonId>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// How many are on their way again.
    pub replayed: u64,
    /// How many more there are; ask again for them.
    pub left: u64,
}
