//! Log records as the fold sees them.

use crate::consent::Said;
use crate::message::{Call, Label};
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::{DestinationId, EventId, IdentifierKindId, ProfileTraitId, SourceId, Value};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// Stands for a source that is not in the project any more.
pub const UNKNOWN_SOURCE: SourceId = SourceId(u32::MAX);

/// A place in the log: dense, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// A normalised identifier value: the node of the identity graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// Its kind.
    pub kind: IdentifierKindId,
    /// Normalised, never empty, not blocked.
    pub value: Arc<str>,
}

/// How likely it is that two are one person, as the weight of the evidence: log2 of its odds, in thousandths. Whole numbers,
/// so that every machine has the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Likelihood(pub i32);

impl Likelihood {
    /// Of what is not a question of likelihood.
    pub const NONE: Self = Self(0);

    /// Of a weight: log2 of the odds.
    #[must_use]
    pub fn of_weight(weight: f64) -> Self {
        Self((weight.clamp(-Self::SUREST, Self::SUREST) * 1_000.0).round() as i32)
    }

    /// Of a probability.
    #[must_use]
    pub fn of_probability(probability: f64) -> Self {
        Self::of_weight((probability / (1.0 - probability)).log2())
    }

    /// log2 of the odds.
    #[must_use]
    pub fn weight(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// 0 to 1.
    #[must_use]
    pub fn probability(self) -> f64 {
        1.0 / (1.0 + (-self.weight()).exp2())
    }

    /// No weight is further from nothing than this.
    const SUREST: f64 = 1_000.0;
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place.
    pub seq: Seq,
    /// When it was logged; never goes back.
    pub received_at: Moment,
    /// What it says.
    pub fact: Fact,
}

/// What a record says. What people say about consent, and what is decided about who is who, comes with events.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A client's message, governed.
    Event(Event),
}

impl Event {
    /// An event that says nothing about nobody: for where only values count, and what is left of an erased one.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            call: Call::Track,
            event: None,
            source: SourceId(0),
            occurred_at: Moment(0),
            identifiers: Vec::new(),
            traits: Vec::new(),
            properties: Box::default(),
            context: Box::default(),
            forward: None,
            withheld: Vec::new(),
            stripped: Vec::new(),
            labels: Vec::new(),
            said: Said::NOTHING,
            historical: false,
            likelihood: Likelihood::NONE,
        }
    }
}

/// An accepted message, reduced to what the fold needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What was called. An `alias` is explicit consent to join its identifiers, also where a kind is `unique`.
    pub call: Call,
    /// Its declared type; `None` for `identify`, `group`, `alias`, and accepted undeclared events.
    pub event: Option<EventId>,
    /// Where it came from.
    pub source: SourceId,
    /// When it happened, never later than the record's `received_at`.
    pub occurred_at: Moment,
    /// The identifiers of the one person it speaks of, in order of priority, each once. Empty only where
    /// people do not consent to more than that something happened.
    pub identifiers: Vec<Identifier>,
    /// Observed traits of the golden record.
    pub traits: Vec<(ProfileTraitId, Value)>,
    /// By slot of the event type: what rules read of `properties`.
    pub properties: Box<[Option<Value>]>,
    /// By context slot: what rules read of `context`.
    pub context: Box<[Option<Value>]>,
    /// The message's `properties` as JSON, only when some destination receives this event type.
    pub forward: Option<Arc<str>>,
    /// Destinations that must not get this event, because its own `integrations` say so; sorted.
    pub withheld: Vec<DestinationId>,
    /// Top-level properties that violate the schema and were left out (`on_violation: strip`): rules do not see them, and
    /// neither does the event's typed row. Sorted.
    pub stripped: Vec<String>,
    /// What is doubtful about it: it counts, but people should know. Sorted, each once.
    pub labels: Vec<Label>,
    /// What it says about consent.
    pub said: Said,
    /// Imported history: no deliveries follow from it.
    pub historical: bool,
    /// Of a `match`, how likely its two identifiers are one person's.
    pub likelihood: Likelihood,
}
