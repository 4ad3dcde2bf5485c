//! `sonder plan`: what this folder would change, before it does.

mod markdown;
mod text;

use super::client::{Client, block_on};
use super::output::{Failure, Output};
use super::project::failure;
use super::reach::{self, Place};
use crate::project::scan;
use serde_json::{Value as Json, json};
use sonder_dsl::syntax::ast::Share;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Show what a folder would change, before it does
///
/// Holds the folder against the version of the project that runs, or that last ran on the data: rules that are new, mean
/// something else or are gone; who would enter and leave; what destinations would be told, and see that they did not before;
/// where people stand in journeys that change; events whose schema changes. Nothing is changed. Ends with 2 when something
/// differs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder plan shop\n  sonder plan shop --format markdown >> \"$GITHUB_STEP_SUMMARY\""
)]
pub struct Args {
    /// The folder that is planned
    #[arg(default_value = ".", value_name = "PROJECT")]
    folder: PathBuf,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Keep the plan and the files that it is about: `sonder apply FILE` makes just these run
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// The version that it is held against, when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// To whom rules are pushed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Reach {
    /// Roll rules that differ out to this part of the people: 10, or 0.5. Who has the new rules at a part has them at every
    /// larger one; all others keep those before, which are kept until the part is 100
    #[arg(long, value_name = "N", value_parser = percent)]
    percent: Option<Share>,
    #[arg(skip)]
    nobody: bool,
}

impl Reach {
    /// What is being rolled out is taken back.
    pub(super) const NOBODY: Self = Self { percent: None, nobody: true };

    /// As the API takes it.
    pub(super) fn text(&self) -> Option<String> {
        if self.nobody { Some("none".to_owned()) } else { self.percent.map(|share| share.to_string()) }
    }
}

fn percent(text: &str) -> Result<Share, String> {
    let wrong = || {
        format!(
            "`{text}` is no part of all people: write more than 0 and at most 100, with at most two digits after the point"
        )
    };
    Share::parse(text.strip_suffix('%').unwrap_or(text)).ok_or_else(wrong)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// As the API answers it
    Json,
    /// For the description of a pull request
    Markdown,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let files = files(&args.folder)?;
    let plan = block_on(async {
        match args.place.reach().await? {
            reach::Reach::Engine(client) => planned(&client, &files, &args.reach).await,
            reach::Reach::Data(offline) => {
                let reach = args.reach.percent.map(sonder_console::engine::Reach::Share);
                offline.plan(files.clone().into_iter().collect(), reach, args.project.as_deref())
            }
        }
    })?;
    if plan["target"].is_null() {
        match args.format {
            Format::Json => output.line(&plan)?,
            Format::Text | Format::Markdown => refuse(&plan, output)?,
        }
        return Err(Failure::Reported);
    }
    if let Some(path) = &args.out {
        let saved = json!({ "files": files, "rollout": args.reach.text(), "plan": plan });
        std::fs::write(path, saved.to_string())
            .map_err(|error| Failure::user(format!("could not write `{}`: {error}", path.display())))?;
    }
    match args.format {
        Format::Json => output.line(&plan)?,
        Format::Text => output.text(&text::page(&plan))?,
        Format::Markdown => output.text(&markdown::page(&plan))?,
    }
    if changes_nothing(&plan) { Ok(()) } else { Err(Failure::Different) }
}

/// The files of a project, by path.
pub(super) type Files = BTreeMap<String, String>;

/// Reads the files of a project.
pub(super) fn files(folder: &Path) -> Result<Files, Failure> {
    let scan = scan(folder).map_err(|error| failure(&error))?;
    Ok(scan.sources.iter().map(|(_, file)| (file.path.clone(), file.text.clone())).collect())
}

/// What an engine says that files would change.
pub(super) async fn planned(client: &Client, files: &Files, reach: &Reach) -> Result<Json, Failure> {
    client.post("/api/v1/plan", &json!({ "files": files, "rollout": reach.text() })).await
}

/// Says what is wrong with the files.
pub(super) fn refuse(plan: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    Ok(output.err.write_all(plan["rendered"].as_str().unwrap_or_default().as_bytes())?)
}

/// A plan for people.
pub(super) fn page(plan: &Json) -> String {
    text::page(plan)
}

/// Whether what is planned is what runs.
pub(super) fn changes_nothing(plan: &Json) -> bool {
    plan["base"] == plan["target"] && is_nothing(&plan["changes"])
}

/// Whether no part of the changes has anything in it.
fn is_nothing(changes: &Json) -> bool {
    changes.as_object().is_some_and(|parts| parts.values().all(|part| list(part).is_empty()))
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn words(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// Somebody, by all their identifiers; what would move the cursor comes from strangers.
fn person(it: &Json) -> String {
    let pairs = list(&it["identifiers"]).iter();
    let named: Vec<String> = pairs.map(|pair| format!("{}:{}", words(&pair[0]), words(&pair[1]))).collect();
    named.join(", ").chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

/// `+ segment keen`, and its kin.
fn sign(change: &Json) -> char {
    match words(change) {
        "added" => '+',
        "removed" => '-',
        _ => '~',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Json {
        let ann = json!({"person": "0a", "identifiers": [["user_id", "ann"], ["email", "a\u{7}@x"]], "value": null});
        json!({
            "base": "00000000000000aa", "target": "00000000000000bb",
            "as_of": {"at": "2026-03-01T12:00:00Z", "seq": 900, "people": 40},
            "changes": {
                "items": [
                    {"kind": "segment", "name": "keen", "change": "changed", "place": "rules/r.sonder:3",
                     "words": ["`count(view)` is `>= 2`, was `>= 3`"], "before": "count(view) >= 3", "after": "count(view) >= 2", "steps": null},
                    {"kind": "segment", "name": "lapsed", "change": "removed", "place": "rules/r.sonder:9", "words": [],
                     "before": "not did(view)", "after": null, "steps": null},
                    {"kind": "journey", "name": "hello", "change": "removed", "place": "rules/j.sonder:9", "words": [],
                     "before": null, "after": null, "steps": null},
                    {"kind": "segment", "name": "lookers", "was": "keen_ones", "change": "renamed", "place": "rules/r.sonder:4",
                     "words": ["was `keen_ones`"], "before": "did(view)", "after": "did(view)", "steps": null},
                    {"kind": "journey", "name": "carts", "change": "changed", "place": "rules/j.sonder:1", "words": [],
                     "before": null, "after": null, "steps": {"kept": ["wait 1h (line 3)"], "gone": ["wait 7d (line 5)"], "new": []}},
                ],
                "events": [{"name": "view", "change": "changed", "before": "1-0-0", "after": "1-0-0", "proposed": "1-1-0",
                    "compatibility": "revision", "parts": [{"bump": "revision", "words": "`price` is required now"}]}],
                "exposures": [{"destination": "crm", "what": "profile.email", "pii": "contact", "purposes": ["marketing"]}],
                "others": ["`sonder.yaml` says something else"],
            },
            "segments": [
                {"name": "keen", "before": 10, "after": 13, "entering": 4, "leaving": 1, "enter": [ann], "leave": []},
                {"name": "lapsed", "before": 2, "after": 0, "entering": 0, "leaving": 2, "enter": [], "leave": []},
            ],
            "deliveries": [{"destination": "crm", "segment": "keen", "entered": 4, "left": 1}],
            "journeys": [{"journey": "carts", "step": "wait 7d", "people": 3, "stays": false},
                {"journey": "carts", "step": "wait 1h", "people": 2, "stays": true}],
            "recalls": [{"journey": "hello", "messages": 2}],
            "diagnostics": [], "rendered": "",
        })
    }

    #[test]
    fn a_plan_is_shown_in_lines_and_as_markdown() {
        insta::assert_snapshot!(format!("{}\n---\n{}", text::page(&plan()), markdown::page(&plan())));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let mut nothing = plan();
        nothing["target"] = nothing["base"].clone();
        nothing["changes"] = json!({"items": [], "events": [], "exposures": [], "others": []});
        for key in ["segments", "deliveries", "journeys", "recalls"] {
            nothing[key] = json!([]);
        }
        assert!(is_nothing(&nothing["changes"]));
        assert_eq!(text::page(&nothing), "nothing changes\n");
        assert_eq!(markdown::page(&nothing), "Nothing changes.\n");
    }
}
