//! `sonder run`: the engine.

use super::output::{Failure, Output};
use super::project::{Project, load};
use crate::observe::{LogOptions, set_up_log, set_up_metrics};
use crate::project::Scan;
use crate::server::{Options, Server};
use axum::http::Uri;
use sonder_activate::host::network::Http;
use sonder_collect::Network;
use sonder_dsl::ir::Program;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Run the engine
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder run shop --data /var/lib/sonder --listen 127.0.0.1:8080\n  sonder run shop --trusted-proxy 10.0.0.0/8 --public-url https://cdp.example.com"
)]
pub struct Args {
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// What `run` and `dev` share.
#[derive(Clone, Debug, clap::Args)]
pub struct EngineArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub project: PathBuf,
    /// The data directory [default: `store` of sonder.yaml, or ./.sonder]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: `listen` of sonder.yaml, or 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// A proxy in front of the engine, such as 10.0.0.0/8: its X-Forwarded-For says who the client is. Several: again, or with commas
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<Network>,
    /// Where browsers reach the engine, such as https://cdp.example.com; goes into the settings that SDKs load [default: the
    /// address that they load them from]
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub public_url: Option<String>,
    /// The region that this engine stands in, where the project has regions: it takes in people of that one, and sends on the rest
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Where IP addresses are: a database in MaxMind's format, of countries or cities. It fills `context.geo`, and is read again
    /// when another file takes its place
    #[arg(long, value_name = "FILE")]
    pub geoip: Option<PathBuf>,
    /// Where traces go: a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_parser = public_url)]
    pub otlp: Option<String>,
    /// Which share of messages is traced
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, requires = "otlp")]
    pub trace_sample: f64,
    #[command(flatten)]
    pub log: LogOptions,
}

/// Only a scheme and a host, with a port where it has one: SDKs put paths of their own behind it.
fn public_url(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no address such as `https://cdp.example.com`");
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    let has_host = url.authority().is_some_and(|it| !it.host().is_empty() && !it.as_str().contains('@'));
    if !is_web || !has_host || url.path() != "/" || url.query().is_some() || text.contains('#') {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let prepared = Prepared::new(&args.engine, output)?;
    runtime()?.block_on(async {
        let (server, mut signals) = prepared.start(output).await?;
        signals.first().await;
        stop(server, &mut signals, output).await
    })
}

/// An engine that can be started.
pub(super) struct Prepared {
    options: Options,
}

impl Prepared {
    pub(super) fn new(args: &EngineArgs, output: &mut Output<'_>) -> Result<Self, Failure> {
        set_up_log(&args.log, output.err_is_terminal)?;
        let Project { scan, program } = load(&args.project, output)?;
        let settings = &program.settings;
        let data = args.data.clone().or_else(|| settings.store.as_ref().map(PathBuf::from));
        let listen = args.listen.clone().or_else(|| settings.listen.clone());
        let options = Options {
            data: data.unwrap_or_else(|| PathBuf::from("./.sonder")),
            listen: listen.unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            trusted_proxies: args.trusted_proxy.clone(),
            public_url: args.public_url.clone(),
            metrics: set_up_metrics(),
            traces: args.otlp.clone().map(|endpoint| (endpoint, args.trace_sample)),
            receiver: None,
            region: args.region.clone(),
            geoip: args.geoip.clone(),
            scan,
            program,
        };
        Ok(Self { options })
    }

    /// Requests of destinations end there.
    pub(super) fn received_by(self, receiver: Arc<dyn Http>) -> Self {
        Self { options: Options { receiver: Some(receiver), ..self.options } }
    }

    /// The project, as it was read and compiled.
    pub(super) const fn project(&self) -> (&Scan, &Arc<Program>) {
        (&self.options.scan, &self.options.program)
    }

    /// Starts it, and says where it listens: the line that scripts wait for. Whoever has read it may stop it in good order.
    pub(super) async fn start(self, output: &mut Output<'_>) -> Result<(Server, Signals), Failure> {
        let server = Server::start(self.options).await?;
        let signals = Signals::new()?;
        output.line(format!("listening on http://{}", server.address()))?;
        output.out.flush()?;
        Ok((server, signals))
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("shell")
        .build()
        .map_err(|error| Failure::engine(format!("could not start: {error}")))
}

/// Stops in good order; a second signal ends it at once, which loses nothing that was acknowledged either.
pub(super) async fn stop(server: Server, signals: &mut Signals, output: &mut Output<'_>) -> Result<(), Failure> {
    output.note("stopping; once more to stop at once")?;
    tokio::select! {
        () = server.stop() => Ok(()),
        () = signals.first() => Err(Failure::engine("stopped at once; the next start recovers from the log")),
    }
}

/// Ctrl-C, and what service managers send.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_scheme_and_a_host() {
        for url in
            ["https://cdp.example.com", "http://127.0.0.1:8080", "https://cdp.example.com:8443", "http://[::1]:80"]
        {
            assert_eq!(public_url(url), Ok(url.to_owned()));
        }
        assert_eq!(public_url("https://cdp.example.com/"), Ok("https://cdp.example.com".to_owned()));
        for url in [
            "",
            "cdp.example.com",
            "/path",
            "ftp://cdp.example.com",
            "https://",
            "https://cdp.example.com/collect",
            "https://cdp.example.com?x=y",
            "https://cdp.example.com#x",
            "https://me:secret@cdp.example.com",
        ] {
            assert!(public_url(url).is_err(), "{url}");
        }
    }
}
