//! `sonder docs`: what the compiler knows of itself and of a project, for reading.

use super::output::{Failure, Output};
use super::project::load;
use crate::manual;
use crate::observe::metrics_reference;
use crate::tracking_plan::{self, Page};
use sonder_dsl::reference;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Print a reference, or make a site: of a project's tracking plan, of the whole manual
///
/// References are made of the grammar, the type checker, the functions and the counters of this very version.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder docs language > language.md\n  sonder docs plan shop --out plan\n  sonder docs site --out manual && mdbook build manual"
)]
pub struct Args {
    #[command(subcommand)]
    topic: Topic,
}

#[derive(Debug, clap::Subcommand)]
enum Topic {
    /// Print the reference of the rule language: items, types, operators, functions, grammar, limits, errors
    Language,
    /// Print names, labels and meanings of what `/metrics` counts
    Metrics,
    /// Print all keys of a project's YAML files, with what they take
    Configuration,
    /// Make a site of the tracking plan: events, properties, owners, personal data, who reads what and where it goes
    ///
    /// Static pages that need no server and fetch nothing: open index.html, publish the folder, or keep it with a build. The
    /// same project gives the same bytes. Keys, secrets and configurations of destinations are not in it.
    #[command(after_help = "Examples:\n  sonder docs plan shop --out plan\n  sonder docs plan --out public")]
    Plan(Plan),
    /// Make the sources of the manual, for mdBook: tutorial, how-to guides, explanation, and references made of the code
    #[command(after_help = "Example:\n  sonder docs site --out manual && mdbook build manual")]
    Site {
        /// The folder to write it to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Plan {
    /// The project's folder
    #[arg(default_value = ".")]
    project: PathBuf,
    /// The folder to write it to; pages of an earlier plan that are no more are removed from it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &Args, program: &clap::Command, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.topic {
        Topic::Language => output.text(&reference::language()),
        Topic::Metrics => output.text(&metrics_reference()),
        Topic::Configuration => output.text(&reference::configuration()),
        Topic::Plan(asked) => plan(asked, output),
        Topic::Site { out } => site(out, program, output),
    }
}

fn plan(asked: &Plan, output: &mut Output<'_>) -> Result<(), Failure> {
    let program = load(&asked.project, output)?.program;
    let pages = tracking_plan::site(&program);
    for page in &pages {
        write(&asked.out.join(&page.path), page.html.as_bytes())?;
    }
    remove_others(&asked.out, &pages)?;
    let index = asked.out.join("index.html");
    output.note(format!("made {} pages; open `{}`", pages.len(), index.display()))
}

fn site(out: &Path, program: &clap::Command, output: &mut Output<'_>) -> Result<(), Failure> {
    super::install_crypto();
    let book = manual::book(program).map_err(|error| Failure::engine(error.to_string()))?;
    for (path, text) in &book {
        write(&out.join(path), text.as_bytes())?;
    }
    output.note(format!("made {} files; next: mdbook build {}", book.len(), out.display()))
}

/// Pages of events that are no more. A file that was not made here stays.
fn remove_others(out: &Path, pages: &[Page]) -> Result<(), Failure> {
    let made: BTreeSet<PathBuf> = pages.iter().map(|page| out.join(&page.path)).collect();
    for entry in std::fs::read_dir(out.join("events")).into_iter().flatten() {
        let path = entry?.path();
        let is_other = path.extension().is_some_and(|it| it == "html") && !made.contains(&path);
        if is_other && std::fs::read_to_string(&path).is_ok_and(|text| text.contains(tracking_plan::MARK)) {
            std::fs::remove_file(&path)
                .map_err(|error| Failure::user(format!("could not remove `{}`: {error}", path.display())))?;
        }
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::user(format!("could not write `{}`: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, content).map_err(failed)
}
