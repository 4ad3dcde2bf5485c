//! `sonder migrate`: a project made of what another product exports.

use super::output::{Failure, Output};
use super::project::failure;
use crate::migration::{Export, Migrated, Note, Product, migrate};
use crate::project::scan;
use sonder_dsl::source::SourceFile;
use std::path::{Path, PathBuf};

/// Make a project of what Segment or RudderStack exports, to try Sonder beside it
///
/// What is made compiles. Whatever can't be taken over is a comment where it would stand, with the reason, and a line here. Files
/// that are there already stay as they are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder migrate segment tracking-plan.json audiences.json computed-traits.json sources.json --out shop\n  \
    sonder migrate rudderstack workspaceConfig.json events/*.json --out shop"
)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Of answers of Segment's Public API: tracking plans, audiences, computed traits, sources
    #[command(after_help = "Example:\n  \
        curl -H \"Authorization: Bearer $TOKEN\" https://api.segmentapis.com/spaces/$SPACE/audiences > audiences.json\n  \
        sonder migrate segment audiences.json --out shop")]
    Segment(Exports),
    /// Of RudderStack's workspace configuration, and events of its tracking plans
    #[command(after_help = "Example:\n  sonder migrate rudderstack workspaceConfig.json --out shop")]
    Rudderstack(Exports),
}

#[derive(Debug, clap::Args)]
struct Exports {
    /// Files of JSON
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The folder of the project
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let (product, asked) = match &args.from {
        From::Segment(asked) => (Product::Segment, asked),
        From::Rudderstack(asked) => (Product::Rudderstack, asked),
    };
    let exports = asked.files.iter().map(|path| read(path)).collect::<Result<Vec<Export>, Failure>>()?;
    let whole = std::path::absolute(&asked.out).unwrap_or_else(|_| asked.out.clone());
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let made =
        migrate(product, &name, &exports, existing(&asked.out)?).map_err(|error| Failure::user(error.to_string()))?;
    give(&made, &asked.out, output)
}

fn read(path: &Path) -> Result<Export, Failure> {
    let wrong = |error: String| Failure::user(format!("`{}`: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let document = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Export { name: path.display().to_string(), document })
}

/// The files of a project that is there already.
fn existing(out: &Path) -> Result<Vec<SourceFile>, Failure> {
    if !out.join("sonder.yaml").exists() {
        return Ok(Vec::new());
    }
    let scan = scan(out).map_err(|error| failure(&error))?;
    Ok(scan.sources.iter().map(|(_, file)| file.clone()).collect())
}

fn give(made: &Migrated, out: &Path, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut written = 0;
    for (path, text) in &made.files {
        let path = out.join(path);
        // A folder without a `sonder.yaml` may have files all the same.
        if path.exists() {
            output.note(format!("`{}` is there already, and stays as it is", path.display()))?;
            continue;
        }
        let failed = |error: std::io::Error| Failure::user(format!("could not write `{}`: {error}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(&path, text).map_err(failed)?;
        output.line(path.display())?;
        written += 1;
    }
    for Note { place, message } in &made.notes {
        output.note(format!("{place}: {message}"))?;
    }
    output.note(format!("wrote {written} files; {} to look at above", things(made.notes.len())))?;
    output.note(format!("next: sonder check {0}\n      sonder docs plan {0} --out plan", out.display()))
}

fn things(count: usize) -> String {
    match count {
        0 => "nothing".to_owned(),
        1 => "1 thing".to_owned(),
        count => format!("{count} things"),
    }
}
