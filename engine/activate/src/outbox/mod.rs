//! The outbox: what is still to be delivered, and how it gets there.
//!
//! Each destination has a lane of its own (queue, retries, breaker, rate, cap) and a worker that
//! drives it, so that one that is slow or hangs takes nothing from another or from the intake. `enqueue` never waits:
//! what does not fit into a lane's window in memory waits in the store, where it is anyway.
//!
//! Guarantees: at least once, with one idempotency key; in order for each person and destination; an outcome is durable
//! before its delivery leaves; nothing is given up before it was tried often enough for long enough, except what the
//! destination refuses.

mod breaker;
mod gate;
mod judge;
mod lane;
mod policy;
mod queue;
mod rate;
mod stats;
mod transport;
mod worker;

#[cfg(test)]
mod simulation;

pub use breaker::Breaker;
pub use gate::Gate;
pub use policy::Policy;
pub use stats::{DestinationStats, Histogram, OutboxStats};
pub use transport::{Answer, BatchFailure, Item, Transport, Transports};

use crate::outcome::{Backlog, OutcomeLog};
use lane::Lane;
use parking_lot::Mutex;
use sonder_core::effect::{Delivery, Recall};
use sonder_dsl::ir::DestinationId;
use sonder_dsl::model::Destination;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use worker::{Clock, STORE_WAITS, Worker};

/// What an outbox is made of.
pub struct OutboxConfig {
    /// The program's destinations, in its order: each gets a lane.
    pub destinations: Vec<Destination>,
    /// What carries batches, by destination: [`Plugins::transports`](crate::host::Plugins::transports).
    pub transports: Transports,
    /// Keeps outcomes.
    pub log: Arc<dyn OutcomeLog>,
    /// Reads back what does not fit into memory.
    pub backlog: Arc<dyn Backlog>,
    /// How patient it is.
    pub policy: Policy,
    /// Asked right before something is sent; without one, everything may go.
    pub gate: Option<Arc<dyn Gate>>,
    /// Whether it begins with all that the backlog has without an outcome: what is for a destination that is no more is given
    /// up. Otherwise the caller enqueues that.
    pub resume: bool,
}

/// The outbox. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    policy: Policy,
    gate: Option<Arc<dyn Gate>>,
    log: Arc<dyn OutcomeLog>,
    backlog: Arc<dyn Backlog>,
    clock: Clock,
    lanes: Mutex<Lanes>,
    abandoning: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Lanes {
    // By name, so that they outlive a version of the project.
    by_name: BTreeMap<String, Worker>,
    // By the id of the program that runs.
    by_id: Vec<Worker>,
}

impl Outbox {
    /// Starts a worker for each destination. To be called within a tokio runtime.
    #[must_use]
    pub fn start(config: OutboxConfig) -> Self {
        let OutboxConfig { destinations, transports, log, backlog, policy, gate, resume } = config;
        let (lanes, abandoning) = (Mutex::default(), Mutex::default());
        let outbox = Self(Arc::new(Shared { policy, gate, log, backlog, clock: Clock::start(), lanes, abandoning }));
        outbox.apply(&destinations, transports, resume);
        if resume {
            let starting = outbox.clone();
            let task = tokio::spawn(async move { starting.abandon().await });
            *outbox.0.abandoning.lock() = Some(task.abort_handle());
        }
        outbox
    }

    /// Hands over deliveries, in the order in which they were decided; never waits. One that is waiting already is left
    /// out.
    pub fn enqueue(&self, deliveries: Vec<Delivery>) {
        if deliveries.is_empty() {
            return;
        }
        let lanes = self.0.lanes.lock();
        let mut woken: Vec<&Worker> = Vec::new();
        for delivery in deliveries {
            let Some(worker) = lanes.by_id.get(delivery.destination.index()) else {
                tracing::error!(
                    delivery = format!("{:032x}", delivery.id.0),
                    "a delivery names no destination of the program"
                );
                continue;
            };
            worker.lane().enqueue(delivery);
            if !woken.iter().any(|other| other.is(worker)) {
                woken.push(worker);
            }
        }
        for worker in woken {
            worker.wake();
        }
    }

    /// Calls a delivery back: where it is not under way yet, its outcome is that it was cancelled. False when nobody waits
    /// for its outcome any more.
    pub fn recall(&self, recall: &Recall) -> bool {
        let lanes = self.0.lanes.lock();
        let Some(worker) = lanes.by_id.get(recall.destination.index()) else { return false };
        let waits = worker.lane().recall(recall.id, &recall.reason);
        if waits {
            worker.wake();
        }
        waits
    }

    /// How many deliveries that were given up a destination can take in again now; none where it is not of the program.
    #[must_use]
    pub fn room(&self, destination: DestinationId) -> usize {
        self.0.lanes.lock().by_id.get(destination.index()).map_or(0, |worker| worker.lane().room())
    }

    /// Takes in deliveries again that had been given up. Their attempts are counted anew.
    pub fn replay(&self, destination: DestinationId, deliveries: Vec<Delivery>) {
        let lanes = self.0.lanes.lock();
        if let Some(worker) = lanes.by_id.get(destination.index()) {
            worker.lane().replay(deliveries);
            worker.wake();
        }
    }

    /// What is in memory and not done with, for each destination in the order of arrival. What
    /// [waits in the store](DestinationStats::spilled) is not among it: the store has it, without an outcome.
    #[must_use]
    pub fn pending(&self) -> Vec<Delivery> {
        let workers = self.workers();
        workers.iter().flat_map(|worker| worker.lane().pending()).collect()
    }

    /// How each destination does.
    #[must_use]
    pub fn stats(&self) -> OutboxStats {
        let destinations: Vec<DestinationStats> = self.workers().iter().map(|worker| worker.lane().stats()).collect();
        for stats in &destinations {
            metrics::gauge!("sonder_outbox_pending", "destination" => stats.name.clone()).set(stats.pending as f64);
        }
        OutboxStats { destinations }
    }

    /// Goes on with another version of the project, between two batches of each destination: what waits stays, and goes
    /// by the new version. What waits for a destination that is no more is given up.
    pub fn reconfigure(&self, destinations: &[Destination], transports: Transports) {
        self.apply(destinations, transports, false);
    }

    /// Sends what is ready, waits for what is under way, then stops; at the latest after `deadline`. Gives the number of
    /// deliveries that are left: they are in the store without an outcome.
    pub async fn shutdown(&self, deadline: Duration) -> u64 {
        if let Some(task) = self.0.abandoning.lock().take() {
            task.abort();
        }
        let workers = self.workers();
        for worker in &workers {
            worker.lane().stop();
            worker.wake();
        }
        let idle = async {
            for worker in &workers {
                worker.idle().await;
            }
        };
        let _ = tokio::time::timeout(deadline, idle).await;
        for worker in &workers {
            worker.abort();
        }
        workers.iter().map(|worker| worker.lane().stats().pending).sum()
    }

    fn apply(&self, destinations: &[Destination], transports: Transports, resume: bool) {
        let mut transports = match &self.0.gate {
            Some(gate) => gate::behind(gate, transports),
            None => transports,
        };
        let now = self.0.clock.now();
        let mut lanes = self.0.lanes.lock();
        lanes.by_name.retain(|_, worker| !worker.lane().is_finished());
        lanes.by_id.clear();
        for (index, destination) in destinations.iter().enumerate() {
            let id = DestinationId(u32::try_from(index).unwrap_or(u32::MAX));
            let transport = transports.remove(&destination.name);
            let worker = match lanes.by_name.get(&destination.name) {
                Some(worker) => {
                    worker.lane().reconfigure(id, destination, now);
                    worker.carry_with(transport);
                    worker.wake();
                    worker.clone()
                }
                None => {
                    let lane = Lane::new(id, destination, self.0.policy.clone(), resume, now);
                    let cap = destination.cap_per_person.map(|rate| now.minus(rate.per));
                    let worker = self.worker(lane, transport);
                    worker.start(cap);
                    lanes.by_name.insert(destination.name.clone(), worker.clone());
                    worker
                }
            };
            lanes.by_id.push(worker);
        }
        for (name, worker) in &lanes.by_name {
            if !destinations.iter().any(|destination| destination.name == *name) {
                worker.lane().close();
                worker.wake();
            }
        }
    }

    /// Gives up what the store has for destinations that went away while nothing ran.
    async fn abandon(&self) {
        for wait in STORE_WAITS {
            match self.0.backlog.destinations().await {
                Ok(names) => {
                    let mut lanes = self.0.lanes.lock();
                    for name in names {
                        let Entry::Vacant(place) = lanes.by_name.entry(name) else { continue };
                        tracing::warn!(destination = place.key(), "deliveries wait for a destination that is no more");
                        let lane = Lane::abandoned(place.key(), self.0.policy.clone());
                        place.insert(self.worker(lane, None)).start(None);
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "which destinations have deliveries waiting cannot be read yet");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn worker(&self, lane: Lane, transport: Option<Arc<dyn Transport>>) -> Worker {
        let Shared { log, backlog, clock, .. } = &*self.0;
        Worker::new(lane, transport, Arc::clone(log), Arc::clone(backlog), *clock)
    }

    fn workers(&self) -> Vec<Worker> {
        self.0.lanes.lock().by_name.values().cloned().collect()
    }
}
