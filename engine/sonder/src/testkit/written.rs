//! A scenario of what somebody did: their messages under other names, and what they lead to.
//!
//! INVARIANT: nothing that says who they are is in it. Identifiers become others, each the same everywhere; declared properties
//! and traits that are personal become stand-ins; what no schema declares is left out, as is all of the context that no rule reads.

use super::play::End;
use serde_json::{Map, Value as Json, json};
use sonder_core::effect::{Delivery, ItemKind};
use sonder_dsl::ir::Program;
use sonder_dsl::model::EventSchema;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Somebody's messages under other names: for each the moment when it was received, and what a scenario sends.
#[must_use]
pub fn pseudonymous(program: &Program, bundle: &Json) -> Vec<(String, Json)> {
    let mut names = Names { program, known: BTreeMap::new() };
    let list = |key: &str| bundle[key].as_array().map(Vec::as_slice).unwrap_or_default();
    for it in list("identifiers") {
        if let (Some(kind), Some(value)) = (it["kind"].as_str(), it["value"].as_str()) {
            names.of(kind, value);
        }
    }
    let mut messages: Vec<(String, Json)> = list("messages")
        .iter()
        .filter_map(|it| Some((it["received_at"].as_str()?.to_owned(), names.message(it)?)))
        .collect();
    messages.sort_by(|one, other| one.0.cmp(&other.0));
    messages
}

struct Names<'p> {
    program: &'p Program,
    /// By the value in lower case: what stands for it.
    known: BTreeMap<String, String>,
}

impl Names<'_> {
    /// What stands for an identifier.
    fn of(&mut self, kind: &str, value: &str) -> String {
        let key = value.trim().to_lowercase();
        let number = self.known.len() + 1;
        let name = self.known.entry(key).or_insert_with(|| match kind {
            "email" => format!("person{number}@example.com"),
            "phone" => format!("+3120{number:07}"),
            _ => format!("{}-{number}", kind.trim_end_matches("_id").replace('_', "-")),
        });
        name.clone()
    }

    /// A message as a scenario sends it; `None` for what is no message of theirs.
    fn message(&mut self, it: &Json) -> Option<Json> {
        let message = it["message"].as_object()?;
        let text = |key: &str| message.get(key).and_then(Json::as_str);
        let mut sent = Map::new();
        sent.insert("source".to_owned(), it["source"].clone());
        if !self.program.sources.iter().any(|source| Some(source.name.as_str()) == it["source"].as_str()) {
            sent.remove("source");
        }
        if it["at"] != it["received_at"] {
            sent.insert("occurred_at".to_owned(), it["at"].clone());
        }
        for (key, name, kind) in [
            ("userId", "user_id", "user_id"),
            ("anonymousId", "anonymous_id", "anonymous_id"),
            ("previousId", "previous_id", "user_id"),
        ] {
            if let Some(value) = text(key) {
                sent.insert(name.to_owned(), Json::from(self.of(kind, value)));
            }
        }
        match text("type") {
            Some(kind @ ("link" | "unlink" | "match")) => {
                let named = message.get("identifiers")?.as_array()?.iter().filter_map(|it| {
                    let (kind, value) = (it["kind"].as_str()?, it["value"].as_str()?);
                    Some(json!({ kind: self.of(kind, value) }))
                });
                sent.insert(kind.to_owned(), Json::Array(named.collect()));
                sent.extend(message.get("weight").map(|weight| ("weight".to_owned(), weight.clone())));
                return Some(Json::Object(sent));
            }
            Some("track") | None => {}
            Some(kind @ ("identify" | "page" | "screen" | "alias" | "group")) => {
                sent.insert("type".to_owned(), Json::from(kind));
            }
            // What only the API writes is no message of theirs.
            Some(_) => return None,
        }
        let schema = it["event"].as_str().and_then(|name| self.program.events.iter().find(|it| it.name == name));
        if let Some(event) = text("event") {
            sent.insert("event".to_owned(), Json::from(schema.map_or(event, |schema| &schema.name)));
        }
        let properties = message.get("properties").and_then(Json::as_object);
        if let (Some(schema), Some(properties)) = (schema, properties) {
            let kept = self.properties(schema, properties);
            sent.extend((!kept.is_empty()).then(|| ("properties".to_owned(), Json::Object(kept))));
        }
        let context = message.get("context").and_then(Json::as_object).cloned().unwrap_or_default();
        let direct = message.get("traits").and_then(Json::as_object).cloned().unwrap_or_default();
        let inside = context.get("traits").and_then(Json::as_object).cloned().unwrap_or_default();
        let traits = self.traits(&direct);
        sent.extend((!traits.is_empty()).then(|| ("traits".to_owned(), Json::Object(traits))));
        let mut kept = self.context(&context);
        let traits = self.traits(&inside);
        kept.extend((!traits.is_empty()).then(|| ("traits".to_owned(), Json::Object(traits))));
        sent.extend((!kept.is_empty()).then(|| ("context".to_owned(), Json::Object(kept))));
        Some(Json::Object(sent))
    }

    fn properties(&mut self, schema: &EventSchema, properties: &Map<String, Json>) -> Map<String, Json> {
        let declared = schema.properties.iter().filter_map(|it| {
            let value = properties.get(&it.name)?;
            let value = match (&it.identifier, it.pii) {
                (Some(kind), _) => {
                    value.as_str().map_or_else(|| value.clone(), |value| Json::from(self.of(kind, value)))
                }
                (None, Some(_)) => stand_in(&it.name, value),
                (None, None) => self.plain(value),
            };
            Some((it.name.clone(), value))
        });
        declared.collect()
    }

    /// Traits that the profile declares, and identifiers.
    fn traits(&mut self, traits: &Map<String, Json>) -> Map<String, Json> {
        let program = self.program;
        let kept = traits.iter().filter_map(|(name, value)| {
            let is_kind = program.identity.identifiers.iter().any(|kind| kind.name == *name);
            let declared =
                program.profile.iter().find(|it| it.from.paths().iter().any(|path| path.last() == Some(name)));
            let value = match (is_kind, value.as_str(), declared) {
                (true, Some(value), _) => Json::from(self.of(name, value)),
                (_, _, Some(it)) if it.pii.is_some() => stand_in(name, value),
                (_, _, Some(_)) => self.plain(value),
                _ => return None,
            };
            Some((name.clone(), value))
        });
        kept.collect()
    }

    /// What rules read of the context, the session, and what was said about consent.
    fn context(&self, context: &Map<String, Json>) -> Map<String, Json> {
        let mut kept = Map::new();
        for name in ["sessionId", "consent", "consentManagement"] {
            kept.extend(context.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        for slot in &self.program.context_slots {
            let pointer = format!("/{}", slot.path.join("/"));
            let whole = Json::Object(context.clone());
            let Some(value) = whole.pointer(&pointer).filter(|it| !it.is_object()) else { continue };
            put(&mut kept, &slot.path, self.plain(value));
        }
        kept
    }

    /// A value, but for what is in it that says who they are.
    fn plain(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => match self.known.get(&text.trim().to_lowercase()) {
                Some(name) => Json::from(name.clone()),
                None => value.clone(),
            },
            Json::Array(items) => items.iter().map(|it| self.plain(it)).collect(),
            Json::Object(inside) => {
                Json::Object(inside.iter().map(|(key, it)| (key.clone(), self.plain(it))).collect())
            }
            _ => value.clone(),
        }
    }
}

/// Puts a value at a path.
fn put(map: &mut Map<String, Json>, path: &[String], value: Json) {
    match path {
        [] => {}
        [last] => _ = map.insert(last.clone(), value),
        [first, rest @ ..] => {
            if let Json::Object(inside) = map.entry(first.clone()).or_insert_with(|| Json::Object(Map::new())) {
                put(inside, rest, value);
            }
        }
    }
}

/// Something of the same kind that is nobody's.
fn stand_in(name: &str, value: &Json) -> Json {
    match value {
        Json::String(text) if text.contains('@') => Json::from("somebody@example.com"),
        Json::String(_) => Json::from(format!("some {}", name.replace('_', " "))),
        Json::Number(_) => Json::from(1),
        Json::Bool(_) => Json::Bool(true),
        Json::Array(_) => Json::Array(Vec::new()),
        Json::Object(_) => Json::Object(Map::new()),
        Json::Null => Json::Null,
    }
}

/// The file, without what is expected at the end.
#[must_use]
pub fn steps(title: &str, messages: &[(String, Json)], end: &str) -> String {
    // JSON is YAML: what is in quotes needs no others.
    let mut text = format!("scenario: {}\nsteps:\n", Json::from(title));
    for (at, message) in messages {
        let _ = write!(text, "  - at: \"{at}\"\n    send: {message}\n");
    }
    let _ = writeln!(text, "  - at: \"{end}\"");
    text
}

/// What is expected at the end: all that it came to.
#[must_use]
pub fn expectation(program: &Program, end: &End) -> String {
    let mut expected = Map::new();
    if let Some(view) = &end.person {
        let segments: Vec<Json> = view.segments.iter().map(|it| Json::from(it.name.clone())).collect();
        expected.insert("segments".to_owned(), Json::Array(segments));
        let traits = view.computed.iter().filter(|it| is_open(program, &it.name));
        let traits: Map<String, Json> = traits.map(|it| (it.name.clone(), it.value.clone())).collect();
        expected.extend((!traits.is_empty()).then(|| ("traits".to_owned(), Json::Object(traits))));
        let mut journeys: Map<String, Json> = Map::new();
        for it in &view.journeys {
            let per = it.per.as_ref().map(|per| per.as_str().map_or_else(|| per.to_string(), str::to_owned));
            match per {
                None => _ = journeys.insert(it.name.clone(), Json::from(it.status)),
                Some(per) => {
                    let of_journey = journeys.entry(it.name.clone()).or_insert_with(|| Json::Object(Map::new()));
                    of_journey[per] = Json::from(it.status);
                }
            }
        }
        expected.extend((!journeys.is_empty()).then(|| ("journey".to_owned(), Json::Object(journeys))));
    }
    expected.insert("sent".to_owned(), end.told.iter().map(|it| sent(program, it)).collect());
    if !end.aside.is_empty() {
        let aside = end.aside.iter().filter_map(|it| it.reasons.first()).map(|it| Json::from(it.code.clone()));
        expected.insert("quarantined".to_owned(), aside.collect());
    }
    let mut text = "    expect:\n".to_owned();
    for (key, value) in expected {
        let _ = writeln!(text, "      {key}: {value}");
    }
    text
}

/// Whether a trait's value says nothing personal: it is none of a personal property or trait.
fn is_open(program: &Program, name: &str) -> bool {
    let Some((_, rule)) = program.rule_named(name) else { return false };
    let is_personal =
        |id: &sonder_dsl::ir::ProfileTraitId| program.profile.get(id.index()).is_some_and(|it| it.pii.is_some());
    let reads_text = matches!(
        &rule.kind,
        sonder_dsl::ir::RuleKind::Trait(sonder_dsl::ir::Type::String { one_of: None } | sonder_dsl::ir::Type::List(_))
    );
    !rule.profile_traits.iter().any(is_personal) && !reads_text
}

fn sent(program: &Program, it: &Delivery) -> Json {
    let destination = program.destinations.get(it.destination.index()).map_or("", |it| it.name.as_str());
    match it.kind {
        ItemKind::Message => json!({ format!("{destination}.{}", it.name): {} }),
        kind => json!({ format!("{destination}.{}", kind.name()): it.name }),
    }
}
