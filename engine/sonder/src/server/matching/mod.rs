//! Matching of the people whom the engine knows: people who share no identifier and are likely one, by what is known of them.
//!
//! ```text
//!  gather    everybody's compared values, some people at a time    crowd
//!  match     on one processor, with nothing held                   sonder_matching
//!  propose   what the state has nothing against becomes a link:    propose
//!            a message of the log that only this writes; the rest
//!            waits for somebody to decide                          queue
//! ```
//!
//! A link is as likely as its message says, for ever; `link_at` of the version that runs says which of them hold. What became of a
//! pair is asked of the state, which is made of the log, so that a row of the queue is never behind a decision.

mod crowd;
mod propose;
mod queue;

use super::answers::{Answers, trouble};
use super::speech::refused;
use crate::observe::Health;
use crate::pipeline::{clock, limits};
use crowd::{Crowd, Fields};
use metrics::{counter, histogram};
use propose::{Proposal, proposals};
use sonder_console::engine::{MatchRun, Matching as Report, Trouble, instant};
use sonder_dsl::ir::Program;
use sonder_dsl::model::Probabilistic;
use sonder_dsl::time::{Duration, Moment};
use sonder_matching::{MatchError, Matching, Options};
use sonder_store::{MatchCounts, MatchRun as Noted};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::runtime::Handle;

/// Runs that are told of.
const RUNS: usize = 20;
/// After a run that failed, the next is tried so long after.
const PAUSE: Duration = Duration::from_secs(60);
/// For the random pairs that show how often strangers agree.
const SEED: u64 = 1;

/// How far matching is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Since when a run was asked for, or is under way.
    running_since: Option<Moment>,
    /// When the last one began, [`Moment::MIN`] where there was none; `None` where that is to be looked up.
    last_began: Option<Moment>,
    /// Why the last one failed.
    failure: Option<String>,
    /// No run by itself before.
    not_before: Option<Moment>,
}

/// Why a run did not come to its end.
enum Broken {
    /// The engine stops.
    Stopping,
    /// Something is wrong.
    Trouble(Trouble),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Answers {
    pub(super) fn matching_report(&self) -> Result<Report, Trouble> {
        let program = self.shared.program.borrow().clone();
        let settings = program.identity.probabilistic.as_ref();
        let runs = self.reader.match_runs(RUNS).map_err(trouble)?;
        let every = settings.and_then(|it| it.every);
        let progress = self.matching.lock();
        let began = progress.last_began.filter(|last| *last != Moment::MIN);
        let last = began.or_else(|| runs.first().map(|run| run.began_at));
        let next = every.map(|every| last.map_or_else(clock::wall, |last| last.plus(every)));
        Ok(Report {
            declared: settings.is_some(),
            every: every.map(|every| every.to_string()),
            next_at: next.map(instant),
            running_since: progress.running_since.map(instant),
            failure: progress.failure.clone(),
            runs: runs.into_iter().map(run).collect(),
        })
    }

    /// Asks for a run. One that is asked for, or under way, is that run.
    pub(super) fn ask_to_match(&self) -> Result<Report, Trouble> {
        let program = self.shared.program.borrow().clone();
        settings(&program).and_then(|settings| Fields::of(&program, settings))?;
        self.matching.lock().running_since.get_or_insert_with(clock::wall);
        self.matching_report()
    }

    /// Whether a run is to begin.
    fn is_match_due(&self) -> bool {
        let every = self.shared.live.read().program.identity.probabilistic.as_ref().and_then(|it| it.every);
        let mut progress = self.matching.lock();
        if progress.running_since.is_some() {
            return true;
        }
        let (Some(every), now) = (every, clock::wall()) else { return false };
        if progress.not_before.is_some_and(|moment| now < moment) {
            return false;
        }
        if progress.last_began.is_none() {
            let last = self.reader.match_runs(1).ok().and_then(|runs| Some(runs.first()?.began_at));
            progress.last_began = Some(last.unwrap_or(Moment::MIN));
        }
        let is_due = progress.last_began.is_none_or(|last| last == Moment::MIN || now >= last.plus(every));
        if is_due {
            progress.running_since = Some(now);
        }
        is_due
    }
}

/// Matches people when it is time, or when it is asked for, until the engine stops.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(answers: &Arc<Answers>) -> io::Result<()> {
    let (answers, runtime) = (Arc::downgrade(answers), Handle::current());
    let run = move || {
        // What is submitted to the log is waited for.
        let _entered = runtime.enter();
        if let Some(answers) = answers.upgrade() {
            answers.note_open_pairs();
        }
        loop {
            std::thread::sleep(limits::RETENTION_LOOK);
            let Some(alive) = answers.upgrade() else { return };
            if alive.shared.gauges.health() == Health::Stopping {
                return;
            }
            let is_due = alive.is_match_due();
            drop(alive);
            if is_due && !run_once(&answers) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("matching".to_owned()).spawn(run).map(drop)
}

/// One run, and what is told of it. Says whether the engine goes on.
fn run_once(answers: &Weak<Answers>) -> bool {
    let (began, begin) = (clock::wall(), Instant::now());
    let ended = match_people(answers, began);
    let Some(answers) = answers.upgrade() else { return false };
    histogram!("sonder_match_seconds").record(begin.elapsed().as_secs_f64());
    let failure = match ended {
        Ok(counts) => {
            tracing::info!(
                people = counts.people,
                compared = counts.compared,
                linked = counts.linked,
                queued = counts.queued,
                took = ?begin.elapsed(),
                "people are matched"
            );
            None
        }
        Err(Broken::Stopping) => return false,
        Err(Broken::Trouble(trouble)) => {
            tracing::error!(%trouble, "people could not be matched");
            Some(trouble.to_string())
        }
    };
    let outcome = if failure.is_none() { "done" } else { "failed" };
    counter!("sonder_match_runs_total", "outcome" => outcome).increment(1);
    answers.note_open_pairs();
    let mut progress = answers.matching.lock();
    if failure.is_none() {
        (progress.last_began, progress.not_before) = (Some(began), None);
    } else {
        progress.not_before = Some(clock::wall().plus(PAUSE));
    }
    progress.failure = failure;
    progress.running_since = None;
    true
}

/// Nothing of the engine is held while pairs are compared: it may stop meanwhile.
fn match_people(answers: &Weak<Answers>, began: Moment) -> Result<MatchCounts, Broken> {
    let alive = || answers.upgrade().ok_or(Broken::Stopping);
    let engine = alive()?;
    let program = Arc::clone(&engine.shared.live.read().program);
    let settings = settings(&program)?;
    let fields = Fields::of(&program, settings)?;
    let crowd = Crowd::gather(&engine, &program, &fields)?;
    let known = engine.known_pairs(&program)?;
    drop(engine);
    let counts = MatchCounts { people: crowd.people.len() as u64, ..MatchCounts::default() };
    if crowd.people.len() < 2 {
        let engine = alive()?;
        return note(&engine, began, counts);
    }
    let options = Options {
        block: settings.block.clone(),
        labels: known.labels.clone(),
        // The others are for whatever is coming in.
        processors: Some(1),
        ..Options::new(SEED)
    };
    let from = settings.review_at.min(settings.link_at);
    let matching = Matching::new(&crowd.records, &options, from).map_err(|error| cannot_match(&error))?;
    let proposals: Vec<Proposal> = proposals(&crowd, &matching, settings);
    let mut counts = MatchCounts { compared: matching.candidates() as u64, labels: known.decided, ..counts };
    drop(matching);
    drop(crowd);
    let engine = alive()?;
    engine.propose(&program, proposals, known, began, &mut counts)?;
    note(&engine, began, counts)
}

/// Notes that a run is done.
fn note(engine: &Answers, began: Moment, counts: MatchCounts) -> Result<MatchCounts, Broken> {
    let run = Noted { id: uuid::Uuid::new_v4().to_string(), began_at: began, ended_at: clock::wall(), counts };
    engine.store.note_match_run(&run).map_err(trouble)?;
    Ok(run.counts)
}

fn settings(program: &Program) -> Result<&Probabilistic, Trouble> {
    program.identity.probabilistic.as_ref().ok_or_else(|| {
        let help = "it says what is compared, for example `probabilistic: {compare: {last_name: name}, link_at: 0.99, \
            review_at: 0.9}`";
        refused("`identity.yaml` has no `probabilistic`".to_owned(), help.to_owned())
    })
}

fn cannot_match(error: &MatchError) -> Trouble {
    let help = match error {
        MatchError::Pairs { .. } => {
            "name more fields in the rule of `block`, or leave it out: then the data proposes rules"
        }
        MatchError::Fields { .. } | MatchError::Records => "`compare` of `identity.yaml` says what is compared",
    };
    refused(error.to_string(), help.to_owned())
}

fn run(run: Noted) -> MatchRun {
    let MatchCounts { people, compared, labels, linked, queued, left } = run.counts;
    let (began_at, ended_at) = (instant(run.began_at), instant(run.ended_at));
    MatchRun { id: run.id, began_at, ended_at, people, compared, labels, linked, queued, left }
}
