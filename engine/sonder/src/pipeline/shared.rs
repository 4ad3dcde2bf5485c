//! What the pipeline's threads and its readers share.

use super::budget::Budget;
use super::clock::Horizon;
use super::limits;
use super::tap::Tap;
use crate::observe::{Gauges, Tracer};
use parking_lot::{Mutex, RwLock};
use sonder_activate::pseudonyms::Pseudonyms;
use sonder_core::effect::{EffectId, PersonId};
use sonder_core::record::Seq;
use sonder_core::state::State;
use sonder_dsl::ir::Program;
use sonder_dsl::source::SourceSet;
use sonder_dsl::time::Moment;
use sonder_store::{Amended, Store, Suppression, Waiting};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// The state, and the program whose state it is. They change together, under one lock: ids of one mean nothing to
/// another.
pub struct Live {
    /// The version of the project that runs.
    pub program: Arc<Program>,
    /// The fold's state under it.
    pub state: State,
}

/// A version of the project as text.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Its folder.
    pub root: PathBuf,
    /// Its text files.
    pub sources: SourceSet,
}

/// What a start took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// People loaded from the checkpoint.
    pub people: u64,
    /// Records refolded after it.
    pub records: u64,
    /// How long all of it took.
    pub took: Duration,
}

/// The meeting place. The fold alone writes `live`; everybody reads.
pub struct Shared {
    /// The state and its program.
    pub live: RwLock<Live>,
    /// The program that new messages are governed by; it may be a moment ahead of `live`.
    pub program: watch::Sender<Arc<Program>>,
    /// The files of the version that runs.
    pub files: RwLock<Arc<Files>>,
    /// How far time has come.
    pub horizon: Horizon,
    /// Whether the timers have fired that came due while nothing ran: before, nothing that waited then is sent, because it may
    /// not be wanted any more.
    pub caught_up: watch::Sender<bool>,
    /// What waits for the log.
    pub budget: Arc<Budget>,
    /// Numbers for people and monitors.
    pub gauges: Gauges,
    /// Makes traces, where somebody collects them.
    pub tracer: OnceLock<Tracer>,
    /// What makes pseudonyms, where the project has any.
    pub pseudonyms: OnceLock<Arc<Pseudonyms>>,
    /// What goes through, for whoever looks on.
    pub tap: Tap,
    /// What the start took.
    pub recovery: RecoveryReport,
    /// Who was erased, so that it does not come in again.
    pub suppression: Suppression,
    /// Who was erased since the start, and when a state without them took over: what was decided about them before is not sent.
    pub erased: RwLock<BTreeMap<PersonId, (Seq, Moment)>>,
    /// What is different since about deliveries that wait in memory.
    pub struck: RwLock<StruckWaiting>,
    /// When the requests of people are due that are to be dealt with.
    pub open_requests: RwLock<Vec<Moment>>,
    /// Held by whoever reads the project's folder to run what it says, or changes what is in it.
    pub folder: Mutex<()>,
    /// Held while a state is made that is to take the place of the running one.
    pub succession: Mutex<()>,
}

/// Deliveries that waited when somebody was struck: what is different about them, by their ids.
#[derive(Debug, Default)]
pub struct StruckWaiting {
    /// They are no more.
    pub gone: BTreeSet<EffectId>,
    /// They no longer name whoever was struck.
    pub amended: BTreeMap<EffectId, Amended>,
}

impl StruckWaiting {
    /// The same of one more who was struck.
    pub fn add(&mut self, waiting: Waiting) {
        self.gone.extend(waiting.gone);
        self.amended.extend(waiting.amended.into_iter().map(|it| (it.id, it)));
    }
}

impl Shared {
    pub(super) fn new(live: Live, horizon: Horizon, recovery: RecoveryReport, suppression: Suppression) -> Arc<Self> {
        let (program, _) = watch::channel(Arc::clone(&live.program));
        Arc::new(Self {
            live: RwLock::new(live),
            program,
            files: RwLock::default(),
            horizon,
            caught_up: watch::Sender::new(false),
            budget: Budget::new(limits::MAX_QUEUED_MESSAGES, limits::MAX_QUEUED_BYTES),
            gauges: Gauges::default(),
            tracer: OnceLock::new(),
            pseudonyms: OnceLock::new(),
            tap: Tap::default(),
            recovery,
            suppression,
            erased: RwLock::default(),
            struck: RwLock::default(),
            open_requests: RwLock::default(),
            folder: Mutex::default(),
            succession: Mutex::default(),
        })
    }

    /// Notes which requests of people are to be dealt with, for whoever asks how the engine is.
    pub fn note_requests(&self, store: &Store) {
        match store.requests(true) {
            Ok(open) => *self.open_requests.write() = open.into_iter().map(|it| it.due_at).collect(),
            Err(error) => tracing::warn!(%error, "which requests of people are open cannot be read"),
        }
    }
}
