//! `sonder dev`: the engine, and what goes on in it once a second.

use super::output::{Failure, Output};
use super::run::{EngineArgs, Prepared, Signals, runtime, stop};
use crate::server::Answers;
use sonder_console::engine::{Engine, ReloadOutcome, Status};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Run the engine and show what goes on in it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder dev shop")]
pub struct Args {
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let prepared = Prepared::new(&args.engine, output)?;
    runtime()?.block_on(async {
        let server = prepared.start(output).await?;
        let mut signals = Signals::new()?;
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut before: Option<Status> = None;
        loop {
            tokio::select! {
                () = signals.first() => break,
                _ = tick.tick() => {
                    let now = server.answers().status();
                    show(server.answers(), before.as_ref(), &now, output)?;
                    before = Some(now);
                }
            }
        }
        if output.out_is_terminal {
            output.line("")?;
        }
        stop(server, &mut signals, output).await
    })
}

/// One line: on a terminal it is written over itself, elsewhere only where something moved.
fn show(answers: &Answers, before: Option<&Status>, now: &Status, output: &mut Output<'_>) -> Result<(), Failure> {
    let is_news = before.is_none_or(|before| before.log.seq != now.log.seq || before.reload != now.reload);
    if !output.out_is_terminal && !is_news {
        return Ok(());
    }
    let line = line(answers, before, now);
    if output.out_is_terminal {
        output.text(&format!("\r\x1b[2K{line}"))?;
    } else {
        output.line(line)?;
    }
    Ok(output.out.flush()?)
}

fn line(answers: &Answers, before: Option<&Status>, now: &Status) -> String {
    let rate = now.log.seq - before.map_or(now.log.seq, |before| before.log.seq.min(now.log.seq));
    let (entered, left) = answers.moves();
    let delivered: u64 = now.destinations.iter().map(|it| it.delivered).sum();
    let dead: u64 = now.destinations.iter().map(|it| it.dead).sum();
    let mut parts = vec![
        format!("{} events ({rate}/s)", now.log.seq),
        format!("{} people", now.people),
        format!("segments +{entered} -{left}"),
        format!("{delivered} delivered, {} waiting", now.lag.undelivered),
    ];
    if dead > 0 {
        parts.push(format!("{dead} given up"));
    }
    if now.log.quarantined > 0 {
        parts.push(format!("{} in quarantine", now.log.quarantined));
    }
    if now.lag.unfolded > 0 {
        parts.push(format!("{} behind", now.lag.unfolded));
    }
    if now.reload.outcome == ReloadOutcome::Rejected {
        parts.push(format!("project has {} errors", now.reload.errors.len()));
    }
    parts.join(" · ")
}
