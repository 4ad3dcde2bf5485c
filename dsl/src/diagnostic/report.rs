//! Collecting: one list for the whole project, a cap for each file.

use super::{Diagnostic, Severity, codes, suggest};
use crate::limits;
use crate::source::{FileId, Span};
use std::collections::BTreeMap;

/// Takes in diagnostics while a project is read.
#[derive(Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    // Of the file at hand.
    in_file: usize,
}

impl Report {
    /// Takes in one. What it quotes of the author's text is kept short.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        let Diagnostic { message, labels, help, notes, .. } = &mut diagnostic;
        let texts =
            [message].into_iter().chain(help).chain(notes).chain(labels.iter_mut().map(|label| &mut label.text));
        texts.for_each(shorten);
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.in_file += 1;
        self.diagnostics.push(diagnostic);
    }

    /// The next file begins.
    pub const fn begin_file(&mut self) {
        self.in_file = 0;
    }

    /// `did you mean …?` for a name that is not among many others. A file with more problems than are shown gets no
    /// more of them: looking for the nearest of thousands of names, thousands of times, would take minutes.
    #[must_use]
    pub fn suggest<'a>(&self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
        (self.in_file < limits::DIAGNOSTICS_PER_FILE).then(|| suggest::help(written, known)).flatten()
    }

    /// Takes in many.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }

    /// Takes in all that another report found in the file at hand.
    pub fn append(&mut self, other: &Self) {
        self.diagnostics.extend(other.diagnostics.iter().cloned());
        self.errors += other.errors;
        self.in_file += other.in_file;
    }

    /// How many errors there are so far; a part of a file is sound when its check adds none.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// All of it, by file and place, errors before warnings of the same place. Of one file, no more than
    /// [`limits::DIAGNOSTICS_PER_FILE`], and one that says how many more there are.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(order);
        self.diagnostics.dedup();
        cap(self.diagnostics)
    }
}

fn shorten(text: &mut String) {
    if let Some((cut, _)) = text.char_indices().nth(2 * limits::EXCERPT_CHARACTERS) {
        text.truncate(cut);
        text.push('…');
    }
}

fn order(diagnostic: &Diagnostic) -> (Option<Span>, Severity, &'static str) {
    (diagnostic.labels.first().map(|label| label.span), diagnostic.severity, diagnostic.code)
}

/// Keeps the first of each file, errors before warnings.
fn cap(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut counts: BTreeMap<Option<FileId>, [usize; 2]> = BTreeMap::new();
    let file = |diagnostic: &Diagnostic| diagnostic.labels.first().map(|label| label.span.file);
    for diagnostic in &diagnostics {
        counts.entry(file(diagnostic)).or_default()[diagnostic.severity as usize] += 1;
    }
    let mut kept = Vec::with_capacity(diagnostics.len());
    let mut seen: BTreeMap<Option<FileId>, [usize; 2]> = BTreeMap::new();
    for diagnostic in diagnostics {
        let of_file = file(&diagnostic);
        let errors = counts.get(&of_file).map_or(0, |[errors, _]| *errors).min(limits::DIAGNOSTICS_PER_FILE);
        let room = match diagnostic.severity {
            Severity::Error => limits::DIAGNOSTICS_PER_FILE,
            Severity::Warning => limits::DIAGNOSTICS_PER_FILE - errors,
        };
        let count = &mut seen.entry(of_file).or_default()[diagnostic.severity as usize];
        *count += 1;
        if *count <= room {
            kept.push(diagnostic);
        }
    }
    for (of_file, [errors, warnings]) in counts {
        let more = (errors + warnings).saturating_sub(limits::DIAGNOSTICS_PER_FILE);
        let Some(file) = of_file.filter(|_| more > 0) else { continue };
        let place = Span { file, start: 0, end: 0 };
        let message = format!("{more} more problems in this file are not shown");
        kept.push(if errors > 0 {
            Diagnostic::error(codes::TOO_MANY_PROBLEMS, message, place, "")
        } else {
            Diagnostic::warning(codes::TOO_MANY_PROBLEMS, message, place, "")
        });
    }
    kept.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span.file));
    kept
}
