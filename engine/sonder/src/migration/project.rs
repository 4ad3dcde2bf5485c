//! A project while it is made: events, sources, rules, what they need of each other; and the compiler's word on it.

use super::segment::{Rule, resolve, trait_name};
use super::{Product, name_of};
use crate::proposal::Proposal;
use serde_json::{Map, Value as Json, json};
use sonder_dsl::diagnostic::{Diagnostic, Severity};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Where rules go.
const RULES: &str = "rules/segment.sonder";

/// What is to be known of something that was not taken over, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands in the exports: file, then what of it.
    pub place: String,
    /// What, and why: lower case, no full stop.
    pub message: String,
}

/// A project that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrated {
    /// Its files, by path.
    pub files: BTreeMap<String, String>,
    /// What is not in it as it was, in the order of the exports.
    pub notes: Vec<Note>,
}

/// The type that a value is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Number,
    Bool,
    Time,
    Text,
}

impl Kind {
    fn schema(self) -> Json {
        match self {
            Self::Number => json!({"type": "number"}),
            Self::Bool => json!({"type": "boolean"}),
            Self::Time => json!({"type": "string", "format": "date-time"}),
            Self::Text => json!({"type": "string"}),
        }
    }

    /// The kind of what a schema allows; `None` where rules know no type for it.
    fn of(schema: &Json) -> Option<Self> {
        let named = match &schema["type"] {
            Json::String(name) => Some(name.as_str()),
            Json::Array(names) => names.iter().filter_map(Json::as_str).find(|name| *name != "null"),
            _ => schema["enum"].as_array().map(|_| "string"),
        };
        match named? {
            "number" | "integer" => Some(Self::Number),
            "boolean" => Some(Self::Bool),
            "string" if schema["format"] == "date-time" => Some(Self::Time),
            "string" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Uses of values, by name: what nobody declares gets the type that it is used as.
pub(super) type Uses = BTreeMap<String, BTreeSet<Kind>>;

/// A source, as it would stand in `sources/`.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub name: String,
    pub kind: &'static str,
    /// A key that anybody may see, or the variable that holds it.
    pub key: Option<Key>,
    pub enabled: bool,
    /// Lines above it.
    pub comments: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Key {
    Public(String),
    Secret(String),
}

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub events: Vec<Proposal>,
    pub sources: Vec<Source>,
    pub rules: Vec<Rule>,
    pub notes: Vec<Note>,
}

impl Draft {
    pub fn note(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.notes.push(Note { place: place.into(), message: message.into() });
    }

    /// Events of a tracking plan; one that is there already gets what is new.
    pub fn add_events(&mut self, place: &str, found: Vec<Proposal>) {
        for event in found {
            let name = event.name();
            for note in &event.notes {
                self.note(format!("{place}, event `{}`", event.sent_as), note.clone());
            }
            if self.events.iter().any(|known| known.name() == name) {
                self.note(format!("{place}, event `{}`", event.sent_as), "is there twice: the first one is taken");
            } else if name_of(&name) == name {
                self.events.push(event);
            } else {
                self.note(
                    format!("{place}, event `{}`", event.sent_as),
                    "has a name that events can't have here: letters a to z, digits and `_`",
                );
            }
        }
    }

    /// All files: rules that the compiler refuses are comments, with its reason.
    pub fn finish(mut self, product: Product, name: &str, existing: Vec<SourceFile>) -> Migrated {
        resolve(&mut self.rules);
        let mut files = BTreeMap::new();
        let mut add = |path: &str, text: String| {
            if !existing.iter().any(|file| file.path == path) {
                files.insert(path.to_owned(), text);
            }
        };
        add("sonder.yaml", settings(product, name));
        add("identity.yaml", IDENTITY.to_owned());
        for source in &self.sources {
            add(&format!("sources/{}.yaml", source.name), source.yaml());
        }
        self.declare_what_rules_use(&existing);
        for event in &self.events {
            add(&format!("events/{}.yaml", event.name()), event.yaml());
        }
        let profile = self.profile();
        if let Some(profile) = profile {
            add("profile.yaml", profile);
        }
        self.compile(files, &existing)
    }

    /// What no tracking plan declares, and rules ask for all the same.
    fn declare_what_rules_use(&mut self, existing: &[SourceFile]) {
        let mut asked: BTreeMap<String, (String, Uses)> = BTreeMap::new();
        for rule in &self.rules {
            for (sent_as, uses) in &rule.needs.events {
                let name = sonder_dsl::model::fold_event_name(sent_as);
                let entry = asked.entry(name).or_insert_with(|| (sent_as.clone(), Uses::new()));
                for (property, kinds) in uses {
                    entry.1.entry(property.clone()).or_default().extend(kinds);
                }
            }
        }
        for (name, (sent_as, uses)) in asked {
            let is_there = existing.iter().any(|file| file.path == format!("events/{name}.yaml"));
            if is_there || name_of(&name) != name {
                continue;
            }
            let is_planned = self.events.iter().any(|event| event.name() == name);
            if !is_planned {
                let note = "no tracking plan has it, and rules ask for it".to_owned();
                self.events.push(Proposal { sent_as, notes: vec![note], ..Proposal::default() });
            }
            let Some(event) = self.events.iter_mut().find(|event| event.name() == name) else { continue };
            for (path, kinds) in uses {
                if declare(&mut event.properties, &path, &kinds) && is_planned {
                    event.notes.push(format!("`{path}` is not in the tracking plan, and rules ask for it"));
                }
            }
        }
        for event in &mut self.events {
            event.notes.dedup();
        }
    }

    fn profile(&self) -> Option<String> {
        let mut uses = Uses::new();
        for rule in &self.rules {
            for (name, kinds) in &rule.needs.profile {
                uses.entry(name.clone()).or_default().extend(kinds);
            }
        }
        let mut properties = Map::new();
        for (path, kinds) in &uses {
            // What is inside a trait is a trait of its own here.
            properties.insert(trait_name(path), trait_schema(path, kinds));
        }
        if properties.is_empty() {
            return None;
        }
        let mut out = "# What rules ask of people, with the type that they use it as. Mark what is personal: `pii: contact`.\ntraits:\n".to_owned();
        for (name, schema) in &properties {
            // Writing into a text cannot fail.
            let _ = writeln!(out, "  {name}: {}", crate::proposal::flow(schema));
        }
        Some(out)
    }

    /// Whether text or a number is meant is known once all uses are.
    fn kind_of(&self, event: &str, path: &str) -> Option<Kind> {
        let event = self.events.iter().find(|it| it.name() == event)?;
        let mut schema: &Json = &Json::Null;
        let mut properties = Some(&event.properties);
        for part in path.split('.') {
            schema = properties?.get(part)?;
            properties = schema["properties"].as_object();
        }
        Kind::of(schema)
    }

    fn kind_of_trait(&self, path: &str) -> Option<Kind> {
        let kinds: BTreeSet<Kind> =
            self.rules.iter().filter_map(|rule| rule.needs.profile.get(path)).flatten().copied().collect();
        kinds.first().copied()
    }

    fn compile(mut self, mut files: BTreeMap<String, String>, existing: &[SourceFile]) -> Migrated {
        let mut texts: Vec<Result<String, String>> = self
            .rules
            .iter()
            .map(|rule| rule.text(&|event, path| self.kind_of(event, path), &|path| self.kind_of_trait(path)))
            .collect();
        // Each round takes one reason away at least: a rule, or what an event's file can't say.
        for _ in 0..=2 * (self.rules.len() + self.events.len()) {
            if !self.rules.is_empty() {
                files.insert(RULES.to_owned(), rules_file(&self.rules, &texts).0);
            }
            let all = existing
                .iter()
                .cloned()
                .chain(files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() }));
            let compilation = sonder_dsl::compile(SourceSet::new(all.collect()));
            let errors = compilation.diagnostics.iter().filter(|it| it.severity == Severity::Error);
            let mut changed = false;
            for error in errors {
                changed |= self.give_way(error, &compilation.sources, &mut texts, &mut files);
            }
            if !changed {
                break;
            }
        }
        if !self.rules.is_empty() {
            files.insert(RULES.to_owned(), rules_file(&self.rules, &texts).0);
        }
        for (rule, text) in self.rules.iter().zip(&texts) {
            if let Err(reason) = text {
                let message = format!("is a comment in `{RULES}`: {reason}");
                self.notes.push(Note { place: rule.place.clone(), message });
            }
            for remark in &rule.remarks {
                self.notes.push(Note { place: rule.place.clone(), message: remark.clone() });
            }
        }
        Migrated { files, notes: self.notes }
    }

    /// Takes back what an error is about; whether that was something.
    fn give_way(
        &mut self,
        error: &Diagnostic,
        sources: &SourceSet,
        texts: &mut [Result<String, String>],
        files: &mut BTreeMap<String, String>,
    ) -> bool {
        let Some(label) = error.labels.first() else { return false };
        let path = sources.path(label.span.file).to_owned();
        let line = sources.position(label.span.file, label.span.start).line;
        if path == RULES {
            let places = rules_file(&self.rules, texts).1;
            let found = places.iter().position(|lines| lines.contains(&line));
            let Some(text) = found.and_then(|index| texts.get_mut(index)).filter(|text| text.is_ok()) else {
                return false;
            };
            *text = Err(error.message.clone());
            return true;
        }
        let event = self.events.iter_mut().find(|event| format!("events/{}.yaml", event.name()) == path);
        let Some(event) = event.filter(|_| files.contains_key(&path)) else { return false };
        if event.properties.is_empty() {
            return false;
        }
        let note = format!("its properties have types only: {}", error.message);
        let plain = plain(&event.properties);
        // Where types alone are too much, nothing is said of the properties.
        event.properties = if plain == event.properties { Map::new() } else { plain };
        event.required.retain(|name| event.properties.contains_key(name));
        event.notes.push(note.clone());
        files.insert(path, event.yaml());
        let place = format!("event `{}`", event.sent_as);
        self.note(place, note);
        true
    }
}

/// Declares a property at a path, where nothing is said of it yet; whether that was so.
fn declare(properties: &mut Map<String, Json>, path: &str, kinds: &BTreeSet<Kind>) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if rest.is_empty() {
        if properties.contains_key(first) {
            return false;
        }
        properties.insert(first.to_owned(), kinds.first().copied().unwrap_or(Kind::Text).schema());
        return true;
    }
    let inner = properties.entry(first).or_insert_with(|| json!({"type": "object", "properties": {}}));
    let Some(inner) = inner.as_object_mut() else { return false };
    let below = inner.entry("properties").or_insert_with(|| json!({}));
    below.as_object_mut().is_some_and(|below| declare(below, rest, kinds))
}

fn trait_schema(path: &str, kinds: &BTreeSet<Kind>) -> Json {
    let mut schema = kinds.first().copied().unwrap_or(Kind::Text).schema();
    if trait_name(path) != path {
        schema["from"] = json!([format!("traits.{path}")]);
    }
    schema
}

/// Types and descriptions alone.
fn plain(properties: &Map<String, Json>) -> Map<String, Json> {
    let of_schema = |schema: &Json| {
        let mut kept = Map::new();
        for (key, value) in schema.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("type" | "description", value) => _ = kept.insert(key.clone(), value.clone()),
                ("properties", Json::Object(inner)) => _ = kept.insert(key.clone(), Json::Object(plain(inner))),
                ("items", items) => {
                    _ = kept.insert(key.clone(), json!({"type": items["type"].as_str().unwrap_or("object")}))
                }
                _ => {}
            }
        }
        Json::Object(kept)
    };
    properties.iter().map(|(name, schema)| (name.clone(), of_schema(schema))).collect()
}

/// All rules as a file, and the lines (from 1) of each.
fn rules_file(rules: &[Rule], texts: &[Result<String, String>]) -> (String, Vec<std::ops::Range<u32>>) {
    let mut out =
        "# Made of audiences and computed traits. What could not be expressed is a comment, with the reason.\n"
            .to_owned();
    let mut places = Vec::new();
    for (rule, text) in rules.iter().zip(texts) {
        out.push('\n');
        let begin = out.lines().count() as u32 + 1;
        let commented = |out: &mut String, text: &str| {
            for line in text.lines() {
                // Writing into a text cannot fail.
                let _ = writeln!(out, "# {}", line.replace('\r', " "));
            }
        };
        match text {
            Ok(text) => {
                commented(&mut out, &rule.heading());
                out.push_str(text);
                out.push('\n');
            }
            Err(reason) => {
                commented(&mut out, &rule.heading());
                commented(&mut out, &format!("not taken over: {reason}"));
                commented(&mut out, &rule.query);
            }
        }
        places.push(begin..out.lines().count() as u32 + 1);
    }
    (out, places)
}

fn settings(product: Product, name: &str) -> String {
    let from = match product {
        Product::Segment => "segment",
        Product::Rudderstack => "rudderstack",
    };
    format!(
        "# Made by `sonder migrate {from}`.\nname: {}\n\
         # Events and traits that no file declares are stored, and unusable in rules until one does. `quarantine` keeps such events\n\
         # aside instead, `leave_out` such traits out.\n\
         undeclared_events: accept\nundeclared_traits: accept\n",
        name_of(name)
    )
}

const IDENTITY: &str = "\
# How messages become people; the order is the priority.
identifiers:
  user_id:      {unique: true}       # two accounts are never one person
  email:        {normalize: [trim, lowercase], limit: 5}
  anonymous_id: {}
";

impl Source {
    fn yaml(&self) -> String {
        let mut out: String =
            self.comments.iter().map(|line| format!("# {}\n", line.replace(['\n', '\r'], " "))).collect();
        // Writing into a text cannot fail.
        let _ = write!(out, "source: {}\nkind: {}\n", self.name, self.kind);
        match &self.key {
            Some(Key::Public(key)) => _ = writeln!(out, "write_keys: [{}]", Json::from(key.as_str())),
            Some(Key::Secret(variable)) => _ = writeln!(out, "write_keys: [{{env: {variable}}}]"),
            None => {}
        }
        if !self.enabled {
            out.push_str("enabled: false\n");
        }
        out
    }
}
