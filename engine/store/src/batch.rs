//! What the pipeline writes: one [`LogBatch`] is one transaction.

use sonder_core::effect::{Change, Delivery, EffectId, Recall};
use sonder_core::message::{Message, Quarantined};
use sonder_core::record::{Record, Seq};
use sonder_core::state::Ids;
use sonder_dsl::ir::{Fingerprint, Program};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// All that is written in one transaction. Any part may be empty; ids in it are those of the program it is appended with.
#[derive(Clone, Debug, Default)]
pub struct LogBatch {
    /// Accepted messages, in order of `seq`: the first is the one after the log's last.
    pub rows: Vec<LogRow>,
    /// Messages that were kept aside.
    pub quarantined: Vec<Quarantined>,
    /// Messages that were kept aside before, and what became of them.
    pub resolved: Vec<Resolved>,
    /// Facts about people that came true, in order.
    pub changes: Vec<RecordedChange>,
    /// Deliveries that were decided, in order.
    pub deliveries: Vec<RecordedDelivery>,
    /// Deliveries that were called back.
    pub recalls: Vec<RecordedRecall>,
    /// What became of deliveries.
    pub outcomes: Vec<DeliveryOutcome>,
    /// Another version of the project takes over; all else was decided under the one before.
    pub succession: Option<Arc<Succession>>,
}

/// Another version of the project takes over, and what it decides in doing so.
#[derive(Debug)]
pub struct Succession {
    /// Where.
    pub takeover: Takeover,
    /// The new version: ids in what it decides are its own.
    pub program: Arc<Program>,
    /// Facts about people that are so under the new version.
    pub changes: Vec<RecordedChange>,
    /// What destinations are told of the difference.
    pub deliveries: Vec<RecordedDelivery>,
    /// By which ids people are known from here on.
    pub ids: Arc<Ids>,
}

/// What became of a message that was kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its id in quarantine.
    pub id: u64,
    /// When.
    pub at: Moment,
    /// What.
    pub resolution: Resolution,
}

/// What can become of a message that was kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// It is in the log.
    Replayed,
    /// The log has a message with its id.
    Duplicate,
    /// It tells what somebody did before they were erased.
    Erased,
    /// Somebody gave it up.
    Dismissed,
}

impl Resolution {
    /// As stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Duplicate => "duplicate",
            Self::Erased => "erased",
            Self::Dismissed => "dismissed",
        }
    }
}

/// The place at which another version of the project took over: whatever is decided up to it stays as it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The last record that was folded under the version before.
    pub as_of: Seq,
    /// The moment that its timers were fired up to.
    pub now: Moment,
    /// Of the new version.
    pub fingerprint: Fingerprint,
}

/// An accepted message and the record it became.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// What the fold will read; its `seq` and `received_at` are the log's.
    pub record: Record,
    /// What the client sent.
    pub message: Message,
}

/// A change and the place in the log that the fold stood at when it decided it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedChange {
    /// The fold's place after the step or the advance that brought the change.
    pub as_of: Seq,
    /// What changed.
    pub change: Change,
}

/// A delivery and the place in the log that the fold stood at when it decided it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedDelivery {
    /// The fold's place after the step or the advance that brought the delivery.
    pub as_of: Seq,
    /// What is to be delivered.
    pub delivery: Delivery,
}

/// A recall and the place in the log that the fold stood at when it decided it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRecall {
    /// The fold's place after the step or the advance that brought the recall.
    pub as_of: Seq,
    /// What is called back.
    pub recall: Recall,
}

/// One attempt at a delivery, or the decision not to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// Which delivery.
    pub delivery: EffectId,
    /// How it ended.
    pub state: OutcomeState,
    /// Which attempt it was, from 1; 0 when there was none.
    pub attempt: u32,
    /// When it ended.
    pub at: Moment,
    /// The status that the destination answered with, where there was one.
    pub status: Option<u16>,
    /// What went wrong, for people to read.
    pub detail: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeState {
    /// The destination has it. Final.
    Delivered,
    /// It failed and will be tried again.
    Retry,
    /// It was given up: refused, or tried too often. Final until somebody replays it.
    Dead,
    /// It must not be sent any more. Final.
    Cancelled,
}

impl OutcomeState {
    /// As stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The inverse of [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Delivered, Self::Retry, Self::Dead, Self::Cancelled].into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more will be tried.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Retry)
    }
}

impl LogBatch {
    /// Where another version takes over, if one does.
    pub(crate) fn takeover(&self) -> Option<Takeover> {
        self.succession.as_ref().map(|it| it.takeover)
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.quarantined.is_empty()
            && self.resolved.is_empty()
            && self.changes.is_empty()
            && self.deliveries.is_empty()
            && self.recalls.is_empty()
            && self.outcomes.is_empty()
            && self.succession.is_none()
    }
}
