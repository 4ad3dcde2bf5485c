//! The one thread that changes the state: takes committed records in order, lets the clock go on between them, and hands
//! on what was decided: rows to the writer, deliveries to the outbox.
//!
//! INVARIANT: the write lock is held for [`limits::FOLD_CHUNK`] records, or [`limits::CLOCK_SLICE`], at a time.

use super::clock::{until, wall};
use super::decided::Decided;
use super::keeper::{KeeperWork, Keeping};
use super::reload::Generation;
use super::shared::{Live, Shared};
use super::writer::{Adoption, Work};
use super::{limits, recall};
use metrics::{counter, gauge, histogram};
use parking_lot::RwLockWriteGuard;
use sonder_activate::outbox::Outbox;
use sonder_core::effect::{Cause, EffectId, Effects, PersonId};
use sonder_core::record::Record;
use sonder_core::state::{Missing, State};
use sonder_dsl::time::Moment;
use sonder_store::{OutcomeState, Store, Succession, Takeover};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

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
    pub keeping: Arc<Keeping>,
    pub decided: Decided,
    pub effects: Effects,
    pub since_checkpoint: u64,
    pub checkpoint_at: Instant,
    pub has_moved: bool,
    /// Whether everybody rests who may.
    pub is_rested: bool,
    /// Whether nothing has happened since the last checkpoint, and not for a while.
    pub is_settled: bool,
    /// Deliveries that had ended before the start, after the last checkpoint.
    pub ended: BTreeMap<EffectId, OutcomeState>,
}

impl Fold {
    pub fn run(mut self) {
        self.let_time_pass();
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
        self.await_keeper();
        if self.has_moved || self.keeping.has_failed.load(Ordering::Acquire) {
            self.checkpoint();
            // The checkpoint needs the writer once more.
            self.await_keeper();
        }
        drop(self.writer.send(Work::FoldStopped));
    }

    /// Until the next timer, or until it is time to look around.
    fn patience(&self) -> Duration {
        if !self.is_rested {
            return Duration::ZERO;
        }
        if self.shared.horizon.is_held() {
            // Records are under way, and only they move time on.
            return limits::UNDER_WAY;
        }
        let next = self.shared.live.read().state.next_timer();
        next.map_or(limits::IDLE, |next| until(next, wall()).min(limits::IDLE))
    }

    fn fold(&mut self, records: &[Record]) {
        for chunk in records.chunks(limits::FOLD_CHUNK) {
            let missing = self.shared.live.read().state.missing(chunk, Moment::MIN);
            self.bring_back(&missing);
            let (begin, began_at) = (Instant::now(), wall());
            let mut rest = chunk;
            while let Err(missing) = self.take_in(&mut rest) {
                self.bring_back(&missing.people);
                self.recall(&missing, rest);
            }
            histogram!("sonder_fold_seconds").record(begin.elapsed().as_secs_f64());
            self.since_checkpoint += chunk.len() as u64;
            self.trace(chunk, began_at);
            self.hand_over_deliveries();
        }
        self.has_moved = true;
        self.note_place();
    }

    /// Spans of what was folded, and what is to be told of the outcome of what was decided.
    fn trace(&self, chunk: &[Record], began_at: Moment) {
        let Some(tracer) = self.shared.tracer.get() else { return };
        let ended_at = wall();
        for context in chunk.iter().filter_map(|record| tracer.of_record(record.seq.0)) {
            tracer.folded(context, began_at, ended_at);
        }
        let program = Arc::clone(&self.shared.live.read().program);
        for it in self.decided.deliveries.get(self.decided.handed_over..).unwrap_or_default() {
            let Cause::Record(seq) = it.delivery.cause else { continue };
            let destination = program.destinations.get(it.delivery.destination.index());
            if let (Some(context), Some(destination)) = (tracer.of_record(seq.0), destination) {
                tracer.decided(context, it.delivery.id, destination.name.clone(), ended_at);
            }
        }
    }

    /// Takes the records in under the lock, up to the one that needs somebody who is not in memory.
    fn take_in(&mut self, rest: &mut &[Record]) -> Result<(), Missing> {
        let mut guard = self.shared.live.write();
        let live = &mut *guard;
        let mut outcome = Ok(());
        while let [record, later @ ..] = *rest {
            outcome = live.state.step(&live.program, record, &mut self.effects);
            if outcome.is_err() {
                break;
            }
            self.decided.take(&mut self.effects, record.seq);
            *rest = later;
        }
        RwLockWriteGuard::unlock_fair(guard);
        outcome
    }

    /// Fires what is due by now, while no record is under way that could be earlier.
    fn let_time_pass(&mut self) {
        let is_due = self.shared.live.read().state.next_timer().is_some_and(|next| next <= wall());
        if !is_due {
            self.shared.caught_up.send_if_modified(|before| !std::mem::replace(before, true));
            return;
        }
        let Some(now) = self.shared.horizon.advance(wall()) else { return };
        let missing = self.shared.live.read().state.missing(&[], now);
        self.bring_back(&missing);
        loop {
            match self.fire_some(now) {
                Ok(true) => break,
                Ok(false) => {}
                Err(missing) => self.bring_back(&missing.people),
            }
            self.hand_over_deliveries();
        }
        self.hand_over_deliveries();
        self.has_moved = true;
        self.note_place();
    }

    /// Fires timers under the lock for a while; whether all up to `now` have fired.
    fn fire_some(&mut self, now: Moment) -> Result<bool, Missing> {
        let begin = Instant::now();
        let mut guard = self.shared.live.write();
        let live = &mut *guard;
        let mut outcome = Ok(false);
        while matches!(outcome, Ok(false)) && begin.elapsed() < limits::CLOCK_SLICE {
            // One moment at a time, so that readers get their turn when thousands of windows slide at once.
            let moment = live.state.next_timer().filter(|next| *next <= now);
            let advanced = live.state.advance(&live.program, moment.unwrap_or(now), &mut self.effects);
            outcome = advanced.map(|()| moment.is_none());
            self.decided.take(&mut self.effects, live.state.as_of().0);
        }
        RwLockWriteGuard::unlock_fair(guard);
        outcome
    }

    /// Brings people back into memory. The store is read without holding anybody up. Where it has no use for them, the
    /// state is made again from the log, which has everything.
    fn bring_back(&mut self, missing: &[PersonId]) {
        let mut pause = limits::RETRY_FIRST;
        while !missing.is_empty() {
            match self.store.load_people(missing) {
                Ok(people) if self.take_back(missing, &people) => return,
                Ok(_) => match self.rebuild() {
                    Ok(()) => return,
                    Err(error) => tracing::error!(%error, "the log cannot be folded again; trying once more"),
                },
                Err(error) => tracing::error!(%error, "people's state cannot be read; trying again"),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(limits::RETRY_LONGEST);
        }
    }

    /// Reads what people are made anew from. The store is read without holding anybody up.
    fn recall(&mut self, missing: &Missing, rest: &[Record]) {
        let mut pause = limits::RETRY_FIRST;
        while let (false, Some(next)) = (missing.histories.is_empty(), rest.first()) {
            let program = Arc::clone(&self.shared.live.read().program);
            match recall::carrying(&self.store.reader(), &program, &missing.histories, next.seq) {
                Ok(records) => {
                    counter!("sonder_redrawn_records_total").increment(records.len() as u64);
                    return self.shared.live.write().state.recall(missing.histories.clone(), records);
                }
                Err(error) => {
                    tracing::error!(%error, "messages of people who are made anew cannot be read; trying again")
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(limits::RETRY_LONGEST);
        }
    }

    fn take_back(&self, missing: &[PersonId], people: &[(PersonId, Vec<u8>)]) -> bool {
        let mut live = self.shared.live.write();
        for (id, bytes) in people {
            if let Err(error) = live.state.load(*id, bytes) {
                tracing::error!(person = format!("{:032x}", id.0), %error, "a person's state cannot be read");
            }
        }
        let lost = missing.iter().filter(|id| live.state.is_spilled(**id)).count();
        if lost > 0 {
            tracing::error!(people = lost, "the store has lost people; the log is folded again");
        }
        lost == 0
    }

    /// The same state, made from the log.
    fn rebuild(&mut self) -> Result<(), String> {
        let (program, ids) = {
            let live = self.shared.live.read();
            (Arc::clone(&live.program), Arc::clone(live.state.ids()))
        };
        let mut live = Live { state: State::known_by(&program, ids), program };
        live.state.hold_journeys();
        self.catch_up(&mut live)?;
        self.hand_travellers_on(&mut live, &[]);
        self.replace(live);
        Ok(())
    }

    /// Lets everybody go on from where they are in the journeys, but who was erased.
    fn hand_travellers_on(&mut self, live: &mut Live, erased: &[PersonId]) {
        let running = self.shared.live.read();
        let before = Arc::clone(&running.program);
        let mut travelling = running.state.travelling();
        let spilled = running.state.spilled_people();
        drop(running);
        for some in spilled.chunks(limits::TRAVELLERS) {
            match self.store.load_people(some) {
                Ok(people) => travelling
                    .extend(people.iter().filter_map(|(id, bytes)| State::travelling_in(*id, bytes).ok().flatten())),
                Err(error) => tracing::error!(%error, "where some people are in journeys cannot be read"),
            }
        }
        travelling.retain(|it| !erased.contains(&it.person()));
        let mut effects = Effects::default();
        live.state.take_over(&live.program, Some(&before), travelling, &mut effects);
        self.decided.take(&mut effects, live.state.as_of().0);
    }

    /// People keep their ids, and who is who now that was not is told. Of whoever was erased nothing is kept.
    fn keep_ids(&mut self, live: &mut Live, erased: &[PersonId]) {
        let mut effects = Effects::default();
        let running = self.shared.live.read();
        live.state.keep_ids(&live.program, (&running.state, &running.program), erased, &mut effects);
        self.decided.take(&mut effects, live.state.as_of().0);
    }

    /// What a new version makes of people that the one before did not is told, like anything else that comes true; or only
    /// put on record, where it is to be silent.
    fn tell_since(&mut self, live: &mut Live, erased: &[PersonId], silent: bool) {
        let mut effects = Effects::default();
        let running = self.shared.live.read();
        live.state.tell_since(&live.program, (&running.state, &running.program), (erased, silent), &mut effects);
        self.decided.take(&mut effects, live.state.as_of().0);
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
        let recalls = std::mem::take(&mut self.decided.recalls);
        let Some(outbox) = &self.outbox else { return self.decided.called_back.extend(recalls) };
        let begin = self.decided.handed_over;
        let decided = self.decided.deliveries.get(begin..).unwrap_or_default().iter().map(|it| &it.delivery);
        // What ended before a crash may be decided once more: by the clock, which no record of the log moved on.
        let new = decided.filter(|delivery| self.ended.remove(&delivery.id).is_none()).cloned().collect();
        self.decided.handed_over = self.decided.deliveries.len();
        outbox.enqueue(new);
        // What it knows nothing of is done with. The rest is noted, for an engine that is killed now.
        self.decided.called_back.extend(recalls.into_iter().filter(|it| outbox.recall(&it.recall)));
    }

    fn hand_over(&mut self) {
        if !self.decided.is_empty() {
            let decided = self.take_decided();
            drop(self.writer.send(Work::Decided(decided)));
        }
    }

    fn take_decided(&mut self) -> Decided {
        let decided = std::mem::take(&mut self.decided);
        let (entered, left) = decided.moves();
        self.shared.gauges.entered.fetch_add(entered, Ordering::Relaxed);
        self.shared.gauges.left.fetch_add(left, Ordering::Relaxed);
        decided
    }

    fn checkpoint_if_due(&mut self) {
        if self.keeping.is_busy.load(Ordering::Acquire) {
            return;
        }
        let has_failed = self.keeping.has_failed.swap(false, Ordering::AcqRel);
        let is_full = self.since_checkpoint >= limits::CHECKPOINT_RECORDS;
        let is_old = self.has_moved && self.checkpoint_at.elapsed() >= limits::CHECKPOINT_INTERVAL;
        if has_failed || is_full || is_old {
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

    /// Begins a checkpoint; the keeper takes it, slice by slice.
    fn checkpoint(&mut self) {
        let begin = Instant::now();
        let mut live = self.shared.live.write();
        let head = live.state.begin_checkpoint();
        let fingerprint = live.program.fingerprint;
        drop(live);
        histogram!("sonder_checkpoint_pause_seconds").record(begin.elapsed().as_secs_f64());
        self.keeping.is_busy.store(true, Ordering::Release);
        self.since_checkpoint = 0;
        self.checkpoint_at = Instant::now();
        self.has_moved = false;
        self.is_settled = false;
        self.is_rested = false;
        drop(self.keeper.send(KeeperWork::Keep(head, fingerprint)));
    }

    /// Waits for the checkpoint that is being kept, but not for ever.
    fn await_keeper(&self) {
        let patience = Instant::now() + limits::DRAIN;
        while self.keeping.is_busy.load(Ordering::Acquire) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Catches up with the log, and changes state and program together.
    fn adopt(&mut self, generation: Generation) {
        self.hand_over();
        let Generation { program, state, transports, erased, forgets, silent, between, done } = generation;
        let mut live = Live { program, state };
        let outcome = self.catch_up(&mut live);
        if let Err(error) = &outcome {
            tracing::error!(error, "the new version could not catch up; the old one runs on");
            let running = Arc::clone(&self.shared.live.read().program);
            drop(self.writer.send(Work::Adopted(Adoption { program: running, succession: None, told: None })));
            drop(done.send(outcome));
            return;
        }
        self.keep_ids(&mut live, &erased);
        self.hand_travellers_on(&mut live, &erased);
        self.tell_since(&mut live, &erased, silent);
        let program = Arc::clone(&live.program);
        let ((as_of, now), ids) = (live.state.as_of(), Arc::clone(live.state.ids()));
        if let (Some(outbox), Some(transports)) = (&self.outbox, transports) {
            outbox.reconfigure(&program.destinations, transports);
        }
        self.replace(live);
        if forgets {
            self.store.forget_people();
        }
        let takeover = Takeover { as_of, now, fingerprint: program.fingerprint };
        let Decided { changes, deliveries, recalls, .. } = self.take_decided();
        let succession = Arc::new(Succession { takeover, program: Arc::clone(&program), changes, deliveries, ids });
        let (told, is_on_record) = oneshot::channel();
        let adoption = Adoption { program, succession: Some(Arc::clone(&succession)), told: Some(told) };
        drop(self.writer.send(Work::Adopted(adoption)));
        // A crash must not find decisions of the new version without knowing since when it decides.
        if is_on_record.blocking_recv().is_ok()
            && let Some(outbox) = &self.outbox
        {
            // Their places in the store are before others that the outbox has by now: they come behind these.
            between.into_iter().for_each(|it| outbox.replay(it.destination, vec![it]));
            self.shared.erased.write().extend(erased.iter().map(|person| (*person, (as_of, now))));
            outbox.enqueue(succession.deliveries.iter().map(|it| it.delivery.clone()).collect());
            self.decided.recalls = recalls;
            self.hand_over_deliveries();
        }
        drop(done.send(Ok(())));
    }

    /// Folds the log up to where the running state is. What comes of it was decided before.
    fn catch_up(&self, live: &mut Live) -> Result<(), String> {
        let (seq, now) = self.shared.live.read().state.as_of();
        super::refold::refold(&self.store.reader(), live, Some(seq), &mut |effects, _| *effects = Effects::default())
            .map_err(|error| error.to_string())?;
        live.state.advance(&live.program, now, &mut Effects::default()).map_err(|error| error.to_string())
    }

    fn replace(&mut self, live: Live) {
        let old = std::mem::replace(&mut *self.shared.live.write(), live);
        // Dropping a large state takes a while; nobody has to wait for that.
        std::thread::spawn(move || drop(old));
        // No checkpoint has anything of it.
        self.has_moved = true;
        self.since_checkpoint = limits::CHECKPOINT_RECORDS;
    }
}
