//! The road of a message: queue, log, fold, outbox. Three threads, so that the next transaction is written while the last
//! one is folded, and neither waits for a checkpoint:
//!
//! ```text
//!  collect ──submit──▶ budget ─▶ writer ──append, commit──▶ answers the clients
//!                                  ▲  │ committed batches, in order
//!              changes, deliveries │  ▼
//!                                 fold ──step──▶ state (readers look in)
//!                                  │ └─deliveries──▶ outbox ──outcomes──▶ writer
//!                                  └─checkpoints──▶ keeper
//! ```
//!
//! Invariants:
//! - Nothing is acknowledged before it is durable, and nothing that is acknowledged is lost.
//! - State and decisions are a function of the log: live and replayed, in batches of any size, the same (see [`clock`]).
//! - Everything that waits is bounded; who finds a queue full is told at once to come back.
//! - One thread writes the log, one thread changes the state.

mod budget;
pub mod clock;
mod consent;
mod counted;
mod decided;
mod erased_again;
mod erasure;
mod fold;
mod intake;
mod keeper;
pub mod limits;
mod open;
mod outbox;
mod probe;
mod recall;
mod refold;
mod reload;
mod retention;
mod shared;
mod tap;
mod then;
mod writer;

pub use decided::Decided;
pub use erasure::EraseError;
pub use intake::{Entrance, Replay, Submitted};
pub use open::{OpenError, Opened, open, succeed};
pub use refold::{RefoldError, record, refold};
pub use shared::{Files, Live, RecoveryReport, Shared};
pub use tap::{Seen, Stage, Tap};
pub use then::people_then;

use crate::observe::Health;
pub use consent::ConsentGate;
use erasure::Delivering;
pub use erasure::Eraser;
use fold::Fold;
use keeper::{Keeper, Keeping};
use outbox::{OutcomeSink, StoredBacklog};
use parking_lot::Mutex;
use reload::Successor;
use sonder_activate::host::Host;
use sonder_activate::outbox::{Gate, Outbox, OutboxConfig, Policy, Transports};
use sonder_core::effect::Effects;
use sonder_dsl::ir::Program;
use sonder_store::{Reader, Store};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use writer::{Start, Work, Writer};

/// A running pipeline.
pub struct Pipeline {
    shared: Arc<Shared>,
    store: Arc<Store>,
    outbox: Option<Outbox>,
    work: Sender<Work>,
    eraser: Arc<Eraser>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pipeline {
    /// Starts its threads on a recovered data directory, within a tokio runtime. Without `transports` nothing is delivered:
    /// what is decided waits in the store for an engine that does. `host` keeps values for plugins.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(opened: Opened, transports: Option<Transports>, host: Option<Host>) -> io::Result<Self> {
        let Opened { data, store, shared, dedup, ended, struck, is_untold } = opened;
        let (work, to_writer) = channel();
        let (to_fold, fold_work) = sync_channel(limits::MAX_UNFOLDED_BATCHES);
        let (to_keeper, keeper_work) = channel();
        let keeping = Arc::new(Keeping::default());
        let gate: Arc<dyn Gate> = Arc::new(ConsentGate::of(&shared));
        let outbox = transports.map(|transports| {
            Outbox::start(OutboxConfig {
                destinations: shared.live.read().program.destinations.clone(),
                transports,
                log: Arc::new(OutcomeSink { work: work.clone() }),
                backlog: Arc::new(StoredBacklog {
                    reader: store.reader(),
                    program: shared.program.subscribe(),
                    caught_up: shared.caught_up.subscribe(),
                }),
                policy: Policy::default(),
                gate: Some(gate),
                resume: true,
            })
        });
        let writer = Writer::new(Start {
            shared: Arc::clone(&shared),
            store: Arc::clone(&store),
            data,
            dedup,
            work: to_writer,
            fold: to_fold,
        });
        let fold = Fold {
            shared: Arc::clone(&shared),
            store: Arc::clone(&store),
            work: fold_work,
            writer: work.clone(),
            keeper: to_keeper,
            outbox: outbox.clone(),
            keeping: Arc::clone(&keeping),
            decided: Decided::default(),
            effects: Effects::default(),
            since_checkpoint: if struck.is_empty() { shared.recovery.records } else { limits::CHECKPOINT_RECORDS },
            checkpoint_at: Instant::now(),
            has_moved: shared.recovery.records > 0 || !struck.is_empty(),
            is_rested: true,
            is_settled: true,
            ended,
        };
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            store: Arc::clone(&store),
            work: keeper_work,
            writer: work.clone(),
            keeping,
            pause: limits::RETRY_FIRST,
        };
        let threads = Mutex::new(vec![
            thread("writer", move || writer.run())?,
            thread("fold", move || fold.run())?,
            thread("keeper", move || keeper.run())?,
        ]);
        let delivering = outbox.clone().map(|outbox| Delivering { outbox, host });
        let eraser = Arc::new(Eraser::new(&shared, &store, work.clone(), delivering));
        if !struck.is_empty() || is_untold {
            eraser.resume()?;
        }
        Ok(Self { shared, store, outbox, work, eraser, threads })
    }

    /// What its threads and readers share.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The outbox, where there is one.
    #[must_use]
    pub const fn outbox(&self) -> Option<&Outbox> {
        self.outbox.as_ref()
    }

    /// For reading the store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What is wrong with the log, if it cannot be written.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self.shared.gauges.health() {
            Health::Degraded(reason) => Some(reason),
            Health::Running | Health::Stopping => None,
        }
    }

    /// The way in.
    #[must_use]
    pub fn entrance(&self) -> Entrance {
        Entrance::new(Arc::clone(&self.shared), self.work.clone())
    }

    /// Goes over to a new version of the project; blocks until it runs. A `silent` one tells destinations nothing of whom it
    /// makes enter or leave.
    ///
    /// # Errors
    /// Why it does not; the old one runs on then.
    pub fn take_over(&self, program: Arc<Program>, transports: Transports, silent: bool) -> Result<(), String> {
        let _succession = self.shared.succession.lock();
        let (transports, erased, between) = (Some(transports), Vec::new(), Vec::new());
        let successor = Successor { program, transports, erased, forgets: false, silent, between };
        reload::take_over(&self.shared, &self.store, &self.work, successor)
    }

    /// What erases people.
    #[must_use]
    pub const fn eraser(&self) -> &Arc<Eraser> {
        &self.eraser
    }

    /// Ends in good order: what was taken in is folded, what is ready to be sent is sent, a last checkpoint is kept. To
    /// be called when nobody submits any more.
    pub async fn stop(&self) {
        self.shared.gauges.set_health(Health::Stopping);
        let patience = Instant::now() + limits::DRAIN;
        while (self.shared.gauges.unfolded() > 0 || self.shared.budget.waiting() > 0) && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if let Some(outbox) = &self.outbox {
            let left = outbox.shutdown(limits::DRAIN).await;
            if left > 0 {
                tracing::info!(deliveries = left, "not delivered yet; the next start goes on with them");
            }
        }
        drop(self.work.send(Work::Stop));
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined =
            tokio::task::spawn_blocking(move || threads.into_iter().map(JoinHandle::join).all(|it| it.is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread of the pipeline had ended before its time");
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}
