//! Whether events are still what senders take them for: the schemas held against those of another revision of the repository.

use super::super::output::{Failure, Output};
use crate::project::{compile, is_text_of_project};
use sonder_dsl::ir::Program;
use sonder_dsl::plan::{self, Bump, EventChange, Kind};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::io::Read;
use std::path::{Component, Path};
use std::process::{Command, Stdio};

/// Prints how events differ, and fails where a version does not say so.
pub(super) fn check(project: &Path, revision: &str, program: &Program, output: &mut Output<'_>) -> Result<(), Failure> {
    let compilation = compile(SourceSet::new(files(project, revision)?), project);
    let before = compilation.program.ok_or_else(|| {
        Failure::user(format!("the project at `{revision}` has errors"))
            .help("hold it against a revision that `sonder check` finds fine")
    })?;
    let changes = plan::compare(&before, program).events;
    if changes.is_empty() {
        return output.line(format!("events are what they are at `{revision}`"));
    }
    let mut unsaid = 0;
    for change in &changes {
        unsaid += usize::from(is_unsaid(change));
        for line in lines(change) {
            output.line(line)?;
        }
    }
    if unsaid == 0 {
        return Ok(());
    }
    let events = if unsaid == 1 { "1 event changes".to_owned() } else { format!("{unsaid} events change") };
    output.note(format!("{events} more than its version says: raise `version`, or take the change back"))?;
    Err(Failure::Reported)
}

/// Whether senders are not told of a change.
fn is_unsaid(change: &EventChange) -> bool {
    change.proposed.is_some() || change.change == Kind::Removed
}

fn lines(change: &EventChange) -> Vec<String> {
    let version = |version: &Option<String>| version.clone().unwrap_or_default();
    let reach = match change.compatibility {
        None => "",
        Some(Bump::Addition) => ", all that was valid still is",
        Some(Bump::Revision) => ", some of what was valid is not",
        Some(Bump::Model) => ", what was sent so far does not fit",
    };
    let head = match change.change {
        Kind::Added => format!("+ {} {}", change.name, version(&change.after)),
        Kind::Removed => format!("- {} {}", change.name, version(&change.before)),
        Kind::Changed | Kind::Renamed if change.before == change.after => {
            format!("~ {} {}{reach}", change.name, version(&change.after))
        }
        Kind::Changed | Kind::Renamed => {
            format!("~ {} {}, was {}{reach}", change.name, version(&change.after), version(&change.before))
        }
    };
    let parts = change.parts.iter().map(|part| format!("    {}", part.words));
    let proposed = change.proposed.iter().map(|proposed| format!("    version: {proposed} would say so"));
    std::iter::once(head).chain(parts).chain(proposed).collect()
}

/// The texts of the project at a revision.
fn files(project: &Path, revision: &str) -> Result<Vec<SourceFile>, Failure> {
    let failed = |error: String| {
        Failure::user(format!("git does not give the project at `{revision}`: {}", error.trim()))
            .help("name a branch, a tag or a commit that has it, such as `origin/main`")
    };
    if revision.starts_with('-') {
        return Err(failed("that is no revision".to_owned()));
    }
    // Of the folder alone, with paths from there on.
    let mut command = Command::new("git");
    command.arg("-C").arg(project).args(["archive", "--format=tar", revision, "."]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(output.stdout.as_slice());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let parts: Vec<String> = path
            .components()
            .filter(|part| !matches!(part, Component::CurDir))
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let is_foreign = parts.iter().any(|part| part.starts_with('.') || part == "node_modules");
        if is_foreign || !entry.header().entry_type().is_file() || !is_text_of_project(&path) {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        files.push(SourceFile { path: parts.join("/"), text });
    }
    if files.is_empty() {
        return Err(failed("it has no files there".to_owned()));
    }
    Ok(files)
}
