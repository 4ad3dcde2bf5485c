//! Where decisions leave: the outbox, and the sandbox that destinations run in.
//!
//! - [`host`] loads destination plugins (WebAssembly components that may call nothing but `plugins/wit`), asks them what
//!   they are, and runs batches in them with limits on memory, time, stack and network.
//! - [`outbox`] holds what is still to be delivered: in order for each person, with retries, a circuit breaker, rates and
//!   caps for each destination, so that none of them can slow another or the intake.
//! - [`outcome`] is the seam to the store: what became of a delivery is durable before the delivery leaves the outbox.
//! - [`files`] and [`onsite`] are destinations of the engine's own: files for a warehouse, and what pages ask for.
//! - [`pseudonyms`] stand in place of identifiers where a destination is not to know people.
//! - [`component`] turns a compiled plugin into a component.
//! - [`conformance`] tries a plugin against recorded exchanges and against trouble, for its author.
//!
//! ```no_run
//! # use sonder_activate::{host::{Host, HostConfig, Plugins}, outbox::{Outbox, OutboxConfig, Policy}, outcome::{Backlog, OutcomeLog}};
//! # use std::{path::Path, sync::Arc};
//! # fn start(program: &Arc<sonder_dsl::ir::Program>, data: &Path, project: &Path, log: Arc<dyn OutcomeLog>,
//! #     backlog: Arc<dyn Backlog>, decided: Vec<sonder_core::effect::Delivery>) -> Result<(), Box<dyn std::error::Error>> {
//! let directories = HostConfig { cache: Some(data.join("compiled")), storage: Some(data.join("plugins")), ..HostConfig::default() };
//! let host = Host::new(directories)?;
//! let plugins = Plugins::load(&host, program, &program.destinations, project, &|name| std::env::var(name).ok())
//!     .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
//! let outbox = Outbox::start(OutboxConfig {
//!     destinations: program.destinations.clone(),
//!     transports: plugins.transports(),
//!     log,
//!     backlog,
//!     policy: Policy::default(),
//!     gate: None,
//!     resume: true,
//! });
//! outbox.enqueue(decided);
//! # Ok(()) }
//! ```

pub mod component;
pub mod conformance;
pub mod files;
pub mod host;
mod limits;
pub mod onsite;
pub mod outbox;
pub mod outcome;
pub mod pseudonyms;
