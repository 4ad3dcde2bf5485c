//! The way in: what the collector calls. Returns only when the messages are durable, or refuses them.

use super::shared::Shared;
use super::writer::Work;
use super::{budget::Permit, limits};
use crate::observe::Health;
use sonder_collect::{BoxFuture, Intake, Received, Refused};
use sonder_core::message::Label;
use sonder_dsl::ir::Program;
use sonder_store::Resolution;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// Messages of one client that wait for the log.
pub(super) struct Submission {
    /// What they were governed by.
    pub program: Arc<Program>,
    pub messages: Vec<Received>,
    pub answer: oneshot::Sender<Result<(), Refused>>,
    /// Where they were kept aside before.
    pub replay: Option<Replay>,
    // Held for as long as the messages wait.
    pub _permit: Permit,
}

/// Where messages that are replayed were kept aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The id in quarantine of each message.
    pub ids: Vec<u64>,
    /// Further ids there, of messages that do not come into the log, and what becomes of them.
    pub others: Vec<(u64, Resolution)>,
}

/// What became of a batch of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Messages of it.
    pub messages: u64,
    /// Of those, how many were kept aside.
    pub quarantined: u64,
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

    /// Enters a batch of an import, which gives way to live traffic: not before the queue is less than half full. When
    /// this returns, the batch has its place; what it returns waits until the batch is durable.
    ///
    /// # Errors
    /// When the log cannot be written, or the engine stops.
    pub async fn enter_when_there_is_room(
        &self,
        program: &Arc<Program>,
        batch: Vec<Received>,
    ) -> impl Future<Output = Result<Submitted, Refused>> + Send + use<> {
        while self.shared.budget.waiting() >= limits::MAX_QUEUED_MESSAGES / 2 {
            tokio::time::sleep(limits::IMPORT_PAUSE).await;
        }
        let quarantined = batch.iter().filter(|received| matches!(received, Received::Quarantined(_))).count() as u64;
        // What a message answers that is kept aside is no other message.
        let is_answer = |it: &&Received| matches!(it, Received::Message(it, _) if it.labels.contains(&Label::Answer));
        let answers = batch.iter().filter(is_answer).count() as u64;
        let submitted = Submitted { messages: batch.len() as u64 - answers, quarantined };
        let entered = if batch.is_empty() { None } else { Some(self.enter(program, batch)) };
        async move {
            if let Some(entered) = entered {
                entered?.await.unwrap_or(Err(Refused::ShuttingDown))?;
            }
            Ok(submitted)
        }
    }

    /// Takes in messages that were kept aside, whatever ids were seen lately. When it says yes, that they are no longer
    /// kept aside is as durable as they are; one that another version of the project refuses again stays there.
    ///
    /// # Errors
    /// When the log cannot be written, or the engine stops; nothing of it is done then.
    pub async fn replay(&self, program: &Arc<Program>, batch: Vec<Received>, replay: Replay) -> Result<(), Refused> {
        self.enter_as(program, batch, Some(replay))?.await.unwrap_or(Err(Refused::ShuttingDown))
    }

    fn enter(
        &self,
        program: &Arc<Program>,
        messages: Vec<Received>,
    ) -> Result<oneshot::Receiver<Result<(), Refused>>, Refused> {
        self.enter_as(program, messages, None)
    }

    fn enter_as(
        &self,
        program: &Arc<Program>,
        messages: Vec<Received>,
        replay: Option<Replay>,
    ) -> Result<oneshot::Receiver<Result<(), Refused>>, Refused> {
        if self.shared.gauges.health() == Health::Stopping {
            return Err(Refused::ShuttingDown);
        }
        let bytes = messages.iter().map(bytes).sum();
        let Some(permit) = self.shared.budget.reserve(messages.len(), bytes) else {
            return Err(Refused::Overloaded { retry_after_s: limits::OVERLOAD_RETRY_S });
        };
        let (answer, answered) = oneshot::channel();
        let submission = Submission { program: Arc::clone(program), messages, answer, replay, _permit: permit };
        self.work.send(Work::Submit(submission)).map_err(|_| Refused::ShuttingDown)?;
        Ok(answered)
    }
}

impl Intake for Entrance {
    fn submit(&self, program: &Arc<Program>, batch: Vec<Received>) -> BoxFuture<'_, Result<(), Refused>> {
        if batch.is_empty() {
            return Box::pin(async { Ok(()) });
        }
        let entered = self.enter(program, batch);
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
