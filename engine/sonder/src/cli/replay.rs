//! `sonder replay`: what was put aside is tried again.

use super::client::{Client, block_on};
use super::output::{Failure, Output, plain};
use super::quarantine::{Filter, NEEDED, messages};
use super::reach::Place;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Messages that are shown where all are counted.
const SHOWN: usize = 10;

/// Try again what was put aside
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder replay quarantine --reason schema_violation --dry-run")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Take in messages that were kept aside, with the id, the time and the consent that they had
    #[command(after_help = "Examples:\n  sonder replay quarantine --dry-run\n  \
        sonder replay quarantine --name 'Product Viewed' --rename /properties/sku=/properties/product_id\n  \
        sonder replay quarantine --cast /properties/price=number --default /properties/currency='\"EUR\"'\n  \
        sonder replay quarantine --patch fix.json --silent\n\n\
        Places are JSON pointers, as `sonder quarantine` shows them. A patch is a file of\n  \
        {\"rename\": {FROM: TO}, \"set\": {PLACE: VALUE}, \"default\": {PLACE: VALUE}, \"cast\": {PLACE: KIND}, \"remove\": [PLACE]}\n\
        and is applied in that order. What is refused again stays; what was taken in is not taken in again.")]
    Quarantine(Box<Quarantine>),
}

#[derive(Debug, clap::Args)]
struct Quarantine {
    /// Only these, by the numbers that `sonder quarantine --messages` shows
    ids: Vec<u64>,
    #[command(flatten)]
    filter: Filter,
    /// Show what would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// They change state, but destinations are told nothing of them
    #[arg(long)]
    silent: bool,
    /// A file with a patch
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// Move a value: FROM=TO
    #[arg(long, value_name = "FROM=TO")]
    rename: Vec<String>,
    /// Say what a value is, whatever it was: PLACE=JSON
    #[arg(long, value_name = "PLACE=JSON")]
    set: Vec<String>,
    /// Say what a value is where there is none: PLACE=JSON
    #[arg(long, value_name = "PLACE=JSON")]
    default: Vec<String>,
    /// Make a value a string, number, integer, boolean or datetime: PLACE=KIND
    #[arg(long, value_name = "PLACE=KIND")]
    cast: Vec<String>,
    /// Leave a value out
    #[arg(long, value_name = "PLACE")]
    remove: Vec<String>,
    /// As the API answers it, one line for each of its answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let Action::Quarantine(args) = &args.action;
    let mut body = args.filter.request(&args.ids);
    body["patch"] = patch(args)?;
    body["dry_run"] = args.dry_run.into();
    body["silent"] = args.silent.into();
    block_on(async { replay(&args.place.running(NEEDED).await?, body, args.json, output).await })
}

async fn replay(client: &Client, mut body: Json, as_json: bool, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut samples: Vec<Json> = Vec::new();
    loop {
        let answer = client.post("/api/v1/quarantine/replay", &body).await?;
        if as_json {
            output.line(&answer)?;
        }
        for key in ["matched", "replayed", "duplicates", "erased", "without_consent", "refused"] {
            *sums.entry(key).or_default() += answer[key].as_u64().unwrap_or(0);
        }
        for reason in list(&answer["reasons"]) {
            let code = reason["code"].as_str().unwrap_or_default().to_owned();
            *reasons.entry(code).or_default() += reason["count"].as_u64().unwrap_or(0);
        }
        samples.extend(list(&answer["samples"]).iter().take(SHOWN.saturating_sub(samples.len())).cloned());
        match answer["next"].as_u64() {
            Some(next) => body["after"] = next.into(),
            None => break,
        }
    }
    if as_json {
        return Ok(());
    }
    let of = |key: &str| sums.get(key).copied().unwrap_or(0);
    let would = if body["dry_run"] == true { "would be " } else { "" };
    output.line(format!(
        "{}: {} {would}taken in, {} {would}refused again",
        messages(of("matched")),
        of("replayed"),
        of("refused")
    ))?;
    for (key, words) in [
        ("duplicates", "in the log already"),
        ("erased", "of people who were erased"),
        ("without_consent", "not collected for want of consent"),
    ] {
        if of(key) > 0 {
            output.line(format!("{:>6}  {words}", of(key)))?;
        }
    }
    for (code, count) in reasons {
        output.line(format!("{count:>6}  {code}"))?;
    }
    for sample in samples {
        output.line("")?;
        let outcome = sample["outcome"].as_str().unwrap_or_default().replace('_', " ");
        output.line(format!("{}  {}: {outcome}", sample["id"], plain(sample["name"].as_str().unwrap_or("-"))))?;
        for reason in list(&sample["reasons"]) {
            let path = reason["path"].as_str().map(|path| format!("{}: ", plain(path))).unwrap_or_default();
            output.line(format!("    {path}{}", plain(reason["message"].as_str().unwrap_or_default())))?;
        }
        output.line(format!("    {}", plain(&sample["payload"].to_string())))?;
    }
    if of("refused") > 0 && would.is_empty() { Err(Failure::Reported) } else { Ok(()) }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The patch of file and flags together; flags win.
fn patch(args: &Quarantine) -> Result<Json, Failure> {
    let mut patch: Map<String, Json> = match &args.patch {
        None => Map::new(),
        Some(path) => {
            let wrong = |error: String| Failure::user(format!("`{}`: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
        }
    };
    let mut add = |part: &str, place: String, value: Json| {
        let part = patch.entry(part).or_insert_with(|| json!({}));
        if let Json::Object(part) = part {
            part.insert(place, value);
        }
    };
    for flag in &args.rename {
        let (from, to) = pair("--rename", flag)?;
        add("rename", from, to.into());
    }
    for (name, flags) in [("set", &args.set), ("default", &args.default)] {
        for flag in flags {
            let (place, value) = pair(&format!("--{name}"), flag)?;
            // A word that is no JSON is text: `--default /properties/currency=EUR`.
            let value = serde_json::from_str(&value).unwrap_or(Json::String(value));
            add(name, place, value);
        }
    }
    for flag in &args.cast {
        let (place, kind) = pair("--cast", flag)?;
        add("cast", place, kind.into());
    }
    if !args.remove.is_empty() {
        let places = patch.entry("remove").or_insert_with(|| json!([]));
        if let Json::Array(places) = places {
            places.extend(args.remove.iter().map(|place| Json::from(place.as_str())));
        }
    }
    Ok(Json::Object(patch))
}

fn pair(name: &str, flag: &str) -> Result<(String, String), Failure> {
    let parts = flag.split_once('=').map(|(place, value)| (place.to_owned(), value.to_owned()));
    parts.ok_or_else(|| {
        Failure::user(format!("`{name} {flag}` has no `=`")).help(format!("write `{name} /properties/price=…`"))
    })
}
