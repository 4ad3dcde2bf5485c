//! `sonder docs`: what the compiler knows of itself, for reading.

use super::output::{Failure, Output};
use crate::observe::metrics_reference;
use sonder_dsl::reference;

/// Print a reference, in Markdown: of the rule language, of the metrics
///
/// Made of the grammar, the type checker, the functions and the counters of this very version.
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
    /// Names, labels and meanings of what `/metrics` counts
    Metrics,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match args.topic {
        Topic::Language => output.text(&reference::language()),
        Topic::Metrics => output.text(&metrics_reference()),
    }
}
