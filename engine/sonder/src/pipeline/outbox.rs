//! The outbox's two seams to the store: outcomes become durable through the writer, and what does not fit into memory is
//! read back.

use super::writer::{Outcomes, Work};
use sonder_activate::outcome::{Backlog, BoxFuture, Outcome, OutcomeLog, REMOVED, StoreUnavailable, Verdict};
use sonder_core::effect::{Delivery, EffectId, PersonId};
use sonder_dsl::ir::{DestinationId, Program};
use sonder_dsl::time::Moment;
use sonder_store::{DeliveryOutcome, OutcomeState, Reader, StoreError};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::{oneshot, watch};

/// Makes outcomes durable: they go into the next transaction.
pub struct OutcomeSink {
    pub(super) work: Sender<Work>,
}

impl OutcomeLog for OutcomeSink {
    fn record(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<(), StoreUnavailable>> {
        let rows = outcomes.into_iter().map(row).collect();
        let (answer, answered) = oneshot::channel();
        let sent = self.work.send(Work::Outcomes(Outcomes { rows, answer }));
        Box::pin(async move {
            let stopped = || StoreUnavailable("the engine is stopping".to_owned());
            sent.map_err(|_| stopped())?;
            answered.await.map_err(|_| stopped())?.map_err(StoreUnavailable)
        })
    }
}

fn row(outcome: Outcome) -> DeliveryOutcome {
    let (state, detail) = match outcome.verdict {
        Verdict::Delivered => (OutcomeState::Delivered, None),
        Verdict::Retry { reason, .. } => (OutcomeState::Retry, Some(reason)),
        Verdict::Dead { reason } => (OutcomeState::Dead, Some(reason)),
        Verdict::Cancelled { reason } => (OutcomeState::Cancelled, Some(reason)),
    };
    DeliveryOutcome { delivery: outcome.id, state, attempt: outcome.attempts, at: outcome.at, status: None, detail }
}

/// Reads deliveries back.
pub struct StoredBacklog {
    /// The store.
    pub reader: Reader,
    /// Names destinations.
    pub program: watch::Receiver<Arc<Program>>,
    /// Nothing is read back before.
    pub caught_up: watch::Receiver<bool>,
}

impl Backlog for StoredBacklog {
    fn load<'a>(
        &'a self,
        destination: &'a str,
        after: Option<EffectId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreUnavailable>> {
        let program = Arc::clone(&self.program.borrow());
        let place = program.destinations.iter().position(|known| known.name == destination);
        let id = place.and_then(|place| u32::try_from(place).ok()).map_or(REMOVED, DestinationId);
        let name = destination.to_owned();
        let mut caught_up = self.caught_up.clone();
        Box::pin(async move {
            // An error says that the engine is stopping; whoever reads will find out.
            drop(caught_up.wait_for(|it| *it).await);
            self.read(move |reader| reader.backlog(&name, id, after, limit)).await
        })
    }

    fn destinations(&self) -> BoxFuture<'_, Result<Vec<String>, StoreUnavailable>> {
        Box::pin(self.read(Reader::waiting_destinations))
    }

    fn delivered<'a>(
        &'a self,
        destination: &'a str,
        since: Moment,
    ) -> BoxFuture<'a, Result<Vec<(PersonId, Moment)>, StoreUnavailable>> {
        let name = destination.to_owned();
        Box::pin(self.read(move |reader| reader.delivered(&name, since)))
    }
}

impl StoredBacklog {
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let reader = self.reader.clone();
        let answer = tokio::task::spawn_blocking(move || read(&reader)).await;
        let answer = answer.map_err(|error| StoreUnavailable(error.to_string()))?;
        answer.map_err(|error| StoreUnavailable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_core::effect::{Cause, ItemKind};
    use sonder_core::record::Seq;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use sonder_store::{LogBatch, RecordedDelivery, Store};

    fn program(with_destination: bool) -> Arc<Program> {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let mut files = vec![file("sonder.yaml", "name: shop")];
        if with_destination {
            let hook = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n";
            files.push(file("destinations/hook.yaml", hook));
        }
        let compilation = sonder_dsl::compile(SourceSet::new(files));
        compilation.program.ok_or(compilation.diagnostics).unwrap()
    }

    #[tokio::test]
    async fn deliveries_to_a_removed_destination_are_read_back_too() {
        let dir = tempfile::tempdir().unwrap();
        let before = program(true);
        let (store, _) = Store::open(dir.path(), &before).unwrap();
        let delivery = Delivery {
            id: EffectId(7),
            destination: DestinationId(0),
            person: PersonId(1),
            at: Moment(0),
            cause: Cause::Timer(Moment(0)),
            kind: ItemKind::SegmentEntered,
            name: "vip".to_owned(),
            identifiers: Vec::new(),
            payload: "{}".to_owned(),
        };
        let deliveries = vec![RecordedDelivery { as_of: Seq(0), delivery: delivery.clone() }];
        store.append(&before, &LogBatch { deliveries, ..LogBatch::default() }).unwrap();
        let (versions, running) = watch::channel(before);
        let backlog = StoredBacklog { reader: store.reader(), program: running, caught_up: watch::channel(true).1 };
        assert_eq!(backlog.load("hook", None, 10).await.unwrap(), std::slice::from_ref(&delivery));
        versions.send_replace(program(false));
        assert_eq!(backlog.destinations().await.unwrap(), ["hook"]);
        let removed = Delivery { destination: REMOVED, ..delivery };
        assert_eq!(backlog.load("hook", None, 10).await.unwrap(), [removed]);
    }
}
