//! Requests of people about what is known of them.

use serde::{Deserialize, Serialize};
use sonder_core::effect::PersonId;
use sonder_dsl::time::Moment;

/// What people may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// To see what is known of them.
    Access,
    /// To take it along.
    Portability,
    /// To be forgotten.
    Erasure,
    /// That their data is kept and otherwise let alone.
    Restriction,
    /// That it is not used for some purposes.
    Objection,
    /// That it is not sold or shared.
    OptOut,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Access, Self::Portability, Self::Erasure, Self::Restriction, Self::Objection, Self::OptOut];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Portability => "portability",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::OptOut => "opt_out",
        }
    }

    /// Whether it binds what data is used for, until it is lifted.
    #[must_use]
    pub const fn binds(self) -> bool {
        matches!(self, Self::Restriction | Self::Objection | Self::OptOut)
    }
}

/// A request that comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestAsked {
    /// What is asked.
    pub right: Right,
    /// By whom; `None` for somebody who is not known yet and asks for what [binds](Right::binds).
    pub person: Option<PersonId>,
    /// The same as they were named: by kind and value where they are not known.
    pub subject: String,
    /// The purposes that it is about; `None` for those that the right is about by itself.
    pub purposes: Option<Vec<String>>,
    /// The law that it is dealt with by; `None` for that of where they live.
    pub regime: Option<String>,
    /// When they asked; `None` for now.
    pub received_at: Option<Moment>,
    /// Whether somebody approves it first.
    pub waits: bool,
    /// Who entered it, and what else there is to say.
    pub note: RequestNote,
    /// Which way it came: `api`, `opendsr`.
    pub origin: &'static str,
}

/// What stands beside a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestNote {
    /// Who did it.
    pub by: Option<String>,
    /// Why.
    pub note: Option<String>,
}

/// What may be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestAction {
    /// Deal with one that waits.
    Approve,
    /// It is withdrawn or refused, while it waits.
    Cancel,
    /// Put its date off, once, by as long as the law allows.
    Extend,
    /// What was asked was handed over.
    Complete,
    /// A restriction, an objection or an opt-out ends.
    Lift,
}

/// A request, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrivacyRequest {
    /// Names it.
    pub id: String,
    /// What was asked for.
    pub kind: String,
    /// How far it is.
    pub state: &'static str,
    /// Whom it is about, as they were named; `null` when they were erased.
    pub subject: Option<String>,
    /// The law that it is dealt with by.
    pub regime: Option<String>,
    /// The purposes that it is about.
    pub purposes: Vec<String>,
    /// When it was asked.
    pub received_at: String,
    /// By when it is to be confirmed that it has come, where the law says so.
    pub confirm_by: Option<String>,
    /// By when it is to be dealt with.
    pub due_at: String,
    /// Whether that was put off.
    pub extended: bool,
    /// Whether it is open and late.
    pub overdue: bool,
    /// When it was dealt with, or withdrawn.
    pub closed_at: Option<String>,
    /// What was done about it, in order.
    pub steps: Vec<RequestStep>,
    /// What came of it, of an erasure.
    pub erasure: Option<Erasure>,
}

/// Something that was done about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestStep {
    /// When.
    pub at: String,
    /// What.
    pub step: String,
    /// By whom.
    pub by: Option<String>,
    /// Why.
    pub note: Option<String>,
}

/// What came of erasing somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// How far it is.
    pub state: ErasureState,
    /// When the bytes were gone.
    pub erased_at: Option<String>,
    /// When all destinations that had got something about them had been told, and nothing was left to be told.
    pub completed_at: Option<String>,
    /// Messages of theirs that went.
    pub messages: u64,
    /// Messages of others that named them, and do so no more.
    pub redacted: u64,
    /// The destinations that may have got something about them, and what came of telling these.
    pub destinations: Vec<ToldDestination>,
}

/// A destination that is told of an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToldDestination {
    /// Its name.
    pub destination: String,
    /// `pending`, `retry`, `delivered`, `dead`, `cancelled`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub detail: Option<String>,
    /// When the last attempt ended.
    pub ended_at: Option<String>,
}

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// No row has them any more; the files may still have the bytes.
    Struck,
    /// The bytes are gone, but for what some destinations are still to be told.
    Erased,
    /// The bytes are gone, and destinations have been told as far as they ever will be.
    Completed,
}

/// What is still to be done about requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenRequests {
    /// How many are open.
    pub open: u64,
    /// Of these, due within a week.
    pub due_soon: u64,
    /// Of these, late.
    pub overdue: u64,
    /// When the first of them is due.
    pub next_due_at: Option<String>,
}
