//! What the fold decides: changes (facts about people, always recorded) and deliveries (what destinations are to be told).

use crate::journey::{InstanceId, Outcome};
use crate::record::{Identifier, Seq};
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::journey::NodeId;
use sonder_dsl::ir::{DestinationId, JourneyId, RuleId, Value};
use sonder_dsl::time::Moment;

/// The stable id of a person: a keyed hash of the identifier that made the person, so that a replay gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub u128);

impl PersonId {
    /// The beginning of the id, which orders nearly all people as the whole id does.
    pub(crate) const fn beginning(self) -> u32 {
        (self.0 >> 96) as u32
    }

    /// The end of the id, which tells nearly all people apart.
    pub(crate) const fn end(self) -> u32 {
        self.0 as u32
    }
}

/// The id of an effect and its idempotency key: a hash of (cause, rule, step, person); the same after any replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u128);

/// Why something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// A record of the log.
    Record(Seq),
    /// Time passed: a window slid or an absence ran out at this moment.
    Timer(Moment),
    /// Another version of the project took over at this moment.
    Takeover(Moment),
}

/// All that one step or one advance of the clock brought about, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Facts about people.
    pub changes: Vec<Change>,
    /// What destinations are to be told.
    pub deliveries: Vec<Delivery>,
    /// What they need not be told after all, where it has not been handed over yet.
    pub recalls: Vec<Recall>,
}

/// Calls a delivery back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Which. It may never have been decided.
    pub id: EffectId,
    /// To whom it would go.
    pub destination: DestinationId,
    /// About whom it is.
    pub person: PersonId,
    /// When it was decided.
    pub at: Moment,
    /// Why: `left cart_recovery: converted`.
    pub reason: String,
}

/// A fact about a person that came true.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whose.
    pub person: PersonId,
    /// When it came true: the record's `received_at`, or the timer's moment.
    pub at: Moment,
    /// Why.
    pub cause: Cause,
    /// What.
    pub what: ChangeKind,
}

/// Kinds of change.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// A person was seen for the first time.
    Created,
    /// `absorbed` turned out to be this person.
    Merged {
        /// The id that is no more; it stays an alias.
        absorbed: PersonId,
    },
    /// `parted` turned out not to be this person.
    Split {
        /// The id of who is somebody else; it may have been an alias.
        parted: PersonId,
    },
    /// An identifier turned out to be another person's, who was known before; told of both.
    IdentifierMoved {
        /// Which.
        identifier: Identifier,
        /// Whose it was.
        from: PersonId,
        /// Whose it is.
        to: PersonId,
    },
    /// A link was refused.
    LinkRefused {
        /// The identifier that would have brought another person in.
        identifier: Identifier,
        /// `unique`, `limit`, `untrusted`, `generic`, `expired`, `decided`.
        reason: &'static str,
    },
    /// Entered a segment.
    Entered(RuleId),
    /// Left a segment.
    Left(RuleId),
    /// A computed trait has a new value.
    TraitChanged {
        /// Which.
        rule: RuleId,
        /// `None` when it became unknown.
        value: Option<Value>,
    },
    /// Something happened on a journey.
    Journey(JourneyChange),
}

/// Something that happened on a passage through a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyChange {
    /// Which journey.
    pub journey: JourneyId,
    /// Which passage.
    pub instance: InstanceId,
    /// What.
    pub what: JourneyStep,
}

/// Kinds of what happens on a journey.
#[derive(Clone, Debug, PartialEq)]
pub enum JourneyStep {
    /// The person came in.
    Entered {
        /// The value that their passages are told apart by, as JSON.
        per: Option<serde_json::Value>,
    },
    /// They came to a step.
    Came(NodeId),
    /// They took a branch of a split, by its place.
    Branched(NodeId, usize),
    /// Something was handed over.
    Sent(NodeId, EffectId),
    /// Nothing was sent.
    Unsent(NodeId, Unsent),
    /// They left.
    Left(Outcome),
}

/// Why a journey did not send something.
#[derive(Clone, Debug, PartialEq)]
pub enum Unsent {
    /// The person got as much of that channel as they may.
    Capped,
    /// A field that the action needs is unknown.
    Incomplete(String),
}

/// Something to hand to a destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Idempotency key.
    pub id: EffectId,
    /// To whom.
    pub destination: DestinationId,
    /// About whom; deliveries of one person to one destination keep their order.
    pub person: PersonId,
    /// When it was decided.
    pub at: Moment,
    /// Why.
    pub cause: Cause,
    /// What the plugin is told: mirrors `item-kind` of the plugin interface.
    pub kind: ItemKind,
    /// Action, segment, trait or event name.
    pub name: String,
    /// The identifiers that the destination may see, as (kind name, value).
    pub identifiers: Vec<(String, String)>,
    /// JSON: for a journey's message the fields that it was sent with; for a segment `{"segment", "at", "traits": {…}}`, for a trait `{"trait", "value", "at", "traits": {…}}`,
    /// for an event `{"event", "at", "properties": {…}, "traits": {…}}`.
    pub payload: String,
}

/// What a delivery tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ItemKind {
    /// A journey's `send`.
    Message,
    /// Entered a segment.
    SegmentEntered,
    /// Left a segment.
    SegmentLeft,
    /// A trait changed.
    TraitChanged,
    /// An event happened.
    Event,
    /// Forget this person.
    Erase,
}

impl ItemKind {
    /// As it is stored and shown: `segment_entered`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::SegmentEntered => "segment_entered",
            Self::SegmentLeft => "segment_left",
            Self::TraitChanged => "trait_changed",
            Self::Event => "event",
            Self::Erase => "erase",
        }
    }
}
