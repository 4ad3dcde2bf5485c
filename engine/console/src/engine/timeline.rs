//! What happened to one person, newest first.

use serde::Serialize;
use serde_json::Value as Json;
use sonder_dsl::time::Moment;

/// A place in a timeline. Entries are ordered by (`at`, `place`), newest first; a page starts strictly before its
/// cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimelineCursor {
    /// A moment.
    pub at: Moment,
    /// Tells entries of one moment apart: any number that the engine gives to an entry and finds it by again.
    pub place: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Where it stands.
    #[serde(skip)]
    pub cursor: TimelineCursor,
    /// When: for an event when it happened, for all else when it came true.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What it is that people are others than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityCause {
    /// A message, or a decision, said so.
    Message,
    /// Another version of the project took over.
    Project,
}

/// Kinds of entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EntryKind {
    /// A message was accepted.
    Event {
        /// Its place in the log.
        seq: u64,
        /// Its declared name, or the call (`identify`, `group`, `alias`).
        event: String,
        /// Where it came from.
        source: String,
        /// When it arrived.
        received_at: String,
        /// The client's id for it.
        message_id: String,
        /// `properties`, or `traits` for an identify; `{}` where there were none.
        properties: Json,
    },
    /// The person was seen for the first time.
    Created {
        /// Why.
        cause: IdentityCause,
    },
    /// Somebody turned out to be this person.
    Merged {
        /// The id that is no more; it stays an alias.
        absorbed: String,
        /// Why.
        cause: IdentityCause,
    },
    /// Somebody turned out not to be this person.
    Split {
        /// The id of who is somebody else.
        parted: String,
        /// Why.
        cause: IdentityCause,
    },
    /// An identifier turned out to be another person's, who was known before; told of both.
    IdentifierMoved {
        /// The identifier's kind.
        kind: String,
        /// Its value.
        value: String,
        /// The id of whose it was.
        from: String,
        /// The id of whose it is.
        to: String,
        /// Why.
        cause: IdentityCause,
    },
    /// A link was refused.
    LinkRefused {
        /// The identifier's kind.
        kind: String,
        /// Its value.
        value: String,
        /// `unique`, `limit`, `untrusted`, `generic`, `expired`, `decided`.
        reason: String,
    },
    /// Entered a segment.
    Entered {
        /// Which.
        segment: String,
    },
    /// Left a segment.
    Left {
        /// Which.
        segment: String,
    },
    /// A computed trait has a new value.
    TraitChanged {
        /// Which.
        name: String,
        /// `null` when it became unknown.
        value: Json,
    },
    /// Something happened on a journey.
    Journey {
        /// Which.
        journey: String,
        /// `entered`, `came`, `branched`, `sent`, `unsent` or `left`.
        what: String,
        /// The passage: 16 hexadecimal digits.
        passage: String,
        /// The step, where it is about one.
        step: Option<String>,
        /// The value that passages are told apart by, the branch, the delivery, why nothing was sent, or how it ended.
        detail: Json,
    },
    /// Something was sent to a destination.
    Sent {
        /// The idempotency key.
        delivery: String,
        /// To whom.
        destination: String,
        /// Segment, trait or event name.
        name: String,
        /// How it ended, or `pending`.
        state: super::DeliveryState,
    },
}
