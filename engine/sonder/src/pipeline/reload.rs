//! A new version of the project, made ready beside the running one.
//!
//! The whole log is folded under the new version while the old one goes on; when it has nearly caught up, it is handed
//! over: messages wait while the rest is folded, and state, program and destinations change between two records. Nothing
//! is evaluated half by one version and half by the other. Memory doubles meanwhile.

use super::limits;
use super::refold::refold;
use super::shared::{Live, Shared};
use super::writer::Work;
use sonder_activate::outbox::Transports;
use sonder_core::effect::{Delivery, PersonId};
use sonder_core::record::Seq;
use sonder_core::state::State;
use sonder_dsl::ir::Program;
use sonder_store::Store;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// A version of the project with its state, nearly caught up.
pub struct Generation {
    /// What it says.
    pub program: Arc<Program>,
    /// The log, folded under it up to some place.
    pub state: State,
    /// Its destinations; `None` where they stay.
    pub transports: Option<Transports>,
    /// Who was erased, and does not go on with what the running state knows of them.
    pub erased: Vec<PersonId>,
    /// Whether the log has lost something that the running state is made of.
    pub forgets: bool,
    /// Whether destinations are told nothing of what it makes different.
    pub silent: bool,
    /// What destinations are told between what the running state decided and what this one decides.
    pub between: Vec<Delivery>,
    /// Told when it runs, or why it does not.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// A version whose state is to be made.
pub(super) struct Successor {
    /// What it says.
    pub program: Arc<Program>,
    /// Its destinations; `None` where they stay.
    pub transports: Option<Transports>,
    /// Who was erased.
    pub erased: Vec<PersonId>,
    /// Whether the log has lost something that the state before is made of.
    pub forgets: bool,
    /// Whether destinations are told nothing of what it makes different.
    pub silent: bool,
    /// What destinations are told between what the state before decided and what this one decides.
    pub between: Vec<Delivery>,
}

/// Makes a version ready and hands it over. Blocks until it runs. The caller holds the [`succession`](Shared::succession).
pub(super) fn take_over(
    shared: &Shared,
    store: &Store,
    writer: &Sender<Work>,
    successor: Successor,
) -> Result<(), String> {
    let Successor { program, transports, erased, forgets, silent, between } = successor;
    store.evolve(&program).map_err(|error| error.to_string())?;
    let reader = store.reader();
    let ids = Arc::clone(shared.live.read().state.ids());
    let mut live = Live { state: State::known_by(&program, ids), program };
    // Where people are in journeys is taken over: what the running version sent is not decided again.
    live.state.hold_journeys();
    loop {
        let folded = Seq(shared.gauges.folded_seq.load(Ordering::Acquire));
        refold(&reader, &mut live, Some(folded), &mut |effects, _| {
            effects.changes.clear();
            effects.deliveries.clear();
        })
        .map_err(|error| error.to_string())?;
        let behind = shared.gauges.log_seq.load(Ordering::Acquire).saturating_sub(folded.0);
        if behind <= limits::CAUGHT_UP {
            break;
        }
    }
    let (done, told) = oneshot::channel();
    let Live { program, state } = live;
    let generation = Box::new(Generation { program, state, transports, erased, forgets, silent, between, done });
    writer.send(Work::Adopt(generation)).map_err(|_| "the engine is stopping".to_owned())?;
    told.blocking_recv().unwrap_or_else(|_| Err("the engine is stopping".to_owned()))
}
