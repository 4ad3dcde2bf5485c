//! `sonder codegen`: a client that can send only what the project's schemas take.

use super::output::{Failure, Output};
use super::project::load;
use crate::codegen;
use std::path::PathBuf;

/// Make a typed client of the events: tracking code that sends something else does not build
///
/// One file without dependencies: a type for each event with its description, owner and personal data, and a client that sends
/// batches and tries again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder codegen shop > src/sonder.ts\n  sonder codegen shop --lang typescript --out src/sonder.ts"
)]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    project: PathBuf,
    /// In which language
    #[arg(long, value_enum, default_value_t = Language::Typescript)]
    lang: Language,
    /// Write it there instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    /// For browsers, Node and workers
    Typescript,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let program = load(&args.project, output)?.program;
    let text = match args.lang {
        Language::Typescript => codegen::typescript(&program),
    };
    match &args.out {
        None => output.text(&text),
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failure::user(format!("could not write `{}`: {error}", path.display()))),
    }
}
