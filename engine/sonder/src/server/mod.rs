//! The engine as a server: project, plugins, pipeline, collection and API behind one listener, started and stopped in
//! order.

pub mod announce;
mod answers;
mod apply;
mod audience;
mod backup_route;
mod bundle;
mod consent;
mod explain;
mod feed;
mod figures;
mod geoip;
mod history;
mod identity;
mod import_route;
mod journeys;
mod keys_kept;
mod live_route;
mod loader;
mod matching;
mod native;
mod neighbours;
mod observed;
mod offline;
mod opendsr;
mod plan;
mod preview;
mod privacy;
mod quarantine;
mod reload;
mod replay;
mod residents;
mod retention;
mod rollout;
mod rotation;
mod speech;

pub use answers::Answers;
pub use native::natives;
pub(crate) use offline::identifier_kind;
pub use offline::{Asked, Offline};
pub use residents::{Residents, lives};

use crate::cli::output::Failure;
use crate::observe::{Metrics, Tracer};
use crate::pipeline::{EraseError, Files, OpenError, Pipeline, clock, succeed};
use crate::project::{KeyError, Scan, in_region, pseudonyms};
use announce::{Announced, Announcement, announce};
use apply::Applier;
use backup_route::BackupRoute;
use feed::Feeds;
use geoip::GeoIpFile;
use import_route::ImportRoute;
use live_route::LiveRoute;
use loader::Loader;
use native::Native;
use neighbours::neighbours;
use opendsr::OpenDsrRoute;
use sonder_activate::host::network::Http;
use sonder_activate::host::{Host, HostConfig, PluginProblem};
use sonder_collect::{Collector, CollectorConfig, Network, ServeOptions};
use sonder_console::Api;
use sonder_console::audit::AuditLog;
use sonder_console::keys::KeyRing;
use sonder_dsl::ir::Program;
use sonder_store::{Exports, StoreError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What to serve.
pub struct Options {
    /// The project, as it was read.
    pub scan: Scan,
    /// The project, compiled.
    pub program: Arc<Program>,
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen: `127.0.0.1:8080`, or port 0 for a free one.
    pub listen: String,
    /// Proxies whose word on a client's address counts.
    pub trusted_proxies: Vec<Network>,
    /// Where browsers reach the collector, where that is not the address that their requests name.
    pub public_url: Option<String>,
    /// Where metrics are kept.
    pub metrics: Metrics,
    /// Where traces are sent, and which share of messages is traced.
    pub traces: Option<(String, f64)>,
    /// What takes the requests of destinations in place of the network; secrets that are not there are no error then.
    pub receiver: Option<Arc<dyn Http>>,
    /// The region that the engine stands in, where the project has regions.
    pub region: Option<String>,
    /// The file that says where IP addresses are.
    pub geoip: Option<PathBuf>,
}

/// A running engine.
pub struct Server {
    address: SocketAddr,
    answers: Arc<Answers>,
    pipeline: Arc<Pipeline>,
    serving: JoinHandle<std::io::Result<()>>,
    reloading: JoinHandle<()>,
    telling: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    _announced: Announced,
}

impl Server {
    /// Opens the data, recovers, and listens.
    ///
    /// # Errors
    /// In the user's words: a data directory in use, an address taken, a plugin that is wrong.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        let Options {
            scan,
            program,
            data,
            listen,
            trusted_proxies,
            public_url,
            metrics,
            traces,
            receiver,
            region,
            geoip,
        } = options;
        crate::cli::install_crypto();
        std::fs::create_dir_all(&data)
            .map_err(|error| Failure::user(format!("could not make `{}`: {error}", data.display())))?;
        let program = in_region(&program, region.as_deref())
            .map_err(|misplaced| Failure::user(misplaced.to_string()).help(misplaced.help))?;
        let geoip = geoip.map(|file| GeoIpFile::open(&file)).transpose()?.map(|file| file as Arc<_>);
        let keys = Arc::new(KeyRing::open(&data).map_err(|error| Failure::user(error.to_string()))?);
        let listener = bind(&listen).await?;
        let address = listener.local_addr()?;
        let is_local = address.ip().is_loopback();
        if !is_local && keys.is_empty() {
            return Err(Failure::user(format!("`{address}` can be reached from elsewhere, and the API has no keys"))
                .help("make one with `sonder key create --name admin --scope admin`, or listen on 127.0.0.1"));
        }
        let native = Native::new(&data);
        let stands_in = receiver.is_some();
        let host = host(&data, &native, receiver)?;
        let pseudonyms = pseudonyms(&program.settings).map_err(|error| key_failure(&error))?.map(Arc::new);
        let loader = Loader {
            host: host.clone(),
            stands_in,
            keys: program.settings.pseudonyms.clone(),
            pseudonyms: pseudonyms.clone(),
        };
        let plugins = loader.plugins(&program, &scan.root).map_err(|problems| plugin_failure(&problems))?;
        let opening = {
            let (data, program) = (data.clone(), Arc::clone(&program));
            let (files, root) = (reload::files(&scan.sources), scan.root.clone());
            let compile = move |files| reload::compiled(files, &root);
            tokio::task::spawn_blocking(move || succeed(&data, &program, &files, &compile)).await
        };
        let opened =
            opening.map_err(|error| Failure::engine(error.to_string()))?.map_err(|error| open_failure(&error))?;
        if let Some(pseudonyms) = pseudonyms {
            for key in pseudonyms.keys() {
                let kept = opened.store.keep_pseudonym_key(key.version(), &key.fingerprint());
                kept.map_err(|error| store_failure(&error))?;
            }
            drop(opened.shared.pseudonyms.set(pseudonyms));
        }
        let exports = Exports::open(&data).map_err(|error| Failure::engine(error.to_string()))?;
        let reader = opened.store.reader();
        native.recall(&program, &reader, clock::wall()).map_err(|error| Failure::engine(error.to_string()))?;
        let recovery = opened.shared.recovery;
        tracing::info!(people = recovery.people, refolded = recovery.records, took = ?recovery.took, "recovered");
        if let Some((endpoint, share)) = traces {
            let http = reqwest::Client::builder().no_proxy().build();
            let http = http.map_err(|error| Failure::engine(error.to_string()))?;
            drop(opened.shared.tracer.set(Tracer::start(&endpoint, share, http)));
        }
        let pipeline = Arc::new(Pipeline::start(opened, Some(plugins.transports()), Some(host.clone()))?);
        pipeline.eraser().retain()?;
        rotation::run(Arc::downgrade(pipeline.store()))?;
        let shared = Arc::clone(pipeline.shared());
        keys_kept::run(&shared, pipeline.store())?;
        *shared.files.write() = Arc::new(Files { root: scan.root.clone(), sources: scan.sources.clone() });
        let collecting = CollectorConfig::new(shared.program.subscribe(), Arc::new(pipeline.entrance()));
        let feed = Some(Arc::new(Feeds::new(&shared, native.onsite)) as Arc<_>);
        let people = Some(Arc::new(Residents::of(&shared)) as Arc<_>);
        let neighbours = Some(neighbours(stands_in)?);
        let collecting = CollectorConfig { trusted_proxies, public_url, feed, people, neighbours, geoip, ..collecting };
        let collector = Collector::new(collecting);
        let answers = Answers::new(
            Arc::clone(&shared),
            Arc::clone(pipeline.store()),
            pipeline.outbox().cloned(),
            Some(collector.clone()),
            metrics,
        );
        let applier = Applier { pipeline: Arc::downgrade(&pipeline), loader: loader.clone() };
        let answers = answers.taking_in(pipeline.entrance()).erasing(Arc::clone(pipeline.eraser()));
        let answers = answers.exporting(exports);
        let audit = AuditLog::open(&data).map_err(|error| {
            Failure::user(error.to_string()).help("`sonder audit verify` says up to where it is sound; with another in its place, or none, one begins anew")
        })?;
        let audit = Arc::new(audit);
        let answers = Arc::new(answers.applying(applier).recording(Arc::clone(&audit)));
        matching::watch(&answers)?;
        retention::keep_audit_log_short(&answers)?;
        let api = Api::new(Arc::clone(&answers) as Arc<_>, Arc::clone(&keys), is_local).recording(audit);
        let import = ImportRoute::new(&data, Arc::clone(&shared), pipeline.entrance(), api.clone());
        let backup = BackupRoute { store: Arc::clone(pipeline.store()), api: api.clone() };
        let live = LiveRoute { shared: Arc::clone(&shared), api: api.clone() };
        let opendsr = OpenDsrRoute {
            shared: Arc::clone(&shared),
            answers: Arc::clone(&answers),
            api: api.clone(),
            news: Arc::default(),
        };
        let telling = tokio::spawn(opendsr::follow(opendsr.clone()));
        let beside = import.router().merge(backup.router()).merge(live.router()).merge(opendsr.router());
        let router = beside.merge(sonder_console::router(api));
        let router = router.fallback_service(sonder_collect::router(collector));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(sonder_collect::serve(listener, router, ServeOptions::default(), async {
            drop(stopped.await);
        }));
        let announcement = Announcement { address: Some(address), ..Announcement::of_this_process(&scan.root) };
        let announced = announce(&data, &announcement)?;
        let reloading = tokio::spawn(reload::follow(scan, Arc::downgrade(&pipeline), loader));
        Ok(Self { address, answers, pipeline, serving, reloading, telling, stop, _announced: announced })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is.
    #[must_use]
    pub const fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    /// Its pipeline.
    #[must_use]
    pub const fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Stops taking requests, finishes those under way, drains the pipeline and keeps a last checkpoint.
    pub async fn stop(self) {
        drop(self.stop);
        self.reloading.abort();
        self.telling.abort();
        drop(self.reloading.await);
        drop(self.telling.await);
        match self.serving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the listener failed"),
            Err(error) => tracing::warn!(%error, "the listener failed"),
        }
        drop(self.answers);
        self.pipeline.stop().await;
    }
}

async fn bind(listen: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        let failure = Failure::user(format!("could not listen on `{listen}`: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure.help("another program does; choose another port with `--listen`"),
            _ => failure.help("write an address and a port, such as `127.0.0.1:8080`"),
        }
    })
}

fn host(data: &Path, native: &Native, http: Option<Arc<dyn Http>>) -> Result<Host, Failure> {
    let (cache, storage) = (Some(data.join("compiled")), Some(data.join("plugins")));
    let config = HostConfig { cache, storage, http, natives: native.natives() };
    Host::new(config).map_err(|error| Failure::engine(error.to_string()))
}

/// All that is wrong with destinations.
fn plugin_failure(problems: &[PluginProblem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(problem).collect();
    Failure::user(lines.join("\nerror: "))
}

/// One line, and what helps.
fn problem(problem: &PluginProblem) -> String {
    match &problem.help {
        Some(help) => format!("{problem}\n help: {help}"),
        None => problem.to_string(),
    }
}

/// A directory in use or from a newer version is the user's to mend; the rest is ours.
pub(crate) fn open_failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Store(error) => store_failure(error),
        OpenError::Key(error) => key_failure(error),
        OpenError::Erase(EraseError::Store(error)) => store_failure(error),
        OpenError::Refold(_) | OpenError::Erase(_) => Failure::engine(error.to_string()),
    }
}

/// A key that is not where the project says is the user's to put there.
pub(crate) fn key_failure(error: &KeyError) -> Failure {
    Failure::user(error.to_string()).help(error.help())
}

/// The same for the store alone.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    let failure = match error {
        StoreError::Locked { .. }
        | StoreError::NewerFormat { .. }
        | StoreError::Missing { .. }
        | StoreError::NoKey { .. }
        | StoreError::NoKeys { .. }
        | StoreError::OtherRegion { .. }
        | StoreError::OtherPseudonymKey { .. }
        | StoreError::Refused { .. } => Failure::user(error.to_string()),
        _ => Failure::engine(error.to_string()),
    };
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}
