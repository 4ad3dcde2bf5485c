//! For programs: one object a diagnostic, with names that stay.

use super::Place;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::SourceSet;
use serde::Serialize;

/// One diagnostic. Lines and columns count from 1, columns in characters; `null` for the project as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct JsonDiagnostic<'a> {
    /// `E0401`
    pub code: &'a str,
    /// `error` or `warning`
    pub severity: &'static str,
    /// Path in the project.
    pub file: Option<&'a str>,
    /// Where it begins.
    pub line: Option<u32>,
    /// Where it begins.
    pub column: Option<u32>,
    /// Where it ends.
    pub end_line: Option<u32>,
    /// One past where it ends.
    pub end_column: Option<u32>,
    /// What is wrong.
    pub message: &'a str,
    /// What was expected at that place.
    pub label: &'a str,
    /// What to type instead.
    pub help: &'a [String],
    /// What else is worth knowing.
    pub notes: &'a [String],
    /// Other places that explain.
    pub related: Vec<Related<'a>>,
}

/// Another place.
#[derive(Clone, Debug, Serialize)]
pub struct Related<'a> {
    /// Path in the project.
    pub file: &'a str,
    /// Where it begins.
    pub line: u32,
    /// Where it begins.
    pub column: u32,
    /// What is there.
    pub message: &'a str,
}

/// All diagnostics as values that serialise.
#[must_use]
pub fn values<'a>(sources: &'a SourceSet, diagnostics: &'a [Diagnostic]) -> Vec<JsonDiagnostic<'a>> {
    diagnostics.iter().map(|diagnostic| value(sources, diagnostic)).collect()
}

/// All diagnostics as one JSON array, one diagnostic a line.
#[must_use]
pub fn render(sources: &SourceSet, diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = values(sources, diagnostics)
        .iter()
        .map(|diagnostic| serde_json::to_string(diagnostic).unwrap_or_default())
        .collect();
    if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}

fn value<'a>(sources: &'a SourceSet, diagnostic: &'a Diagnostic) -> JsonDiagnostic<'a> {
    let place = Place::of(diagnostic, sources);
    let place = place.as_ref();
    JsonDiagnostic {
        code: diagnostic.code,
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        file: place.map(|place| place.file),
        line: place.map(|place| place.begin.line),
        column: place.map(|place| place.begin.column),
        end_line: place.map(|place| place.end.line),
        end_column: place.map(|place| place.end.column),
        message: &diagnostic.message,
        label: diagnostic.labels.first().map_or("", |label| &label.text),
        help: &diagnostic.help,
        notes: &diagnostic.notes,
        related: diagnostic.labels.iter().skip(1).map(|label| related(sources, label)).collect(),
    }
}

fn related<'a>(sources: &'a SourceSet, label: &'a crate::diagnostic::Label) -> Related<'a> {
    let position = sources.position(label.span.file, label.span.start);
    Related { file: sources.path(label.span.file), line: position.line, column: position.column, message: &label.text }
}
