//! The one thread that writes the log: gathers what came in, makes it one transaction, answers once it is durable, and
//! hands it to the fold.
//!
//! Batches form by themselves: whatever arrives while one transaction commits is the next one. Only when messages trickle
//! in from several clients at once does a transaction wait a little for company.
//!
//! When a write fails, the messages of that batch are refused (their clients send them again; they were not stored), what
//! the fold decided is kept and written with the next batch, and new messages are refused until a write succeeds.

use super::decided::Decided;
use super::fold::FoldWork;
use super::intake::Submission;
use super::limits;
use super::reload::Generation;
use super::shared::Shared;
use crate::observe::Health;
use metrics::{counter, gauge, histogram};
use sonder_collect::{Received, Refused};
use sonder_core::govern::Governor;
use sonder_core::message::{Message, Quarantined};
use sonder_core::record::{Event, Fact, Record, Seq};
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use sonder_store::{DedupSet, DeliveryOutcome, LogBatch, LogRow, Store, StoreError};
use std::collections::VecDeque;
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
    /// The fold runs that version now; everything decided under the old one came before.
    Adopted(Arc<Program>),
    /// No more messages will come: finish.
    Stop,
    /// The fold has finished; everything it decided came before.
    FoldStopped,
}

/// Outcomes of deliveries, and who waits for them to be durable.
pub(super) struct Outcomes {
    pub rows: Vec<DeliveryOutcome>,
    pub answer: oneshot::Sender<Result<(), String>>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Arc<Store>,
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
    retry: Option<Retry>,
    stage: Stage,
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
    pub dedup: DedupSet,
    pub decided: Decided,
    pub work: Receiver<Work>,
    pub fold: SyncSender<FoldWork>,
}

impl Writer {
    pub fn new(start: Start) -> Self {
        let program = Arc::clone(&start.shared.live.read().program);
        let next_seq = start.store.last_seq().0 + 1;
        let decided_since = (!start.decided.is_empty()).then(Instant::now);
        Self {
            governor: Governor::new(&program),
            program,
            shared: start.shared,
            store: start.store,
            work: start.work,
            fold: start.fold,
            dedup: start.dedup,
            next_seq,
            submissions: Vec::new(),
            outcomes: Vec::new(),
            decided: start.decided,
            decided_since,
            flushes: Vec::new(),
            gathered: 0,
            companions: 0,
            postponed: VecDeque::new(),
            adopting: false,
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
            let patience = if is_company_missing { linger_until.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
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
            Work::Adopted(program) => self.adopted(program),
            Work::Stop => {
                self.stage = Stage::Stopping;
                self.write();
                drop(self.fold.send(FoldWork::Stop));
            }
            Work::FoldStopped => {
                self.write();
                self.stage = Stage::Ended;
            }
        }
    }

    /// Everything gathered, in one transaction.
    fn write(&mut self) {
        let submissions = std::mem::take(&mut self.submissions);
        let outcomes = std::mem::take(&mut self.outcomes);
        self.companions = submissions.len();
        self.gathered = 0;
        let mark = self.dedup.mark();
        let (mut batch, answers, duplicates) = self.fill(submissions);
        let stamped = !batch.rows.is_empty();
        batch.changes = std::mem::take(&mut self.decided.changes);
        batch.deliveries = std::mem::take(&mut self.decided.deliveries);
        batch.outcomes = outcomes.iter().flat_map(|outcomes| outcomes.rows.iter().cloned()).collect();
        let begin = Instant::now();
        match self.store.append(&self.program, &batch) {
            Ok(()) => {
                histogram!("sonder_commit_seconds").record(begin.elapsed().as_secs_f64());
                answers.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
                outcomes.into_iter().for_each(|outcomes| drop(outcomes.answer.send(Ok(()))));
                self.flushes.drain(..).for_each(|answer| drop(answer.send(())));
                self.written(batch, duplicates);
            }
            Err(error) => {
                self.dedup.rollback(mark);
                if stamped {
                    self.shared.horizon.landed();
                }
                self.decided.changes = batch.changes;
                self.decided.deliveries = batch.deliveries;
                answers.into_iter().for_each(|answer| drop(answer.send(Err(Refused::Unavailable))));
                outcomes.into_iter().for_each(|outcomes| drop(outcomes.answer.send(Err(error.to_string()))));
                self.failed(&error);
            }
        }
    }

    /// The rows of a transaction: without what was seen before, governed by the program that runs, with places and times.
    #[expect(clippy::type_complexity, reason = "three parts of one result, taken apart at once")]
    fn fill(&mut self, submissions: Vec<Submission>) -> (LogBatch, Vec<oneshot::Sender<Result<(), Refused>>>, u64) {
        let mut batch = LogBatch::default();
        let mut answers = Vec::with_capacity(submissions.len());
        let mut duplicates = 0;
        let arrivals: Vec<Moment> = submissions.iter().flat_map(|it| it.messages.iter().map(received_at)).collect();
        let mut stamps = VecDeque::with_capacity(arrivals.len());
        let program = self.program.fingerprint;
        self.shared.horizon.stamp(arrivals.into_iter(), |at| stamps.push_back(at));
        for submission in submissions {
            answers.push(submission.answer);
            for received in submission.messages {
                let Some(at) = stamps.pop_front() else { break };
                let id = match &received {
                    Received::Message(message, _) => Some(message.message_id.as_str()),
                    Received::Quarantined(quarantined) => quarantined.message_id.as_deref(),
                };
                if id.is_some_and(|id| !self.dedup.insert(id, at)) {
                    duplicates += 1;
                    continue;
                }
                match self.settle(received, submission.program == program) {
                    Ok((message, event)) => batch.rows.push(self.row(message, event, at, batch.rows.len())),
                    Err(quarantined) => batch.quarantined.push(Quarantined { received_at: at, ..quarantined }),
                }
            }
        }
        if batch.rows.is_empty() {
            self.shared.horizon.landed();
        }
        (batch, answers, duplicates)
    }
}

fn received_at(received: &Received) -> Moment {
    match received {
        Received::Message(message, _) => message.received_at,
        Received::Quarantined(quarantined) => quarantined.received_at,
    }
}
