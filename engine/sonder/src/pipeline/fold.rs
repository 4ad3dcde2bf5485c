//! The one thread that changes the state: takes committed records in order, lets the clock go on between them, and hands
//! on what was decided: rows to the writer, deliveries to the outbox.
//!
//! INVARIANT: the write lock is held for [`limits::FOLD_CHUNK`] records, or [`limits::CLOCK_SLICE`], at a time.

use super::clock::{until, wall};
use super::decided::Decided;
use super::keeper::KeeperWork;
use super::limits;
use super::reload::Generation;
use super::shared::{Live, Shared};
use super::writer::Work;
use metrics::{gauge, histogram};
use parking_lot::RwLockWriteGuard;
use sonder_activate::outbox::Outbox;
use sonder_core::effect::Effects;
use sonder_core::record::Record;
use sonder_core::state::Missing;
use sonder_dsl::time::Moment;
use sonder_store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// What the fold is asked to do, in order.
pub(super) enum FoldWork {
    /// Records of one committed transaction.
    Batch(Vec<Record>),
    /// Go over to a new version of the project.
    Adopt(Box<Generation>),
    /// Finish.
    Stop,
}

pub(super) struct Fold {
    pub shared: Arc<Shared>,
    pub store: Arc<Store>,
    pub work: Receiver<FoldWork>,
    pub writer: Sender<Work>,
    pub keeper: Sender<KeeperWork>,
    pub outbox: Option<Outbox>,
    /// Set while a checkpoint is on its way to the store: the next one waits for it.
    pub keeping: Arc<AtomicBool>,
    pub decided: Decided,
    pub effects: Effects,
    pub since_checkpoint: u64,
    pub checkpoint_at: Instant,
    pub has_moved: bool,
    /// Whether everybody rests who may.
    pub is_rested: bool,
    /// Whether nothing has happened since the last checkpoint, and not for a while.
    pub is_settled: bool,
}

impl Fold {
    pub fn run(mut self) {
        loop {
            match self.work.recv_timeout(self.patience()) {
                Ok(FoldWork::Batch(records)) => {
                    self.fold(&records);
                    self.shared.horizon.landed();
                }
                Ok(FoldWork::Adopt(generation)) => self.adopt(*generation),
                Ok(FoldWork::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.let_time_pass();
            self.hand_over();
            self.checkpoint_if_due();
            self.let_rest();
        }
        self.hand_over();
        self.checkpoint();
        // The checkpoint needs the writer once more.
        let patience = Instant::now() + limits::DRAIN;
        while self.keeping.load(Ordering::Acquire) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(self.writer.send(Work::FoldStopped));
    }

    /// Until the next timer, or until it is time to look around.
    fn patience(&self) -> Duration {
        if !self.is_rested {
            return Duration::ZERO;
        }
        let next = self.shared.live.read().state.next_timer();
        let idle = Duration::from_millis(250);
        next.map_or(idle, |next| until(next, wall()).min(idle))
    }

    fn fold(&mut self, records: &[Record]) {
        for chunk in records.chunks(limits::FOLD_CHUNK) {
            self.load_missing(chunk, Moment::MIN);
            let begin = Instant::now();
            let mut guard = self.shared.live.write();
            let live = &mut *guard;
            for record in chunk {
                let mut stepped = live.state.step(&live.program, record, &mut self.effects);
                while let Err(missing) = stepped {
                    load(&self.store, live, &missing);
                    stepped = live.state.step(&live.program, record, &mut self.effects);
                }
                self.decided.take(&mut self.effects, record.seq);
            }
            RwLockWriteGuard::unlock_fair(guard);
            histogram!("sonder_fold_seconds").record(begin.elapsed().as_secs_f64());
            self.since_checkpoint += chunk.len() as u64;
            self.hand_over_deliveries();
        }
        self.has_moved = true;
        self.note_place();
    }

    /// Fires what is due by now, while no record is under way that could be earlier.
    fn let_time_pass(&mut self) {
        let is_due = self.shared.live.read().state.next_timer().is_some_and(|next| next <= wall());
        if !is_due {
            return;
        }
        let Some(now) = self.shared.horizon.advance(wall()) else { return };
        self.load_missing(&[], now);
        let mut is_done = false;
        while !is_done {
            let begin = Instant::now();
            let mut guard = self.shared.live.write();
            let live = &mut *guard;
            while !is_done && begin.elapsed() < limits::CLOCK_SLICE {
                // One moment at a time, so that readers get their turn when thousands of windows slide at once.
                let moment = live.state.next_timer().filter(|next| *next <= now);
                is_done = moment.is_none();
                let mut advanced = live.state.advance(&live.program, moment.unwrap_or(now), &mut self.effects);
                while let Err(missing) = advanced {
                    load(&self.store, live, &missing);
                    advanced = live.state.advance(&live.program, moment.unwrap_or(now), &mut self.effects);
                }
                self.decided.take(&mut self.effects, live.state.as_of().0);
            }
            RwLockWriteGuard::unlock_fair(guard);
            self.hand_over_deliveries();
        }
        self.has_moved = true;
        self.note_place();
    }

    /// Brings back people that the next records or timers need, without holding up readers while the store is read.
    fn load_missing(&self, records: &[Record], until: Moment) {
        let missing = self.shared.live.read().state.missing(records, until);
        if missing.is_empty() {
            return;
        }
        match self.store.load_people(&missing) {
            Ok(people) => {
                let mut live = self.shared.live.write();
                for (id, bytes) in people {
                    if let Err(error) = live.state.load(id, &bytes) {
                        tracing::error!(person = format!("{:032x}", id.0), %error, "a person's state cannot be read");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "people's state cannot be read"),
        }
    }

    fn note_place(&self) {
        let (seq, now) = self.shared.live.read().state.as_of();
        let gauges = &self.shared.gauges;
        gauges.folded_seq.fetch_max(seq.0, Ordering::AcqRel);
        gauges.folded_at.store(now.0, Ordering::Release);
        gauge!("sonder_folded_seq").set(seq.0 as f64);
    }

    /// Deliveries leave at once; their rows follow with the next transaction.
    fn hand_over_deliveries(&mut self) {
        let Some(outbox) = &self.outbox else { return };
        let begin = self.decided.handed_over;
        let new: Vec<_> =
            self.decided.deliveries.get(begin..).unwrap_or_default().iter().map(|it| it.delivery.clone()).collect();
        self.decided.handed_over = self.decided.deliveries.len();
        outbox.enqueue(new);
    }

    fn hand_over(&mut self) {
        if self.decided.is_empty() {
            return;
        }
        let decided = std::mem::take(&mut self.decided);
        let (entered, left) = decided.moves();
        self.shared.gauges.entered.fetch_add(entered, Ordering::Relaxed);
        self.shared.gauges.left.fetch_add(left, Ordering::Relaxed);
        drop(self.writer.send(Work::Decided(decided)));
    }

    fn checkpoint_if_due(&mut self) {
        let is_full = self.since_checkpoint >= limits::CHECKPOINT_RECORDS;
        let is_old = self.has_moved && self.checkpoint_at.elapsed() >= limits::CHECKPOINT_INTERVAL;
        if (is_full || is_old) && !self.keeping.load(Ordering::Acquire) {
            self.checkpoint();
        }
        if !self.has_moved && !self.is_settled && self.checkpoint_at.elapsed() >= limits::CHECKPOINT_INTERVAL {
            self.shared.live.write().state.settle();
            self.is_settled = true;
            self.is_rested = false;
        }
    }

    /// Packs people to whom nothing happens, a few at a time: readers and records get their turn.
    fn let_rest(&mut self) {
        let begin = Instant::now();
        while !self.is_rested && begin.elapsed() < limits::REST_SLICE {
            let mut live = self.shared.live.write();
            self.is_rested = live.state.rest(limits::REST_CHUNK);
            RwLockWriteGuard::unlock_fair(live);
        }
    }

    fn checkpoint(&mut self) {
        if !self.has_moved {
            return;
        }
        let begin = Instant::now();
        let mut live = self.shared.live.write();
        let checkpoint = live.state.checkpoint();
        let fingerprint = live.program.fingerprint;
        drop(live);
        histogram!("sonder_checkpoint_pause_seconds").record(begin.elapsed().as_secs_f64());
        self.keeping.store(true, Ordering::Release);
        self.since_checkpoint = 0;
        self.checkpoint_at = Instant::now();
        self.has_moved = false;
        self.is_settled = false;
        self.is_rested = false;
        drop(self.keeper.send(KeeperWork::Keep(Box::new(checkpoint), fingerprint)));
    }

    /// Catches up with the log, and changes state and program together.
    fn adopt(&mut self, generation: Generation) {
        self.hand_over();
        let Generation { program, state, transports, done } = generation;
        let mut live = Live { program, state };
        let (seq, now) = self.shared.live.read().state.as_of();
        let outcome = super::refold::refold(&self.store.reader(), &mut live, Some(seq), &mut |_, _| {})
            .map_err(|error| error.to_string())
            .and_then(|_| {
                live.state.advance(&live.program, now, &mut Effects::default()).map_err(|error| error.to_string())
            });
        let program = match outcome {
            Ok(()) => {
                let program = Arc::clone(&live.program);
                if let Some(outbox) = &self.outbox {
                    outbox.reconfigure(&program.destinations, transports);
                }
                let old = std::mem::replace(&mut *self.shared.live.write(), live);
                // Dropping a large state takes a while; nobody has to wait for that.
                std::thread::spawn(move || drop(old));
                self.has_moved = true;
                program
            }
            Err(ref error) => {
                tracing::error!(error, "the new version could not catch up; the old one runs on");
                Arc::clone(&self.shared.live.read().program)
            }
        };
        drop(self.writer.send(Work::Adopted(program)));
        drop(done.send(outcome));
    }
}

/// Brings people back while the state is held: only where looking ahead did not see that they would be needed.
fn load(store: &Store, live: &mut Live, missing: &Missing) {
    match store.load_people(&missing.people) {
        Ok(people) => {
            for (id, bytes) in people {
                if let Err(error) = live.state.load(id, &bytes) {
                    tracing::error!(person = format!("{:032x}", id.0), %error, "a person's state cannot be read");
                }
            }
        }
        Err(error) => {
            tracing::error!(%error, "people's state cannot be read; trying again");
            std::thread::sleep(limits::RETRY_FIRST);
        }
    }
}
