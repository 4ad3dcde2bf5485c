//! `sonder init`: a new project from a template that is itself a tested example.

use super::output::{Failure, Output};
use std::fs;
use std::path::{Path, PathBuf};

/// Make a new project from a template
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder init my-shop --template shop")]
pub struct Args {
    /// The folder to make it in
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Which template
    #[arg(long, default_value = "shop", value_parser = names())]
    template: String,
}

/// An example project, carried in the binary.
struct Template {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

const TEMPLATES: &[Template] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

fn names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(TEMPLATES.iter().map(|template| template.name))
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let Some(template) = TEMPLATES.iter().find(|template| template.name == args.template) else {
        return Err(Failure::user(format!("there is no template `{}`", args.template)));
    };
    // All or nothing: a project half made of somebody's files and half of ours helps nobody.
    if let Some((taken, _)) = template.files.iter().find(|(path, _)| args.dir.join(path).exists()) {
        return Err(Failure::user(format!("`{}` is there already", args.dir.join(taken).display()))
            .help("name a folder that is new or empty"));
    }
    for (path, content) in template.files {
        write(&args.dir.join(path), content)?;
    }
    let dir = args.dir.display();
    output.note(format!("made `{dir}` from the template `{}`: {} files", template.name, template.files.len()))?;
    output.note(format!("next: sonder check {dir}"))?;
    output.note(format!("      sonder dev {dir}"))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::user(format!("could not write `{}`: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, content).map_err(failed)
}
