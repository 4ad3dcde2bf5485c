//! The sandbox that destinations run in: WebAssembly components that may call nothing but `plugins/wit`.
//!
//! | file | what |
//! |---|---|
//! | [`plugin`] | a component, compiled and asked what it is |
//! | [`load`] | a project's destinations, each bound to its plugin, secrets and reach |
//! | [`native`] | destinations that no component could be, described as one |
//! | `sandbox`, `clock` | one instance for one batch: memory, stack, time |
//! | [`desk`] | what a running batch may ask: send, log, get, set |
//! | [`request`], [`address`], [`network`] | where requests may go, and how they get there |
//! | [`secret`], [`sign`], [`web_push`] | what is filled in on the host's side |
//! | [`storage`] | what plugins keep |
//!
//! Invariants: no WASI; a fresh instance for each batch, so that a trap fails that batch alone; a secret enters no
//! instance and no log; no request leaves for a host that the project does not name, or for a private address.

pub mod address;
mod bindings;
pub mod bundled;
mod carrier;
mod clock;
pub mod describe;
pub mod desk;
pub mod load;
pub mod native;
pub mod network;
pub mod plugin;
pub mod request;
mod sandbox;
pub mod secret;
pub mod sign;
pub mod storage;
pub mod web_push;

pub use bindings::host::{Response, SendError};
pub use describe::Description;
pub use load::{PluginProblem, Plugins, describe};
pub use plugin::{Plugin, PluginError};

use crate::limits;
use bindings::Destination;
use clock::Clock;
use native::Natives;
use network::{Http, Network};
use parking_lot::Mutex;
use sandbox::Sandbox;
use sonder_dsl::ir::Program;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use storage::{InDirectory, InMemory, Shelf, Storage};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine};

/// What the sandbox is made with.
#[derive(Clone, Default)]
pub struct HostConfig {
    /// Where compiled code is kept between starts; without it, each start compiles.
    pub cache: Option<PathBuf>,
    /// Where plugins' values are kept; without it, in memory.
    pub storage: Option<PathBuf>,
    /// What sends requests; the network unless a test says otherwise.
    pub http: Option<Arc<dyn Http>>,
    /// Destinations that are part of the engine.
    pub natives: Natives,
}

/// The sandbox: one for the whole engine, through all reloads. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    engine: Engine,
    clock: Arc<Clock>,
    linker: Linker<Sandbox>,
    http: Arc<dyn Http>,
    storage: Arc<dyn Storage>,
    natives: Natives,
    // By content, so that a reload compiles only what is new.
    plugins: Mutex<BTreeMap<u128, Weak<Plugin>>>,
    // By destination: all versions of the project share what one keeps.
    shelves: Mutex<BTreeMap<String, Weak<Shelf>>>,
}

/// The sandbox cannot be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox for plugins cannot be made: {0}")]
pub struct HostError(String);

impl Host {
    /// Makes the sandbox.
    ///
    /// # Errors
    /// When the cache's directory is not usable, or the system gives no threads.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let failed = |error: &dyn std::fmt::Display| HostError(format!("{error:#}"));
        let engine = engine(config.cache).map_err(|error| failed(&error))?;
        let mut linker = Linker::new(&engine);
        Destination::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox: &mut Sandbox| sandbox)
            .map_err(|error| failed(&error))?;
        let clock = Arc::new(Clock::start(&engine).map_err(|error| failed(&error))?);
        let http: Arc<dyn Http> = match config.http {
            Some(http) => http,
            None => Arc::new(Network::new(None).map_err(|error| failed(&error))?),
        };
        let storage: Arc<dyn Storage> = match config.storage {
            Some(directory) => Arc::new(InDirectory::new(&directory)),
            None => Arc::new(InMemory::default()),
        };
        let natives = config.natives;
        Ok(Self(Arc::new(Shared {
            engine,
            clock,
            linker,
            http,
            storage,
            natives,
            plugins: Mutex::default(),
            shelves: Mutex::default(),
        })))
    }

    /// Compiles a component and asks it what it is. The same bytes are compiled once.
    ///
    /// # Errors
    /// Why it cannot be a destination.
    pub fn plugin(&self, wasm: &[u8]) -> Result<Arc<Plugin>, PluginError> {
        let content = xxhash_rust::xxh3::xxh3_128(wasm);
        if let Some(known) = self.0.plugins.lock().get(&content).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let plugin = Arc::new(Plugin::compile(&self.0.engine, &self.0.clock, &self.0.linker, wasm)?);
        let mut plugins = self.0.plugins.lock();
        plugins.retain(|_, plugin| plugin.strong_count() > 0);
        plugins.insert(content, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    fn http(&self) -> Arc<dyn Http> {
        Arc::clone(&self.0.http)
    }

    fn native(&self, name: &str) -> Option<&dyn native::Bind> {
        self.0.natives.get(name).map(AsRef::as_ref)
    }

    /// What a destination keeps.
    fn shelf(&self, destination: &str) -> Arc<Shelf> {
        let mut shelves = self.0.shelves.lock();
        if let Some(known) = shelves.get(destination).and_then(Weak::upgrade) {
            return known;
        }
        let shelf = Arc::new(Shelf::open(destination, Arc::clone(&self.0.storage)));
        shelves.retain(|_, shelf| shelf.strong_count() > 0);
        shelves.insert(destination.to_owned(), Arc::downgrade(&shelf));
        shelf
    }

    /// Takes people who are erased out of what the engine's own destinations left that are no more.
    ///
    /// # Errors
    /// When something of it cannot be read or written; it can be done again.
    pub fn forget_left(&self, whom: &[native::Whom<'_>], program: &Program) -> std::io::Result<()> {
        self.0.natives.values().try_for_each(|native| native.forget(whom, program))
    }

    /// Removes what plugins keep about somebody: each value that has one of these identifiers in it or in its key, as it is or
    /// as the SHA-256 that ad platforms take. Short ones, which mean something else within other texts, only as a whole.
    ///
    /// # Errors
    /// When what remains cannot be written.
    pub fn forget(&self, identifiers: &[String]) -> std::io::Result<()> {
        let mut traces: Vec<String> = identifiers.iter().map(|it| it.to_lowercase()).collect();
        traces.extend(identifiers.iter().map(|it| sha256(&it.to_lowercase())));
        let has = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            traces.iter().any(|trace| text == *trace || (trace.chars().count() >= TELLING && text.contains(trace)))
        };
        let is_theirs = |key: &str, value: &[u8]| has(key.as_bytes()) || has(value);
        let shelves: Vec<Arc<Shelf>> = self.0.shelves.lock().values().filter_map(Weak::upgrade).collect();
        for shelf in shelves {
            shelf.forget(&is_theirs)?;
        }
        self.0.storage.purge(&is_theirs)
    }
}

/// From how many characters on an identifier is looked for within other texts.
const TELLING: usize = 6;

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn engine(cache: Option<PathBuf>) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(limits::STACK_BYTES);
    // Results do not depend on which machine a plugin runs on.
    config.cranelift_nan_canonicalization(true);
    if let Some(directory) = cache {
        std::fs::create_dir_all(&directory)?;
        let mut cache = CacheConfig::new();
        cache.with_directory(directory.canonicalize()?);
        config.cache(Some(Cache::new(cache)?));
    }
    Engine::new(&config)
}
