//! DuckDB: the log, the typed event tables, checkpoints of the fold, and read-only SQL.
//!
//! Three files in one directory that one engine holds: `sonder.duckdb` is the truth, `state.duckdb` could be made of it again, and
//! `keys.duckdb` has what personal data in both is sealed with.
//!
//! | table | one row for | written |
//! |---|---|---|
//! | `log` | an accepted message, with the payload it came as | by [`Store::append`], never changed but by an erasure |
//! | `log_identifiers` | an identifier of a message, hashed: how a timeline finds its rows | with `log` |
//! | `ev_<name>` | an event, one column for each declared property | with `log` |
//! | `quarantine` | a message that was kept aside, and why | with `log` |
//! | `changes`, `deliveries` | what the fold decided | with `log`; rewritten when the tail is refolded |
//! | `delivery_outcomes` | one attempt at a delivery | with `log`, never changed |
//! | `erasures`, `suppressions` | somebody who was erased: how far it is; their identifiers as HMACs | by [`Store::strike`] |
//! | `opendsr_requests` | requests that came by OpenDSR, and who is told how far they are | by [`Store::note_opendsr`] |
//! | `privacy_requests`, `privacy_steps` | what somebody asked about their data, and what was done about it | by [`Store::open_request`] |
//! | `match_pairs`, `match_runs` | people whom matching found likely to be one, and when it looked | by [`Store::propose_matches`] |
//! | `takeovers` | a place at which another version of the project took over | with `log` |
//! | `person_ids` | an id by which somebody is known, where the running version alone would call them otherwise | with `takeovers` |
//! | `pseudonym_keys` | what is known of the key of each version of pseudonyms that left | at a start |
//! | `keys.subject_keys`, `keys.project_keys` | a key that personal data is sealed with, wrapped; what is known of what wrapped it | before `log` |
//! | `versions` | a version of the project that ran lately, as its files | by [`Store::keep_version`] |
//! | `state.checkpoints`, `state.people` | the fold's state as of a place in the log | by [`Store::begin_checkpoint`] |
//! | `state.people_rows` | what SQL may know of a person as of a checkpoint; views `people`, `identifiers`, `memberships` | with it |
//!
//! Invariants:
//! - A batch is there entirely or not at all, and is on the disk when `append` returns.
//! - Nothing is updated row by row. Versions are appended and compacted in bulk: DuckDB appends a thousand rows in the
//!   time of one upsert.
//! - A failed write never leaves the store unusable: the transaction is rolled back, and where DuckDB gave up on the
//!   whole database (a full disk while it commits), it is opened again.
//! - SQL of users reaches no file, no network and no setting, and changes nothing.

mod append;
mod backup;
mod batch;
mod checkpoint;
pub mod columns;
mod database;
pub mod dedup;
mod erasure;
mod error;
pub mod evaluation;
mod examination;
mod export;
pub mod files;
mod held;
mod keys_copy;
pub mod limits;
mod lock;
mod matching;
mod node;
mod opendsr;
mod options;
mod person_ids;
pub mod preview;
mod privacy;
mod pseudonym;
mod pseudonym_keys;
mod reader;
mod recovery;
mod region;
mod retention;
mod schema;
mod seal;
mod sql;
mod store;
mod typed;
mod versions;

pub use backup::Snapshot;
pub use batch::{
    DeliveryOutcome, LogBatch, LogRow, OutcomeState, RecordedChange, RecordedDelivery, RecordedRecall, Resolution,
    Resolved, Succession, Takeover,
};
pub use checkpoint::{LoadedCheckpoint, PersonRow, SavedCheckpoint, Saving, StateCheckpoint};
pub use dedup::DedupSet;
pub use erasure::{Amended, ERASED, Erasure, Struck, Suppression, Target, ToldErasure, Waiting};
pub use error::StoreError;
pub use examination::Finding;
pub use export::{Export, Exports};
pub use keys_copy::{KEYS_FILE, KeyFigures, KeysCopy, later_keys, note_later_keys};
pub use matching::{MatchCounts, MatchPair, MatchRun, MatchStep, MatchSteps, PairFilter};
pub use opendsr::{OpenDsrCallback, OpenDsrRequest};
pub use options::{Stands, StoreOptions};
pub use privacy::{Request, RequestChange, RequestState, RequestStep};
pub use pseudonym::Pseudonyms;
pub use reader::{
    BranchFigures, DeliveryFilter, DeliveryPage, Happening, JourneyFigures, LoggedMessage, QuarantineFilter,
    QuarantineGroup, QuarantinePage, QuarantinedMessage, Reader, Reopened, Stats, StepFigures, StoredDelivery,
    TimelineEntry, TimelinePlace, Whose,
};
pub use recovery::Recovered;
pub use retention::{Expired, Expiring, Left, RetentionRun};
pub use seal::{ProjectKey, ProjectKeyError, ProjectKeys, key_bytes};
pub use sql::{Answer, Column, Query};
pub use store::Store;

/// The wall clock.
pub(crate) fn wall() -> sonder_dsl::time::Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    sonder_dsl::time::Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
