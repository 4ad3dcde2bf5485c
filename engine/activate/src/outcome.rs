//! What became of deliveries, and the seam to the store that keeps it.

use sonder_core::effect::{Delivery, EffectId, PersonId};
use sonder_dsl::ir::DestinationId;
use sonder_dsl::time::Moment;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future, so that the traits of this room can be used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Stands for a destination that the program that runs now does not have.
pub const REMOVED: DestinationId = DestinationId(u32::MAX);

/// How one attempt at a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The delivery.
    pub id: EffectId,
    /// Its destination in the program that runs now, or [`REMOVED`].
    pub destination: DestinationId,
    /// The destination's name, which outlives a program.
    pub destination_name: Arc<str>,
    /// About whom it was.
    pub person: PersonId,
    /// When the attempt ended.
    pub at: Moment,
    /// How many attempts there were, this one included; 0 where none was made.
    pub attempts: u32,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has it.
    Delivered,
    /// It stays in the outbox and is tried again.
    Retry {
        /// Why it was not taken.
        reason: String,
        /// Not before this moment.
        next: Moment,
    },
    /// It is given up, and can be replayed: refused, tried too often, over the cap, or the destination is no more.
    Dead {
        /// Why.
        reason: String,
    },
    /// It must not be sent any more: what it was decided for is over.
    Cancelled {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// Whether the delivery leaves the outbox with this.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self.verdict, Verdict::Retry { .. })
    }
}

/// Keeps outcomes.
pub trait OutcomeLog: Send + Sync + 'static {
    /// Makes `outcomes` durable. A delivery whose outcome is final leaves the outbox when this has returned `Ok`; on
    /// `Err` the outbox keeps the outcomes and offers the same ones again, without sending anything twice.
    fn record(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<(), StoreUnavailable>>;
}

/// Reads back deliveries that the store has, so that the outbox need not hold all of them in memory.
///
/// The contract with the fold: whatever is handed to [`Outbox::enqueue`](crate::outbox::Outbox::enqueue) is, or soon will
/// be, among the store's deliveries, in the order in which it was enqueued, and stays there at least until its outcome is
/// final.
pub trait Backlog: Send + Sync + 'static {
    /// Deliveries to `destination` (by name) without a final outcome, in the order in which they were enqueued: those
    /// after the delivery `after` (which may have its outcome meanwhile), or from the first; no more than `limit`. The
    /// project need not have the destination any more; its deliveries are for [`REMOVED`] then.
    fn load<'a>(
        &'a self,
        destination: &'a str,
        after: Option<EffectId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreUnavailable>>;

    /// The names of all destinations that have deliveries without a final outcome.
    fn destinations(&self) -> BoxFuture<'_, Result<Vec<String>, StoreUnavailable>>;

    /// Who got an item from `destination` at which moments after `since`: what caps count after a restart.
    fn delivered<'a>(
        &'a self,
        destination: &'a str,
        since: Moment,
    ) -> BoxFuture<'a, Result<Vec<(PersonId, Moment)>, StoreUnavailable>>;
}

/// The store cannot take or give anything now; later it may.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store is not available: {0}")]
pub struct StoreUnavailable(pub String);
