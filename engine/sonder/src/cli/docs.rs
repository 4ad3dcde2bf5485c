//! `sonder docs`: what the compiler knows of itself, for reading.

use super::output::{Failure, Output};
use sonder_dsl::reference;

/// Print the reference of the rule language, in Markdown
///
/// Made of the grammar, the type checker and the functions of this very version.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder docs language > language.md")]
pub struct Args {
    /// Of what
    #[arg(value_enum)]
    topic: Topic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Topic {
    /// Items, types, operators, functions, grammar, limits, errors
    Language,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match args.topic {
        Topic::Language => output.text(&reference::language()),
    }
}
