//! What every request needs: the running program, compiled for collecting, and where accepted messages go.

use crate::address::Network;
use crate::auth::Keys;
use crate::body::Budget;
use crate::feed::Feed;
use crate::forward::Neighbours;
use crate::intake::Intake;
use crate::limits;
use crate::rate::RateLimiter;
use crate::region::People;
use crate::rejection::{RejectionCount, RejectionLog};
use parking_lot::RwLock;
use sonder_core::govern::Governor;
use sonder_core::message::GeoIp;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The collector: give it to [`router`](crate::router). Clones are one collector.
#[derive(Clone)]
pub struct Collector {
    pub(crate) shared: Arc<Shared>,
}

/// Finds the value of an environment variable.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// How a [`Collector`] is set up.
pub struct CollectorConfig {
    /// The running program; requests see a new one at once.
    pub program: watch::Receiver<Arc<Program>>,
    /// Where accepted messages go.
    pub intake: Arc<dyn Intake>,
    /// Finds write keys that the project keeps in the environment.
    pub environment: Environment,
    /// What time it is.
    pub clock: Clock,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<Network>,
    /// The address that browsers reach this collector under, such as `https://cdp.example.com`; it goes into the settings that
    /// SDKs load. Without it, it is the one that they loaded them from.
    pub public_url: Option<String>,
    /// What pages are told, where something is.
    pub feed: Option<Arc<dyn Feed>>,
    /// Who is known here; asked where the project has regions.
    pub people: Option<Arc<dyn People>>,
    /// The engines of other regions, where there are some. Without them nothing that belongs there is taken in.
    pub neighbours: Option<Arc<dyn Neighbours>>,
    /// Knows where IP addresses are.
    pub geoip: Option<Arc<dyn GeoIp>>,
}

impl CollectorConfig {
    /// A collector on this machine: the system's clock and environment, no proxies.
    #[must_use]
    pub fn new(program: watch::Receiver<Arc<Program>>, intake: Arc<dyn Intake>) -> Self {
        Self {
            program,
            intake,
            environment: Arc::new(|name| std::env::var(name).ok()),
            clock: Arc::new(system_time),
            trusted_proxies: Vec::new(),
            public_url: None,
            feed: None,
            people: None,
            neighbours: None,
            geoip: None,
        }
    }
}

impl Collector {
    /// Compiles the program's keys and schemas.
    #[must_use]
    pub fn new(config: CollectorConfig) -> Self {
        let program = Arc::clone(&config.program.borrow());
        let generation = RwLock::new(Arc::new(Generation::new(program, &*config.environment)));
        Self {
            shared: Arc::new(Shared {
                config,
                generation,
                budget: Budget::new(limits::BYTES_IN_FLIGHT),
                key_rates: RateLimiter::default(),
                address_rates: RateLimiter::default(),
                rejections: RejectionLog::default(),
            }),
        }
    }

    /// How often requests were refused since the start, by reason, with the last of each.
    #[must_use]
    pub fn rejections(&self) -> Vec<RejectionCount> {
        self.shared.rejections.counts()
    }
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) config: CollectorConfig,
    generation: RwLock<Arc<Generation>>,
    pub(crate) budget: Budget,
    pub(crate) key_rates: RateLimiter<Arc<str>>,
    pub(crate) address_rates: RateLimiter<(Arc<str>, IpAddr)>,
    pub(crate) rejections: RejectionLog,
}

/// A version of the program, compiled for collecting.
pub(crate) struct Generation {
    pub(crate) program: Arc<Program>,
    pub(crate) governor: Governor,
    pub(crate) keys: Keys,
}

impl Generation {
    fn new(program: Arc<Program>, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let (governor, keys) = (Governor::new(&program), Keys::new(&program, environment));
        Self { program, governor, keys }
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Moment {
        (self.config.clock)()
    }

    /// The version that runs; compiled when it is first asked for.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        let is_current = |generation: &Generation| Arc::ptr_eq(&generation.program, &self.config.program.borrow());
        let generation = Arc::clone(&self.generation.read());
        if is_current(&generation) {
            return generation;
        }
        let mut slot = self.generation.write();
        if !is_current(&slot) {
            let program = Arc::clone(&self.config.program.borrow());
            *slot = Arc::new(Generation::new(program, &*self.config.environment));
        }
        Arc::clone(&slot)
    }
}

fn system_time() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
