//! Drives one lane: does what the lane says is next, and tells it how that went.

use super::lane::{FlightId, Lane, Step};
use super::transport::{BatchFailure, Item, Transport};
use crate::outcome::{Backlog, Outcome, OutcomeLog};
use parking_lot::{Mutex, MutexGuard};
use sonder_core::effect::EffectId;
use sonder_dsl::time::Moment;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// Wall time that never goes back: read once, then carried by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Moment,
    started: Instant,
}

impl Clock {
    /// From now on.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: Moment(i64::try_from(wall.as_micros()).unwrap_or(i64::MAX)), started: Instant::now() }
    }

    /// The present.
    pub fn now(&self) -> Moment {
        let passed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        Moment(self.wall.0.saturating_add(passed))
    }

    fn until(&self, moment: Moment) -> Duration {
        Duration::from_micros(u64::try_from(moment.since(self.now()).0).unwrap_or(0))
    }
}

/// A lane and what drives it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Worker(Arc<Shared>);

struct Shared {
    lane: Mutex<Lane>,
    transport: Mutex<Option<Arc<dyn Transport>>>,
    log: Arc<dyn OutcomeLog>,
    backlog: Arc<dyn Backlog>,
    clock: Clock,
    // Something happened that may change what is next.
    changed: Notify,
    task: Mutex<Option<AbortHandle>>,
}

/// Between questions to a store that is not available, and offers of the same outcomes.
pub const STORE_WAITS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

impl Worker {
    /// At rest.
    pub fn new(
        lane: Lane,
        transport: Option<Arc<dyn Transport>>,
        log: Arc<dyn OutcomeLog>,
        backlog: Arc<dyn Backlog>,
        clock: Clock,
    ) -> Self {
        let (lane, transport) = (Mutex::new(lane), Mutex::new(transport));
        Self(Arc::new(Shared { lane, transport, log, backlog, clock, changed: Notify::new(), task: Mutex::default() }))
    }

    /// Starts. What people got after `remember_since` counts for the cap.
    pub fn start(&self, remember_since: Option<Moment>) {
        let worker = self.clone();
        let task = tokio::spawn(async move { worker.run(remember_since).await });
        *self.0.task.lock() = Some(task.abort_handle());
    }

    /// The lane, for a moment.
    pub fn lane(&self) -> MutexGuard<'_, Lane> {
        self.0.lane.lock()
    }

    /// Carries the next batches with another transport.
    pub fn carry_with(&self, transport: Option<Arc<dyn Transport>>) {
        *self.0.transport.lock() = transport;
    }

    /// Something was added to the lane.
    pub fn wake(&self) {
        self.0.changed.notify_one();
    }

    /// Stops at once, with whatever is under way.
    pub fn abort(&self) {
        if let Some(task) = self.0.task.lock().take() {
            task.abort();
        }
    }

    /// Returns when there is nothing to do before time passes.
    pub async fn idle(&self) {
        while !self.lane().is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it is that worker.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    async fn run(&self, remember_since: Option<Moment>) {
        if let Some(since) = remember_since {
            self.remember(since).await;
        }
        let mut tasks = JoinSet::new();
        loop {
            let step = self.lane().next(self.0.clock.now());
            match step {
                Step::Send(flight, items) => {
                    let worker = self.clone();
                    tasks.spawn(async move { worker.send(flight, items).await });
                }
                Step::Record(flight, outcomes) => {
                    let worker = self.clone();
                    tasks.spawn(async move { worker.record(flight, outcomes).await });
                }
                Step::Load { after, limit } => {
                    let worker = self.clone();
                    tasks.spawn(async move { worker.load(after, limit).await });
                }
                Step::Wait(_) if self.lane().is_finished() => return,
                Step::Wait(until) => {
                    let alarm = async {
                        match until {
                            Some(moment) => tokio::time::sleep(self.0.clock.until(moment)).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = self.0.changed.notified() => {}
                        () = alarm => {}
                        Some(_) = tasks.join_next() => {}
                    }
                }
            }
        }
    }

    async fn send(&self, flight: FlightId, items: Vec<Item>) {
        let transport = self.0.transport.lock().clone();
        let result = match transport {
            Some(transport) => transport.deliver(items, self.0.clock.now()).await,
            None => Err(BatchFailure::Machine("the destination's plugin is not loaded".to_owned())),
        };
        let outcomes = self.lane().judge(flight, result, self.0.clock.now());
        self.record(flight, outcomes).await;
    }

    /// Offers the outcomes until the store has them; then the items may leave.
    async fn record(&self, flight: FlightId, outcomes: Vec<Outcome>) {
        let mut waits = STORE_WAITS.iter().copied();
        let mut wait = STORE_WAITS[0];
        while let Err(error) = self.0.log.record(outcomes.clone()).await {
            wait = waits.next().unwrap_or(wait);
            tracing::warn!(%error, "outcomes are not recorded yet");
            tokio::time::sleep(wait).await;
        }
        self.lane().settle(flight);
        self.wake();
    }

    async fn load(&self, after: Option<EffectId>, limit: usize) {
        let name = Arc::clone(&self.lane().name);
        let found = self.0.backlog.load(&name, after, limit).await;
        if let Err(error) = &found {
            tracing::warn!(destination = &*name, %error, "waiting deliveries cannot be read back yet");
        }
        self.lane().loaded(found.ok(), limit, self.0.clock.now());
        self.wake();
    }

    async fn remember(&self, since: Moment) {
        let name = Arc::clone(&self.lane().name);
        for wait in STORE_WAITS {
            match self.0.backlog.delivered(&name, since).await {
                Ok(got) => {
                    self.lane().remember(&got);
                    return;
                }
                Err(error) => {
                    tracing::warn!(destination = &*name, %error, "what people got before cannot be read yet");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}
