//! Giving something another name, everywhere at once.
//!
//! INVARIANT: a project that compiles still does, or nothing is renamed: the edits are tried out first.
//!
//! What clients send does not change by itself, so a renamed event keeps its old name as an alias. Properties have none: those
//! that clients already send should be renamed with care, which is for the author to know. What is known of people under the
//! name of a segment, a trait or a journey goes on, because the new name says what it `was`.

use super::references::of_symbol;
use super::{Project, Symbol};
use crate::diagnostic::{Report, Severity};
use crate::ir::EventId;
use crate::scenario;
use crate::source::{FileId, SourceFile, SourceSet, Span};
use crate::syntax::ast::ItemKind;
use crate::syntax::scan::{self, Kind, Token};
use crate::yaml;
use std::collections::BTreeMap;

/// A text in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub text: String,
}

/// The name under the cursor, if it is one that the author chose.
#[must_use]
pub fn renamable(project: &Project<'_>, file: FileId, offset: usize) -> Option<(Span, String)> {
    let found = project.symbol_at(file, offset)?;
    let chosen = matches!(
        found.symbol,
        Symbol::Rule(_) | Symbol::Event(_) | Symbol::Property(..) | Symbol::Profile(_) | Symbol::Alias(..)
    );
    let (start, end) = (found.span.start as usize, found.span.end as usize);
    let written = project.text(file).get(start..end)?;
    (chosen && project.place(&found.symbol, file).is_some()).then(|| (found.span, written.to_owned()))
}

/// The edits that rename what is under the cursor.
///
/// # Errors
/// Why it can't be done, in words for the author.
pub fn rename(project: &Project<'_>, file: FileId, offset: usize, name: &str) -> Result<Vec<Edit>, String> {
    let (_, written) =
        renamable(project, file, offset).ok_or_else(|| "nothing here has a name that can be changed".to_owned())?;
    let is_name = name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_alphanumeric() || character == '_');
    if !is_name {
        return Err(format!("`{name}` is no name: write letters, digits and `_`"));
    }
    let found = project.symbol_at(file, offset).ok_or("nothing is named here")?;
    if let Symbol::Rule(_) = found.symbol
        && project.declared_rules().iter().any(|other| other.symbol == Symbol::Rule(name.to_owned()))
    {
        return Err(format!("there is a rule `{name}` already"));
    }
    let places = of_symbol(project, file, &found.symbol);
    // A property written under another name of its event, or an event by one of its aliases, is not this name.
    let is_it = |place: &Span| {
        project.text(place.file).get(place.start as usize..place.end as usize).map(unquoted) == Some(unquoted(&written))
    };
    let mut edits: Vec<Edit> = places
        .into_iter()
        .filter(is_it)
        .map(|span| Edit { span: inner(project, span), text: name.to_owned() })
        .collect();
    match found.symbol {
        Symbol::Event(event) => edits.extend(alias(project, event)),
        Symbol::Rule(_) => edits.extend(was(project, &found.symbol, &written, name)),
        _ => {}
    }
    edits.sort_by_key(|edit| edit.span);
    tried(project, &edits)?;
    Ok(edits)
}

/// The edit that keeps an event's name as an alias, before its other aliases or in a line of its own.
fn alias(project: &Project<'_>, event: EventId) -> Option<Edit> {
    let name = project.event(event)?.name.as_str();
    let place = project.place(&Symbol::Event(event), FileId(0))?;
    let text = project.text(place.file);
    let root = yaml::read(place.file, text, &mut Report::default())?;
    let at = |start: usize, text: String| Edit { span: super::span(place.file, start, start), text };
    if let Some(first) = root.get("aliases").and_then(|aliases| aliases.items().first()) {
        let start = first.span.start as usize;
        let line = text.get(..start)?.rsplit('\n').next()?;
        // In brackets the next follows behind a comma, otherwise in a line of its own.
        let is_line = line.trim() == "-";
        return Some(at(start, if is_line { format!("{name}\n{line}") } else { format!("{name}, ") }));
    }
    let key = root.entry("event").filter(|_| root.get("aliases").is_none())?.key_span.start as usize;
    let end = key + text.get(key..)?.find('\n').unwrap_or(text.len() - key);
    // A file in braces has no lines of its own.
    let is_line = key == 0 || text.get(..key)?.ends_with('\n');
    is_line.then(|| at(end, format!("\naliases: [{name}]")))
}

/// The edit that says what a segment, a trait or a journey was called, before what else it was; a name that it takes again goes.
fn was(project: &Project<'_>, rule: &Symbol, old: &str, new: &str) -> Option<Edit> {
    let place = project.place(rule, FileId(0))?;
    let text = project.text(place.file);
    let tokens = scan::tokens(text);
    let word = |token: &Token| text.get(token.range.start..token.range.end).unwrap_or_default();
    let name = tokens.iter().position(|token| token.range.start == place.start as usize)?;
    let kind = ItemKind::of_word(word(tokens.get(name.checked_sub(1)?)?))?;
    if !matches!(kind, ItemKind::Segment | ItemKind::Trait | ItemKind::Journey) {
        return None;
    }
    let begin = tokens.get(name)?.range.end;
    let behind = tokens.get(name + 1..).unwrap_or_default();
    let (mut names, mut end) = (vec![old], begin);
    if behind.first().is_some_and(|token| word(token) == "was") {
        let list = behind.iter().take_while(|token| matches!(token.kind, Kind::Word | Kind::Comma));
        end = list.clone().last().map_or(begin, |last| last.range.end);
        names.extend(list.filter(|token| token.kind == Kind::Word).skip(1).map(word));
    }
    names.retain(|name| *name != new);
    let text = if names.is_empty() { String::new() } else { format!(" was {}", names.join(", ")) };
    Some(Edit { span: super::span(place.file, begin, end), text })
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(|quote| quote == '"' || quote == '\'')
}

/// Without the quotes that YAML may have around a name.
fn inner(project: &Project<'_>, span: Span) -> Span {
    let text = project.text(span.file).get(span.start as usize..span.end as usize).unwrap_or_default();
    if text.len() >= 2 && unquoted(text).len() + 2 == text.len() {
        Span { start: span.start + 1, end: span.end - 1, ..span }
    } else {
        span
    }
}

fn tried(project: &Project<'_>, edits: &[Edit]) -> Result<(), String> {
    let errors = |sources: SourceSet| {
        let compilation = crate::compile_with(sources, project.plugins.clone());
        let of_scenarios = compilation.program.map(|program| scenario::read(&compilation.sources, &program).1);
        let found = compilation.diagnostics.into_iter().chain(of_scenarios.unwrap_or_default());
        let errors = found.filter(|found| found.severity == Severity::Error);
        errors.map(|found| found.message).collect::<Vec<String>>()
    };
    let before = errors(project.sources.clone());
    if let Some(first) = before.first() {
        return Err(format!("the project has errors, so nobody knows what all names mean: {first}"));
    }
    let after = errors(applied(project.sources, edits));
    match after.first() {
        Some(first) => Err(format!("the project would not compile any more: {first}")),
        None => Ok(()),
    }
}

/// The files with edits made.
#[must_use]
pub(super) fn applied(sources: &SourceSet, edits: &[Edit]) -> SourceSet {
    let mut by_file: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    edits.iter().for_each(|edit| by_file.entry(edit.span.file).or_default().push(edit));
    let edited = sources.iter().map(|(id, file)| {
        let mut text = file.text.clone();
        let mut of_file = by_file.remove(&id).unwrap_or_default();
        of_file.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        for edit in of_file {
            text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        }
        SourceFile { path: file.path.clone(), text }
    });
    SourceSet::new(edited.collect())
}
