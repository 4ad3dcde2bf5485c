//! `sonder dev`: the engine with people who use it, a receiver for what destinations would get, and news of what happens: on a
//! terminal a page that is drawn anew, elsewhere a line for each thing.

mod board;

use super::output::{Failure, Output};
use super::run::{EngineArgs, Prepared, Signals, runtime, stop};
use crate::dev::crowd::Crowd;
use crate::dev::news;
use crate::dev::receiver::{Caught, Receiver};
use crate::pipeline::clock;
use crate::server::Server;
use board::{Board, Look};
use serde_json::{Value as Json, json};
use sonder_console::engine::ReloadOutcome;
use sonder_dsl::diagnostic::render::human::Colour;
use sonder_dsl::ir::Program;
use sonder_dsl::model::{SourceKind, WriteKey};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Queue, channel};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often messages are sent that are due.
const BEAT: Duration = Duration::from_millis(200);
/// Where data is kept, unless the command line says otherwise: not where `sonder run` keeps it.
const DATA: &str = "./.sonder-dev";
/// Messages of one request, at most.
const BATCH: usize = 500;

/// Run the engine with made-up traffic, and show what goes on in it
///
/// People are made up from the schemas and use the product; what destinations would get ends in this terminal, and nothing
/// leaves the machine, so secrets need not be there. Saved files take over at once, or their errors are shown. Data is kept in
/// ./.sonder-dev unless `--data` says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder dev shop\n  sonder dev shop --rate 50 --seed 7\n  \
    sonder dev shop --no-traffic --deliver | grep given")]
pub struct Args {
    #[command(flatten)]
    engine: EngineArgs,
    /// Messages a second that made-up people send
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = rate)]
    rate: f64,
    /// Which people are made up: the same for the same number
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Make up nobody
    #[arg(long)]
    no_traffic: bool,
    /// Let destinations send what they send, over the network
    #[arg(long)]
    deliver: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if rate > 0.0 && rate <= 10_000.0 { Ok(rate) } else { Err("write more than 0 and at most 10000".to_owned()) }
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    // Made-up people have no business among real ones, and what waits there for destinations is to reach them.
    let data = args.engine.data.clone().unwrap_or_else(|| PathBuf::from(DATA));
    let mut prepared = Prepared::new(&EngineArgs { data: Some(data.clone()), ..args.engine.clone() }, output)?;
    let (sender, caught) = channel();
    if !args.deliver {
        prepared = prepared.received_by(Arc::new(Receiver::new(sender)));
    }
    let (scan, program) = prepared.project();
    let (root, program) = (scan.root.clone(), Arc::clone(program));
    runtime()?.block_on(async {
        let (server, mut signals) = prepared.start(output).await?;
        output.line(format!("data          {} (other commands take `--data {0}`)", data.display()))?;
        let crowd = greet(args, &server, &program, output)?;
        output.out.flush()?;
        let mut show = Show {
            board: Board::new(output.out_is_terminal),
            root,
            program,
            caught,
            before: None,
            colour: if output.out_is_terminal { Colour::Always } else { Colour::Never },
        };
        let shown = show.until(&server, &mut signals, output).await;
        if let Some(crowd) = crowd {
            crowd.abort();
        }
        show.board.close(output)?;
        shown?;
        stop(server, &mut signals, output).await
    })
}

/// Says once what there is to know, and lets people come.
fn greet(
    args: &Args,
    server: &Server,
    program: &Arc<Program>,
    output: &mut Output<'_>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    let key = |key: &WriteKey| match key {
        WriteKey::Literal(key) => Some(key.clone()),
        WriteKey::Environment(name) => std::env::var(name).ok(),
    };
    let keys = program.sources.iter().filter(|it| it.enabled).filter_map(|source| {
        let key = source.write_keys.iter().find_map(key)?;
        Some((source, key))
    });
    let keys: Vec<_> = keys.collect();
    for (source, key) in &keys {
        output.line(format!("write key     {key} (source `{}`)", source.name))?;
    }
    let names: Vec<&str> = program.destinations.iter().map(|it| it.name.as_str()).collect();
    match (args.deliver, names.is_empty()) {
        (_, true) => {}
        (true, false) => output.line(format!("destinations  {}: they send what they send", names.join(", ")))?,
        (false, false) => {
            output.line(format!(
                "destinations  {}: what they would get ends here (`--deliver` sends it)",
                names.join(", ")
            ))?;
        }
    }
    if args.no_traffic {
        return Ok(None);
    }
    // A server's word counts for more: people are joined by what they say.
    let best = keys.iter().min_by_key(|(source, _)| source.kind != SourceKind::Server);
    let Some((source, key)) = best else {
        output.line("traffic       none: no source has a key that is at hand")?;
        return Ok(None);
    };
    let (crowd, unlikely) = Crowd::new(program, args.seed);
    output.line(format!(
        "traffic       {} messages/s of {} kinds of events, seed {} (`--no-traffic` makes up nobody)",
        args.rate,
        crowd.kinds(),
        args.seed
    ))?;
    if !unlikely.is_empty() {
        output.line(format!("              not made up: {}; give their properties examples", unlikely.join(", ")))?;
    }
    let origin = source.origins.first().cloned();
    let road = Road { address: server.address(), key: key.clone(), origin };
    Ok(Some(tokio::spawn(send(crowd, road, args.rate))))
}

/// Where messages are sent.
struct Road {
    address: SocketAddr,
    key: String,
    origin: Option<String>,
}

/// Sends so many messages a second, until nobody is there to take them.
async fn send(mut crowd: Crowd, road: Road, rate: f64) {
    let Ok(http) = reqwest::Client::builder().no_proxy().build() else { return };
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (begin, mut sent) = (Instant::now(), 0_u64);
    loop {
        beat.tick().await;
        let due = (begin.elapsed().as_secs_f64() * rate) as u64;
        let count = usize::try_from(due.saturating_sub(sent)).unwrap_or(BATCH).min(BATCH);
        // What the engine does not take in time is not made up for.
        sent = due;
        let batch: Vec<Json> = (0..count).map_while(|_| crowd.next(clock::wall())).collect();
        if batch.is_empty() {
            continue;
        }
        let url = format!("http://{}/v1/batch", road.address);
        let body = json!({ "batch": batch }).to_string();
        let request =
            http.post(url).basic_auth(&road.key, Some("")).header("content-type", "application/json").body(body);
        let request = road.origin.iter().fold(request, |request, origin| request.header("origin", origin));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::warn!(status = %answer.status(), "made-up messages were refused"),
            Err(error) => tracing::warn!(%error, "made-up messages could not be sent"),
        }
    }
}

/// What is shown, and what it was when it was shown last.
struct Show {
    board: Board,
    root: PathBuf,
    program: Arc<Program>,
    caught: Queue<Caught>,
    before: Option<Look>,
    colour: Colour,
}

impl Show {
    async fn until(&mut self, server: &Server, signals: &mut Signals, output: &mut Output<'_>) -> Result<(), Failure> {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = signals.first() => return Ok(()),
                _ = tick.tick() => self.look(server, output)?,
            }
        }
    }

    fn look(&mut self, server: &Server, output: &mut Output<'_>) -> Result<(), Failure> {
        let now = Look::at(server.answers());
        if self.before.as_ref().is_some_and(|before| before.status.reload != now.status.reload) {
            let said = match now.status.reload.outcome {
                ReloadOutcome::Applied => {
                    let program = Arc::clone(&server.pipeline().shared().live.read().program);
                    let changes = news::changes(&self.program, &program);
                    self.program = program;
                    format!("saved, and runs:\n{changes}")
                }
                _ => news::of_folder(&self.root, &self.program, self.colour),
            };
            self.board.news(&said, output)?;
        }
        for caught in self.caught.try_iter() {
            self.board.caught(&caught, output)?;
        }
        self.board.draw(self.before.as_ref(), &now, output)?;
        output.out.flush()?;
        self.before = Some(now);
        Ok(())
    }
}
