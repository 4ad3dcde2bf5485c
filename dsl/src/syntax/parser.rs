//! The grammar's tree made an AST. The only file that names pest's `Rule`.
//!
//! Typical mistakes have rules of their own, so that they parse: each is reported here, and the tree goes on with what
//! was meant. What the grammar can't read at all gives one error an item, put into words by `expectation.rs`.

mod decision;
mod expected;
mod expression;
mod fields;
mod items;
mod journey;

use super::ast::{Item, Name, Node, Path};
use super::expectation;
use super::recovery::{self, FAULTY};
use super::scan::{self, Chunk};
use super::{literal, mistakes};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits;
use crate::source::{FileId, Span};
use expected::expected;
use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};
use pest::iterators::Pair;
use std::borrow::Cow;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/lexical.pest"]
#[grammar = "../grammar/expression.pest"]
#[grammar = "../grammar/aggregate.pest"]
#[grammar = "../grammar/rule.pest"]
#[grammar = "../grammar/journey.pest"]
#[grammar = "../grammar/decision.pest"]
struct Grammar;

/// Reads one item, whose text this is. What is wrong in one of its clauses or statements hides nothing of the others: it is reported, taken
/// out, and the rest is read again. `None` when nothing could be read; the reasons are among the diagnostics.
pub fn item(file: FileId, text: &str, chunk: &Chunk, diagnostics: &mut Vec<Diagnostic>) -> Option<Item> {
    if let Some(at) = text.find(FAULTY) {
        diagnostics.push(control_character(file, at));
        return None;
    }
    let mut source = closed(file, text, chunk, diagnostics)?;
    for _ in 0..limits::FAULTY_CLAUSES {
        let error = match Grammar::parse(Rule::item, &source) {
            Ok(mut pairs) => {
                let mut builder =
                    Builder { file, limit: text.len(), depth_reported: false, statements: 0, diagnostics };
                return builder.item(pairs.next()?);
            }
            Err(error) => error,
        };
        let at = place(&error);
        diagnostics.push(unexpected(file, text, error));
        source = recovery::without_clause(&source, at)?.into();
    }
    None
}

/// The item with a partner for every bracket and quote: as it is, or without the clauses where one is missing.
fn closed<'t>(file: FileId, text: &'t str, chunk: &Chunk, diagnostics: &mut Vec<Diagnostic>) -> Option<Cow<'t, str>> {
    let mut source = Cow::Borrowed(text);
    let mut problems = chunk.problems.clone();
    for _ in 0..limits::FAULTY_CLAUSES {
        if problems.is_empty() {
            return Some(source);
        }
        source = recovery::without_problems(&source, &problems)?.into();
        // A quote without its partner hides what is behind it.
        let mut chunks = scan::split(&source).into_iter();
        let hidden = chunks.next().filter(|hidden| !hidden.broken && chunks.next().is_none())?;
        problems = hidden.problems;
        // Nor is a brace missing when the one that would be its partner is part of a text; and the author did not write those
        // that were put in at the end.
        let is_real = |problem: &&scan::Problem| {
            let range = problem.range();
            source.get(range.start..range.end) != Some("{") && range.start < text.len()
        };
        for problem in problems.iter().filter(is_real) {
            diagnostics.push(super::problem_diagnostic(file, &source, problem));
        }
    }
    None
}

fn place(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

fn unexpected(file: FileId, text: &str, error: Error<Rule>) -> Diagnostic {
    let at = place(&error);
    let expected = match error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.into_iter().filter_map(expected).collect(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    expectation::unexpected(file, text, at, expected)
}

fn control_character(file: FileId, at: usize) -> Diagnostic {
    let span = Span { file, start: at as u32, end: at as u32 + 1 };
    Diagnostic::error(codes::UNEXPECTED, "a control character", span, "it can't be seen").help("leave it out")
}

struct Builder<'a> {
    file: FileId,
    depth_reported: bool,
    /// Where the item ends.
    limit: usize,
    /// Of the journey at hand.
    statements: usize,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    /// The text of a string; what is wrong with it is reported, and it stands for an empty one.
    fn text(&mut self, pair: &Pair<'_, Rule>) -> String {
        let span = self.span(pair);
        if pair.as_rule() == Rule::wrong_string {
            self.diagnostics.push(mistakes::wrong_string(pair.as_str(), span));
            return pair.as_str().trim_matches('\'').to_owned();
        }
        match literal::string(pair.as_str()) {
            Ok(text) => text,
            Err(refusal) => {
                self.diagnostics.push(mistakes::refused(codes::WRONG_TEXT, refusal, span));
                String::new()
            }
        }
    }

    fn path(&self, pair: &Pair<'_, Rule>) -> Path {
        let names = pair.clone().into_inner().map(|part| self.name(&part)).collect();
        Node { value: names, span: self.span(pair) }
    }

    fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Node { value: pair.as_str().to_owned(), span: self.span(pair) }
    }

    /// INVARIANT: a file is far smaller than 4 GiB (`limits::RULE_FILE_BYTES`), so its offsets fit.
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        // Braces that are put in for missing ones stand behind the end.
        let place = |at: usize| at.min(self.limit) as u32;
        Span { file: self.file, start: place(pair.as_span().start()), end: place(end(pair)) }
    }

    /// The character before which something is missing: that behind a pair of no length.
    fn character(&self, pair: &Pair<'_, Rule>) -> Span {
        let start = pair.as_span().start();
        let length = pair.get_input().get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let place = |at: usize| at.min(self.limit) as u32;
        Span { file: self.file, start: place(start), end: place(start + length) }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// Where a pair ends: pest's spans of rules that end in optional parts may reach over the white space and the comments
/// behind them.
fn end(pair: &Pair<'_, Rule>) -> usize {
    let start = pair.as_span().start();
    let text = pair.as_str().trim_end();
    let Some(last) = pair.clone().into_inner().next_back() else { return start + text.len() };
    let inner = end(&last);
    let behind = text.get(inner - start..).unwrap_or_default();
    if behind.trim_start().starts_with('#') { inner } else { start + text.len() }
}

fn places<T>(nodes: &[Node<T>]) -> Vec<Span> {
    nodes.iter().map(|node| node.span).collect()
}
