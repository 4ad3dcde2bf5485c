//! What items say of a contact. The service refuses a call that names a contact twice, so that all that a batch says of
//! one is written at once.

use crate::config::Config;
use serde_json::{Map, Value, json};
use sonder_plugin::{Entry, Item, ItemKind, Outcome};

/// Contacts of a batch, in the order in which they were first named.
#[derive(Default)]
pub struct Contacts(Vec<Contact>);

struct Contact {
    who: String,
    // The idempotency key of the first item.
    trace: String,
    items: Vec<usize>,
    properties: Map<String, Value>,
}

impl Contacts {
    /// What an item says of somebody; what was said before holds where this says nothing.
    pub fn add(&mut self, who: &str, place: usize, key: &str, properties: Map<String, Value>) {
        match self.0.iter_mut().find(|contact| contact.who.eq_ignore_ascii_case(who)) {
            Some(known) => {
                known.items.push(place);
                known.properties.extend(properties);
            }
            None => {
                let (who, trace) = (who.to_owned(), key.to_owned());
                self.0.push(Contact { who, trace, items: vec![place], properties });
            }
        }
    }

    /// All of them, to be written.
    pub fn take(&mut self, config: &Config) -> Vec<Entry> {
        let entry = |contact: Contact| Entry {
            items: contact.items,
            body: json!({
                "idProperty": config.id_property(),
                "id": contact.who,
                "objectWriteTraceId": contact.trace,
                "properties": contact.properties,
            }),
        };
        std::mem::take(&mut self.0).into_iter().map(entry).collect()
    }
}

/// The properties that an item sets, as texts; an empty one has no value.
pub fn properties(config: &Config, item: &Item) -> Map<String, Value> {
    let mut properties = Map::new();
    if item.kind == ItemKind::Message {
        for (name, value) in &item.payload {
            properties.insert(name.clone(), text(value));
        }
        return properties;
    }
    for (name, value) in item.payload.get("traits").and_then(Value::as_object).into_iter().flatten() {
        if let Some(property) = config.properties.get(name) {
            properties.insert(property.clone(), text(value));
        }
    }
    let (names, value) = match item.kind {
        ItemKind::SegmentEntered => (&config.segments, Value::from("true")),
        ItemKind::SegmentLeft => (&config.segments, Value::from("false")),
        _ => (&config.properties, text(item.payload.get("value").unwrap_or(&Value::Null))),
    };
    if let Some(property) = names.get(&item.name) {
        properties.insert(property.clone(), value);
    }
    properties
}

/// Of somebody whom the CRM cannot know there is nothing to take back.
pub fn of_nobody(item: &Item, config: &Config) -> Outcome {
    match item.kind {
        ItemKind::SegmentLeft | ItemKind::Erase => Outcome::Delivered,
        _ => Outcome::Rejected(format!("no `{}` of the person is known", config.identifier())),
    }
}

fn text(value: &Value) -> Value {
    match value {
        Value::Null => Value::from(""),
        Value::String(text) => Value::from(text.as_str()),
        // Several choices of a property are written like this.
        Value::Array(values) => {
            let texts = values.iter().map(|value| text(value).as_str().unwrap_or_default().to_owned());
            Value::from(texts.collect::<Vec<_>>().join(";"))
        }
        other => Value::from(other.to_string()),
    }
}
