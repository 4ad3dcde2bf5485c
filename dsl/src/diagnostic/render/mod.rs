//! Diagnostics as text: one file a format.

pub mod github;
pub mod human;
pub mod json;
pub mod sarif;
#[cfg(test)]
mod tests;

use super::Diagnostic;
use crate::source::{Position, SourceSet};

/// Where the first label of a diagnostic begins and ends; `None` for the project as a whole.
struct Place<'s> {
    file: &'s str,
    begin: Position,
    end: Position,
}

impl<'s> Place<'s> {
    /// The file's path as seen from where the project's folder has this path; empty for the folder itself.
    fn path(&self, folder: &str) -> String {
        if folder.is_empty() { self.file.to_owned() } else { format!("{folder}/{}", self.file) }
    }

    fn of(diagnostic: &Diagnostic, sources: &'s SourceSet) -> Option<Self> {
        let span = diagnostic.labels.first()?.span;
        Some(Self {
            file: sources.path(span.file),
            begin: sources.position(span.file, span.start),
            end: sources.position(span.file, span.end),
        })
    }
}
