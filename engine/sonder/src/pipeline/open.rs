//! Opening a data directory: the state as it was, to the last record.
//!
//! The last checkpoint is loaded and the tail of the log after it is folded again. What the tail decided is written anew
//! and replaces what the last run wrote of it: the same decisions with the same ids, so that nothing is sent twice with
//! another key. Under another version of the project the whole log is folded again; what was decided up to the checkpoint,
//! or up to the place where a version took over since, stays as it was decided then.
//!
//! A start is a change of the project where the folder says something else than the version that ran last ([`succeed`]): that
//! one is recovered first, as if it were to go on, and hands over where it had come to, as it would have while it ran.

use super::clock::Horizon;
use super::decided::Decided;
use super::erased_again::erase_again;
use super::erasure::EraseError;
use super::limits;
use super::refold::{RefoldError, refold};
use super::shared::{Live, RecoveryReport, Shared};
use crate::project::{KeyError, store_options};
use sonder_core::effect::{EffectId, Effects, PersonId};
use sonder_core::record::Seq;
use sonder_core::state::{Ids, State};
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use sonder_store::{
    DedupSet, Erasure, LoadedCheckpoint, LogBatch, OutcomeState, Recovered, Stands, Store, StoreError, StoreOptions,
    Succession, Takeover, later_keys,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Chunks of people that are read ahead of the one that is restored.
const CHUNKS_AHEAD: usize = 2;

/// A data directory, recovered.
pub struct Opened {
    /// Where it is.
    pub data: PathBuf,
    /// The store, held by this process.
    pub store: Arc<Store>,
    /// State and place.
    pub shared: Arc<Shared>,
    /// Message ids of the window.
    pub dedup: DedupSet,
    /// Deliveries that ended after the last checkpoint: they may be decided again, and are not sent again.
    pub ended: BTreeMap<EffectId, OutcomeState>,
    /// Erasures that a crash interrupted: the state has been made without them.
    pub struck: Vec<Erasure>,
    /// Whether destinations are still to be told of somebody who was erased.
    pub is_untold: bool,
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key of the project is not where it should be.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log cannot be folded again.
    #[error(transparent)]
    Refold(#[from] RefoldError),
    /// Whoever was erased after a backup was made could not be struck from what was restored.
    #[error(transparent)]
    Erase(#[from] EraseError),
}

/// Opens `dir` for a program, and recovers. For whoever only looks: where another version ran last, destinations are told
/// nothing of the difference.
///
/// # Errors
/// When another engine holds it, or it cannot be read or written.
pub fn open(dir: &Path, program: &Arc<Program>) -> Result<Opened, OpenError> {
    let options = store_options(&program.settings)?;
    catch_up_erasures(dir, program, &options)?;
    let (store, recovered) = Store::open_with(dir, program, options)?;
    let program = in_region_of(&store, program);
    recover(dir, store, recovered, &program, None)
}

/// Where data was restored with keys of a later moment, whoever was erased since is struck before anything is made of the log.
fn catch_up_erasures(dir: &Path, program: &Arc<Program>, options: &StoreOptions) -> Result<(), OpenError> {
    if !later_keys(dir) {
        return Ok(());
    }
    let (store, recovered) = Store::open_with(dir, program, options.clone())?;
    let program = in_region_of(&store, program);
    Ok(erase_again(&recover(dir, store, recovered, &program, None)?)?)
}

/// Opens `dir` to run a version of the project on it, whose files are `files`. Where another version ran last and `compile` can
/// make it of its files, destinations are told the difference.
///
/// # Errors
/// When another engine holds it, or it cannot be read or written.
pub fn succeed(
    dir: &Path,
    program: &Arc<Program>,
    files: &BTreeMap<String, String>,
    compile: &dyn Fn(BTreeMap<String, String>) -> Option<Arc<Program>>,
) -> Result<Opened, OpenError> {
    let stands = Stands::In(program.region.clone());
    let options = StoreOptions { stands, ..store_options(&program.settings)? };
    catch_up_erasures(dir, program, &options)?;
    let (store, recovered) = Store::open_with(dir, program, options)?;
    let last = recovered.last_version().filter(|last| *last != program.fingerprint);
    let files_of_last = last.map(|last| store.version(last)).transpose()?.flatten();
    let before = files_of_last.and_then(compile).filter(|before| Some(before.fingerprint) == last);
    let before = before.map(|before| in_region_of(&store, &before));
    if last.is_some() && before.is_none() {
        tracing::warn!(
            "the version that ran last is not at hand: destinations are not told what this one makes different"
        );
    }
    store.keep_version(program.fingerprint, files)?;
    match before.filter(|_| store.struck().is_ok_and(|struck| struck.is_empty())) {
        Some(before) => recover(dir, store, recovered, &before, Some(program)),
        None => recover(dir, store, recovered, program, None),
    }
}

/// A program as it runs on data that stays in a region.
fn in_region_of(store: &Store, program: &Arc<Program>) -> Arc<Program> {
    match store.region() {
        Some(region) => Arc::new(program.in_region(Some(region.to_owned()))),
        None => Arc::clone(program),
    }
}

/// Makes the state of what is stored under a program; `successor` takes over from it at once.
fn recover(
    dir: &Path,
    store: Store,
    recovered: Recovered,
    program: &Arc<Program>,
    successor: Option<&Arc<Program>>,
) -> Result<Opened, OpenError> {
    let begin = Instant::now();
    let checkpoint = store.load_checkpoint()?;
    let saved =
        checkpoint.as_ref().map_or((Seq(0), Moment::MIN), |checkpoint| (checkpoint.saved.seq, checkpoint.saved.now));
    let takeover = recovered.takeover.map_or((Seq(0), Moment::MIN), |takeover| (takeover.as_of, takeover.now));
    // What was decided up to here stays as it was decided.
    let kept = saved.max(takeover);
    let struck = store.struck()?;
    let erased: Vec<PersonId> =
        struck.iter().filter_map(|it| it.target.as_ref()).flat_map(|it| it.people.clone()).collect();
    let reader = store.reader();
    let ids = reader.person_ids()?;
    let restored = match &checkpoint {
        // It has what is to be erased.
        Some(_) if !struck.is_empty() => None,
        Some(checkpoint) if checkpoint.saved.fingerprint == program.fingerprint => {
            restore(&store, checkpoint, program, &ids)?
        }
        Some(_) => {
            tracing::info!("the project has changed since the last run: the log is folded again");
            None
        }
        None => None,
    };
    let people = restored.as_ref().map_or(0, |state| state.people_count() as u64);
    let state = restored.unwrap_or_else(|| State::known_by(program, ids));
    let mut live = Live { program: Arc::clone(program), state };
    let mut records = 0;
    let is_same = checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.saved.fingerprint == program.fingerprint);
    if live.state.as_of().0 == Seq(0) && checkpoint.is_some() && (!is_same || !struck.is_empty()) {
        // The version before knows where people are in journeys; how they come there is not folded again. Where it is the same
        // version and the bytes are no use, it is: the log says where they are, and what they were sent is on record.
        live.state.hold_journeys();
        records += refold(&reader, &mut live, Some(saved.0), &mut |effects, _| *effects = Effects::default())?;
        let mut settled = Effects::default();
        live.state.advance(program, saved.1, &mut settled).map_err(|_| RefoldError::Spilled)?;
        let mut travelling = Vec::new();
        store.each_person(|chunk| {
            let known = chunk.iter().filter_map(|(id, bytes)| State::travelling_in(*id, bytes).ok().flatten());
            travelling.extend(known);
        })?;
        travelling.retain(|it| !erased.contains(&it.person()));
        live.state.take_over(program, None, travelling, &mut settled);
    }
    if live.state.as_of() < kept {
        records += refold(&reader, &mut live, Some(kept.0), &mut |effects, _| *effects = Effects::default())?;
        let mut settled = Effects::default();
        live.state.advance(program, kept.1, &mut settled).map_err(|_| RefoldError::Spilled)?;
    }
    // Timers had fired up to here, and no record comes before one that has.
    let decided = store.discard_effects_after(kept.0, kept.1)?;
    records += refold_tail(&store, &mut live)?;
    if let Some(successor) = successor {
        tracing::info!("the project has changed since the last run: the log is folded again");
        let before = live;
        live = hand_over(&store, &before, successor)?;
        records += live.state.as_of().0.0;
    }
    store.cancel_recalled()?;
    let reached = recovered.last_received_at.max(live.state.as_of().1).max(decided);
    let report = RecoveryReport { people, records, took: begin.elapsed() };
    if !struck.is_empty() {
        store.forget_people();
    }
    let shared = Shared::new(live, Horizon::new(reached), report, store.suppression()?);
    shared.note_requests(&store);
    let gauges = &shared.gauges;
    gauges.log_seq.store(recovered.last_seq.0, Ordering::Release);
    gauges.folded_seq.store(recovered.last_seq.0, Ordering::Release);
    gauges.checkpoint_seq.store(saved.0.0, Ordering::Release);
    gauges.last_received_at.store(recovered.last_received_at.0, Ordering::Release);
    gauges.quarantined.store(quarantined(&store), Ordering::Release);
    let is_untold = !store.untold()?.is_empty();
    Ok(Opened {
        data: dir.to_path_buf(),
        store: Arc::new(store),
        shared,
        dedup: recovered.dedup,
        ended: recovered.ended,
        struck,
        is_untold,
    })
}

/// The state of another version, which takes over where the one before has come to: what it makes of people that that one did not
/// is decided here, and on record together with the place.
fn hand_over(store: &Store, before: &Live, program: &Arc<Program>) -> Result<Live, OpenError> {
    let (as_of, now) = before.state.as_of();
    let state = State::known_by(program, Arc::clone(before.state.ids()));
    let mut live = Live { state, program: Arc::clone(program) };
    live.state.hold_journeys();
    refold(&store.reader(), &mut live, Some(as_of), &mut |effects, _| *effects = Effects::default())?;
    live.state.advance(program, now, &mut Effects::default()).map_err(|_| RefoldError::Spilled)?;
    let mut effects = Effects::default();
    live.state.keep_ids(program, (&before.state, &before.program), &[], &mut effects);
    live.state.take_over(program, Some(&before.program), before.state.travelling(), &mut effects);
    live.state.tell_since(program, (&before.state, &before.program), (&[], false), &mut effects);
    let mut decided = Decided::default();
    decided.take(&mut effects, as_of);
    let Decided { changes, deliveries, recalls, .. } = decided;
    let takeover = Takeover { as_of, now, fingerprint: program.fingerprint };
    let ids = Arc::clone(live.state.ids());
    let succession = Succession { takeover, program: Arc::clone(program), changes, deliveries, ids };
    let succession = Some(Arc::new(succession));
    store.append(program, &LogBatch { recalls, succession, ..LogBatch::default() })?;
    Ok(live)
}

/// The state of a checkpoint; `None`, and a warning, where its bytes are no use: the log has everything.
fn restore(
    store: &Store,
    checkpoint: &LoadedCheckpoint,
    program: &Program,
    ids: &Arc<Ids>,
) -> Result<Option<State>, StoreError> {
    let restored = std::thread::scope(|scope| {
        // A few chunks at a time: the bytes of everybody would take as much memory again as everybody.
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        let reading = scope.spawn(move || store.each_person(|chunk| drop(sender.send(chunk))));
        let restored = State::restore(program, ids, &checkpoint.meta, chunks.into_iter().flatten());
        reading.join().unwrap_or_else(|_| Err(StoreError::Damaged("people's state cannot be read".to_owned())))?;
        Ok::<_, StoreError>(restored)
    })?;
    match restored {
        Ok(state) => Ok(Some(state)),
        Err(error) => {
            tracing::warn!(%error, "the last checkpoint is no use; the log is folded again");
            Ok(None)
        }
    }
}

/// Folds what came after the checkpoint, and writes what it decides.
fn refold_tail(store: &Store, live: &mut Live) -> Result<u64, OpenError> {
    let program = Arc::clone(&live.program);
    let mut decided = Decided::default();
    let mut failure = None;
    let records = refold(&store.reader(), live, None, &mut |effects, seq| {
        decided.take(effects, seq);
        if decided.len() >= limits::MAX_BATCH && failure.is_none() {
            failure = write(store, &program, std::mem::take(&mut decided)).err();
        }
    })?;
    match failure {
        Some(error) => Err(error.into()),
        None => {
            write(store, &program, decided)?;
            Ok(records)
        }
    }
}

fn write(store: &Store, program: &Arc<Program>, decided: Decided) -> Result<(), StoreError> {
    let Decided { changes, deliveries, recalls, .. } = decided;
    store.append(program, &LogBatch { changes, deliveries, recalls, ..LogBatch::default() })
}

fn quarantined(store: &Store) -> u64 {
    let query = sonder_store::Query::new("select count(*) from quarantine where resolved_at is null");
    let answer = store.reader().query(&query).unwrap_or_default();
    answer.rows.first().and_then(|row| row.first()).and_then(serde_json::Value::as_u64).unwrap_or(0)
}
