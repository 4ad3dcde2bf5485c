//! `sonder test`: plays a project's scenarios.

use super::output::{Failure, Output};
use super::project::{Project, colour, folder, load};
use crate::testkit::{self, Mode, report};
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::scenario::{self, Scenario};
use std::path::PathBuf;
use std::time::Instant;

/// Play the scenarios of a project: `tests/*.yaml`, on a simulated clock
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder test shop\n  sonder test shop cart --accept\n  sonder test shop --format junit > report.xml"
)]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Only scenarios whose name or file has this text
    filter: Option<String>,
    /// Keep snapshots as they come out now
    #[arg(long)]
    accept: bool,
    /// How to print what became of them
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For reading
    Human,
    /// One JSON document
    Json,
    /// JUnit XML
    Junit,
    /// Annotations of a GitHub workflow
    Github,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let Project { scan, program, .. } = load(&args.project, output)?;
    let (scenarios, diagnostics) = scenario::read(&scan.sources, &program);
    if !diagnostics.is_empty() {
        let text = human::render(&scan.sources, &diagnostics, colour(output.err_is_terminal));
        output.err.write_all(text.as_bytes())?;
    }
    if diagnostics.iter().any(|it| it.severity == Severity::Error) {
        output.note(human::summary(&diagnostics))?;
        return Err(Failure::Reported);
    }
    let is_asked = |it: &&Scenario| {
        let filter = args.filter.as_deref().unwrap_or_default();
        it.name.contains(filter) || scan.sources.path(it.place.file).contains(filter)
    };
    let asked: Vec<&Scenario> = scenarios.iter().filter(is_asked).collect();
    if asked.is_empty() {
        let failure = match &args.filter {
            Some(filter) => Failure::user(format!("no scenario has `{filter}` in its name or file")),
            None => Failure::user("the project has no scenarios").help("put one into `tests/`"),
        };
        return Err(failure);
    }
    let begin = Instant::now();
    let mode = if args.accept { Mode::Accept } else { Mode::Compare };
    let outcomes = testkit::run(&scan, &args.project, &program, &asked, mode);
    let took = begin.elapsed();
    let text = match args.format {
        Format::Human => report::human(&outcomes, took, colour(output.out_is_terminal) == Colour::Always),
        Format::Json => report::json(&outcomes, took),
        Format::Junit => report::junit(&outcomes, took),
        Format::Github => report::github(&outcomes, &folder(&args.project)),
    };
    output.text(&text)?;
    if outcomes.iter().any(|outcome| !outcome.mismatches.is_empty()) { Err(Failure::Reported) } else { Ok(()) }
}
