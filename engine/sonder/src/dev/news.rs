//! What became of the project's files when they were saved: errors as `sonder check` prints them, or what the change means.

use crate::project::{Scan, compile, scan};
use sonder_dsl::diagnostic::Severity;
use sonder_dsl::diagnostic::render::human::{self, Colour};
use sonder_dsl::ir::Program;
use sonder_dsl::plan::{self, Kind};
use std::path::Path;
use std::sync::Arc;

/// What is said about the files as they are now, against the version that is known.
#[must_use]
pub fn of_folder(root: &Path, before: &Arc<Program>, colour: Colour) -> String {
    match scan(root) {
        Ok(scan) => of_scan(scan, before, colour),
        Err(error) => format!("{error}\n"),
    }
}

fn of_scan(scan: Scan, before: &Arc<Program>, colour: Colour) -> String {
    let compilation = compile(scan.sources, &scan.root);
    let mut said = human::render(&compilation.sources, &compilation.diagnostics, colour);
    let is_error = compilation.diagnostics.iter().any(|it| it.severity == Severity::Error);
    if is_error {
        said.push_str(&human::summary(&compilation.diagnostics));
        said.push_str("; the version before runs on\n");
    } else if let Some(program) = &compilation.program {
        said.push_str(&changes(before, program));
    }
    said
}

/// What differs between two versions, a line each.
#[must_use]
pub fn changes(before: &Program, after: &Program) -> String {
    let changes = plan::compare(before, after);
    let sign = |kind: Kind| match kind {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Changed | Kind::Renamed => '~',
    };
    let items = changes.items.iter().map(|it| {
        let words = if it.words.is_empty() { String::new() } else { format!(": {}", it.words.join("; ")) };
        format!("{} {} {}{words}\n", sign(it.change), it.kind.name(), it.name)
    });
    let events = changes.events.iter().map(|it| {
        let parts: Vec<&str> = it.parts.iter().map(|part| part.words.as_str()).collect();
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
        format!("{} event {}{parts}\n", sign(it.change), it.name)
    });
    items.chain(events).chain(changes.others.iter().map(|it| format!("~ {it}\n"))).collect()
}
