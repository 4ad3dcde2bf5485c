//! `sonder test`: plays a project's scenarios.

mod from;
mod review;

use super::output::{Failure, Output};
use super::project::{Project, colour, folder, load};
use super::reach::Place;
use crate::project::watch;
use crate::testkit::coverage::Tried;
use crate::testkit::{self, Mode, Options, Results, report};
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::scenario::{self, Scenario};
use std::path::PathBuf;
use std::time::Instant;

/// Play the scenarios of a project: `tests/*.yaml`, on a simulated clock
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder test shop\n  sonder test shop cart --accept\n  sonder test shop --coverage-min 80 --format junit > report.xml\n  sonder test shop --watch\n  sonder test shop --from user_id:u7 > shop/tests/u7.yaml"
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
    /// Ask about each snapshot that differs: keep the new one, or the old one
    #[arg(long, conflicts_with_all = ["accept", "watch"])]
    review: bool,
    /// Say which conditions of rules were never true or never false, and which ways of journeys nobody took
    #[arg(long)]
    coverage: bool,
    /// Fail when less than so many percent of them were tried
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    coverage_min: Option<f64>,
    /// Write a scenario of what a person did, under other names, instead: KIND:VALUE, or a person's id; asks the engine that runs
    #[arg(long, value_name = "PERSON", conflicts_with_all = ["filter", "accept", "review", "coverage", "coverage_min", "watch", "format"])]
    from: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Play again whenever the project changes
    #[arg(long)]
    watch: bool,
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

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim_end_matches('%').parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("not between 0 and 100".to_owned()) }
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(person) = &args.from {
        return from::run(&args.project, person, &args.place, output);
    }
    if args.watch {
        return again_and_again(args, output);
    }
    let result = once(args, output);
    if args.review {
        let accepted = review::pending(&args.project, &mut std::io::stdin().lock(), output)?;
        // What was accepted is compared again, so that the exit code is that of the snapshots as they are now.
        return if accepted { once(args, output) } else { result };
    }
    result
}

/// Plays as often as the project changes, until somebody stops it.
fn again_and_again(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let hash = crate::project::scan(&args.project).map_or(0, |scan| scan.hash);
    let watch = runtime.block_on(async { watch(&args.project, hash) });
    let mut watch = watch.map_err(|error| Failure::user(error.to_string()))?;
    loop {
        match once(args, output) {
            Ok(()) | Err(Failure::Reported) => {}
            Err(other) => output.note(format!("{other}"))?,
        }
        output.out.flush()?;
        output.note("waiting for changes")?;
        // A project that cannot be read says so when it is played.
        let _ = runtime.block_on(watch.changed());
    }
}

fn once(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
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
    let options = Options { mode, coverage: args.coverage || args.coverage_min.is_some() };
    let Results { outcomes, coverage } = testkit::run(&scan, &args.project, &program, &asked, options);
    let took = begin.elapsed();
    let tried = coverage.map(|coverage| Tried::new(&program, &coverage));
    let text = match args.format {
        Format::Human => {
            let told = report::human(&outcomes, took, colour(output.out_is_terminal) == Colour::Always);
            tried.iter().fold(told, |told, tried| told + &tried.human())
        }
        Format::Json => report::json(&outcomes, took, tried.as_ref()),
        Format::Junit => report::junit(&outcomes, took, tried.as_ref()),
        Format::Github => report::github(&outcomes, &folder(&args.project), tried.as_ref()),
    };
    output.text(&text)?;
    if outcomes.iter().any(|outcome| !outcome.mismatches.is_empty()) {
        return Err(Failure::Reported);
    }
    match (&tried, args.coverage_min) {
        (Some(tried), Some(least)) if tried.percent() < least => {
            let message =
                format!("the scenarios try {:.1} % of the rules, which is less than {least} %", tried.percent());
            Err(Failure::user(message).help("`sonder test --coverage` shows what they leave out"))
        }
        _ => Ok(()),
    }
}
