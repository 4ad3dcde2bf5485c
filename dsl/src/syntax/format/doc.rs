//! Text that may be broken in places, printed into lines of a given width.
//!
//! A group is printed in one line when it fits, with all that must follow it there; otherwise its own breaks become line
//! breaks, and each group inside it is asked anew. A comment ends its line, so a group with one inside never fits.
//! One pass; asking whether a group fits looks at most a line ahead.

use super::lines::Lines;
use super::tokens::Tokens;

/// The width of a line; comments may stand out.
pub const WIDTH: usize = 100;

/// Pieces of text, and where lines may end.
#[derive(Clone, Debug)]
pub enum Doc {
    /// A token with the comments before it.
    Token(usize),
    /// A token whose comments have been printed, and that no blank line comes before.
    Bare(usize),
    /// The comments before a closing bracket: they belong to what it closes.
    CommentsOf(usize),
    /// A space, which never stands at the end of a line.
    Space,
    /// A space, or a line break when the group around it doesn't fit.
    Line {
        /// In one line it is a space.
        spaced: bool,
        /// How far the next line begins to the left of the indentation.
        hang: usize,
    },
    /// A line break.
    Hard,
    /// Lines that begin inside it begin that far to the right.
    Indent(usize, Vec<Doc>),
    /// Broken as a whole.
    Group(Vec<Doc>),
    /// One after the other.
    All(Vec<Doc>),
}

/// A line break that is nothing where it isn't needed.
pub const SOFT: Doc = Doc::Line { spaced: false, hang: 0 };

/// A line break that is a space where it isn't needed.
pub const LINE: Doc = Doc::Line { spaced: true, hang: 0 };

/// A document, how far its lines begin to the right, and whether it has been found to fit in one.
struct Work<'d> {
    doc: &'d Doc,
    indent: usize,
    flat: bool,
}

fn stack<'d>(work: &mut Vec<Work<'d>>, docs: &'d [Doc], indent: usize, flat: bool) {
    work.extend(docs.iter().rev().map(|doc| Work { doc, indent, flat }));
}

/// Prints a document as new lines, with the comments of its tokens.
pub fn print(document: &[Doc], tokens: &Tokens<'_>, lines: &mut Lines) {
    let mut work = Vec::new();
    stack(&mut work, document, 0, false);
    lines.newline(0);
    while let Some(Work { doc, indent, flat }) = work.pop() {
        match doc {
            Doc::Token(index) => {
                comments(tokens, *index, indent, lines);
                token(tokens, *index, true, indent, lines);
            }
            Doc::Bare(index) => token(tokens, *index, false, indent, lines),
            Doc::CommentsOf(index) => {
                if !tokens.before(*index).is_empty() {
                    lines.newline(indent);
                }
                comments(tokens, *index, indent, lines);
            }
            Doc::Space => lines.space(),
            Doc::Line { spaced, .. } if flat => {
                if *spaced {
                    lines.space();
                }
            }
            Doc::Line { hang, .. } => lines.newline(indent.saturating_sub(*hang)),
            Doc::Hard => lines.newline(indent),
            Doc::Indent(by, docs) => stack(&mut work, docs, indent + by, flat),
            Doc::All(docs) => stack(&mut work, docs, indent, flat),
            Doc::Group(docs) => {
                let flat = flat || fits(docs, &work, tokens, WIDTH.saturating_sub(lines.column()));
                stack(&mut work, docs, indent, flat);
            }
        }
    }
}

fn comments(tokens: &Tokens<'_>, index: usize, indent: usize, lines: &mut Lines) {
    for comment in tokens.before(index) {
        lines.comment(comment.text, comment.blank_before, indent);
    }
}

fn token(tokens: &Tokens<'_>, index: usize, blank: bool, indent: usize, lines: &mut Lines) {
    let Some(token) = tokens.tokens.get(index) else { return };
    lines.token(&token.text, blank && token.blank_before);
    if let Some(comment) = tokens.behind(index) {
        lines.comment_behind(comment.text, indent);
    }
}

/// Whether a group, and what follows it up to the next line break, fits in `room` characters of one line.
fn fits(group: &[Doc], after: &[Work<'_>], tokens: &Tokens<'_>, room: usize) -> bool {
    let mut work = Vec::new();
    stack(&mut work, group, 0, true);
    let mut after = after.iter().rev();
    let mut room = room;
    let mut first = true;
    // A comment is behind the last token: nothing may follow in its line.
    let mut ended = false;
    loop {
        let (doc, flat) = match work.pop() {
            Some(work) => (work.doc, work.flat),
            None => match after.next() {
                Some(work) => (work.doc, work.flat),
                None => return true,
            },
        };
        match doc {
            Doc::Token(index) | Doc::Bare(index) => {
                let commented = matches!(doc, Doc::Token(_)) && !first && !tokens.before(*index).is_empty();
                let width = tokens.tokens.get(*index).map_or(0, |token| token.text.chars().count());
                if ended || commented || width > room {
                    return false;
                }
                room -= width;
                first = false;
                ended = tokens.behind(*index).is_some();
            }
            Doc::CommentsOf(index) if !tokens.before(*index).is_empty() => return false,
            Doc::CommentsOf(_) => {}
            Doc::Space => room = room.saturating_sub(1),
            Doc::Line { spaced, .. } if flat => room = room.saturating_sub(usize::from(*spaced)),
            Doc::Line { .. } | Doc::Hard => return true,
            Doc::Indent(_, docs) | Doc::All(docs) => stack(&mut work, docs, 0, flat),
            // What follows is asked for itself when its turn comes, so its breaks count as breaks.
            Doc::Group(docs) => stack(&mut work, docs, 0, flat),
        }
    }
}
