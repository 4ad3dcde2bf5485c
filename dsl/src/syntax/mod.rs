//! Text to tree: what a `.sonder` file declares as an AST, and what is wrong with the text.
//!
//! [`scan`] splits a file into items and finds what is never closed; `parser` reads each item with the grammar in
//! `dsl/grammar`; `climb` gives expressions their shape; `recovery` says where to go on after an error. Reading never
//! fails: what could be read is returned, with diagnostics about the rest.

pub mod ast;
mod climb;
mod expectation;
pub mod format;
mod literal;
mod mistakes;
mod parser;
mod recovery;
pub mod scan;

use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::{FileId, Span};
use ast::{Item, ItemKind, Name, Node};
use scan::{Chunk, ITEM_WORDS, Problem, Range};

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
    if text.len() > limits::RULE_FILE_BYTES {
        let span = Span { file, start: 0, end: 0 };
        let message = format!("a file of {} bytes is too large", text.len());
        diagnostics.push(
            Diagnostic::error(codes::RULE_FILE_TOO_LARGE, message, span, "")
                .help(format!("a rule file has at most {} bytes: split it", limits::RULE_FILE_BYTES)),
        );
        return File::default();
    }
    let chunks = scan::split(text);
    let mut parsed = File::default();
    for (index, chunk) in chunks.iter().enumerate() {
        if index == limits::RULE_FILE_ITEMS {
            diagnostics.push(
                Diagnostic::error(
                    codes::TOO_MANY_ITEMS,
                    "too many rules in one file",
                    span(file, chunk.head),
                    "one too many",
                )
                .help(format!("a rule file has at most {} of them: split it", limits::RULE_FILE_ITEMS)),
            );
            break;
        }
        diagnostics.extend(chunk.problems.iter().map(|problem| problem_diagnostic(file, text, problem, 0)));
        match read(file, text, chunk, diagnostics) {
            Some(item) => parsed.items.push(item),
            None => parsed
                .unreadable
                .extend(chunk.name.map(|name| Node { value: slice(text, name).to_owned(), span: span(file, name) })),
        }
    }
    parsed
}

fn read(file: FileId, text: &str, chunk: &Chunk, diagnostics: &mut Vec<Diagnostic>) -> Option<Item> {
    let head = slice(text, chunk.head);
    match ItemKind::of_word(head) {
        Some(_) if chunk.broken => None,
        Some(_) => parser::item(file, text, chunk, diagnostics),
        None => {
            diagnostics.push(unknown_item(head, span(file, chunk.head)));
            None
        }
    }
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

/// What is wrong with a bracket or quote of a text that begins at byte `offset` of its file.
fn problem_diagnostic(file: FileId, text: &str, problem: &Problem, offset: usize) -> Diagnostic {
    let span = |range: Range| span(file, Range { start: range.start + offset, end: range.end + offset });
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
