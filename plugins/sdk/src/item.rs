//! What is to be told, and what became of it.

use crate::bindings;
use serde_json::{Map, Value};

pub use bindings::sonder::destination::types::{Identifier, ItemKind, Outcome, Problem};

/// The moment of an attempt, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u64);

impl Now {
    /// In whole seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }
}

/// Something to tell the other side.
#[derive(Clone, Debug)]
pub struct Item {
    /// The idempotency key.
    pub id: String,
    /// What happened.
    pub kind: ItemKind,
    /// Action, segment, trait or event name.
    pub name: String,
    /// The identifiers that this destination may see.
    pub person: Vec<Identifier>,
    /// What there is to say about it.
    pub payload: Map<String, Value>,
    /// 1 for the first attempt.
    pub attempt: u32,
}

impl Item {
    pub(crate) fn read(item: bindings::Item) -> Self {
        let payload = match serde_json::from_str(&item.payload) {
            Ok(Value::Object(payload)) => payload,
            Ok(other) => Map::from_iter([("value".to_owned(), other)]),
            Err(_) => Map::from_iter([("value".to_owned(), Value::String(item.payload))]),
        };
        Self { id: item.id, kind: item.kind, name: item.name, person: item.person, payload, attempt: item.attempt }
    }

    /// The first value of a kind of identifier: `email`.
    #[must_use]
    pub fn identifier(&self, kind: &str) -> Option<&str> {
        self.person.iter().find(|identifier| identifier.kind == kind).map(|identifier| identifier.value.as_str())
    }

    /// All values of a kind of identifier.
    pub fn identifiers<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.person.iter().filter(move |it| it.kind == kind).map(|it| it.value.as_str())
    }

    /// A text of the payload, unless it is empty.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.payload.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

impl Problem {
    /// Something wrong at a JSON pointer (`/url`) of the configuration, or, with an empty one, with all of it.
    #[must_use]
    pub fn at(path: &str, message: &str) -> Self {
        Self { path: path.to_owned(), message: message.to_owned() }
    }
}
