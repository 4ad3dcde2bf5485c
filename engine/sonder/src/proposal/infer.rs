//! Schemas of a sample: what was sent, how often it was there, and what it looked like.

use super::Proposal;
use serde_json::{Map, Value as Json, json};
use sonder_core::message::parse_timestamp;
use sonder_dsl::model::fold_event_name;
use std::collections::{BTreeMap, BTreeSet};

/// Objects within each other that are looked into.
const DEPTH: usize = 4;
/// Properties of one object that are told apart.
const PROPERTIES: usize = 500;
/// Examples that are kept of a property.
const EXAMPLES: usize = 3;
/// So many events must have had a property before it is taken to be always there.
const ENOUGH: u64 = 10;

/// Events that were seen, by name.
#[derive(Debug, Default)]
pub struct Sample {
    events: BTreeMap<String, Event>,
}

#[derive(Debug, Default)]
struct Event {
    /// Its spellings.
    sent_as: BTreeSet<String>,
    count: u64,
    properties: Values,
}

/// What was seen of the properties of objects.
#[derive(Debug, Default)]
struct Values {
    order: Vec<String>,
    by_name: BTreeMap<String, Value>,
}

/// What was seen of one property.
#[derive(Debug, Default)]
struct Value {
    /// How often it was there, and was not `null`.
    there: u64,
    is_null: bool,
    kinds: BTreeSet<&'static str>,
    /// Texts that look like it, by format.
    formats: BTreeMap<&'static str, u64>,
    /// Numbers with a fraction, and the most decimals of one.
    fractions: u64,
    decimals: usize,
    examples: Vec<Json>,
    inner: Option<Box<Values>>,
    items: Option<Box<Value>>,
    /// Objects that it was in.
    objects: u64,
}

impl Sample {
    /// Takes a message in; whether it is an event with a name.
    pub fn take(&mut self, message: &Map<String, Json>) -> bool {
        let is_track = message.get("type").and_then(Json::as_str).is_none_or(|kind| kind == "track");
        let Some(sent_as) = message.get("event").and_then(Json::as_str).filter(|_| is_track) else { return false };
        let name = fold_event_name(sent_as);
        if name.is_empty() {
            return false;
        }
        let event = self.events.entry(name).or_default();
        event.sent_as.insert(sent_as.to_owned());
        event.count += 1;
        if let Some(properties) = message.get("properties").and_then(Json::as_object) {
            event.properties.take(properties, 0);
        }
        true
    }

    /// What the schemas would be, by name.
    #[must_use]
    pub fn proposals(&self) -> Vec<Proposal> {
        self.events.values().map(Event::proposal).collect()
    }
}

impl Event {
    fn proposal(&self) -> Proposal {
        let mut spellings = self.sent_as.iter();
        let sent_as = spellings.next().cloned().unwrap_or_default();
        let mut notes =
            vec![format!("inferred from {} events; look it over: types, what is required, personal data", self.count)];
        let others: Vec<&str> = spellings.map(String::as_str).collect();
        if !others.is_empty() {
            notes.push(format!("also sent as {}", others.join(", ")));
        }
        let (properties, required) = self.properties.schemas(self.count, true);
        Proposal { sent_as, properties, required, notes, ..Proposal::default() }
    }
}

impl Values {
    fn take(&mut self, object: &Map<String, Json>, depth: usize) {
        for (name, value) in object {
            if !self.by_name.contains_key(name) {
                if self.order.len() >= PROPERTIES {
                    continue;
                }
                self.order.push(name.clone());
            }
            self.by_name.entry(name.clone()).or_default().take(value, depth);
        }
    }

    /// The schemas, and what was always there of so many objects.
    fn schemas(&self, count: u64, is_top: bool) -> (Map<String, Json>, Vec<String>) {
        let seen = self.order.iter().filter_map(|name| Some((name, self.by_name.get(name)?)));
        let required = seen.clone().filter(|(_, value)| count >= ENOUGH && value.there == count);
        let required = required.map(|(name, _)| name.clone()).collect();
        let schemas = seen.map(|(name, value)| (name.clone(), value.schema(is_top.then_some(name.as_str()))));
        (schemas.collect(), required)
    }
}

impl Value {
    fn take(&mut self, value: &Json, depth: usize) {
        let kind = match value {
            Json::Null => {
                self.is_null = true;
                return;
            }
            Json::Bool(_) => "boolean",
            Json::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Json::Number(number) => {
                self.fractions += 1;
                let text = number.to_string();
                let decimals =
                    if text.contains('e') { usize::MAX } else { text.split_once('.').map_or(0, |(_, it)| it.len()) };
                self.decimals = self.decimals.max(decimals);
                "number"
            }
            Json::String(text) => {
                for format in formats(text) {
                    *self.formats.entry(format).or_default() += 1;
                }
                "string"
            }
            Json::Array(items) => {
                if depth < DEPTH {
                    let inner = self.items.get_or_insert_default();
                    items.iter().for_each(|item| inner.take(item, depth + 1));
                }
                "array"
            }
            Json::Object(object) => {
                self.objects += 1;
                if depth < DEPTH {
                    self.inner.get_or_insert_default().take(object, depth + 1);
                }
                "object"
            }
        };
        self.there += 1;
        self.kinds.insert(kind);
        let is_plain = matches!(value, Json::String(_) | Json::Number(_));
        let is_short = value.as_str().is_none_or(|text| text.len() <= 60);
        if is_plain && is_short && self.examples.len() < EXAMPLES && !self.examples.contains(value) {
            self.examples.push(value.clone());
        }
    }

    /// The schema; of a property of the event itself, where it has a name.
    fn schema(&self, name: Option<&str>) -> Json {
        let mut kinds: Vec<&str> = self.kinds.iter().copied().collect();
        if kinds.contains(&"number") {
            kinds.retain(|kind| *kind != "integer");
        }
        if self.is_null && !kinds.is_empty() {
            kinds.push("null");
        }
        let mut schema = Map::new();
        match kinds.as_slice() {
            [] => {}
            [kind] => _ = schema.insert("type".to_owned(), json!(kind)),
            kinds => _ = schema.insert("type".to_owned(), json!(kinds)),
        }
        let format = self.formats.iter().find(|(_, count)| **count == self.there).map(|(format, _)| *format);
        if let Some(format) = format.filter(|_| self.kinds.len() == 1) {
            schema.insert("format".to_owned(), json!(format));
        }
        if self.fractions > 0 && self.decimals <= 2 {
            // As money is: exact.
            schema.insert("multipleOf".to_owned(), json!(if self.decimals == 1 { 0.1 } else { 0.01 }));
        }
        if let Some(items) = self.items.as_ref().filter(|items| !items.kinds.is_empty()) {
            schema.insert("items".to_owned(), items.schema(None));
        }
        if let Some(inner) = &self.inner {
            let (properties, required) = inner.schemas(self.objects, false);
            schema.insert("properties".to_owned(), properties.into());
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
        }
        match name.and_then(|name| personal(name, format)) {
            Some(class) => _ = schema.insert("pii".to_owned(), json!(class)),
            None if name.is_some() && !self.examples.is_empty() => {
                schema.insert("examples".to_owned(), self.examples.clone().into());
            }
            None => {}
        }
        Json::Object(schema)
    }
}

fn formats(text: &str) -> impl Iterator<Item = &'static str> {
    let is_email = text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(char::is_whitespace)
    });
    let is_moment = text.len() >= 20 && text.contains('T') && parse_timestamp(&Json::from(text)).is_some();
    let is_address = text.starts_with("https://") || text.starts_with("http://");
    [("email", is_email), ("date-time", is_moment), ("uri", is_address)]
        .into_iter()
        .filter(|(_, is)| *is)
        .map(|(it, _)| it)
}

/// The class of what is probably personal data.
fn personal(name: &str, format: Option<&str>) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if format == Some("email") || has(&["email", "e_mail", "phone", "street", "address_line", "postcode", "zip"]) {
        return Some("contact");
    }
    if has(&["first_name", "firstname", "last_name", "lastname", "full_name", "birth"]) {
        return Some("personal");
    }
    (name == "ip" || has(&["ip_address", "device_id", "user_agent", "useragent"])).then_some("technical")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_becomes_a_file_that_compiles() {
        let mut sample = Sample::default();
        for n in 0..12_i32 {
            let mut properties = json!({"product_id": format!("SKU-{n}"), "price": f64::from(n) + 0.25, "count": n,
                "email": format!("u{n}@shop.example"), "url": "https://shop.example/x", "at": "2026-03-01T12:00:00Z",
                "tags": ["a"], "on": true, "note": if n == 0 { json!(null) } else { json!("x") }, "ship-to": {"zip": "1011"}});
            if n == 3 {
                properties["gift"] = json!(true);
            }
            let sent_as = if n == 5 { "product viewed" } else { "Product Viewed" };
            assert!(
                sample.take(json!({"type": "track", "event": sent_as, "properties": properties}).as_object().unwrap())
            );
        }
        assert!(!sample.take(json!({"type": "identify", "userId": "u"}).as_object().unwrap()));
        let proposals = sample.proposals();
        assert_eq!(proposals.len(), 1);
        let yaml = proposals[0].yaml();
        for line in [
            "event: product_viewed",
            "title: \"Product Viewed\"",
            "  price: {type: number, multipleOf: 0.01, examples: [0.25, 1.25, 2.25]}",
            "  email: {type: string, format: email, pii: contact}",
            "  tags: {type: array, items: {type: string}}",
            "  \"on\": {type: boolean}",
        ] {
            assert!(yaml.lines().any(|it| it == line), "{line} is not in\n{yaml}");
        }
        let required = yaml.lines().last().unwrap_or_default();
        assert!(
            required.contains("product_id") && !required.contains("gift") && !required.contains("note"),
            "{required}"
        );
        let files = [("sonder.yaml", "name: x".to_owned()), ("events/product_viewed.yaml", yaml)];
        let files = files.map(|(path, text)| sonder_dsl::source::SourceFile { path: path.to_owned(), text });
        let compilation = sonder_dsl::compile(sonder_dsl::source::SourceSet::new(files.to_vec()));
        assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics);
    }
}
