//! The thread that keeps checkpoints: writes them beside the log, and folds the write-ahead log into the file early and
//! often.
//!
//! A checkpoint holds what changed since the last one. So one that cannot be written is not given up: the next one is
//! laid over it.

use super::limits;
use super::shared::Shared;
use super::writer::Work;
use metrics::histogram;
use sonder_core::effect::PersonId;
use sonder_core::state::Checkpoint;
use sonder_core::view::PersonView;
use sonder_dsl::ir::Fingerprint;
use sonder_store::{PersonRow, StateCheckpoint, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the keeper is asked to do.
pub(super) enum KeeperWork {
    /// Keep this, which is the state of the program with that fingerprint.
    Keep(Box<Checkpoint>, Fingerprint),
}

pub(super) struct Keeper {
    pub shared: Arc<Shared>,
    pub store: Arc<Store>,
    pub work: Receiver<KeeperWork>,
    pub writer: Sender<Work>,
    pub keeping: Arc<AtomicBool>,
    pub unsaved: Option<(Checkpoint, Fingerprint)>,
    pub pause: Duration,
}

impl Keeper {
    pub fn run(mut self) {
        loop {
            let patience = if self.unsaved.is_some() { self.pause } else { limits::WAL_WATCH };
            match self.work.recv_timeout(patience) {
                Ok(KeeperWork::Keep(checkpoint, fingerprint)) => {
                    self.unsaved = Some((self.over(*checkpoint, fingerprint), fingerprint))
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.save();
            self.fold_wal();
        }
        self.save();
        if let Err(error) = self.store.checkpoint_wal() {
            tracing::warn!(%error, "the write-ahead log stays; the next start reads it");
        }
    }

    /// Lays a checkpoint over one of the same program that is not saved yet; one of another program starts anew.
    fn over(&mut self, later: Checkpoint, fingerprint: Fingerprint) -> Checkpoint {
        let Some((earlier, of)) = self.unsaved.take() else { return later };
        if of != fingerprint {
            return later;
        }
        let mut people: BTreeMap<PersonId, Option<Vec<u8>>> = earlier.people.into_iter().collect();
        people.extend(later.people);
        Checkpoint { people: people.into_iter().collect(), ..later }
    }

    fn save(&mut self) {
        let Some((checkpoint, fingerprint)) = self.unsaved.take() else { return };
        let begin = Instant::now();
        match self.try_save(&checkpoint, fingerprint) {
            Ok(()) => {
                histogram!("sonder_checkpoint_seconds").record(begin.elapsed().as_secs_f64());
                self.shared.gauges.checkpoint_seq.store(checkpoint.seq.0, Ordering::Release);
                self.pause = limits::RETRY_FIRST;
                self.spill();
                self.keeping.store(false, Ordering::Release);
            }
            Err(error) => {
                tracing::warn!(%error, "a checkpoint could not be written; the one before it stands");
                self.pause = (self.pause * 2).min(limits::RETRY_LONGEST);
                self.unsaved = Some((checkpoint, fingerprint));
            }
        }
    }

    fn try_save(&self, checkpoint: &Checkpoint, fingerprint: Fingerprint) -> Result<(), StoreError> {
        // What was decided up to the checkpoint must be in the store before it: nobody will decide that again.
        let (answer, answered) = oneshot::channel();
        let is_flushed = self.writer.send(Work::Flush(answer)).is_ok() && answered.blocking_recv().is_ok();
        if !is_flushed {
            return Err(StoreError::Damaged("what was decided before it could not be written".to_owned()));
        }
        let rows = self.rows(checkpoint);
        self.store.save_checkpoint(&StateCheckpoint {
            seq: checkpoint.seq,
            now: checkpoint.now,
            fingerprint,
            meta: &checkpoint.meta,
            people: &checkpoint.people,
            rows: &rows,
            // They are in the table of deliveries, without an outcome.
            pending: &[],
        })?;
        Ok(())
    }

    /// What SQL may know of those who changed, as they are now.
    fn rows(&self, checkpoint: &Checkpoint) -> Vec<PersonRow> {
        let present: Vec<PersonId> =
            checkpoint.people.iter().filter(|(_, state)| state.is_some()).map(|(id, _)| *id).collect();
        let mut rows = Vec::with_capacity(present.len());
        for chunk in present.chunks(limits::ROWS_CHUNK) {
            let live = self.shared.live.read();
            let views =
                chunk.iter().filter_map(|id| live.state.person(&live.program, *id).filter(|view| view.id == *id));
            rows.extend(views.map(row));
        }
        rows
    }

    /// Lets cold people go, now that the store has them.
    fn spill(&self) {
        let limit = self.shared.live.read().program.settings.state_memory;
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return };
        let gone = self.shared.live.write().state.spill(limit);
        if gone > 0 {
            tracing::debug!(people = gone, "left memory");
        }
    }

    fn fold_wal(&self) {
        if !self.store.wants_checkpoint() {
            return;
        }
        if let Err(error) = self.store.checkpoint_wal() {
            tracing::warn!(%error, "the write-ahead log could not be folded into the file");
        }
    }
}

fn row(view: PersonView) -> PersonRow {
    let values = view.traits.into_iter().map(|it| (it.name, it.value));
    let computed = view.computed.into_iter().map(|it| (it.name, it.value));
    let traits: serde_json::Map<_, _> = values.chain(computed).collect();
    PersonRow {
        person: view.id,
        first_seen: view.first_seen,
        last_seen: view.last_seen,
        identifiers: view.identifiers.into_iter().filter(|it| !it.former).map(|it| (it.kind, it.value)).collect(),
        segments: view.segments.into_iter().map(|it| (it.name, it.since)).collect(),
        traits: serde_json::Value::Object(traits).to_string(),
    }
}
