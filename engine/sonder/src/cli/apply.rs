//! `sonder apply`: this folder becomes the version that an engine runs, after a look at what that changes.

use super::client::{Client, block_on};
use super::output::{Failure, Output};
use super::plan::{Files, changes_nothing, files, page, planned, refuse};
use super::reach::Place;
use serde_json::{Value as Json, json};
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

/// Push a folder to a running engine, after its plan
///
/// The engine takes the new version over between two records, and keeps its files in its own folder. A plan that was kept with
/// `sonder plan --out` is applied as it is, and refused when another version runs by now.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder apply shop\n  sonder plan shop --out plan.json; sonder apply plan.json --yes\n  \
    sonder apply shop --silent --url https://cdp.example.com --key $SONDER_KEY"
)]
pub struct Args {
    /// The folder, or a plan that was kept
    #[arg(default_value = ".", value_name = "PROJECT|PLAN")]
    what: PathBuf,
    /// Tell destinations nothing of whom it makes enter or leave
    #[arg(long)]
    silent: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    block_on(async {
        let Some(client) = args.place.engine().await? else {
            return Err(Failure::user("no engine runs on this data")
                .help("a folder that no engine runs needs no pushing: start one with `sonder run`"));
        };
        let (files, plan) = planned_version(&args.what, &client).await?;
        if plan["target"].is_null() {
            refuse(&plan, output)?;
            return Err(Failure::Reported);
        }
        output.text(&page(&plan))?;
        output.out.flush()?;
        if changes_nothing(&plan) {
            return Ok(());
        }
        if !args.yes && !is_agreed(output)? {
            return Err(Failure::user("nothing was applied"));
        }
        let body = json!({ "files": files, "base": plan["base"], "silent": args.silent });
        let applied = client.post("/api/v1/apply", &body).await?;
        let told = if args.silent { ", and destinations are told nothing of it" } else { "" };
        output.line(format!("version {} runs{told}", applied["fingerprint"].as_str().unwrap_or_default()))
    })
}

/// The files, and what they would change: now, or when the plan was made.
async fn planned_version(what: &Path, client: &Client) -> Result<(Files, Json), Failure> {
    if what.is_dir() {
        let files = files(what)?;
        let plan = planned(client, &files).await?;
        return Ok((files, plan));
    }
    let wrong = |error: String| {
        Failure::user(format!("`{}` is neither a folder nor a plan: {error}", what.display()))
            .help("`sonder plan PROJECT --out FILE` makes one")
    };
    let text = std::fs::read_to_string(what).map_err(|error| wrong(error.to_string()))?;
    let mut kept: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let files = serde_json::from_value(kept["files"].take()).map_err(|error| wrong(error.to_string()))?;
    Ok((files, kept["plan"].take()))
}

fn is_agreed(output: &mut Output<'_>) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::user("nobody is there to be asked").help("say `--yes` to apply it all the same"));
    }
    output.note("apply this? y, or n")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}
