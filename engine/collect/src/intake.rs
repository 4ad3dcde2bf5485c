//! Where accepted messages go: the seam to the log.

use sonder_core::message::{Message, Quarantined};
use sonder_core::record::Event;
use sonder_dsl::ir::Program;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future in a box, as [`Intake::submit`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes messages in durably.
pub trait Intake: Send + Sync + 'static {
    /// Takes in all or none of a batch. When it says yes, the batch is committed: a crash loses nothing of it.
    /// It was governed by `program`, which may be another one by the time that it is written.
    fn submit(&self, program: &Arc<Program>, batch: Vec<Received>) -> BoxFuture<'_, Result<(), Refused>>;
}

/// What came of a message that was received.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are messages; a box would cost each of them an allocation")]
pub enum Received {
    /// It means this event.
    Message(Message, Event),
    /// It is kept aside.
    Quarantined(Quarantined),
}

/// Why a batch was not taken in. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More comes in than is written.
    #[error("too much is coming in, come back in {retry_after_s} s")]
    Overloaded {
        /// After this many seconds there may be room.
        retry_after_s: u32,
    },
    /// It cannot be written: no room, or no disk.
    #[error("the log cannot be written")]
    Unavailable,
    /// The engine is stopping.
    #[error("the engine is stopping")]
    ShuttingDown,
}
