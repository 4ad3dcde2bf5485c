//! The thread that keeps checkpoints: writes them beside the log, slice by slice, and folds the write-ahead logs into their
//! files early and often.
//!
//! A checkpoint holds what changed since the last one. When it cannot be written, those who were in it count as changed
//! again, and the fold begins another one.

use super::limits;
use super::shared::Shared;
use super::writer::Work;
use crate::observe::Health;
use metrics::histogram;
use parking_lot::RwLockWriteGuard;
use sonder_core::effect::PersonId;
use sonder_core::state::{CheckpointHead, CheckpointSlice};
use sonder_core::view::PersonView;
use sonder_dsl::ir::Fingerprint;
use sonder_store::{PersonRow, StateCheckpoint, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the keeper is asked to do.
pub(super) enum KeeperWork {
    /// Keep the checkpoint that was begun, of the program with that fingerprint.
    Keep(CheckpointHead, Fingerprint),
}

/// What fold and keeper know of each other.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// A checkpoint is on its way to the store: the next one waits for it.
    pub is_busy: AtomicBool,
    /// The last one was not kept: another one is due.
    pub has_failed: AtomicBool,
}

pub(super) struct Keeper {
    pub shared: Arc<Shared>,
    pub store: Arc<Store>,
    pub work: Receiver<KeeperWork>,
    pub writer: Sender<Work>,
    pub keeping: Arc<Keeping>,
    pub pause: Duration,
}

/// Why a checkpoint was not kept.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what was decided before it could not be written")]
    Undecided,
    #[error("another version of the project took over meanwhile")]
    Replaced,
}

impl Keeper {
    pub fn run(mut self) {
        loop {
            match self.work.recv_timeout(limits::WAL_WATCH) {
                Ok(KeeperWork::Keep(head, fingerprint)) => self.keep(&head, fingerprint),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.fold_wal();
            self.fold_state_wal();
            self.give_back();
        }
        if let Err(error) = self.store.checkpoint_wal().and_then(|_| self.store.checkpoint_state_wal()) {
            tracing::warn!(%error, "the write-ahead log stays; the next start reads it");
        }
    }

    fn keep(&mut self, head: &CheckpointHead, fingerprint: Fingerprint) {
        let begin = Instant::now();
        let mut given = Vec::new();
        match self.try_keep(head, fingerprint, &mut given) {
            Ok(()) => {
                histogram!("sonder_checkpoint_seconds").record(begin.elapsed().as_secs_f64());
                tracing::debug!(seq = head.seq.0, people = given.len(), took = ?begin.elapsed(), "a checkpoint is kept");
                self.shared.gauges.checkpoint_seq.store(head.seq.0, Ordering::Release);
                self.pause = limits::RETRY_FIRST;
                self.spill();
            }
            Err(error) => {
                self.shared.live.write().state.changed_again(given);
                if !matches!(error, NotKept::Replaced) {
                    tracing::warn!(%error, "a checkpoint could not be written; the one before it stands");
                    std::thread::sleep(self.pause);
                    self.pause = (self.pause * 2).min(limits::RETRY_LONGEST);
                }
                self.keeping.has_failed.store(true, Ordering::Release);
            }
        }
        self.keeping.is_busy.store(false, Ordering::Release);
    }

    /// Saves it slice by slice; notes in `given` who was taken from the state for it.
    fn try_keep(
        &self,
        head: &CheckpointHead,
        fingerprint: Fingerprint,
        given: &mut Vec<PersonId>,
    ) -> Result<(), NotKept> {
        // What was decided up to the checkpoint must be in the store before it: nobody will decide that again.
        let (answer, answered) = oneshot::channel();
        if self.writer.send(Work::Flush(answer)).is_err() || answered.blocking_recv().is_err() {
            return Err(NotKept::Undecided);
        }
        let mut saving = self.store.begin_checkpoint(fingerprint)?;
        loop {
            let begin = Instant::now();
            let (people, rows) = self.slice(given)?;
            if people.is_empty() {
                break;
            }
            saving.add(&people, &rows)?;
            self.fold_wal();
            if self.shared.gauges.health() != Health::Stopping {
                std::thread::sleep(begin.elapsed().min(limits::SLICE_REST));
            }
        }
        saving.finish(&StateCheckpoint {
            seq: head.seq,
            now: head.now,
            meta: &head.meta,
            people: head.people,
            // They are in the table of deliveries, without an outcome.
            pending: &[],
        })?;
        Ok(())
    }

    /// The next people of the checkpoint, and what SQL may know of them: as they are now.
    fn slice(&self, given: &mut Vec<PersonId>) -> Result<(CheckpointSlice, Vec<PersonRow>), NotKept> {
        let (mut people, mut rows) = (Vec::new(), Vec::new());
        while people.len() < limits::CHECKPOINT_SLICE {
            let begin = Instant::now();
            let mut live = self.shared.live.write();
            let chunk = live.state.checkpoint_slice(limits::PEOPLE_CHUNK).ok_or(NotKept::Replaced)?;
            let live = RwLockWriteGuard::downgrade(live);
            histogram!("sonder_checkpoint_pause_seconds").record(begin.elapsed().as_secs_f64());
            if chunk.is_empty() {
                break;
            }
            given.extend(chunk.iter().map(|(id, _)| *id));
            let present = chunk.iter().filter(|(_, state)| state.is_some()).map(|(id, _)| *id);
            let views = present.filter_map(|id| live.state.person(&live.program, id).filter(|view| view.id == id));
            rows.extend(views.map(row));
            drop(live);
            people.extend(chunk);
        }
        Ok((people, rows))
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
        let begin = Instant::now();
        match self.store.checkpoint_wal() {
            Ok(_) => histogram!("sonder_wal_fold_seconds").record(begin.elapsed().as_secs_f64()),
            Err(error) => tracing::warn!(%error, "the write-ahead log could not be folded into the file"),
        }
    }

    fn fold_state_wal(&self) {
        if self.store.wants_state_checkpoint()
            && let Err(error) = self.store.checkpoint_state_wal()
        {
            tracing::warn!(%error, "people's state could not be folded into its file");
        }
    }

    fn give_back(&self) {
        match self.store.give_back() {
            Ok(true) => tracing::debug!("the files were opened again, so that DuckDB gives back what it held"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the files could not be opened again"),
        }
    }
}

pub(super) fn row(view: PersonView) -> PersonRow {
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
