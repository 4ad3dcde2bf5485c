//! A project as commands load it: read, compiled, and its diagnostics shown.

use super::output::{Failure, Output};
use crate::project::{Scan, ScanError, compile, scan};
use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::ir::Program;
use std::path::Path;
use std::sync::Arc;

/// A project without errors.
pub struct Project {
    /// As it was read.
    pub scan: Scan,
    /// As it was understood.
    pub program: Arc<Program>,
}

/// Reads and compiles a project. Its errors go to standard error; its warnings, too.
pub fn load(root: &Path, output: &mut Output<'_>) -> Result<Project, Failure> {
    let scan = scan(root).map_err(|error| failure(&error))?;
    let compilation = compile(scan.sources.clone(), &scan.root);
    if !compilation.diagnostics.is_empty() {
        let text = human::render(&compilation.sources, &compilation.diagnostics, colour(output.err_is_terminal));
        output.err.write_all(text.as_bytes())?;
    }
    match compilation.program {
        Some(program) => Ok(Project { scan, program }),
        None => {
            output.note(human::summary(&compilation.diagnostics))?;
            Err(Failure::Reported)
        }
    }
}

/// A folder that cannot be read as a project is the user's to mend.
pub fn failure(error: &ScanError) -> Failure {
    let failure = Failure::user(error.to_string());
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Whether text for a stream is coloured: on a terminal, unless the user asked for plain text.
pub fn colour(is_terminal: bool) -> Colour {
    if is_terminal && std::env::var_os("NO_COLOR").is_none() { Colour::Always } else { Colour::Never }
}

/// The path of the project from the working directory, which in a workflow is the root of the repository; empty for that
/// itself, and for a project outside of it.
pub(super) fn folder(project: &Path) -> String {
    let inside = || {
        let here = std::env::current_dir().ok()?;
        Some(std::path::absolute(project).ok()?.strip_prefix(here).ok()?.to_path_buf())
    };
    let parts: Vec<String> =
        inside().iter().flat_map(|path| path.iter()).map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join("/")
}
