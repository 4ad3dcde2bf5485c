//! `sonder status`: how the engine is, or how its data would be found at the next start.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use crate::pipeline::{Live, refold};
use serde_json::{Value as Json, json};
use sonder_core::effect::Effects;
use sonder_core::state::State;
use sonder_dsl::time::Moment;
use std::path::PathBuf;
use std::sync::Arc;

/// Characters of a refused body that are shown; `--json` has all that was kept.
const SAMPLE_CHARACTERS: usize = 120;

/// Show how the engine is: log, lag, reload, destinations, memory
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder status\n  sonder status --json | jq .lag\n  sonder status --data .sonder --digest --refold"
)]
pub struct Args {
    /// As the API answers it
    #[arg(long)]
    json: bool,
    /// Print a digest of the state instead: equal states, equal digests. Needs the data at rest
    #[arg(long)]
    digest: bool,
    /// With `--digest`: fold the whole log instead of starting from the last checkpoint
    #[arg(long, requires = "digest")]
    refold: bool,
    /// The project, when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let reach = block_on(args.place.reach())?;
    let status = match reach {
        Reach::Engine(_) if args.digest => {
            return Err(Failure::user("an engine runs on this data, so its state moves on").help("stop it first"));
        }
        Reach::Engine(client) => block_on(client.get("/api/v1/status"))?,
        Reach::Data(offline) if args.digest => {
            let opened = offline.recover(args.project.as_deref())?;
            return output.line(digest(&opened.shared, &opened.store.reader(), args.refold)?);
        }
        Reach::Data(offline) => offline.status(args.project.as_deref())?,
    };
    if args.json {
        return output.line(status);
    }
    show(&status, output)
}

/// The state as of the last record and the moment that the last checkpoint was advanced to.
fn digest(shared: &crate::pipeline::Shared, reader: &sonder_store::Reader, again: bool) -> Result<Json, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::engine(error.to_string());
    let live = shared.live.read();
    let (seq, now) = live.state.as_of();
    let digest = if again {
        let program = Arc::clone(&live.program);
        let mut anew = Live { state: State::known_by(&program, Arc::clone(live.state.ids())), program };
        refold(reader, &mut anew, None, &mut |effects, _| *effects = Effects::default())
            .map_err(|error| failed(&error))?;
        anew.state.advance(&anew.program, now, &mut Effects::default()).map_err(|error| failed(&error))?;
        anew.state.digest()
    } else {
        live.state.digest()
    };
    let now = (now != Moment::MIN).then(|| now.to_string());
    let people = live.state.people_count();
    drop(live);
    Ok(json!({ "digest": format!("{digest:032x}"), "seq": seq.0, "now": now, "people": people }))
}

fn show(status: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (log, lag) = (&status["log"], &status["lag"]);
    output.line(format!("project       {} ({})", text(&status["project"]), text(&status["fingerprint"])))?;
    if let Some(region) = status["region"].as_str() {
        output.line(format!("region        {region}"))?;
    }
    if let Some(share) = status["rollout"]["share"].as_str() {
        let rules = status["rollout"]["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rules: Vec<&str> = rules.iter().filter_map(Json::as_str).collect();
        output.line(format!("rollout       new for {share} of people: {}", rules.join(", ")))?;
    }
    output.line(format!("stage         {}, since {}", text(&status["stage"]), text(&status["started_at"])))?;
    output.line(format!(
        "log           {} events, {} in quarantine, {} duplicates left out",
        log["seq"], log["quarantined"], log["duplicates"]
    ))?;
    for rejection in status["rejections"].as_array().map(Vec::as_slice).unwrap_or_default() {
        output.line(format!(
            "refused       {} {}, the last one at {} to {}: {}",
            rejection["count"],
            text(&rejection["code"]),
            text(&rejection["last_at"]),
            text(&rejection["last_path"]),
            sample(rejection["last_sample"].as_str().unwrap_or_default()),
        ))?;
    }
    output.line(format!("people        {}", status["people"]))?;
    output.line(format!(
        "lag           {} queued, {} not folded, {} not delivered",
        lag["queued"], lag["unfolded"], lag["undelivered"]
    ))?;
    output.line(format!("checkpoint    {} of {}", log["checkpoint_seq"], log["seq"]))?;
    output.line(format!("reload        {}", text(&status["reload"]["outcome"])))?;
    for error in status["reload"]["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
        output.line(format!("              {}", text(error)))?;
    }
    for destination in status["destinations"].as_array().map(Vec::as_slice).unwrap_or_default() {
        output.line(format!(
            "destination   {}: {} delivered, {} pending, {} given up{}",
            text(&destination["name"]),
            destination["delivered"],
            destination["pending"],
            destination["dead"],
            destination["last_error"].as_str().map(|error| format!(" ({error})")).unwrap_or_default(),
        ))?;
    }
    let requests = &status["privacy"];
    if requests["open"] != 0 {
        output.line(format!(
            "privacy       {} requests open, {} late, {} due within a week, the first at {}",
            requests["open"],
            requests["overdue"],
            requests["due_soon"],
            text(&requests["next_due_at"])
        ))?;
    }
    let mib = |value: &Json| value.as_u64().unwrap_or(0) >> 20;
    output.line(format!(
        "memory        {} MiB, of which about {} MiB are people",
        mib(&status["memory"]["resident"]),
        mib(&status["memory"]["people"])
    ))
}

/// The beginning of what a client sent, on one line; control characters of it never reach the terminal.
fn sample(text: &str) -> String {
    let shown: String = text.chars().take(SAMPLE_CHARACTERS).map(|it| if it.is_control() { ' ' } else { it }).collect();
    match text.chars().nth(SAMPLE_CHARACTERS) {
        _ if text.is_empty() => "no body".to_owned(),
        Some(_) => format!("`{shown}…`"),
        None => format!("`{shown}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_short_line() {
        assert_eq!(sample(""), "no body");
        assert_eq!(sample("{\"a\":\n\u{1b}[31m1"), "`{\"a\":  [31m1`");
        assert_eq!(sample(&"é".repeat(SAMPLE_CHARACTERS)), format!("`{}`", "é".repeat(SAMPLE_CHARACTERS)));
        assert_eq!(sample(&"é".repeat(SAMPLE_CHARACTERS + 1)), format!("`{}…`", "é".repeat(SAMPLE_CHARACTERS)));
    }
}
