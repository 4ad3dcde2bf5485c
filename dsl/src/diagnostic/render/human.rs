//! For people: the line, the place underlined, what was expected, and what to type.
//!
//! What is shown comes from files of strangers: long lines are cut around the place, and characters that would move a
//! terminal's cursor or turn text around are replaced.

use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::limits;
use crate::source::{FileId, Position, SourceSet};
use codespan_reporting::diagnostic as codespan;
use codespan_reporting::files::{Error, Files};
use codespan_reporting::term::termcolor::{Ansi, NoColor, WriteColor};
use codespan_reporting::term::{Config, emit_to_write_style};
use std::ops::Range;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// With ANSI escapes.
    Always,
}

/// All diagnostics, each followed by an empty line.
#[must_use]
pub fn render(sources: &SourceSet, diagnostics: &[Diagnostic], colour: Colour) -> String {
    match colour {
        Colour::Always => {
            let bytes = write_all(Ansi::new(Vec::new()), sources, diagnostics).into_inner();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Colour::Never => {
            let bytes = write_all(NoColor::new(Vec::new()), sources, diagnostics).into_inner();
            String::from_utf8_lossy(&bytes).lines().map(|line| format!("{}\n", line.trim_end())).collect()
        }
    }
}

/// `2 errors, 1 warning`; nothing when there is neither.
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let words = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let parts: Vec<String> = words
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    parts.join(", ")
}

fn write_all<W: WriteColor>(mut writer: W, sources: &SourceSet, diagnostics: &[Diagnostic]) -> W {
    let config = Config { tab_width: 2, ..Config::default() };
    for diagnostic in diagnostics {
        let (excerpts, shown) = Excerpts::of(sources, diagnostic);
        // Writing into memory cannot fail, and every place is inside its excerpt.
        let _ = emit_to_write_style(&mut writer, &config, &excerpts, &shown);
    }
    writer
}

/// The lines that one diagnostic shows, file by file.
struct Excerpts<'s> {
    files: Vec<Excerpt<'s>>,
}

struct Excerpt<'s> {
    file: FileId,
    path: &'s str,
    text: String,
    lines: Vec<Line>,
}

/// A line as shown.
struct Line {
    /// Where it begins in the text of the excerpt; it ends with a line break.
    start: usize,
    /// Its number in the file.
    number: u32,
    /// Bytes of the file that are shown, and how many characters of the line stand before them.
    range: Range<usize>,
    skipped: usize,
    /// Bytes in front that are not of the file: the sign that something was cut.
    lead: usize,
}

const CUT: &str = "…";

impl<'s> Excerpts<'s> {
    fn of(sources: &'s SourceSet, diagnostic: &Diagnostic) -> (Self, codespan::Diagnostic<usize>) {
        let mut excerpts = Self { files: Vec::new() };
        let mut places: Vec<(&Label, Position)> = diagnostic
            .labels
            .iter()
            .filter(|label| sources.file(label.span.file).is_some())
            .map(|label| (label, sources.position(label.span.file, label.span.start)))
            .collect();
        // Lines of an excerpt stand in the order of the file; of a line that is cut, the first label decides where.
        let first = places.first().map(|(label, _)| label.span);
        places.sort_by_key(|(label, position)| (label.span.file, position.line, Some(label.span) != first));
        for (label, position) in &places {
            excerpts.add(sources, label, *position);
        }
        let mut shown = match diagnostic.severity {
            Severity::Error => codespan::Diagnostic::error(),
            Severity::Warning => codespan::Diagnostic::warning(),
        };
        shown = shown.with_code(diagnostic.code).with_message(clean(&diagnostic.message));
        for (index, label) in diagnostic.labels.iter().enumerate() {
            let Some((file, range)) = excerpts.place(sources, label) else { continue };
            let style = if index == 0 { codespan::LabelStyle::Primary } else { codespan::LabelStyle::Secondary };
            shown.labels.push(codespan::Label::new(style, file, range).with_message(clean(&label.text)));
        }
        shown.notes.extend(diagnostic.help.iter().map(|help| format!("help: {}", clean(help))));
        shown.notes.extend(diagnostic.notes.iter().map(|note| format!("note: {}", clean(note))));
        (excerpts, shown)
    }

    fn add(&mut self, sources: &'s SourceSet, label: &Label, position: Position) {
        let Some(source) = sources.file(label.span.file) else { return };
        let at = match self.files.iter().position(|excerpt| excerpt.file == label.span.file) {
            Some(at) => at,
            None => {
                let (text, lines) = (String::new(), Vec::new());
                self.files.push(Excerpt { file: label.span.file, path: &source.path, text, lines });
                self.files.len() - 1
            }
        };
        let excerpt = &mut self.files[at];
        if excerpt.lines.last().is_some_and(|line| line.number == position.line) {
            return;
        }
        excerpt.push(&source.text, label.span.start as usize, position);
    }

    /// A label's file and its bytes in the excerpt. What reaches over the end of its line is cut there.
    fn place(&self, sources: &SourceSet, label: &Label) -> Option<(usize, Range<usize>)> {
        let number = sources.position(label.span.file, label.span.start).line;
        let at = self.files.iter().position(|excerpt| excerpt.file == label.span.file)?;
        let excerpt = &self.files[at];
        let line = excerpt.lines.iter().find(|line| line.number == number)?;
        let (start, end) = (label.span.start as usize, label.span.end as usize);
        let inside = |byte: usize| byte.clamp(line.range.start, line.range.end);
        let text = &sources.file(label.span.file)?.text;
        let shown = |byte: usize| -> Option<usize> {
            // Replaced characters may have another length, so bytes are counted as they are shown.
            Some(line.start + line.lead + clean(text.get(line.range.start..byte)?).len())
        };
        let (start, end) = (shown(inside(start))?, shown(inside(end.max(start)))?);
        Some((at, start..end))
    }
}

impl Excerpt<'_> {
    fn push(&mut self, source: &str, byte: usize, position: Position) {
        let byte = byte.min(source.len());
        let line_start = source.get(..byte).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let rest = source.get(line_start..).unwrap_or("");
        let whole = rest.lines().next().unwrap_or("");
        let column = position.column as usize - 1;
        let (mut skipped, mut range) = (0, line_start..line_start + whole.len());
        let characters = whole.chars().count();
        if characters > limits::EXCERPT_CHARACTERS {
            skipped = column.saturating_sub(limits::EXCERPT_CHARACTERS / 3);
            let mut at = whole.char_indices().map(|(at, _)| line_start + at).chain([range.end]).skip(skipped);
            let start = at.next().unwrap_or(range.end);
            range = start..at.nth(limits::EXCERPT_CHARACTERS - 1).unwrap_or(range.end);
        }
        let (cut_before, cut_after) = (range.start > line_start, range.end < line_start + whole.len());
        let start = self.text.len();
        self.text.push_str(if cut_before { CUT } else { "" });
        let lead = self.text.len() - start;
        self.text.push_str(&clean(source.get(range.clone()).unwrap_or("")));
        self.text.push_str(if cut_after { CUT } else { "" });
        self.text.push('\n');
        self.lines.push(Line { start, number: position.line, range, skipped, lead });
    }
}

impl<'a> Files<'a> for Excerpts<'_> {
    type FileId = usize;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: usize) -> Result<&'a str, Error> {
        self.files.get(id).map(|excerpt| excerpt.path).ok_or(Error::FileMissing)
    }

    fn source(&'a self, id: usize) -> Result<&'a str, Error> {
        self.files.get(id).map(|excerpt| excerpt.text.as_str()).ok_or(Error::FileMissing)
    }

    fn line_index(&'a self, id: usize, byte: usize) -> Result<usize, Error> {
        let excerpt = self.files.get(id).ok_or(Error::FileMissing)?;
        Ok(excerpt.lines.partition_point(|line| line.start <= byte).saturating_sub(1))
    }

    fn line_number(&'a self, id: usize, index: usize) -> Result<usize, Error> {
        let excerpt = self.files.get(id).ok_or(Error::FileMissing)?;
        Ok(excerpt.lines.get(index).map_or(index + 1, |line| line.number as usize))
    }

    fn column_number(&'a self, id: usize, index: usize, byte: usize) -> Result<usize, Error> {
        let excerpt = self.files.get(id).ok_or(Error::FileMissing)?;
        let Some(line) = excerpt.lines.get(index) else { return Ok(1) };
        let before = excerpt.text.get(line.start + line.lead..byte).unwrap_or("");
        Ok(line.skipped + before.chars().count() + 1)
    }

    fn line_range(&'a self, id: usize, index: usize) -> Result<Range<usize>, Error> {
        let excerpt = self.files.get(id).ok_or(Error::FileMissing)?;
        let start = excerpt.lines.get(index).map_or(excerpt.text.len(), |line| line.start);
        let end = excerpt.lines.get(index + 1).map_or(excerpt.text.len(), |line| line.start);
        Ok(start..end)
    }
}

/// One character for each: those that move the cursor, or turn the direction of text.
fn clean(text: &str) -> String {
    let harmful = |character: char| {
        (character.is_control() && character != '\t' && character != '\n')
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if harmful(character) { '\u{fffd}' } else { character }).collect()
}
