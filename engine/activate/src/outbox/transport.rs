//! The seam between the outbox and whatever carries a batch: a plugin in its sandbox, or a stand-in in tests.

use crate::outcome::BoxFuture;
use sonder_core::effect::Delivery;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One delivery on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is told, to whom, about whom.
    pub delivery: Arc<Delivery>,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// What the other side made of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Delivered,
    /// Not now.
    RetryAfter {
        /// Not before so many seconds; 0 leaves the wait to the outbox.
        seconds: u32,
        /// Why.
        reason: String,
    },
    /// Never.
    Rejected(String),
    /// The credentials or the configuration are not accepted, which time alone does not cure.
    Unauthorized(String),
    /// It was not sent, and never will be: it must not be any more.
    Cancelled(String),
}

/// The batch as a whole failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFailure {
    /// By the plugin's fault: a trap, a limit, an answer for more or fewer items than there were. The items are tried
    /// one by one.
    #[error("{0}")]
    Plugin(String),
    /// By no fault of the plugin: the machine could not run it.
    #[error("{0}")]
    Machine(String),
}

/// Carries batches to one destination.
pub trait Transport: Send + Sync + 'static {
    /// Carries one batch: an answer for each item, in the same order. Never waits without end.
    fn deliver(&self, items: Vec<Item>, now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>>;
}

/// Transports by the names of destinations.
pub type Transports = BTreeMap<String, Arc<dyn Transport>>;
