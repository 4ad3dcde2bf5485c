//! A message: one call of a client (`track`, `identify` …), whatever wire protocol it came by, in Segment's shape.
//!
//! Made by the collector, by `import` and by `eval` from JSON ([`read`], [`read_text`]); made again from the log when
//! the tail is refolded ([`from_log`]). There is one way from JSON to a message, so that a replay gives an equal one.
//!
//! INVARIANT: `from_log` of a message's payload, source and times is that message.

mod claims;
mod inspect;
mod ip;
pub mod limits;
pub mod patch;
pub(crate) mod read;
mod salvage;
mod text;
mod time;

pub use claims::claims;
pub use ip::{Addresses, GeoIp, Place};
pub(crate) use read::left_out;
pub use read::{Envelope, Parsed, Timing, from_log, read, read_again, read_text};
pub(crate) use salvage::salvaged;
pub use time::parse_timestamp;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::SourceId;
use sonder_dsl::time::Moment;

/// What a client called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Call {
    /// Something happened; has an event name.
    Track,
    /// A page was seen: the event `page_viewed`.
    Page,
    /// A screen of an app was seen: the event `screen_viewed`.
    Screen,
    /// Who it is, and traits.
    Identify,
    /// Which account or company they belong to.
    Group,
    /// Two user ids are one person's.
    Alias,
    /// Somebody decided that the first of its identifiers is the same person's as each of the others.
    Link,
    /// Somebody decided that it is another person's than any of the others.
    Unlink,
    /// Matching of records found that its two identifiers are likely one person's, and how likely.
    Match,
    /// Somebody restricts what their data is used for, or objects to it.
    Restrict,
    /// That ends.
    Release,
    /// What is left of an event that is kept no longer: whose it was, and what it said of them.
    Seen,
}

impl Call {
    /// Whether it is about who is who, and nobody's event: somebody decided it, or matching found it.
    #[must_use]
    pub const fn is_decision(self) -> bool {
        matches!(self, Self::Link | Self::Unlink | Self::Match)
    }

    /// Whether it binds what somebody's data is used for.
    #[must_use]
    pub const fn is_restriction(self) -> bool {
        matches!(self, Self::Restrict | Self::Release)
    }

    /// Whether only the engine itself makes it.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        self.is_decision() || self.is_restriction() || matches!(self, Self::Seen)
    }

    /// What the message's `type` says: `track`, in lower case; `None` for a type that there is not.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "track" => Self::Track,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "identify" => Self::Identify,
            "group" => Self::Group,
            "alias" => Self::Alias,
            "link" => Self::Link,
            "unlink" => Self::Unlink,
            "match" => Self::Match,
            "restrict" => Self::Restrict,
            "release" => Self::Release,
            "seen" => Self::Seen,
            _ => return None,
        })
    }

    /// Whether something happened, which has a name.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Track | Self::Page | Self::Screen)
    }

    /// The message's `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Identify => "identify",
            Self::Group => "group",
            Self::Alias => "alias",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::Match => "match",
            Self::Restrict => "restrict",
            Self::Release => "release",
            Self::Seen => "seen",
        }
    }
}

/// What is doubtful about a message that is accepted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The client's clock, skew and all, was further ahead than the project tolerates.
    FutureTimestamp,
    /// The client sent a timestamp that nobody can read; the time of receipt stands in for it.
    UnreadableTimestamp,
    /// It violates its schema, which says `on_violation: label`.
    SchemaViolation,
    /// Properties that violate its schema were left out, as `on_violation: strip` says.
    Stripped,
    /// An identifier was blocked, too long, or not what its kind normalises to; others remained.
    IdentifierRefused,
    /// A trait was not of its declared type and was not taken into the golden record.
    TraitRefused,
    /// Whose it is was left out, because they do not consent to its being collected.
    Anonymous,
    /// It had been kept aside, and was taken in later.
    Replayed,
    /// Properties that its schema does not declare were left out.
    Minimised,
    /// What a message answered that was itself not taken in as it was.
    Answer,
    /// That message reported a change of consent.
    Change,
}

impl Label {
    /// As it is stored and shown: `future_timestamp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FutureTimestamp => "future_timestamp",
            Self::UnreadableTimestamp => "unreadable_timestamp",
            Self::SchemaViolation => "schema_violation",
            Self::Stripped => "stripped",
            Self::IdentifierRefused => "identifier_refused",
            Self::TraitRefused => "trait_refused",
            Self::Anonymous => "anonymous",
            Self::Replayed => "replayed",
            Self::Minimised => "minimised",
            Self::Answer => "answer",
            Self::Change => "change",
        }
    }

    /// Notes this label among others, which stay sorted and each once.
    pub(crate) fn note(self, labels: &mut Vec<Self>) {
        if let Err(place) = labels.binary_search(&self) {
            labels.insert(place, self);
        }
    }
}

/// One normalised message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What was called.
    pub call: Call,
    /// The client's id for it, or one that the collector made; the key of deduplication.
    pub message_id: String,
    /// Where it came from.
    pub source: SourceId,
    /// When it happened: the client's time corrected for its clock's skew, never later than `received_at`.
    pub occurred_at: Moment,
    /// When it arrived. The log may set it later, never earlier, so that it never goes back.
    pub received_at: Moment,
    /// The name of a `track` event or of a page, as sent.
    pub name: Option<String>,
    /// Absent when empty or null; numbers are text.
    pub anonymous_id: Option<String>,
    /// Absent when empty or null; numbers are text.
    pub user_id: Option<String>,
    /// The other id of an `alias`.
    pub previous_id: Option<String>,
    /// The account of a `group`.
    pub group_id: Option<String>,
    /// `properties`
    pub properties: Map<String, Json>,
    /// `traits` over `context.traits`; the account's own for a `group`.
    pub traits: Map<String, Json>,
    /// `context`
    pub context: Map<String, Json>,
    /// Every other key that the client sent, such as `integrations` and `channel`.
    pub rest: Map<String, Json>,
    /// What is doubtful about it so far; sorted, each once.
    pub labels: Vec<Label>,
    /// The message as JSON text, with all that the client sent but the write key: what the log keeps.
    pub payload: Box<str>,
    /// Imported history: it changes state, and segment changes are recorded, but nothing is delivered.
    pub historical: bool,
}

impl Message {
    /// The name of the event that it reports, as sent; of pages and screens, the one that all of them have.
    #[must_use]
    pub fn event_name(&self) -> Option<&str> {
        match self.call {
            Call::Track => self.name.as_deref(),
            Call::Page => Some("page_viewed"),
            Call::Screen => Some("screen_viewed"),
            _ => None,
        }
    }
}

/// A message that could not even be read, or that no rule of the project accepts: kept aside, never lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Where it came from.
    pub source: SourceId,
    /// When it arrived.
    pub received_at: Moment,
    /// When it happened, where the message could be read.
    pub occurred_at: Option<Moment>,
    /// Imported history.
    pub historical: bool,
    /// Its message id, where one could be read.
    pub message_id: Option<String>,
    /// The event's name as sent, or the call.
    pub name: Option<String>,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// The original as JSON text.
    pub payload: Box<str>,
}

/// Why a message was quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `undeclared_event`, `schema_violation`, `missing_identifier`, `malformed`, `too_large` …
    pub code: String,
    /// A JSON pointer into the message, where one part is at fault.
    pub path: Option<String>,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Reason {
    /// Says that something is wrong, and where; an empty path is the message as a whole.
    pub(crate) fn new(code: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        let path = path.into();
        Self { code: code.to_owned(), path: (!path.is_empty()).then_some(path), message: message.into() }
    }
}

/// The codes of [`Reason`]s.
pub mod code {
    /// Not JSON, or a part is of the wrong type.
    pub const MALFORMED: &str = "malformed";
    /// Larger than an event may be.
    pub const TOO_LARGE: &str = "too_large";
    /// Nested deeper than a message may be.
    pub const TOO_DEEP: &str = "too_deep";
    /// More keys than a message may have.
    pub const TOO_MANY_PROPERTIES: &str = "too_many_properties";
    /// A character that no store takes.
    pub const NUL_CHARACTER: &str = "nul_character";
    /// A `type` that there is not.
    pub const UNKNOWN_TYPE: &str = "unknown_type";
    /// A `track` without a name.
    pub const MISSING_EVENT: &str = "missing_event";
    /// Nothing that says whose it is.
    pub const MISSING_IDENTIFIER: &str = "missing_identifier";
    /// No schema has this name.
    pub const UNDECLARED_EVENT: &str = "undeclared_event";
    /// A report of a change of consent that says nothing.
    pub const MISSING_CONSENT: &str = "missing_consent";
    /// Nobody can tell in which region it belongs.
    pub const NO_REGION: &str = "no_region";
    /// It belongs to another region than the engine that was to take it in.
    pub const OTHER_REGION: &str = "other_region";
    /// Not what the schema says.
    pub const SCHEMA_VIOLATION: &str = "schema_violation";
}

#[cfg(test)]
mod tests;
