//! The way in: what the collector calls. Returns only when the messages are durable, or refuses them.

use super::shared::Shared;
use super::writer::Work;
use super::{budget::Permit, limits};
use crate::observe::Health;
use sonder_collect::{BoxFuture, Intake, Received, Refused};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// Messages of one client that wait for the log.
pub(super) struct Submission {
    pub messages: Vec<Received>,
    pub answer: oneshot::Sender<Result<(), Refused>>,
    // Held for as long as the messages wait.
    pub _permit: Permit,
}

/// Hands messages to the pipeline. Cheap to clone.
#[derive(Clone)]
pub struct Entrance {
    shared: Arc<Shared>,
    work: Sender<Work>,
}

impl Entrance {
    pub(super) const fn new(shared: Arc<Shared>, work: Sender<Work>) -> Self {
        Self { shared, work }
    }

    fn enter(&self, messages: Vec<Received>) -> Result<oneshot::Receiver<Result<(), Refused>>, Refused> {
        if self.shared.gauges.health() == Health::Stopping {
            return Err(Refused::ShuttingDown);
        }
        let bytes = messages.iter().map(bytes).sum();
        let Some(permit) = self.shared.budget.reserve(messages.len(), bytes) else {
            return Err(Refused::Overloaded { retry_after_s: limits::OVERLOAD_RETRY_S });
        };
        let (answer, answered) = oneshot::channel();
        let submission = Submission { messages, answer, _permit: permit };
        self.work.send(Work::Submit(submission)).map_err(|_| Refused::ShuttingDown)?;
        Ok(answered)
    }
}

impl Intake for Entrance {
    fn submit(&self, batch: Vec<Received>) -> BoxFuture<'_, Result<(), Refused>> {
        if batch.is_empty() {
            return Box::pin(async { Ok(()) });
        }
        let entered = self.enter(batch);
        Box::pin(async move { entered?.await.unwrap_or(Err(Refused::ShuttingDown)) })
    }
}

/// What a message takes while it waits: its text, and about twice that for what was read from it.
fn bytes(received: &Received) -> usize {
    match received {
        Received::Message(message, _) => 512 + 3 * message.payload.len(),
        Received::Quarantined(quarantined) => 256 + quarantined.payload.len(),
    }
}
