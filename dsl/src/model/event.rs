//! `events/*.yaml`: event schemas.

use super::derive::{Derivation, DerivedBy};
use super::{Purposes, schema};
use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::Type;
use crate::shape::{Fields, Filled, Format, Key, Shape, Word};
use crate::source::Span;
use crate::time::Duration;
use crate::yaml::{Entry, Node};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// One event type.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSchema {
    /// `product_viewed`: lower-case snake case, unique.
    pub name: String,
    /// For people: `Product Viewed`.
    pub title: Option<String>,
    /// What it means and when it is sent.
    pub description: Option<String>,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// SchemaVer: MODEL-REVISION-ADDITION.
    pub version: String,
    /// Other names that it is sent under, as written.
    pub aliases: Vec<String>,
    /// For which purposes its data may be used. What rules are checked against, and where nothing is said, stands in
    /// [`Places::event_purposes`](super::Places::event_purposes).
    pub purposes: Vec<String>,
    /// Its top-level properties, in the order of the file.
    pub properties: Vec<Property>,
    /// Names of the properties that must be there.
    pub required: Vec<String>,
    /// The JSON Schema (2020-12) of the whole `properties` object, made of `properties` and `required`.
    pub json_schema: serde_json::Value,
    /// What happens to an event that violates the schema.
    pub on_violation: OnViolation,
    /// The properties that rules read, in the order of their slots.
    pub slots: Vec<SlotPath>,
    /// How long events of this type are kept, where it differs from the project's. Checked and kept; used from
    /// retention on.
    pub retention: Option<Duration>,
}

/// One property of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its key.
    pub name: String,
    /// Its type, where it is one that rules and typed columns know; `None` for objects and mixed types, which are kept
    /// as JSON.
    pub kind: Option<Type>,
    /// The columns and rules treat it as personal data.
    pub pii: Option<PiiClass>,
    /// The kind of identifier that its value is.
    pub identifier: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// For people: `Product id`.
    pub title: Option<String>,
    /// Values that it may have, to show.
    pub examples: Vec<serde_json::Value>,
    /// How it is made of another, where it is not sent.
    pub derivation: Option<Derivation>,
}

/// `pii:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PiiClass {
    /// E-mail, phone, postal address.
    Contact,
    /// Name, date of birth.
    Personal,
    /// Health, religion, and what else the law protects more.
    Sensitive,
    /// Device ids, IP addresses, cookies.
    Technical,
}

/// `on_violation:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnViolation {
    /// The event is kept aside with the reasons. The default.
    Quarantine,
    /// The properties that violate are dropped, the rest goes on; an event that lacks a required one is quarantined.
    Strip,
    /// The event goes on, labelled.
    Label,
}

/// A property that a rule reads.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotPath {
    /// Keys from the top of `properties`.
    pub path: Vec<String>,
    /// What the value is read as; a value of another type is unknown.
    pub kind: Type,
}

/// A context field that a rule reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextField {
    /// Keys from the top of `context`.
    pub path: Vec<String>,
    /// What the value is read as; a value of another type is unknown.
    pub kind: Type,
}

/// What becomes of properties that a schema does not declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They are left out of what is stored: nothing is said of them.
    LeftOut,
    /// They are stored: `additionalProperties: true`.
    Stored,
    /// They violate the schema: `additionalProperties: false`.
    Violate,
}

impl EventSchema {
    /// What becomes of properties that it does not declare.
    #[must_use]
    pub fn others(&self) -> Others {
        match self.json_schema.get("additionalProperties") {
            None => Others::LeftOut,
            Some(serde_json::Value::Bool(false)) => Others::Violate,
            Some(_) => Others::Stored,
        }
    }
}

impl ContextField {
    /// Whether this is where clients say which of their sessions an event is of.
    #[must_use]
    pub fn is_client_session_id(&self) -> bool {
        let mut paths = crate::types::context::CLIENT_SESSION_IDS.iter();
        paths.any(|path| path.split('.').eq(self.path.iter().map(String::as_str)))
    }
}

/// The one spelling of an event name: `Product Viewed`, `productViewed`, `product-viewed` fold to `product_viewed`.
#[must_use]
pub fn fold_event_name(name: &str) -> String {
    let mut folded = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    let mut characters = name.trim().chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() {
            let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
            let starts_word = character.is_uppercase()
                && (previous.is_lowercase() || previous.is_numeric() || (previous.is_uppercase() && next_is_lower));
            if starts_word && !folded.is_empty() && !folded.ends_with('_') {
                folded.push('_');
            }
            folded.extend(character.to_lowercase());
        } else if !folded.is_empty() && !folded.ends_with('_') {
            folded.push('_');
        }
        previous = character;
    }
    while folded.ends_with('_') {
        folded.pop();
    }
    folded
}

/// What a file in `events/` may hold.
pub const KEYS: &[Key] = &[
    Key::required("event", Shape::NAME, "its name: what happened, in lower-case snake case"),
    Key::optional("title", Shape::TEXT, "for people"),
    Key::optional("description", Shape::TEXT, "what it means and when it is sent"),
    Key::optional("owner", Shape::TEXT, "the team that answers for it"),
    Key::optional("version", Shape::Text(Format::Version), "MODEL-REVISION-ADDITION; default 1-0-0"),
    Key::optional(
        "aliases",
        Shape::List(&Shape::TEXT, Filled::MayBeEmpty),
        "other names that it is sent under; other spellings of its own name are known by themselves",
    ),
    Key::optional("purposes", Shape::NAMES, "for which purposes its data may be used; default any"),
    Key::optional("retention", Shape::DURATION, "how long events of this type are kept; default as `sonder.yaml` says"),
    Key::optional("properties", Shape::Map(Format::Any, &Shape::Schema), "its properties: JSON Schema 2020-12"),
    Key::optional("required", Shape::List(&Shape::TEXT, Filled::MayBeEmpty), "properties that must be there"),
    Key::optional(
        "additionalProperties",
        Shape::Bool,
        "whether other properties may come along: true stores them, false makes them a violation; without it, they are left out of what is stored",
    ),
    Key::optional("$defs", Shape::Map(Format::Any, &Shape::Schema), "schemas that properties refer to"),
    Key::optional(
        "on_violation",
        Shape::Word(ON_VIOLATION),
        "what happens to an event that violates the schema; default quarantine",
    ),
];

const ON_VIOLATION: &[Word] = &[
    Word { word: "quarantine", doc: "the event is kept aside with the reasons" },
    Word { word: "strip", doc: "the properties that violate are dropped, the rest goes on" },
    Word { word: "label", doc: "the event goes on, labelled" },
];

/// An event and the places that others refer to.
#[derive(Clone, Debug)]
pub(crate) struct DecodedEvent {
    pub schema: EventSchema,
    pub name_span: Span,
    pub alias_spans: Vec<Span>,
    pub property_spans: Vec<Span>,
    /// Where `identifier:` is written, by property.
    pub identifier_spans: Vec<Option<Span>>,
    pub purposes: Option<Purposes>,
}

/// Reads a checked file; `None` when it has no name.
pub(crate) fn decode(root: &Node, report: &mut Report) -> Option<DecodedEvent> {
    let fields = Fields::new(root, KEYS);
    let name = fields.get("event")?;
    let name_text = name.text()?;
    if name_text == "any" {
        let message = "an event cannot be called `any`";
        let label = "this word stands for every event";
        report.push(Diagnostic::error(codes::BAD_NAME, message, name.span, label).help("give it another name"));
    }
    super::usable_in_rules("an event", name_text, name.span, report);
    let folded = fold_event_name(name_text);
    if Format::Name.fits(name_text) && folded != name_text {
        let message = format!("`{name_text}` is not how its spelling folds");
        let help = format!("write `{folded}`");
        report.push(Diagnostic::error(codes::BAD_NAME, message, name.span, "not a folded name").help(help));
    }
    let entries = fields.get("properties").map_or(&[][..], Node::entries);
    let required = required(&fields, entries, report);
    columns_differ(entries, report);
    let (aliases, alias_spans) = fields
        .get("aliases")
        .map_or(&[][..], Node::items)
        .iter()
        .filter_map(|alias| Some((alias.text()?.to_owned(), alias.span)))
        .unzip();
    let (made, made_spans): (Vec<Property>, Vec<Span>) = derived(entries, report).into_iter().unzip();
    let schema = EventSchema {
        name: name_text.to_owned(),
        title: fields.string("title"),
        description: fields.string("description"),
        owner: fields.string("owner"),
        version: fields.string("version").unwrap_or_else(|| "1-0-0".to_owned()),
        aliases,
        purposes: fields.strings("purposes"),
        properties: entries.iter().map(property).chain(made).collect(),
        json_schema: whole_schema(&fields, entries, &required),
        required,
        on_violation: match fields.text("on_violation") {
            Some("strip") => OnViolation::Strip,
            Some("label") => OnViolation::Label,
            _ => OnViolation::Quarantine,
        },
        slots: Vec::new(),
        retention: fields.duration("retention"),
    };
    references_lead_somewhere(root, &schema.json_schema, report);
    Some(DecodedEvent {
        schema,
        name_span: name.span,
        alias_spans,
        identifier_spans: {
            let own = entries.iter().map(|entry| Some(entry.value.get("identifier")?.span));
            own.chain(made_spans.iter().map(|_| None)).collect()
        },
        property_spans: entries.iter().map(|entry| entry.key_span).chain(made_spans).collect(),
        purposes: Purposes::decode(fields.get("purposes")),
    })
}

fn property(entry: &Entry) -> Property {
    let text = |key: &str| entry.value.get(key).and_then(Node::text);
    Property {
        name: entry.key.clone(),
        kind: schema::kind_of(&entry.value),
        pii: text("pii").and_then(schema::pii),
        identifier: text("identifier").map(str::to_owned),
        description: text("description").map(str::to_owned),
        title: text("title").map(str::to_owned),
        examples: entry.value.get("examples").map_or(&[][..], Node::items).iter().map(Node::to_json).collect(),
        derivation: None,
    }
}

/// The properties that are made of others, and where they are declared.
fn derived(entries: &[Entry], report: &mut Report) -> Vec<(Property, Span)> {
    let mut found: Vec<(Property, Span)> = Vec::new();
    for (entry, made) in entries.iter().flat_map(|it| derivations(it).map(move |made| (it, made))) {
        let Some(function) = function(&entry.key, made, report) else { continue };
        let is_same = |name: &str| name.eq_ignore_ascii_case(&made.key);
        let sent = entries.iter().find(|it| is_same(&it.key)).map(|it| it.key_span);
        let before = found.iter().find(|(it, _)| is_same(&it.name)).map(|(_, span)| *span);
        if let Some(before) = sent.or(before) {
            let message = format!("there are two properties `{}`", made.key);
            report.push(
                Diagnostic::error(codes::DUPLICATE_COLUMN, message, made.key_span, "made of another property")
                    .label(before, "the first one"),
            );
            continue;
        }
        if !matches!(schema::kind_of(&entry.value), Some(Type::String { .. } | Type::Time)) {
            let message = format!("`{}` is made of what is no text", made.key);
            report.push(
                Diagnostic::error(codes::BAD_VALUE, message, made.value.span, "takes a text")
                    .help(format!("declare `{}` as `type: string`", entry.key)),
            );
        }
        let property = Property {
            name: made.key.clone(),
            kind: Some(function.kind()),
            pii: None,
            identifier: None,
            description: Some(format!("the {} of `{}`", function.name(), entry.key)),
            title: None,
            examples: Vec::new(),
            derivation: Some(Derivation { from: entry.key.clone(), function }),
        };
        found.push((property, made.key_span));
    }
    found
}

/// The function that is written: `domain(email)` at `email`.
fn function(of: &str, made: &Entry, report: &mut Report) -> Option<DerivedBy> {
    let text = made.value.text()?;
    let call = text.trim().strip_suffix(')').and_then(|text| text.split_once('('));
    let name = call.map(|(name, _)| name.trim());
    let function = name.and_then(DerivedBy::named);
    let mut error = |message: String, help: String| {
        let label = "a function of a property belongs here";
        report.push(Diagnostic::error(codes::BAD_VALUE, message, made.value.span, label).help(help));
    };
    let names = DerivedBy::ALL.map(DerivedBy::name);
    match (function, call) {
        (Some(function), Some((_, argument))) if argument.trim() != of => {
            let message = format!("`{}` is made of the property that it stands at, not of another", made.key);
            error(message, format!("write `{}({of})`", function.name()));
        }
        (Some(_), _) => {}
        (None, _) => {
            let help = match name.and_then(|name| suggest::nearest(name, names)) {
                Some(name) => format!("did you mean `{name}({of})`?"),
                None => format!("there are `{}`, for example `domain({of})`", names.join("`, `")),
            };
            error(format!("`{}` is not a function of a property: `{text}`", made.key), help);
        }
    }
    function
}

fn derivations(property: &Entry) -> impl Iterator<Item = &Entry> {
    property.value.get("derive").map_or(&[][..], Node::entries).iter()
}

fn required(fields: &Fields<'_>, properties: &[Entry], report: &mut Report) -> Vec<String> {
    let known: HashSet<&str> = properties.iter().map(|entry| entry.key.as_str()).collect();
    let (mut required, mut seen) = (Vec::new(), HashSet::new());
    for item in fields.get("required").map_or(&[][..], Node::items) {
        let Some(name) = item.text() else { continue };
        if !seen.insert(name) {
            let message = format!("`{name}` is required twice");
            report.push(Diagnostic::error(codes::DUPLICATE_NAME, message, item.span, "the second time"));
        } else if known.contains(name) {
            required.push(name.to_owned());
        } else {
            let message = format!("`required` names `{name}`, which is no property");
            let mut error = Diagnostic::error(codes::UNKNOWN_REQUIRED, message, item.span, "not declared");
            if let Some(help) = report.suggest(name, properties.iter().map(|entry| entry.key.as_str())) {
                error = error.help(help);
            }
            report.push(error);
        }
    }
    required
}

/// Each property is a column of the event's table, and SQL does not tell `Price` from `price`.
fn columns_differ(properties: &[Entry], report: &mut Report) {
    let mut seen = HashMap::new();
    for entry in properties {
        if let Some(before) = seen.insert(entry.key.to_lowercase(), entry) {
            let message = format!("`{}` and `{}` differ only by upper and lower case", before.key, entry.key);
            report.push(
                Diagnostic::error(codes::DUPLICATE_COLUMN, message, entry.key_span, "the same column in SQL")
                    .label(before.key_span, "the first one")
                    .help("keep one of them"),
            );
        }
    }
}

fn whole_schema(fields: &Fields<'_>, properties: &[Entry], required: &[String]) -> serde_json::Value {
    let all = |entries: &[Entry]| -> serde_json::Map<String, serde_json::Value> {
        entries.iter().map(|entry| (entry.key.clone(), schema::to_json(&entry.value))).collect()
    };
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": all(properties),
    });
    if !required.is_empty() {
        whole["required"] = json!(required);
    }
    if let Some(definitions) = fields.get("$defs") {
        whole["$defs"] = serde_json::Value::Object(all(definitions.entries()));
    }
    if let Some(others) = fields.bool("additionalProperties") {
        whole["additionalProperties"] = json!(others);
    }
    whole
}

/// Every `$ref` of the file points at a schema in it.
fn references_lead_somewhere(node: &Node, whole: &serde_json::Value, report: &mut Report) {
    for entry in node.entries() {
        if entry.key == "$ref"
            && let Some(pointer) = entry.value.text().and_then(|text| text.strip_prefix('#'))
            && whole.pointer(pointer).is_none()
        {
            let message = format!("`#{pointer}` leads nowhere");
            let names = whole.get("$defs").and_then(serde_json::Value::as_object);
            let known: Vec<String> =
                names.map_or_else(Vec::new, |names| names.keys().map(|name| format!("#/$defs/{name}")).collect());
            let mut error = Diagnostic::error(codes::UNKNOWN_REF, message, entry.value.span, "nothing is there");
            if let Some(help) = report.suggest(&format!("#{pointer}"), known.iter().map(String::as_str)) {
                error = error.help(help);
            }
            report.push(error);
        }
        references_lead_somewhere(&entry.value, whole, report);
    }
    for item in node.items() {
        references_lead_somewhere(item, whole, report);
    }
}

#[cfg(test)]
mod tests {
    use super::fold_event_name;

    #[test]
    fn spellings_fold_to_one() {
        for (written, folded) in [
            ("Product Viewed", "product_viewed"),
            ("product_viewed", "product_viewed"),
            ("productViewed", "product_viewed"),
            ("product-viewed", "product_viewed"),
            ("  PRODUCT VIEWED ", "product_viewed"),
            ("HTTPError", "http_error"),
            ("Klik op item", "klik_op_item"),
            ("level10Reached", "level10_reached"),
            ("$pageview", "pageview"),
            ("Größe geändert", "größe_geändert"),
        ] {
            assert_eq!(fold_event_name(written), folded, "{written}");
        }
    }
}
