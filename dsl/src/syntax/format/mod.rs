//! The one style of `.sonder` files: text to canonical text.
//!
//! Meaning, comments, the order of everything, literals and parentheses stay as they are (only those around a whole
//! condition go); white space and line breaks are the formatter's. What fits in a line of `doc::WIDTH` characters is
//! put in one; of what doesn't, the outermost is broken first: conditions one operand a line, calls one argument a line.
//!
//! `tokens` reads the file, `comments` moves comments to where the layout leaves them, `layout` says where an item's
//! lines may be broken, `doc` breaks them, `lines` puts comments behind them in columns. Formatting what is formatted
//! changes nothing.

mod comments;
mod doc;
mod layout;
mod lines;
mod tokens;

use super::scan::{self, Chunk};
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::FileId;
use lines::Lines;
use std::ops::Range;
use tokens::Tokens;

/// The canonical text of a `.sonder` file.
///
/// ```
/// use sonder_dsl::source::FileId;
/// use sonder_dsl::syntax::format::format;
///
/// let text = "segment buyers {when did( order )}  # all\ntrait n=count(order)";
/// let formatted = "segment buyers {\n  when did(order)\n}  # all\n\ntrait n = count(order)\n";
/// assert_eq!(format(FileId(0), text).unwrap(), formatted);
/// ```
///
/// # Errors
/// A file that can't be read is left alone: what is wrong with it.
pub fn format(file: FileId, text: &str) -> Result<String, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    super::parse(file, text, &mut diagnostics);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    Ok(canonical(text))
}

/// An item, or a comment between items.
enum Entry {
    /// Index of its gap, and of the comment among those of the gap that have lines of their own.
    Comment(usize, usize),
    Item {
        tokens: Range<usize>,
        bytes: Range<usize>,
        /// It always takes several lines, so blank lines set it off.
        block: bool,
    },
}

fn canonical(text: &str) -> String {
    let chunks = scan::split(text);
    let mut tokens = tokens::tokens(text);
    comments::settle(&mut tokens);
    comments::unwrap_bodies(&mut tokens);
    let entries = entries(&tokens, &chunks);
    let mut lines = Lines::default();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 && blank_between(&tokens, &entries, index) {
            lines.blank();
        }
        match entry {
            Entry::Comment(gap, place) => {
                if let Some(comment) = tokens.before(*gap).get(*place) {
                    lines.newline(0);
                    lines.comment(comment.text, false, 0);
                }
            }
            Entry::Item { tokens: range, bytes, .. } => match layout::item(&tokens, range.clone()) {
                Some(document) => doc::print(&document, &tokens, &mut lines),
                None => lines.verbatim(text.get(bytes.clone()).unwrap_or_default()),
            },
        }
    }
    lines.finish()
}

fn entries(tokens: &Tokens<'_>, chunks: &[Chunk]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = 0;
    for chunk in chunks {
        let length = tokens.tokens[at..].iter().take_while(|token| token.start < chunk.range.end).count();
        entries.extend((0..tokens.before(at).len()).map(|comment| Entry::Comment(at, comment)));
        let block = tokens.text(at) != "trait";
        entries.push(Entry::Item { tokens: at..at + length, bytes: chunk.range.start..chunk.range.end, block });
        at += length;
    }
    entries.extend((0..tokens.before(at).len()).map(|comment| Entry::Comment(at, comment)));
    entries
}

/// Whether a blank line comes before an entry: around each block, and where the author wants one.
fn blank_between(tokens: &Tokens<'_>, entries: &[Entry], index: usize) -> bool {
    let blank = |entry: &Entry| match entry {
        Entry::Comment(gap, place) => tokens.before(*gap).get(*place).is_some_and(|comment| comment.blank_before),
        Entry::Item { tokens: range, .. } => tokens.tokens.get(range.start).is_some_and(|token| token.blank_before),
    };
    let Some((before, after)) = entries.get(index - 1).zip(entries.get(index)) else { return false };
    match (before, after) {
        (Entry::Item { block: true, .. }, _) => true,
        (Entry::Item { .. }, Entry::Comment(..)) => {
            // Comments right above a block are set off with it.
            let mut following = entries[index + 1..].iter().take_while(|entry| !blank(entry));
            let item = following.find(|entry| matches!(entry, Entry::Item { .. }));
            blank(after) || matches!(item, Some(Entry::Item { block: true, .. }))
        }
        (Entry::Item { .. }, Entry::Item { block, .. }) => *block || blank(after),
        (Entry::Comment(..), _) => blank(after),
    }
}
