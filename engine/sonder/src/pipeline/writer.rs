//! The one thread that writes the log: gathers what came in, makes it one transaction, answers once it is durable, and
//! hands it to the fold.
//!
//! Batches form by themselves: whatever arrives while one transaction commits is the next one. Only when messages trickle
//! in from several clients at once does a transaction wait a little for company.
//!
//! When a write fails, the messages of that batch are refused (their clients send them again; they were not stored), what
//! the fold decided is kept and written with the next batch, and new messages are refused until a write succeeds. Where it
//! is in doubt whether it failed, its clients wait until that is known, and everybody else is refused.

use super::counted::count;
use super::decided::Decided;
use super::fold::FoldWork;
use super::intake::{Replay, Submission};
use super::probe::has_room;
use super::reload::Generation;
use super::shared::Shared;
use super::{clock, limits};
use crate::observe::{Health, TraceContext};
use metrics::{counter, gauge, histogram};
use sonder_collect::{Received, Refused};
use sonder_core::govern::Governor;
use sonder_core::message::{Message, Quarantined, claims};
use sonder_core::record::{Event, Fact, Record, Seq, UNKNOWN_SOURCE};
use sonder_dsl::ir::{IdentifierKindId, Program, SourceId};
use sonder_dsl::time::Moment;
use sonder_store::dedup::Mark;
use sonder_store::{DedupSet, DeliveryOutcome, LogBatch, LogRow, Resolution, Resolved, Store, StoreError, Succession};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the writer is asked to do, in order.
pub(super) enum Work {
    /// Messages of one client.
    Submit(Submission),
    /// What became of deliveries; answered when durable.
    Outcomes(Outcomes),
    /// What the fold decided.
    Decided(Decided),
    /// All that was decided before this is to be stored now; answered when it is.
    Flush(oneshot::Sender<()>),
    /// A new version of the project, its state nearly caught up.
    Adopt(Box<Generation>),
    /// The fold runs another version now; everything decided under the old one came before.
    Adopted(Adoption),
    /// No more messages will come: finish.
    Stop,
    /// The fold has finished; everything it decided came before.
    FoldStopped,
}

/// The version that the fold runs from now on.
pub(super) struct Adoption {
    pub program: Arc<Program>,
    /// Where it took over and what it decided in doing so; `None` when the old one runs on.
    pub succession: Option<Arc<Succession>>,
    /// Told when that is durable.
    pub told: Option<oneshot::Sender<()>>,
}

/// Outcomes of deliveries, and who waits for them to be durable.
pub(super) struct Outcomes {
    pub rows: Vec<DeliveryOutcome>,
    pub answer: oneshot::Sender<Result<(), String>>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Arc<Store>,
    data: PathBuf,
    work: Receiver<Work>,
    fold: SyncSender<FoldWork>,
    program: Arc<Program>,
    governor: Governor,
    dedup: DedupSet,
    next_seq: u64,
    // Gathered for the next transaction.
    submissions: Vec<Submission>,
    outcomes: Vec<Outcomes>,
    decided: Decided,
    decided_since: Option<Instant>,
    flushes: Vec<oneshot::Sender<()>>,
    gathered: usize,
    /// How many clients were in the last transaction.
    companions: usize,
    /// Messages that came while a new version was being adopted.
    postponed: VecDeque<Work>,
    adopting: bool,
    /// Messages of the present transaction that are traced: where, and when they arrived.
    traced: Vec<Traced>,
    /// When the present transaction began.
    begun: Moment,
    /// To run from the next transaction on, which has all that was decided before.
    adoption: Option<Adoption>,
    /// A transaction that may or may not be in the store.
    doubt: Option<Attempt>,
    retry: Option<Retry>,
    stage: Stage,
}

/// A transaction and who waits for it.
struct Attempt {
    batch: LogBatch,
    answers: Vec<oneshot::Sender<Result<(), Refused>>>,
    outcomes: Vec<Outcomes>,
    flushes: Vec<oneshot::Sender<()>>,
    /// Of the message ids before it.
    mark: Mark,
    duplicates: u64,
    /// Whether another version runs after it.
    adopts: bool,
}

/// A message of a transaction that is traced.
struct Traced {
    context: TraceContext,
    /// Its row in the transaction.
    row: usize,
    arrived: Moment,
}

/// Waiting for room after a failed write.
struct Retry {
    at: Instant,
    pause: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// The fold is finishing.
    Stopping,
    Ended,
}

/// What the writer starts from.
pub(super) struct Start {
    pub shared: Arc<Shared>,
    pub store: Arc<Store>,
    pub data: PathBuf,
    pub dedup: DedupSet,
    pub work: Receiver<Work>,
    pub fold: SyncSender<FoldWork>,
}

impl Writer {
    pub fn new(start: Start) -> Self {
        let program = Arc::clone(&start.shared.live.read().program);
        let next_seq = start.store.last_seq().0 + 1;
        Self {
            governor: Governor::new(&program),
            program,
            shared: start.shared,
            store: start.store,
            data: start.data,
            work: start.work,
            fold: start.fold,
            dedup: start.dedup,
            next_seq,
            submissions: Vec::new(),
            outcomes: Vec::new(),
            decided: Decided::default(),
            decided_since: None,
            flushes: Vec::new(),
            gathered: 0,
            companions: 0,
            postponed: VecDeque::new(),
            adopting: false,
            traced: Vec::new(),
            begun: Moment::MIN,
            adoption: None,
            doubt: None,
            retry: None,
            stage: Stage::Running,
        }
    }

    pub fn run(mut self) {
        while self.stage != Stage::Ended {
            self.gather();
            if self.must_wait() {
                self.refuse(&Refused::Unavailable);
            } else if self.has_reason_to_write() {
                self.write();
            }
        }
        self.refuse(&Refused::ShuttingDown);
    }

    /// Waits for work, and takes what belongs into one transaction.
    fn gather(&mut self) {
        let Some(first) = self.next(self.patience()) else { return };
        self.take(first);
        let linger_until = Instant::now() + limits::LINGER;
        while self.gathered < limits::MAX_BATCH && self.stage != Stage::Ended {
            // Company is waited for only while there are fewer clients than the last transaction had.
            let is_company_missing = !self.submissions.is_empty() && self.submissions.len() < self.companions;
            let patience = if is_company_missing {
                linger_until.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            let Some(more) = self.next(patience) else { return };
            self.take(more);
        }
    }

    fn next(&mut self, patience: Duration) -> Option<Work> {
        if !self.adopting
            && let Some(work) = self.postponed.pop_front()
        {
            return Some(work);
        }
        match self.work.recv_timeout(patience) {
            Ok(work) => Some(work),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.stage = Stage::Ended;
                None
            }
        }
    }

    /// How long the next work may let itself be waited for.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        if let Some(retry) = &self.retry {
            return retry.at.saturating_duration_since(now);
        }
        match self.decided_since {
            Some(since) => (since + limits::EFFECTS_FLUSH).saturating_duration_since(now),
            None => Duration::from_secs(1),
        }
    }

    fn must_wait(&self) -> bool {
        self.retry.as_ref().is_some_and(|retry| Instant::now() < retry.at)
    }

    fn has_reason_to_write(&self) -> bool {
        let is_due = self.decided_since.is_some_and(|since| since.elapsed() >= limits::EFFECTS_FLUSH);
        let is_asked = !self.submissions.is_empty() || !self.outcomes.is_empty() || !self.flushes.is_empty();
        is_asked || is_due || self.retry.is_some() || self.decided.len() >= limits::MAX_BATCH
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Submit(_) if self.adopting => self.postponed.push_back(work),
            // Of the new version, which does not run here before everything of the old one is written.
            Work::Decided(_) | Work::Flush(_) if self.adoption.is_some() => self.postponed.push_back(work),
            Work::Submit(submission) => {
                self.gathered += submission.messages.len();
                self.submissions.push(submission);
            }
            Work::Outcomes(outcomes) => {
                self.gathered += outcomes.rows.len();
                self.outcomes.push(outcomes);
            }
            Work::Decided(decided) => {
                self.gathered += decided.len();
                self.decided.append(decided);
                self.decided_since.get_or_insert_with(Instant::now);
            }
            Work::Flush(answer) => self.flushes.push(answer),
            Work::Adopt(generation) => self.adopt(generation),
            Work::Adopted(adoption) => {
                self.adoption = Some(adoption);
                self.write();
            }
            Work::Stop => {
                self.stage = Stage::Stopping;
                self.write();
                drop(self.fold.send(FoldWork::Stop));
                if self.adoption.take().is_some() {
                    // Nothing that is decided from here on has a place in the log: the next start decides it again.
                    self.stage = Stage::Ended;
                }
            }
            Work::FoldStopped => {
                self.write();
                self.stage = Stage::Ended;
            }
        }
    }

    /// Everything gathered, in one transaction.
    fn write(&mut self) {
        if (self.retry.is_some() && !has_room(&self.data)) || !self.is_doubt_resolved() {
            self.refuse(&Refused::Unavailable);
            self.wait_longer();
            return;
        }
        self.begun = clock::wall();
        // Whoever is erased meanwhile would not be known to whom judged these messages before.
        let shared = Arc::clone(&self.shared);
        let judging = shared.suppression.judging();
        let attempt = self.attempt();
        let begin = Instant::now();
        let appended = self.store.append(&self.program, &attempt.batch);
        drop(judging);
        match appended {
            Ok(()) => {
                histogram!("sonder_commit_seconds").record(begin.elapsed().as_secs_f64());
                self.succeeded(attempt);
            }
            Err(error @ StoreError::InDoubt { .. }) => {
                self.doubt = Some(attempt);
                self.failed(&error);
            }
            Err(error) => {
                self.undo(attempt, &error);
                self.failed(&error);
            }
        }
    }

    /// Finds out what came of a transaction that was in doubt; false while that cannot be known.
    fn is_doubt_resolved(&mut self) -> bool {
        let Some(attempt) = self.doubt.take() else { return true };
        match self.store.resolve() {
            Ok(true) => self.succeeded(attempt),
            Ok(false) => {
                let path = self.data.clone();
                self.undo(attempt, &StoreError::Full { path });
            }
            Err(_) => {
                self.doubt = Some(attempt);
                return false;
            }
        }
        true
    }

    fn attempt(&mut self) -> Attempt {
        let submissions = std::mem::take(&mut self.submissions);
        let outcomes = std::mem::take(&mut self.outcomes);
        self.companions = submissions.len();
        self.gathered = 0;
        let mark = self.dedup.mark();
        let (mut batch, answers, duplicates) = self.fill(submissions);
        batch.changes = std::mem::take(&mut self.decided.changes);
        batch.deliveries = std::mem::take(&mut self.decided.deliveries);
        batch.recalls = std::mem::take(&mut self.decided.called_back);
        batch.outcomes = outcomes.iter().flat_map(|outcomes| outcomes.rows.iter().cloned()).collect();
        batch.succession = self.adoption.as_ref().and_then(|adoption| adoption.succession.clone());
        let (flushes, adopts) = (std::mem::take(&mut self.flushes), self.adoption.is_some());
        Attempt { batch, answers, outcomes, flushes, mark, duplicates, adopts }
    }

    /// All of it is durable.
    fn succeeded(&mut self, attempt: Attempt) {
        attempt.answers.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
        attempt.outcomes.into_iter().for_each(|outcomes| drop(outcomes.answer.send(Ok(()))));
        attempt.flushes.into_iter().for_each(|answer| answer.send(()).unwrap_or(()));
        self.written(attempt.batch, attempt.duplicates);
        if attempt.adopts
            && let Some(Adoption { program, told, .. }) = self.adoption.take()
        {
            self.go_over(program);
            told.into_iter().for_each(|told| told.send(()).unwrap_or(()));
        }
    }

    /// Nothing of it is in the store: its clients send their messages again, what was decided is written with the next.
    fn undo(&mut self, attempt: Attempt, error: &StoreError) {
        self.dedup.rollback(attempt.mark);
        if !attempt.batch.rows.is_empty() {
            self.shared.horizon.landed();
        }
        let LogBatch { changes, deliveries, recalls: called_back, .. } = attempt.batch;
        let earlier = Decided { changes, deliveries, called_back, ..Decided::default() };
        let later = std::mem::replace(&mut self.decided, earlier);
        self.decided.append(later);
        let later = std::mem::replace(&mut self.flushes, attempt.flushes);
        self.flushes.extend(later);
        attempt.answers.into_iter().for_each(|answer| drop(answer.send(Err(Refused::Unavailable))));
        attempt.outcomes.into_iter().for_each(|outcomes| drop(outcomes.answer.send(Err(error.to_string()))));
    }

    /// The rows of a transaction: without what was seen before, governed by the program that runs, with places and times.
    fn fill(&mut self, submissions: Vec<Submission>) -> (LogBatch, Vec<oneshot::Sender<Result<(), Refused>>>, u64) {
        self.traced.clear();
        let mut batch = LogBatch::default();
        let mut answers = Vec::with_capacity(submissions.len());
        let mut duplicates = 0;
        let arrivals: Vec<Moment> = submissions.iter().flat_map(|it| it.messages.iter().map(received_at)).collect();
        let mut stamps = VecDeque::with_capacity(arrivals.len());
        self.shared.horizon.stamp(arrivals.into_iter(), |at| stamps.push_back(at));
        for submission in submissions {
            answers.push(submission.answer);
            let before = Some(&*submission.program).filter(|program| program.fingerprint != self.program.fingerprint);
            let Replay { ids, others } = submission.replay.unwrap_or_default();
            let now = clock::wall();
            let resolved = |id, resolution| Resolved { id, at: now, resolution };
            batch.resolved.extend(others.into_iter().map(|(id, resolution)| resolved(id, resolution)));
            let mut ids = ids.into_iter();
            for received in submission.messages {
                let Some(at) = stamps.pop_front() else { break };
                let aside = ids.next();
                let arrived = received_at(&received);
                let id = match &received {
                    Received::Message(message, _) => Some(message.message_id.as_str()),
                    Received::Quarantined(quarantined) => quarantined.message_id.as_deref(),
                };
                // One that was kept aside has been seen, of course.
                if id.is_some_and(|id| !self.dedup.insert(id, at)) && aside.is_none() {
                    duplicates += 1;
                    continue;
                }
                match self.settle(received, before) {
                    Ok((_, event)) if self.was_erased(&event) => {
                        counter!("sonder_suppressed_total").increment(1);
                        batch.resolved.extend(aside.map(|id| resolved(id, Resolution::Erased)));
                    }
                    Ok((mut message, event)) => {
                        message.received_at = at;
                        let context = self.shared.tracer.get().and_then(|it| it.of_message(&message.message_id));
                        self.traced.extend(context.map(|context| Traced { context, row: batch.rows.len(), arrived }));
                        let seq = Seq(self.next_seq + batch.rows.len() as u64);
                        let record = Record { seq, received_at: at, fact: Fact::Event(event) };
                        batch.rows.push(LogRow { record, message });
                        batch.resolved.extend(aside.map(|id| resolved(id, Resolution::Replayed)));
                    }
                    Err(_) if aside.is_some() => {}
                    Err(quarantined) if self.speaks_of_erased(&quarantined) => {
                        counter!("sonder_suppressed_total").increment(1);
                    }
                    Err(quarantined) => batch.quarantined.push(Quarantined { received_at: at, ..quarantined }),
                }
            }
        }
        if batch.rows.is_empty() {
            self.shared.horizon.landed();
        }
        (batch, answers, duplicates)
    }

    /// Whether it tells what somebody did before they were erased.
    fn was_erased(&self, event: &Event) -> bool {
        let kinds = &self.program.identity.identifiers;
        let named = event.identifiers.iter();
        let named = named.filter_map(|it| Some((kinds.get(it.kind.index())?.name.as_str(), &*it.value)));
        self.shared.suppression.covers(named, event.occurred_at)
    }

    /// The same of a message that nobody can govern: any text in it may be an identifier.
    fn speaks_of_erased(&self, quarantined: &Quarantined) -> bool {
        let suppression = &self.shared.suppression;
        // A message without a time that can be read happened when it came.
        let Some((occurred_at, texts)) = claims(&quarantined.payload) else { return false };
        if !suppression.reaches(occurred_at) {
            return false;
        }
        let kinds = self.program.identity.identifiers.iter().zip(0..);
        let kinds: Vec<_> = kinds.map(|(kind, id)| (kind.name.as_str(), IdentifierKindId(id))).collect();
        texts.iter().any(|text| {
            let values = kinds.iter().filter_map(|(name, id)| Some((*name, self.governor.identifier(*id, text)?)));
            let values: Vec<_> = values.collect();
            suppression.covers(values.iter().map(|(name, it)| (*name, &*it.value)), occurred_at)
        })
    }

    /// Governs a message again where that was done by another version of the project. Sources keep their names; one that
    /// is no more has no number, and its messages count all the same.
    fn settle(&self, received: Received, before: Option<&Program>) -> Result<(Message, Event), Quarantined> {
        match (received, before) {
            (Received::Message(message, _), Some(before)) => {
                let source = source_after(before, message.source, &self.program);
                self.governor.take_in(Message { source, ..message })
            }
            (Received::Message(message, event), None) => Ok((message, event)),
            (Received::Quarantined(quarantined), Some(before)) => {
                Err(Quarantined { source: source_after(before, quarantined.source, &self.program), ..quarantined })
            }
            (Received::Quarantined(quarantined), None) => Err(quarantined),
        }
    }

    /// After a transaction: the fold gets its records.
    fn written(&mut self, batch: LogBatch, duplicates: u64) {
        // More may have been decided while it was in doubt.
        self.decided_since = (!self.decided.is_empty()).then(Instant::now);
        if self.retry.take().is_some() && self.shared.gauges.set_health(Health::Running) {
            tracing::info!("the log can be written again");
        }
        self.trace(&batch);
        let gauges = &self.shared.gauges;
        gauges.duplicates.fetch_add(duplicates, Ordering::Relaxed);
        gauges.quarantined.fetch_add(batch.quarantined.len() as u64, Ordering::Relaxed);
        // Erasure takes from quarantine, too, so the count may be behind.
        let resolved = batch.resolved.len() as u64;
        let less = |count: u64| Some(count.saturating_sub(resolved));
        let _ = gauges.quarantined.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        counter!("sonder_quarantine_resolved_total").increment(batch.resolved.len() as u64);
        counter!("sonder_messages_total").increment(batch.rows.len() as u64);
        count(&self.program, &batch);
        self.shared.tap.show(&self.program, &batch);
        counter!("sonder_duplicates_total").increment(duplicates);
        counter!("sonder_changes_total").increment(batch.changes.len() as u64);
        counter!("sonder_deliveries_total").increment(batch.deliveries.len() as u64);
        gauge!("sonder_queue_messages").set(self.shared.budget.waiting() as f64);
        let Some(last) = batch.rows.last().map(|row| (row.record.seq, row.record.received_at)) else { return };
        self.next_seq = last.0.0 + 1;
        gauges.log_seq.store(last.0.0, Ordering::Release);
        gauges.last_received_at.store(last.1.0, Ordering::Release);
        gauge!("sonder_log_seq").set(last.0.0 as f64);
        let records = batch.rows.into_iter().map(|row| row.record).collect();
        // A fold that is gone has left a panic in the log; nothing here can mend it.
        if self.fold.send(FoldWork::Batch(records)).is_err() {
            tracing::error!("the fold has ended, and the engine with it");
            self.stage = Stage::Ended;
        }
    }

    /// Spans of what is durable now.
    fn trace(&mut self, batch: &LogBatch) {
        let Some(tracer) = self.shared.tracer.get() else { return };
        let durable = clock::wall();
        for Traced { context, row, arrived } in self.traced.drain(..) {
            let Some(LogRow { record, message }) = batch.rows.get(row) else { continue };
            let Fact::Event(event) = &record.fact;
            let declared = event.event.and_then(|id| self.program.events.get(id.index()));
            let name = declared.map_or_else(|| event.call.name(), |declared| declared.name.as_str());
            let source = self.program.sources.get(event.source.index()).map_or("", |source| source.name.as_str());
            let times = [arrived.min(self.begun), self.begun, durable];
            tracer.logged(context, record.seq.0, times, name, source, &message.message_id);
        }
        for DeliveryOutcome { delivery, at, attempt, state, detail, .. } in &batch.outcomes {
            tracer.ended(*delivery, *at, *attempt, state.name(), detail.as_deref());
        }
    }

    /// After a transaction that failed: nothing of it is in the store. New messages are refused until one succeeds.
    fn failed(&mut self, error: &StoreError) {
        counter!("sonder_write_failures_total").increment(1);
        self.wait_longer();
        if self.shared.gauges.set_health(Health::Degraded(error.to_string())) {
            let help = error.help().unwrap_or_default();
            tracing::error!(%error, help, "the log cannot be written; messages are refused until it can");
        }
    }

    fn wait_longer(&mut self) {
        let longer = |retry: &Retry| (retry.pause * 2).min(limits::RETRY_LONGEST);
        let pause = self.retry.as_ref().map_or(limits::RETRY_FIRST, longer);
        self.retry = Some(Retry { at: Instant::now() + pause, pause });
    }

    fn refuse(&mut self, refused: &Refused) {
        self.gathered = 0;
        for submission in self.submissions.drain(..) {
            drop(submission.answer.send(Err(refused.clone())));
        }
        for outcomes in self.outcomes.drain(..) {
            drop(outcomes.answer.send(Err("the log cannot be written now".to_owned())));
        }
        for work in std::mem::take(&mut self.postponed) {
            match work {
                Work::Submit(submission) => drop(submission.answer.send(Err(refused.clone()))),
                other => self.postponed.push_back(other),
            }
        }
    }

    /// Begins to go over to a new version: the fold finishes what it has under the old one, catches up, and says so.
    /// Messages wait meanwhile.
    fn adopt(&mut self, generation: Box<Generation>) {
        self.write();
        self.adopting = true;
        if self.fold.send(FoldWork::Adopt(generation)).is_err() {
            self.stage = Stage::Ended;
        }
    }

    /// The fold runs the new version, and everything that it decided under the old one is written.
    fn go_over(&mut self, program: Arc<Program>) {
        self.governor = Governor::new(&program);
        self.dedup.set_window(program.settings.dedup);
        self.program = Arc::clone(&program);
        self.shared.program.send_replace(program);
        self.adopting = false;
    }
}

/// The same source in another version.
fn source_after(before: &Program, source: SourceId, after: &Program) -> SourceId {
    let name = before.sources.get(source.index()).map(|source| &source.name);
    let place = after.sources.iter().position(|known| Some(&known.name) == name);
    place.and_then(|place| u32::try_from(place).ok()).map_or(UNKNOWN_SOURCE, SourceId)
}

fn received_at(received: &Received) -> Moment {
    match received {
        Received::Message(message, _) => message.received_at,
        Received::Quarantined(quarantined) => quarantined.received_at,
    }
}
