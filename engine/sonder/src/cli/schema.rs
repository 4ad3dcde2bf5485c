//! `sonder schema`: the JSON Schema of each kind of YAML file, for editors; and event files that are proposed.

use super::output::{Failure, Output};
use crate::proposal::{Proposal, Sample, read_foreign};
use crate::server::store_failure;
use serde_json::Value as Json;
use sonder_dsl::project::{KINDS, schema};
use sonder_store::files::{FileFormat, FileOptions, FileRows};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Print the JSON Schema of a kind of project file, or propose event files
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "Examples:\n  sonder schema event > event.schema.json\n  sonder schema infer events.ndjson --out shop/events\n\n\
    A file that begins with `# yaml-language-server: $schema=event.schema.json` is then checked while you type."
)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Which kind
    #[arg(value_parser = names(), required = true)]
    kind: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Propose event files for what a sample of messages has
    #[command(after_help = "Examples:\n  sonder schema infer events.ndjson\n  \
        sonder query \"select payload from quarantine\" --format json | jq -r .payload > aside.ndjson; sonder schema infer aside.ndjson --out shop/events")]
    Infer(Proposed),
    /// Propose event files for a tracking plan of Segment or RudderStack, or for JSON Schemas of Snowplow's Iglu
    #[command(after_help = "Examples:\n  sonder schema import tracking-plan.json --out shop/events\n  \
        sonder schema import schemas/com.acme/*/jsonschema/1-0-0 --out shop/events")]
    Import(Proposed),
}

#[derive(Debug, clap::Args)]
struct Proposed {
    /// Files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write a file for each event there, but none that is there already
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(KINDS.iter().map(|(name, _)| *name))
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Some(Action::Infer(asked)) => give(inferred(&asked.files)?, asked.out.as_deref(), output),
        Some(Action::Import(asked)) => give(imported(&asked.files)?, asked.out.as_deref(), output),
        None => {
            let name = args.kind.as_deref().unwrap_or_default();
            let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
            let Some(schema) = kind.and_then(schema) else {
                return Err(Failure::user(format!("there is no schema of `{name}`")));
            };
            output.line(serde_json::to_string_pretty(&schema).map_err(|error| Failure::engine(error.to_string()))?)
        }
    }
}

fn inferred(files: &[PathBuf]) -> Result<Vec<Proposal>, Failure> {
    let mut sample = Sample::default();
    for path in files {
        let format = FileFormat::of(path).unwrap_or(FileFormat::JsonLines);
        let options = FileOptions { format: Some(format), ..FileOptions::default() };
        let rows = FileRows::open(path, &options).map_err(|error| store_failure(&error))?;
        let take = |_, messages: Vec<_>| {
            messages.iter().for_each(|message| _ = sample.take(message));
            ControlFlow::Continue(())
        };
        rows.each(0, take).map_err(|error| store_failure(&error))?;
    }
    let proposals = sample.proposals();
    if proposals.is_empty() {
        return Err(Failure::user("no message is an event with a name")
            .help("each line is one message, as `{\"type\": \"track\", \"event\": …}`"));
    }
    Ok(proposals)
}

fn imported(files: &[PathBuf]) -> Result<Vec<Proposal>, Failure> {
    let mut proposals = Vec::new();
    for path in files {
        let wrong = |error: String| Failure::user(format!("`{}`: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let document: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        proposals.extend(read_foreign(&document).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(proposals)
}

/// Prints the files, or writes those that are not there.
fn give(proposals: Vec<Proposal>, out: Option<&Path>, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for proposal in proposals {
        let name = proposal.name();
        if name.is_empty() || !known.insert(name.clone()) {
            output.note(format!("`{}` is left out: its name is none, or that of another", proposal.sent_as))?;
            continue;
        }
        let Some(folder) = out else {
            output.line(format!("# events/{name}.yaml\n{}", proposal.yaml()))?;
            continue;
        };
        let path = folder.join(format!("{name}.yaml"));
        if path.exists() {
            output.note(format!("`{}` is there already, and stays as it is", path.display()))?;
            continue;
        }
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, proposal.yaml())
            .map_err(|error| Failure::user(format!("could not write `{}`: {error}", path.display())))?;
        output.line(path.display())?;
    }
    Ok(())
}
