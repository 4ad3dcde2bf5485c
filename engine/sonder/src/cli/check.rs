//! `sonder check`: compiles a project and says everything that is wrong with it, at once.

mod against;

use super::output::{Failure, Output};
use super::project::{colour, failure, folder};
use crate::project::{compile, scan};
use sonder_dsl::diagnostic::render::{github, human, json, sarif};
use sonder_dsl::diagnostic::{Severity, codes};
use sonder_dsl::scenario;
use std::path::PathBuf;

/// Compile a project and show all its errors
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder check shop\n  sonder check shop --format github\n  sonder check shop --against origin/main\n  sonder check --explain E0204"
)]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    project: PathBuf,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Hold the schemas of events against another revision of the git repository, too: an event that changes further than its
    /// version says is an error
    #[arg(long, value_name = "REV", conflicts_with = "format")]
    against: Option<String>,
    /// Explain a code instead
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Excerpts with help, for reading
    Human,
    /// One JSON document
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(code) = &args.explain {
        return explain(code, output);
    }
    let scan = scan(&args.project).map_err(|error| failure(&error))?;
    let mut compilation = compile(scan.sources, &scan.root);
    // Scenarios name what the program declares, so they are read once there is one.
    if let Some(program) = &compilation.program {
        let (_, found) = scenario::read(&compilation.sources, program);
        let is_error = found.iter().any(|it| it.severity == Severity::Error);
        compilation.diagnostics.extend(found);
        if is_error {
            compilation.program = None;
        }
    }
    let (sources, diagnostics) = (&compilation.sources, &compilation.diagnostics);
    let text = match args.format {
        Format::Human => human::render(sources, diagnostics, colour(output.out_is_terminal)),
        Format::Json => json::render(sources, diagnostics),
        Format::Github => github::render(sources, diagnostics, &folder(&args.project)),
        Format::Sarif => sarif::render(sources, diagnostics, &folder(&args.project)),
    };
    output.text(&text)?;
    let Some(program) = &compilation.program else {
        if args.format == Format::Human {
            output.note(human::summary(diagnostics))?;
        }
        return Err(Failure::Reported);
    };
    if args.format == Format::Human {
        let segments = program.segments().count();
        let mut parts = vec![
            (program.events.len(), "event"),
            (segments, "segment"),
            (program.rules.len() - segments, "computed trait"),
            (program.sources.len(), "source"),
            (program.destinations.len(), "destination"),
        ];
        let others = [
            (program.journeys.len(), "journey"),
            (program.funnels.len(), "funnel"),
            (program.experiments.len(), "experiment"),
            (program.experiences.len(), "experience"),
            (program.predictions.len(), "prediction"),
        ];
        parts.extend(others.into_iter().filter(|(count, _)| *count > 0));
        let parts = parts.iter().map(|(count, name)| format!("{count} {name}{}", if *count == 1 { "" } else { "s" }));
        let parts: Vec<String> = parts.collect();
        output.line(format!("`{}` is fine: {}", program.settings.name, parts.join(", ")))?;
    }
    match &args.against {
        Some(revision) => against::check(&args.project, revision, program, output),
        None => Ok(()),
    }
}

fn explain(code: &str, output: &mut Output<'_>) -> Result<(), Failure> {
    let Some(row) = codes::find(code) else {
        return Err(Failure::user(format!("there is no code `{code}`"))
            .help("codes look like `E0204`; `sonder check` prints them"));
    };
    output.text(row.page)
}
