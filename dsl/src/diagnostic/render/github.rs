//! For GitHub Actions: workflow commands, which it shows beside the lines of a pull request.

use super::Place;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::SourceSet;
use std::fmt::Write as _;

/// One command a diagnostic. GitHub wants paths from the root of the repository, where the project has the path `folder`.
#[must_use]
pub fn render(sources: &SourceSet, diagnostics: &[Diagnostic], folder: &str) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(match diagnostic.severity {
            Severity::Error => "::error ",
            Severity::Warning => "::warning ",
        });
        if let Some(place) = Place::of(diagnostic, sources) {
            let file = property(&place.path(folder));
            let (begin, end) = (place.begin, place.end);
            let _ = write!(out, "file={file},line={},col={},", begin.line, begin.column);
            let _ = write!(out, "endLine={},endColumn={},", end.line, end.column);
        }
        let mut message = diagnostic.message.clone();
        let help = diagnostic.help.iter().map(|help| format!("\nhelp: {help}"));
        message.extend(help.chain(diagnostic.notes.iter().map(|note| format!("\nnote: {note}"))));
        let _ = writeln!(out, "title={}::{}", property(diagnostic.code), data(&message));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
