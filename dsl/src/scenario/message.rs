//! What a step sends: flat in the file, a Segment-shaped message for the engine.

use super::clock::Clock;
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::{Program, SourceId};
use crate::source::Span;
use crate::time::Moment;
use crate::yaml::{Entry, Node};
use serde_json::{Map, Value as Json, json};

/// A message that arrives.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Without `receivedAt`, `messageId` and `timestamp`, unless the file gives an id.
    pub json: Map<String, Json>,
    /// When it happened.
    pub occurred_at: Moment,
    /// Which source it came by; `None` for the first that is a server.
    pub source: Option<SourceId>,
    /// Where it is written.
    pub place: Span,
}

/// Keys of the message itself, and what Segment calls them.
const OWN: &[(&str, &str)] = &[
    ("type", "type"),
    ("event", "event"),
    ("name", "name"),
    ("anonymous_id", "anonymousId"),
    ("user_id", "userId"),
    ("previous_id", "previousId"),
    ("group_id", "groupId"),
    ("message_id", "messageId"),
    ("integrations", "integrations"),
];

/// Keys whose values are maps of their own.
const MAPS: &[&str] = &["traits", "context", "properties"];
const CONTEXT: usize = 1;

pub fn decode(node: &Node, clock: &Clock, program: &Program, report: &mut Report) -> Option<Sent> {
    if node.entries().is_empty() {
        let message = format!("what is sent is {}, not a message", node.kind());
        report.push(
            Diagnostic::error(codes::WRONG_TYPE, message, node.span, "expected a map")
                .help("write `{anonymous_id: a1, event: product_viewed}`"),
        );
        return None;
    }
    let mut json = Map::new();
    let mut maps: [Map<String, Json>; 3] = Default::default();
    let mut rest: Vec<&Entry> = Vec::new();
    let (mut occurred_at, mut source) = (clock.now(), None);
    for entry in node.entries() {
        let value = || entry.value.to_json();
        if let Some((_, name)) = OWN.iter().find(|(key, _)| *key == entry.key) {
            json.insert((*name).to_owned(), value());
        } else if let Some(place) = MAPS.iter().position(|key| *key == entry.key) {
            match value() {
                Json::Object(inside) => maps[place].extend(inside),
                other => {
                    json.insert(entry.key.clone(), other);
                }
            }
        } else if let "link" | "unlink" | "match" = entry.key.as_str() {
            json.insert("type".to_owned(), Json::from(entry.key.as_str()));
            json.insert("identifiers".to_owned(), identifiers(&entry.value));
        } else if entry.key == "weight" && node.get("match").is_some() {
            json.insert("weight".to_owned(), value());
        } else if entry.key == "consent" && node.get("event").is_none() && !entry.value.entries().is_empty() {
            json.insert("type".to_owned(), Json::from("track"));
            json.insert("event".to_owned(), Json::from("Consent Updated"));
            maps[CONTEXT].insert("consent".to_owned(), json!({"purposes": value()}));
        } else if entry.key == "occurred_at" {
            occurred_at = moment(entry, clock, report).unwrap_or(occurred_at);
        } else if entry.key == "source" {
            source = source_named(entry, program, report);
        } else {
            rest.push(entry);
        }
    }
    let [mut traits, mut context, mut properties] = maps;
    let event = json.get("event").and_then(Json::as_str).and_then(|name| program.event_named(name));
    let is_event =
        json.contains_key("event") || matches!(json.get("type").and_then(Json::as_str), Some("page" | "screen"));
    for entry in rest {
        let declares = |name: &str| {
            let schema = event.and_then(|event| program.events.get(event.index()));
            schema.is_some_and(|schema| {
                schema.properties.iter().any(|property| property.name == name && property.derivation.is_none())
            })
        };
        let is_identifier =
            program.identity.identifiers.iter().any(|kind| kind.name == entry.key && kind.from.is_none());
        let value = entry.value.to_json();
        if !is_event {
            traits.insert(entry.key.clone(), value);
        } else if is_identifier && !declares(&entry.key) {
            let inside = context.entry("traits").or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inside) = inside {
                inside.insert(entry.key.clone(), value);
            }
        } else {
            properties.insert(entry.key.clone(), value);
        }
    }
    if !is_event && !json.contains_key("type") {
        json.insert("type".to_owned(), Json::from("identify"));
    }
    for (name, map) in [("traits", traits), ("context", context), ("properties", properties)] {
        if !map.is_empty() {
            json.insert(name.to_owned(), Json::Object(map));
        }
    }
    Some(Sent { json, occurred_at, source, place: node.span })
}

/// `[{user_id: a}, {email: a@b.c}]`: whom a decision about who is who joins, or parts.
fn identifiers(list: &Node) -> Json {
    let named = list.items().iter().flat_map(Node::entries);
    named.map(|it| json!({"kind": it.key, "value": it.value.to_json()})).collect()
}

fn moment(entry: &Entry, clock: &Clock, report: &mut Report) -> Option<Moment> {
    let found = entry.value.text().and_then(|text| clock.read(text));
    if found.is_none() {
        report.push(
            Diagnostic::error(codes::BAD_VALUE, "`occurred_at` is no moment", entry.value.span, "expected a moment")
                .help("write `08:15`, `-45m` before it arrives, or `2026-03-01T08:15:00Z`"),
        );
    }
    found
}

fn source_named(entry: &Entry, program: &Program, report: &mut Report) -> Option<SourceId> {
    let name = entry.value.text().unwrap_or_default();
    let place = program.sources.iter().position(|source| source.name == name);
    if place.is_none() {
        let message = format!("there is no source `{name}`");
        let mut error = Diagnostic::error(codes::UNKNOWN_SOURCE, message, entry.value.span, "not declared");
        if let Some(help) = suggest::help(name, program.sources.iter().map(|source| source.name.as_str())) {
            error = error.help(help);
        }
        report.push(error);
    }
    Some(SourceId(u32::try_from(place?).ok()?))
}
