//! `sonder review`: people whom matching found likely to be one, and what somebody decides of them.

use super::client::{Client, block_on, with_query};
use super::output::{Failure, Output};
use super::person::Note;
use super::reach::Place;
use super::table::{Format, Rows, print};
use serde_json::{Value as Json, json};

/// Match people who share no identifier, and decide of those pairs that it is not sure of
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`probabilistic` of identity.yaml says what is compared and from which probability on a pair is linked, or waits here.\n\n\
    Example:\n  sonder review run && sonder review list"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Match people now: link what is likely enough, and put the rest before somebody
    #[command(after_help = "Example:\n  sonder review run")]
    Run {
        /// Return at once; `sonder review status` tells when it is done
        #[arg(long)]
        no_wait: bool,
        /// As the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// How often people are matched, and what the last runs found
    #[command(after_help = "Example:\n  sonder review status")]
    Status {
        /// As the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// The pairs that wait for a decision, the likeliest first
    #[command(after_help = "Examples:\n  sonder review list\n  sonder review list --state linked --json")]
    List {
        /// What became of them
        #[arg(long, default_value = "open", value_parser = ["open", "linked", "accepted", "rejected"])]
        state: String,
        /// How many at most
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        limit: u64,
        /// The `next` of the page before this one
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// As the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Both people of a pair side by side, and what each comparison is worth
    #[command(after_help = "Example:\n  sonder review show 3f9a1c02b7de")]
    Show {
        /// The pair, as `list` names it
        pair: String,
        /// As the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Decide that a pair is one person
    #[command(after_help = "Example:\n  sonder review accept 3f9a1c02b7de --reason \"the same birthday and street\"")]
    Accept {
        /// The pair, as `list` names it
        pair: String,
        #[command(flatten)]
        note: Note,
        #[command(flatten)]
        place: Place,
    },
    /// Decide that a pair is two people; parts what was linked or accepted
    #[command(after_help = "Example:\n  sonder review reject 3f9a1c02b7de --reason \"father and son\"")]
    Reject {
        /// The pair, as `list` names it
        pair: String,
        #[command(flatten)]
        note: Note,
        #[command(flatten)]
        place: Place,
    },
}

/// How often it is asked whether a run is done.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

const PAIRS: &str = "/api/v1/matching/pairs";

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::Run { no_wait, json, place } => {
            let answer = block_on(start(place, !*no_wait))?;
            if *json {
                return output.line(answer);
            }
            if answer["running_since"].is_string() {
                return output.line("people are being matched");
            }
            if let Some(failure) = answer["failure"].as_str() {
                return Err(Failure::user(format!("people could not be matched: {failure}")));
            }
            let run = &answer["runs"][0];
            output.line(format!(
                "{} people, {} pairs compared; {} linked, {} new for review, {} wait no longer",
                run["people"], run["compared"], run["linked"], run["queued"], run["left"]
            ))
        }
        Action::Status { json, place } => {
            let answer = block_on(async { engine(place).await?.get("/api/v1/matching").await })?;
            if *json { output.line(answer) } else { status(&answer, output) }
        }
        Action::List { state, limit, after, json, place } => {
            let (limit, after) = (limit.to_string(), after.to_string());
            let asked = [("state", state.as_str()), ("limit", &limit), ("after", &after)];
            let answer = block_on(async { engine(place).await?.get(&with_query(PAIRS, asked)).await })?;
            if *json { output.line(answer) } else { list(&answer, state, output) }
        }
        Action::Show { pair, json, place } => {
            let path = format!("{PAIRS}/{}", super::person::path_segment(pair));
            let answer = block_on(async { engine(place).await?.get(&path).await })?;
            if *json { output.line(answer) } else { show(&answer, output) }
        }
        Action::Accept { pair, note, place } => decide(place, pair, "accept", note, output),
        Action::Reject { pair, note, place } => decide(place, pair, "reject", note, output),
    }
}

async fn engine(place: &Place) -> Result<Client, Failure> {
    place.running("only an engine knows who is who now: start it with `sonder run`").await
}

async fn start(place: &Place, waits: bool) -> Result<Json, Failure> {
    let client = engine(place).await?;
    let mut answer = client.post("/api/v1/matching/runs", &json!({})).await?;
    while waits && answer["running_since"].is_string() {
        tokio::time::sleep(LOOK).await;
        answer = client.get("/api/v1/matching").await?;
    }
    Ok(answer)
}

fn decide(place: &Place, pair: &str, word: &str, note: &Note, output: &mut Output<'_>) -> Result<(), Failure> {
    let body = json!({"reason": note.reason, "by": note.by});
    let path = format!("{PAIRS}/{}/{word}", super::person::path_segment(pair));
    let answer = block_on(async { engine(place).await?.post(&path, &body).await })?;
    let was = if answer["message_ids"].as_array().is_some_and(Vec::is_empty) { ", as before" } else { "" };
    output.line(format!("`{pair}` is {}{was}", text(&answer["state"])))
}

fn status(answer: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    if answer["declared"] == false {
        return output.line("identity.yaml has no `probabilistic`: nobody is matched");
    }
    match (answer["every"].as_str(), answer["next_at"].as_str()) {
        (Some(every), Some(next)) => output.line(format!("every {every}, next {next}"))?,
        _ => output.line("when it is asked for")?,
    }
    if let Some(since) = answer["running_since"].as_str() {
        output.line(format!("under way since {since}"))?;
    }
    if let Some(failure) = answer["failure"].as_str() {
        output.line(format!("the last run failed: {failure}"))?;
    }
    let runs = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if runs.is_empty() {
        return output.line("no run yet");
    }
    let keys = ["began_at", "people", "compared", "labels", "linked", "queued", "left"];
    let rows = runs.iter().map(|run| keys.map(|key| run[key].clone()).to_vec()).collect();
    table(&["began", "people", "compared", "learnt from", "linked", "for review", "left"], rows, output)
}

fn list(answer: &Json, state: &str, output: &mut Output<'_>) -> Result<(), Failure> {
    let pairs = answer["pairs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if pairs.is_empty() {
        return output.line(format!("no pair is {state}"));
    }
    let rows = pairs.iter().map(|pair| {
        let person = |place: usize| pair["people"][place]["identifier"].clone();
        vec![
            pair["id"].clone(),
            probability(&pair["probability"]).into(),
            person(0),
            person(1),
            text(&pair["against"]).into(),
        ]
    });
    table(&["pair", "probability", "one", "other", "against"], rows.collect(), output)?;
    match answer["next"].as_u64() {
        Some(next) => output.line(format!("more with `--after {next}`")),
        None => Ok(()),
    }
}

fn show(pair: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let against = pair["against"].as_str().map_or(String::new(), |rule| format!("; `{rule}` is against it"));
    output.line(format!(
        "{} is {}, probability {}{against}",
        text(&pair["id"]),
        text(&pair["state"]),
        probability(&pair["probability"])
    ))?;
    let weight = |value: &Json| Json::from(format!("{:+.3}", value.as_f64().unwrap_or_default()));
    let step = |name: &str, value: &Json| vec![name.into(), "".into(), "".into(), "".into(), weight(value)];
    let mut rows: Vec<Vec<Json>> = vec![step("before", &pair["prior"])];
    for field in pair["fields"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let value = |place: usize| Json::from(text(&field["values"][place]));
        rows.push(vec![field["field"].clone(), value(0), value(1), field["level"].clone(), weight(&field["weight"])]);
    }
    rows.extend([step("alike", &pair["alike"]), step("in all", &pair["weight"])]);
    table(&["what", "one", "other", "agree", "weight"], rows, output)?;
    for (person, called) in
        pair["people"].as_array().map(Vec::as_slice).unwrap_or_default().iter().zip(["one", "other"])
    {
        let identifiers = person["identifiers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let identifiers: Vec<&str> = identifiers.iter().map(text).collect();
        output.line(format!("{called:<6}{}  {}", text(&person["person"]), identifiers.join(" ")))?;
    }
    Ok(())
}

fn table(columns: &[&str], rows: Vec<Vec<Json>>, output: &mut Output<'_>) -> Result<(), Failure> {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    print(&Rows { columns, rows, truncated: false }, Format::Table, output)
}

fn probability(value: &Json) -> String {
    format!("{:.4}", value.as_f64().unwrap_or_default())
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
