//! `sonder apply`: this folder becomes the version that an engine runs, after a look at what that changes.

use super::client::{Client, block_on};
use super::output::{Failure, Output};
use super::plan::{Files, Reach, changes_nothing, files, page, planned, refuse};
use super::reach::Place;
use serde_json::{Value as Json, json};
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

/// Push a folder to a running engine, after its plan
///
/// The engine takes the new version over between two records, and keeps its files in its own folder. A plan that was kept with
/// `sonder plan --out` is applied as it is, and refused when another version runs by now.
///
/// With `--percent` rules that differ are new for that part of the people only; all others keep those before, and other files hold
/// for everybody. The same with a larger part adds people, without it or with 100 it is for all, `--abandon` takes it back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder apply shop\n  sonder plan shop --out plan.json; sonder apply plan.json --yes\n  \
    sonder apply shop --percent 5; sonder apply shop --percent 50; sonder apply shop\n  sonder apply --abandon\n  \
    sonder apply shop --silent --url https://cdp.example.com --key $SONDER_KEY"
)]
pub struct Args {
    /// The folder, or a plan that was kept
    #[arg(default_value = ".", value_name = "PROJECT|PLAN")]
    what: PathBuf,
    #[command(flatten)]
    reach: Reach,
    /// Take back what is being rolled out: the rules are as they were, for everybody
    #[arg(long, conflicts_with_all = ["percent", "what"])]
    abandon: bool,
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
        let client =
            args.place.running("a folder that no engine runs needs no pushing: start one with `sonder run`").await?;
        let Version { files, rollout, plan } = match args.abandon {
            true => taken_back(&client).await?,
            false => planned_version(&args.what, &args.reach, &client).await?,
        };
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
        let body = json!({ "files": files, "rollout": rollout, "base": plan["base"], "silent": args.silent });
        let applied = client.post("/api/v1/apply", &body).await?;
        let told = if args.silent { ", and destinations are told nothing of it" } else { "" };
        output.line(format!("version {} runs{told}", applied["fingerprint"].as_str().unwrap_or_default()))
    })
}

/// A version that is pushed.
struct Version {
    files: Files,
    /// To whom, as the API takes it.
    rollout: Option<String>,
    /// What it would change: now, or when the plan was made.
    plan: Json,
}

async fn planned_version(what: &Path, reach: &Reach, client: &Client) -> Result<Version, Failure> {
    if what.is_dir() {
        let files = files(what)?;
        let plan = planned(client, &files, reach).await?;
        return Ok(Version { files, rollout: reach.text(), plan });
    }
    let wrong = |error: String| {
        Failure::user(format!("`{}` is neither a folder nor a plan: {error}", what.display()))
            .help("`sonder plan PROJECT --out FILE` makes one")
    };
    let text = std::fs::read_to_string(what).map_err(|error| wrong(error.to_string()))?;
    let mut kept: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let files = serde_json::from_value(kept["files"].take()).map_err(|error| wrong(error.to_string()))?;
    let rollout = kept["rollout"].as_str().map(str::to_owned);
    if reach.text().is_some_and(|asked| Some(asked) != rollout) {
        return Err(Failure::user(format!("`{}` was planned for another part of the people", what.display()))
            .help("leave `--percent` out, or plan again with it"));
    }
    Ok(Version { files, rollout, plan: kept["plan"].take() })
}

async fn taken_back(client: &Client) -> Result<Version, Failure> {
    let (files, reach) = (Files::new(), Reach::NOBODY);
    let plan = planned(client, &files, &reach).await?;
    Ok(Version { files, rollout: reach.text(), plan })
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
