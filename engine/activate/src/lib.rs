//! Where decisions leave: the outbox, and the sandbox that destinations run in.
//!
//! - [`host`] loads destination plugins (WebAssembly components that may call nothing but `plugins/wit`), asks them what
//!   they are, and runs batches in them with limits on memory, time, stack and network.
//! - [`outbox`] holds what is still to be delivered: in order for each person, with retries, a circuit breaker, rates and
//!   caps for each destination, so that none of them can slow another or the intake.
//! - [`outcome`] is the seam to the store: what became of a delivery is durable before the delivery leaves the outbox.
//! - [`component`] turns a compiled plugin into a component.
//!
//! ```ignore
//! let host = Host::new(&HostConfig { cache: Some(data.join("compiled")), storage: Some(data.join("plugins")) })?;
//! let plugins = Plugins::load(&host, &program, project_dir, &|name| std::env::var(name).ok())?;
//! let outbox = Outbox::start(OutboxConfig { program, transports: plugins.transports(), log, backlog, policy: Policy::default() });
//! outbox.enqueue(effects.deliveries);
//! ```

pub mod component;
pub mod host;
mod limits;
pub mod outbox;
pub mod outcome;
