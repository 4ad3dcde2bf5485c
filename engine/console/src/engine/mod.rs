//! The seam between the API and the running engine: one trait, and plain data for each answer.
//!
//! The API knows nothing of locks, pools or threads. The binary implements [`Engine`]; tests implement it over a
//! handful of literals. Every answer type here is at the same time the JSON that a client gets: field names, order and
//! `null`s are the contract that `openapi.json` describes.
//!
//! Two kinds of method, and the API treats them differently:
//! - **quick** ones are called on the server's own threads. They may take a read lock for as long as it takes to copy one
//!   answer, and never touch a disk.
//! - **slow** ones are called on a blocking thread, with a bound on how many run at once. They may read the store.

mod consent;
mod delivery;
mod explain;
mod identity;
mod journey;
mod matching;
mod observed;
mod person;
mod plan;
mod preview;
mod privacy;
mod quarantine;
mod query;
mod retention;
mod segment;
mod status;
mod text;
mod timeline;

pub use consent::{ConsentChange, Subject};
pub use delivery::{Delivery, DeliveryFilter, DeliveryPage, DeliveryState, Replay, Replayed};
pub use explain::ExplainRequest;
pub use identity::{
    DECISION, Decision, DecisionNote, GraphEdge, GraphNode, IdentityDecision, IdentityGraph, RefusedEdge, comparable,
};
pub use journey::{Branch, Ended, Estimate, Journey, JourneyStep, JourneySummary, Split, Way};
pub use matching::{
    MatchPair, MatchPairs, MatchRun, Matching, PairDecided, PairDecision, PairState, PairedField, PairedPerson,
    PairsAsked,
};
pub use observed::{Observation, Observed, ObservedTrait};
pub use person::{ComputedTrait, Consent, Identifier, InSegment, OnJourney, PastRequest, Person, Sought, Trait};
pub use plan::{
    Applied, ApplyRequest, Plan, PlanRequest, PlannedDelivery, PlannedRecall, PlannedSegment, PlannedStep, Reach,
};
pub use preview::{AsOf, Preview, PreviewOverlap, PreviewRequest, PreviewedPerson, PreviewedRule, ValueCount};
pub use privacy::{
    Erasure, ErasureState, OpenRequests, PrivacyRequest, RequestAction, RequestAsked, RequestNote, RequestStep, Right,
    ToldDestination,
};
pub use quarantine::{
    QuarantineDismissed, QuarantineFilter, QuarantineGroup, QuarantinePage, QuarantineReason, QuarantineReplay,
    QuarantineReplayed, QuarantineSelection, Quarantined, ReasonCount, ReplayOutcome, ReplaySample,
};
pub use query::{Column, Query, Rows};
pub use retention::{Expired, Kept, Retention, RetentionRun};
pub use segment::{Audience, Export, Exported, Member, Members, SegmentSize, SegmentSizes};
pub use status::{
    DestinationStatus, Lag, LogStatus, Memory, Recovery, RejectionStatus, Reload, ReloadOutcome, RolloutStatus, Stage,
    Status,
};
pub use text::{effect_id, instant, parse_instant, parse_person_id, person_id, value_json};
pub use timeline::{Entry, EntryKind, IdentityCause, TimelineCursor};

use sonder_core::effect::PersonId;
use sonder_core::explain::Explanation;
use sonder_core::kinship::Kinship;
use sonder_dsl::ir::{IdentifierKindId, Program};
use std::sync::Arc;
use thiserror::Error;

/// What the API asks of a running engine.
pub trait Engine: Send + Sync + 'static {
    /// Quick. The version of the project that runs now.
    fn program(&self) -> Arc<Program>;

    /// Quick. The person who has this identifier. `value` is as a client wrote it: normalise it first, the way
    /// collection does; a value that cannot be normalised or is blocked identifies nobody.
    fn resolve(&self, kind: IdentifierKindId, value: &str) -> Option<PersonId>;

    /// Quick. How the audit log calls a person: a pseudonym that only this data directory can compare with anything.
    fn subject(&self, person: PersonId) -> String;

    /// Quick. Copies what is known of a person. An id that was merged away answers with the person it became.
    fn person(&self, id: PersonId) -> Sought;

    /// Slow. The same for a person whose state was [`Sought::Cold`].
    ///
    /// # Errors
    /// When the store cannot be read.
    fn load_person(&self, id: PersonId) -> Result<Option<Person>, Trouble>;

    /// Slow. A person as they were at a moment; `None` when they were nobody then.
    ///
    /// # Errors
    /// When the store cannot be read, or too much bears upon the person.
    fn person_at(&self, request: &PastRequest) -> Result<Option<Person>, Trouble>;

    /// Slow. A person's timeline, newest first: up to `limit` entries strictly before the cursor.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn timeline(&self, id: PersonId, before: Option<&TimelineCursor>, limit: usize) -> Result<Vec<Entry>, Trouble>;

    /// Slow. What was said of a person's traits, as far as the log still has it; `None` for nobody.
    ///
    /// # Errors
    /// When the store cannot be read, or too much bears upon the person.
    fn observed(&self, id: PersonId) -> Result<Option<Observed>, Trouble>;

    /// Quick. How many people are in each segment now, and the version of the project whose segments these are: both of one
    /// moment, for ids of one version mean nothing to another.
    fn segment_sizes(&self) -> SegmentSizes;

    /// Slow. Up to `limit` members of this segment with an id greater than `after`, in order of id, who may be in an export; `None`
    /// when the version that runs now has no such segment or purpose.
    ///
    /// # Errors
    /// When cold members cannot be read from the store.
    fn members(&self, which: &Exported, after: Option<PersonId>, limit: usize) -> Result<Option<Members>, Trouble>;

    /// Slow. How many members of this segment are left out of an export now; `None` as above.
    ///
    /// # Errors
    /// When the engine cannot say.
    fn members_left_out(&self, which: &Exported) -> Result<Option<u64>, Trouble>;

    /// Slow. Begins a Parquet file of members.
    ///
    /// # Errors
    /// When the disk cannot be written.
    fn export(&self) -> Result<Box<dyn Export>, Trouble>;

    /// Quick. How the audience of this name knows people; `None` where the project makes no pseudonyms.
    fn audience(&self, name: &str) -> Option<Arc<dyn Audience>>;

    /// Slow. Records what somebody says about consent, and returns the id of the message when it is on the disk.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for a purpose or a person that there cannot be; when the log cannot be written.
    fn change_consent(&self, change: &ConsentChange) -> Result<String, Trouble>;

    /// Quick. A person's part of the identity graph; of an id that was merged away, that of the person it became.
    fn kinship(&self, id: PersonId) -> Option<Kinship>;

    /// Slow. Records a decision about who is who, and returns the id of the message when it is on the disk.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for identifiers that there cannot be; when the log cannot be written.
    fn decide_identity(&self, decision: &IdentityDecision) -> Result<String, Trouble>;

    /// Slow. What stands in the log beside decisions about who is who, by their records.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn decision_notes(&self, records: &[u64]) -> Result<Vec<DecisionNote>, Trouble>;

    /// Slow. How people are matched, and how that went.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn matching(&self) -> Result<Matching, Trouble>;

    /// Slow. Begins to match people, where that is not under way.
    ///
    /// # Errors
    /// [`Trouble::Refused`] where the project does not say how, or names what it does not have.
    fn match_people(&self) -> Result<Matching, Trouble>;

    /// Slow. Pairs of people who are likely one, the likeliest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn match_pairs(&self, asked: &PairsAsked) -> Result<MatchPairs, Trouble>;

    /// Slow. One of them; `None` where there is none of this id, or its people are not there any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn match_pair(&self, id: &str) -> Result<Option<MatchPair>, Trouble>;

    /// Slow. Records what somebody decides of a pair, unless that is so already.
    ///
    /// # Errors
    /// When the store cannot be read, or the log not be written.
    fn decide_pair(&self, decision: &PairDecision) -> Result<Option<PairDecided>, Trouble>;

    /// Slow. Enters a request of somebody and deals with it, unless it waits. When it returns, no row has somebody any more who
    /// asked to be erased, and a crash does not undo it; a restriction is on the disk. `None` for nobody.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for purposes or a law that there cannot be; when the store cannot be written.
    fn open_request(&self, asked: &RequestAsked) -> Result<Option<PrivacyRequest>, Trouble>;

    /// Slow. A request by its id.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn request(&self, id: &str) -> Result<Option<PrivacyRequest>, Trouble>;

    /// Slow. Requests, those that are due first; open ones only, or all.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn requests(&self, only_open: bool) -> Result<Vec<PrivacyRequest>, Trouble>;

    /// Slow. What is kept how long, and what went lately.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn retention(&self) -> Result<Retention, Trouble>;

    /// Slow. Lets what is kept no longer go now, or tells what would.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn expire(&self, is_dry: bool) -> Result<Expired, Trouble>;

    /// Slow. Does something about a request.
    ///
    /// # Errors
    /// [`Trouble::Refused`] where that cannot be done about one of its kind and state; when the store cannot be written.
    fn step_request(
        &self,
        id: &str,
        action: RequestAction,
        note: &RequestNote,
    ) -> Result<Option<PrivacyRequest>, Trouble>;

    /// Slow. All that is known of a person, to be handed over to them.
    ///
    /// # Errors
    /// When the store cannot be read, or there is too much.
    fn bundle(&self, id: PersonId) -> Result<Option<serde_json::Value>, Trouble>;

    /// Quick. All journeys of the version that runs now, by name.
    fn journeys(&self) -> Vec<JourneySummary>;

    /// Slow. The journey of this name; `None` when the version that runs now has no such journey.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn journey(&self, name: &str) -> Result<Option<Journey>, Trouble>;

    /// Slow. Why a rule had its value for a person; `None` when they were nobody then, or the version that runs now has
    /// no such rule.
    ///
    /// # Errors
    /// When the store cannot be read, or too much bears upon the person.
    fn explain(&self, request: &ExplainRequest) -> Result<Option<Explanation>, Trouble>;

    /// Slow. What rules would be that nobody deployed.
    ///
    /// # Errors
    /// When the store cannot be read; [`Trouble::TooSlow`].
    fn preview(&self, request: &PreviewRequest) -> Result<Preview, Trouble>;

    /// Slow. What another version of the project would change.
    ///
    /// # Errors
    /// When the store cannot be read; [`Trouble::TooSlow`].
    fn plan(&self, request: &PlanRequest) -> Result<Plan, Trouble>;

    /// Slow. Makes another version of the project run, and its files those of the project.
    ///
    /// # Errors
    /// [`Trouble::Refused`] when it has errors, or another version runs than it was planned against.
    fn apply(&self, request: &ApplyRequest) -> Result<Applied, Trouble>;

    /// Slow. Runs one read-only statement.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for a statement that is wrong or not allowed, with the database's own words;
    /// [`Trouble::TooSlow`] when it ran out of time.
    fn query(&self, query: &Query) -> Result<Rows, Trouble>;

    /// Slow. Quarantined messages, newest first, and how many there are of each reason.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn quarantine(&self, filter: &QuarantineFilter) -> Result<QuarantinePage, Trouble>;

    /// Slow. Takes in messages that were set aside, once they are on the disk; what was taken in is not again.
    ///
    /// # Errors
    /// [`Trouble::Refused`] for a patch that is none; when the store cannot be read or the log not written.
    fn replay_quarantine(&self, replay: &QuarantineReplay) -> Result<QuarantineReplayed, Trouble>;

    /// Slow. Gives up messages that were set aside, or counts them.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn dismiss_quarantine(&self, which: &QuarantineSelection, dry_run: bool) -> Result<QuarantineDismissed, Trouble>;

    /// Slow. Deliveries, newest first, those still in the outbox included.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Trouble>;

    /// Slow. Tries deliveries again that were given up, some at a time.
    ///
    /// # Errors
    /// When the store cannot be written; [`Trouble::Refused`] for a destination that is not of the project.
    fn replay(&self, replay: &Replay) -> Result<Replayed, Trouble>;

    /// Quick. How the engine is.
    fn status(&self) -> Status;

    /// Quick. All metrics in Prometheus' text format.
    fn metrics(&self) -> String;

    /// Quick. Whether it can take traffic now; the reason where it cannot.
    ///
    /// # Errors
    /// [`Trouble::Unavailable`] while it recovers, stops, or cannot write.
    fn ready(&self) -> Result<(), Trouble>;
}

/// Why a request that was well-formed could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// The client asked for something that cannot be done; it will fail again.
    #[error("{message}")]
    Refused {
        /// What is wrong, for the client to read.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// It took longer than allowed.
    #[error("the request ran out of time")]
    TooSlow,
    /// Not now: recovering, stopping, or out of space.
    #[error("{reason}")]
    Unavailable {
        /// In words that may be shown to anybody.
        reason: String,
        /// When to try again.
        retry_after_s: u32,
    },
    /// A fault of the engine. The text goes to its log, never to a client.
    #[error("{0}")]
    Internal(String),
}
