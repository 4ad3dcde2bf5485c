//! Text to tree: what a `.sonder` file declares as an AST, and what is wrong with the text.
//!
//! [`scan`] splits a file into items and finds what is never closed; `parser` reads each item with the grammar in
//! `dsl/grammar`; `climb` gives expressions their shape; `recovery` says where to go on after an error. Reading never
//! fails: what could be read is returned, with diagnostics about the rest.

pub mod ast;
mod climb;
mod expectation;
pub mod format;
mod idiom;
mod literal;
mod mistakes;
mod parser;
mod recovery;
pub mod scan;

use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::{FileId, Span};
use ast::{Item, ItemKind, Moved, Name, Node};
use scan::{Chunk, ITEM_WORDS, Problem, Range};
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// What one file says.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// What it declares, in order.
    pub items: Vec<Item>,
    /// Names of those that could not be read: somebody may refer to them.
    pub unreadable: Vec<Name>,
}

/// Reads a file.
pub fn parse(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) -> File {
    Reading::of(file, text, None).file(diagnostics)
}

/// A file as it was read, item by item, so that the next reading of it need not read again what stands in it already.
///
/// INVARIANT: what is kept of an item is a function of its text alone; its places count from its beginning.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    items: Vec<ReadItem>,
    /// What is wrong with the file as a whole.
    found: Vec<Diagnostic>,
}

#[derive(Clone, Debug)]
struct ReadItem {
    digest: u128,
    /// Where it begins.
    start: u32,
    item: Option<Item>,
    name: Option<Name>,
    found: Vec<Diagnostic>,
}

impl Reading {
    /// Reads a file, of which `before` was an earlier text.
    #[must_use]
    pub fn of(file: FileId, text: &str, before: Option<Self>) -> Self {
        let mut reading = Self::default();
        if text.len() > limits::RULE_FILE_BYTES {
            let span = Span { file, start: 0, end: 0 };
            let message = format!("a file of {} bytes is too large", text.len());
            reading.found.push(
                Diagnostic::error(codes::RULE_FILE_TOO_LARGE, message, span, "")
                    .help(format!("a rule file has at most {} bytes: split it", limits::RULE_FILE_BYTES)),
            );
            return reading;
        }
        let mut known: HashMap<u128, ReadItem> =
            before.map(|before| before.items.into_iter().map(|item| (item.digest, item)).collect()).unwrap_or_default();
        let mut chunks = scan::split(text);
        if let Some(surplus) = chunks.get(limits::RULE_FILE_ITEMS) {
            reading.found.push(
                Diagnostic::error(
                    codes::TOO_MANY_ITEMS,
                    "too many rules in one file",
                    span(file, surplus.head),
                    "one too many",
                )
                .help(format!("a rule file has at most {} of them: split it", limits::RULE_FILE_ITEMS)),
            );
            chunks.truncate(limits::RULE_FILE_ITEMS);
        }
        for chunk in chunks {
            let start = chunk.range.start;
            let digest = digest(text, &chunk);
            let item = known.remove(&digest).unwrap_or_else(|| read(file, slice(text, chunk.range), chunk, digest));
            reading.items.push(ReadItem { start: start as u32, ..item });
        }
        reading
    }

    /// What the file says, and what is wrong with it, at its places.
    #[must_use]
    pub fn file(&self, diagnostics: &mut Vec<Diagnostic>) -> File {
        let mut file = File::default();
        for ReadItem { start, item, name, found, .. } in &self.items {
            diagnostics.extend(found.iter().cloned().map(|one| at(one, *start)));
            match item {
                Some(item) => file.items.push(at(item.clone(), *start)),
                None => file.unreadable.extend(name.clone().map(|name| at(name, *start))),
            }
        }
        diagnostics.extend(self.found.iter().cloned());
        file
    }
}

/// With its places moved from the beginning of the file to where it stands.
fn at<T: Moved>(mut moved: T, start: u32) -> T {
    moved.move_by(start);
    moved
}

/// Of an item's text, and of what is known to be wrong with it, which what stands before it has a say in.
fn digest(text: &str, chunk: &Chunk) -> u128 {
    let mut digest = Xxh3::new();
    digest.update(slice(text, chunk.range).as_bytes());
    for problem in &chunk.problems {
        let Range { start, end } = problem.range();
        let kind = std::mem::discriminant(problem);
        digest.update(
            format!("{kind:?} {start} {end}", start = start - chunk.range.start, end = end - chunk.range.start)
                .as_bytes(),
        );
    }
    digest.update(&[u8::from(chunk.broken)]);
    digest.digest128()
}

/// Reads the text of one item.
fn read(file: FileId, text: &str, mut chunk: Chunk, digest: u128) -> ReadItem {
    chunk.move_back();
    let mut found: Vec<Diagnostic> =
        chunk.problems.iter().map(|problem| problem_diagnostic(file, text, problem)).collect();
    let head = slice(text, chunk.head);
    let item = match ItemKind::of_word(head) {
        Some(_) if chunk.broken => None,
        Some(_) => parser::item(file, text, &chunk, &mut found),
        None => {
            found.push(unknown_item(head, span(file, chunk.head)));
            None
        }
    };
    let name = chunk.name.map(|name| Node { value: slice(text, name).to_owned(), span: span(file, name) });
    ReadItem { digest, start: 0, item, name, found }
}

fn unknown_item(head: &str, place: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        codes::UNKNOWN_ITEM,
        format!("`{head}` does not begin a rule"),
        place,
        "expected `segment`, `trait`, `journey` …",
    );
    let near = ITEM_WORDS.iter().find(|word| strsim::damerau_levenshtein(word, &head.to_lowercase()) <= 2);
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("write `segment name { when … }` or `trait name = …`; a comment begins with `#`"),
    }
}

/// What is wrong with a bracket or quote of a text.
fn problem_diagnostic(file: FileId, text: &str, problem: &Problem) -> Diagnostic {
    let span = |range: Range| span(file, range);
    match problem {
        Problem::UnclosedQuote(range) => {
            Diagnostic::error(codes::UNCLOSED, "a text is not closed", span(*range), "no `\"` in the rest of the line")
                .help("close it with `\"`; a line break inside a text is written `\\n`")
        }
        Problem::Unclosed(range) => {
            let (open, close) = match slice(text, *range) {
                "(" => ("(", ")"),
                "[" => ("[", "]"),
                _ => ("{", "}"),
            };
            Diagnostic::error(
                codes::UNCLOSED,
                format!("`{open}` is never closed"),
                span(*range),
                format!("no `{close}` for this"),
            )
            .help(format!("add `{close}` where it ends"))
        }
        Problem::Unopened(range) => {
            let close = slice(text, *range);
            Diagnostic::error(
                codes::UNCLOSED,
                format!("`{close}` closes nothing"),
                span(*range),
                "no bracket is open here",
            )
            .help("leave it out")
        }
        Problem::TooDeep(range) => {
            Diagnostic::error(codes::RULE_TOO_DEEP, "brackets too deep inside each other", span(*range), "from here on")
                .help(format!(
                    "brackets and `if`s may be {} deep: give parts of the rule names, as traits of their own",
                    limits::RULE_NESTING
                ))
        }
    }
}

fn slice(text: &str, range: Range) -> &str {
    text.get(range.start..range.end).unwrap_or_default()
}

fn span(file: FileId, range: Range) -> Span {
    Span { file, start: range.start as u32, end: range.end as u32 }
}
