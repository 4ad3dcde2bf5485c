//! `sonder schema`: the JSON Schema of each kind of YAML file, for editors.

use super::output::{Failure, Output};
use sonder_dsl::project::{KINDS, schema};

/// Print the JSON Schema of a kind of project file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder schema event > event.schema.json\n\n\
    A file that begins with `# yaml-language-server: $schema=event.schema.json` is then checked while you type.")]
pub struct Args {
    /// Which kind
    #[arg(value_parser = names())]
    kind: String,
}

fn names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(KINDS.iter().map(|(name, _)| *name))
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let kind = KINDS.iter().find(|(name, _)| *name == args.kind).map(|(_, kind)| kind);
    let Some(schema) = kind.and_then(schema) else {
        return Err(Failure::user(format!("there is no schema of `{}`", args.kind)));
    };
    output.line(serde_json::to_string_pretty(&schema).map_err(|error| Failure::engine(error.to_string()))?)
}
