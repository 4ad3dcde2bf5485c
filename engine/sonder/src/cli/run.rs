//! `sonder run`: the engine.

use super::output::{Failure, Output};
use super::project::{Project, load};
use crate::observe::{LogOptions, set_up_log, set_up_metrics};
use crate::server::{Options, Server};
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Run the engine
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder run shop --data /var/lib/sonder --listen 127.0.0.1:8080")]
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
    #[command(flatten)]
    pub log: LogOptions,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let prepared = Prepared::new(&args.engine, output)?;
    runtime()?.block_on(async {
        let server = prepared.start(output).await?;
        let mut signals = Signals::new()?;
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
            metrics: set_up_metrics(),
            scan,
            program,
        };
        Ok(Self { options })
    }

    /// Starts it, and says where it listens: the line that scripts wait for.
    pub(super) async fn start(self, output: &mut Output<'_>) -> Result<Server, Failure> {
        let server = Server::start(self.options).await?;
        output.line(format!("listening on http://{}", server.address()))?;
        output.out.flush()?;
        Ok(server)
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
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
