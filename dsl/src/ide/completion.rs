//! What may be typed at a place: names of the project, functions, and the words that fit there.

use super::facts::in_words;
use super::walk::{self, Slot, Walk};
use super::{Project, yaml};
use crate::ir::{EventId, RuleKind, Type};
use crate::project::FileKind;
use crate::reference::{self, Clause};
use crate::source::FileId;
use crate::syntax::ast::ItemKind;
use crate::syntax::scan::{self, Kind};
use crate::types::builtin::{self, ELSEWHERE};
use crate::types::context;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Something that may be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is shown.
    pub label: String,
    /// What kind of thing it is.
    pub kind: CompletionKind,
    /// Its type or signature.
    pub detail: String,
    /// What it means.
    pub documentation: String,
    /// What is inserted.
    pub insert: String,
}

/// What a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    /// A word of the language.
    Keyword,
    /// An event.
    Event,
    /// A property, or a field of the context.
    Property,
    /// A rule, or a trait of the profile.
    Rule,
    /// A function.
    Function,
    /// One of a few values.
    Value,
    /// A key of a YAML file.
    Key,
}

impl Completion {
    pub(super) const fn new(label: String, kind: CompletionKind, detail: String, documentation: String) -> Self {
        Self { insert: String::new(), label, kind, detail, documentation }
    }

    /// What is inserted.
    #[must_use]
    pub fn text(&self) -> &str {
        if self.insert.is_empty() { &self.label } else { &self.insert }
    }

    fn word(word: &str) -> Self {
        Self::new(word.to_owned(), CompletionKind::Keyword, String::new(), String::new())
    }
}

/// What may be typed at an offset.
#[must_use]
pub fn complete(project: &Project<'_>, file: FileId, offset: usize) -> Vec<Completion> {
    match project.kind(file) {
        FileKind::Rules => in_rules(project, file, offset),
        kind => yaml::complete(project, file, &kind, offset),
    }
}

fn in_rules(project: &Project<'_>, file: FileId, offset: usize) -> Vec<Completion> {
    let text = project.text(file);
    let offset = offset.min(text.len());
    match inside(text, offset) {
        Inside::Comment => return Vec::new(),
        Inside::Text(start) => return texts(project, file, start),
        Inside::Code => {}
    }
    let before = text.get(..offset).unwrap_or_default();
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let stem = before.trim_end_matches(is_word);
    let path_start = before.trim_end_matches(|character: char| is_word(character) || character == '.').len();
    let path: Vec<&str> = before.get(path_start..stem.len()).unwrap_or_default().split('.').collect();
    let begins_line = before.rsplit('\n').next().is_some_and(|line| line.trim().chars().all(is_word));
    let Some(walk) = walk::before(project, file, path_start) else { return items() };
    let mut found = match path.split_last() {
        Some((_, owners)) if !owners.is_empty() => members(project, &walk, owners),
        _ => of_slot(project, &walk),
    };
    if begins_line && path.len() < 2 && walk.is_finished() {
        found.extend(items());
    }
    let mut seen = BTreeSet::new();
    found.retain(|completion| seen.insert(completion.label.clone()));
    found
}

enum Inside {
    Code,
    Comment,
    Text(usize),
}

/// Whether an offset is inside a comment, or inside a text that begins at a byte.
fn inside(text: &str, offset: usize) -> Inside {
    let begin = text.get(..offset).map_or(0, |before| before.rfind('\n').map_or(0, |at| at + 1));
    let line = text.get(begin..).unwrap_or_default();
    let line = line.split('\n').next().unwrap_or_default();
    let mut end = 0;
    for token in scan::tokens(line) {
        let (from, to) = (begin + token.range.start, begin + token.range.end);
        if let Kind::Quoted { closed } = token.kind
            && from < offset
            && (offset < to || !closed && offset <= to)
        {
            return Inside::Text(from);
        }
        if to <= offset {
            end = to;
        }
    }
    let between = text.get(end.max(begin)..offset).unwrap_or_default();
    if between.contains('#') { Inside::Comment } else { Inside::Code }
}

/// The values of the thing that a text is compared with.
fn texts(project: &Project<'_>, file: FileId, start: usize) -> Vec<Completion> {
    let before = project.text(file).get(..start).unwrap_or_default().trim_end();
    if !(before.ends_with("==") || before.ends_with("!=")) {
        return Vec::new();
    }
    let Some(walk) = walk::before(project, file, start) else { return Vec::new() };
    let Some(Type::String { one_of: Some(choices) }) = walk.compared.and_then(|symbol| project.type_of(&symbol)) else {
        return Vec::new();
    };
    let value = |choice: &std::sync::Arc<str>| {
        Completion::new(choice.to_string(), CompletionKind::Value, String::new(), String::new())
    };
    choices.iter().map(value).collect()
}

fn items() -> Vec<Completion> {
    ItemKind::ALL.into_iter().map(|kind| Completion::word(kind.word())).collect()
}

fn words(words: &[&str]) -> Vec<Completion> {
    words.iter().map(|word| Completion::word(word)).collect()
}

/// What stands behind a dot.
fn members(project: &Project<'_>, walk: &Walk<'_>, owners: &[&str]) -> Vec<Completion> {
    let Some((first, rest)) = owners.split_first() else { return Vec::new() };
    let keys: Vec<String> = rest.iter().map(|key| (*key).to_owned()).collect();
    match *first {
        "context" => context_fields(&keys),
        "profile" if keys.is_empty() && !walk.is_filtering() => profile(project),
        name => {
            let alias = walk.aliases().into_iter().find(|(alias, _)| alias == name).map(|(_, event)| event);
            let event = match (alias, walk.slot()) {
                (Some(event), _) => event.map(|event| (event, keys)),
                (None, Slot::Event) => project.program.event_named(name).map(|event| (event, keys)),
                (None, Slot::Action) => return actions(project, name),
                (None, Slot::Operand(event) | Slot::Property(event)) => {
                    event.map(|event| (event, owners.iter().map(|key| (*key).to_owned()).collect()))
                }
                _ => None,
            };
            event.map(|(event, keys)| properties(project, event, &keys)).unwrap_or_default()
        }
    }
}

fn of_slot(project: &Project<'_>, walk: &Walk<'_>) -> Vec<Completion> {
    match walk.slot() {
        Slot::Own => Vec::new(),
        Slot::Head(ItemKind::Segment | ItemKind::Trait | ItemKind::Journey) => words(&["was"]),
        Slot::Head(_) => Vec::new(),
        Slot::Item => items(),
        Slot::Clause(kind) => clauses(kind),
        Slot::Event => {
            let mut found = events(project);
            found.extend(words(&["any", "no"]));
            found
        }
        Slot::Segment => rules(project, |kind| *kind == RuleKind::Segment),
        Slot::Purpose => purposes(project),
        Slot::Action => {
            let name = |destination: &crate::model::Destination| {
                Completion::new(
                    destination.name.clone(),
                    CompletionKind::Rule,
                    destination.plugin.clone(),
                    String::new(),
                )
            };
            project.program.destinations.iter().map(name).collect()
        }
        Slot::ProfileTrait => profile(project),
        Slot::Property(event) => event.map(|event| properties(project, event, &[])).unwrap_or_default(),
        Slot::Field(action) => action.map(|(name, action)| fields(project, &name, &action)).unwrap_or_default(),
        Slot::Operand(event) => operands(project, walk, event),
        Slot::Operator { in_call, step } => {
            let mut found = words(&["and", "or", "is known", "is unknown"]);
            if step {
                found.extend(words(&["where", "as", "within"]));
            }
            if in_call || step {
                found.extend(words(&["then", "last", "since", "per", "this session", "next", "for"]));
            }
            found.extend(words(&["then", "else"]));
            if let Some(kind) = walk.item().filter(|_| !in_call) {
                found.extend(clauses(kind));
            }
            found
        }
    }
}

/// What an item of a kind is made of.
fn clauses(kind: ItemKind) -> Vec<Completion> {
    let clause = |clause: &Clause| Completion {
        detail: clause.syntax.to_owned(),
        documentation: clause.meaning.to_owned(),
        ..Completion::word(clause.word)
    };
    let mut found: Vec<Completion> = reference::of_item(kind).clauses.iter().map(clause).collect();
    match kind {
        ItemKind::Journey => found.extend(words(&["up to", "else"])),
        ItemKind::Experience => found.extend(words(&["show"])),
        _ => {}
    }
    found
}

pub(super) fn events(project: &Project<'_>) -> Vec<Completion> {
    let one = |event: &crate::model::EventSchema| {
        let owner = event.owner.as_ref().map(|owner| format!("owner: {owner}")).unwrap_or_default();
        let meaning = event.description.clone().or_else(|| event.title.clone()).unwrap_or_default();
        Completion::new(event.name.clone(), CompletionKind::Event, owner, meaning)
    };
    project.program.events.iter().map(one).collect()
}

pub(super) fn properties(project: &Project<'_>, event: EventId, keys: &[String]) -> Vec<Completion> {
    let one = |(name, kind, meaning): (String, Option<Type>, Option<String>)| {
        let detail = kind.map_or_else(|| "an object or mixed values".to_owned(), |kind| in_words(&kind));
        Completion::new(name, CompletionKind::Property, detail, meaning.unwrap_or_default())
    };
    project.inside(event, keys).into_iter().map(one).collect()
}

/// The fields of the context one step below `keys`.
fn context_fields(keys: &[String]) -> Vec<Completion> {
    let prefix: String = keys.iter().map(|key| format!("{key}.")).collect();
    let mut seen = BTreeSet::new();
    let below = context::FIELDS.iter().filter_map(|field| Some((field.path.strip_prefix(&prefix)?, field)));
    below
        .filter_map(|(rest, field)| match rest.split_once('.') {
            Some((key, _)) => seen
                .insert(key)
                .then(|| Completion::new(key.to_owned(), CompletionKind::Property, "…".to_owned(), String::new())),
            None => {
                let detail = in_words(&field.kind.as_type());
                Some(Completion::new(rest.to_owned(), CompletionKind::Property, detail, field.meaning.to_owned()))
            }
        })
        .collect()
}

fn profile(project: &Project<'_>) -> Vec<Completion> {
    let one = |declared: &crate::model::ProfileTrait| {
        let meaning = declared.description.clone().unwrap_or_default();
        Completion::new(declared.name.clone(), CompletionKind::Rule, in_words(&declared.kind), meaning)
    };
    project.program.profile.iter().map(one).collect()
}

fn rules(project: &Project<'_>, wanted: impl Fn(&RuleKind) -> bool) -> Vec<Completion> {
    let one = |rule: &crate::ir::Rule| {
        let detail = match &rule.kind {
            RuleKind::Segment => "segment".to_owned(),
            RuleKind::Trait(kind) => in_words(kind),
        };
        Completion::new(rule.name.clone(), CompletionKind::Rule, detail, rule.description.clone().unwrap_or_default())
    };
    project.program.rules.iter().filter(|rule| wanted(&rule.kind)).map(one).collect()
}

fn functions() -> Vec<Completion> {
    let aggregates = builtin::ALL.iter().map(|function| (function.name, function.signature, function.meaning));
    aggregates
        .chain(ELSEWHERE.iter().map(|function| (function.name, function.signature, function.meaning)))
        .map(|(name, signature, meaning)| Completion {
            insert: format!("{name}("),
            ..Completion::new(name.to_owned(), CompletionKind::Function, signature.to_owned(), meaning.to_owned())
        })
        .collect()
}

fn operands(project: &Project<'_>, walk: &Walk<'_>, event: Option<EventId>) -> Vec<Completion> {
    let mut found: Vec<Completion> = Vec::new();
    for (alias, event) in walk.aliases() {
        let event = event.and_then(|event| project.event(event)).map(|event| event.name.clone()).unwrap_or_default();
        found.push(Completion::new(alias, CompletionKind::Property, event, String::new()));
    }
    if walk.is_filtering() {
        found.extend(event.map(|event| properties(project, event, &[])).unwrap_or_default());
        found.extend(words(&["context", "not", "if", "true", "false"]));
        return found;
    }
    found.extend(rules(project, |kind| *kind != RuleKind::Segment));
    found.extend(functions());
    found.extend(words(&["profile", "not", "if", "true", "false"]));
    found
}

/// What anything in the project declares to be for.
fn purposes(project: &Project<'_>) -> Vec<Completion> {
    let program = project.program;
    let declared = program.events.iter().flat_map(|event| &event.purposes);
    let named = declared
        .chain(program.profile.iter().flat_map(|declared| &declared.purposes))
        .chain(program.destinations.iter().flat_map(|destination| &destination.purposes))
        .chain(program.rules.iter().filter_map(|rule| rule.purpose.as_ref()));
    let names: BTreeSet<&String> = named.collect();
    names
        .into_iter()
        .map(|name| Completion::new(name.clone(), CompletionKind::Value, "purpose".to_owned(), String::new()))
        .collect()
}

fn action<'p>(project: &Project<'p>, destination: &str) -> Option<&'p crate::model::PluginDescription> {
    let destination = project.program.destinations.iter().find(|declared| declared.name == destination)?;
    project.plugins.described.get(&destination.plugin)
}

fn actions(project: &Project<'_>, destination: &str) -> Vec<Completion> {
    let described = action(project, destination).into_iter().flat_map(|plugin| plugin.actions.keys());
    described
        .map(|name| Completion::new(name.clone(), CompletionKind::Function, String::new(), String::new()))
        .collect()
}

/// What an action takes.
fn fields(project: &Project<'_>, destination: &str, name: &str) -> Vec<Completion> {
    let schema = action(project, destination).and_then(|plugin| plugin.actions.get(name));
    let declared = schema.and_then(|schema| schema.get("properties")?.as_object());
    let one = |(name, schema): (&String, &Json)| {
        let text = |key: &str| schema.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        Completion {
            insert: format!("{name}: "),
            ..Completion::new(name.clone(), CompletionKind::Key, text("type"), text("description"))
        }
    };
    declared.into_iter().flatten().map(one).collect()
}
