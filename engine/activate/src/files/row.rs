//! An item as a line of JSON, which is also what the columns of a Parquet file are made of:
//!
//! | column | type | what |
//! |---|---|---|
//! | `id` | text | the idempotency key; each is there once |
//! | `kind` | text | `message`, `segment-entered`, `segment-left`, `trait-changed`, `event` |
//! | `name` | text | action, segment, trait or event |
//! | `at` | timestamp, UTC | when it was decided |
//! | `person` | list of `{kind, value}` | the identifiers that the destination may see |
//! | `payload` | JSON | what a plugin would be told |

use crate::host::describe::kind_name;
use crate::outbox::Item;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use sonder_dsl::time::Moment;
use std::borrow::Cow;

/// A line, read or to be written.
#[derive(Serialize, Deserialize)]
pub struct Row<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    kind: Cow<'a, str>,
    name: Cow<'a, str>,
    pub at: Cow<'a, str>,
    pub person: Vec<Named<'a>>,
    payload: Box<RawValue>,
}

/// An identifier.
#[derive(Serialize, Deserialize)]
pub struct Named<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// The line of an item, with its end.
pub fn line(item: &Item) -> Vec<u8> {
    let delivery = &*item.delivery;
    let named = |(kind, value): &(String, String)| Named { kind: kind.clone().into(), value: value.clone().into() };
    let payload = serde_json::from_str(&delivery.payload).unwrap_or_else(|_| Value::from(delivery.payload.as_str()));
    let row = Row {
        id: format!("{:032x}", delivery.id.0).into(),
        kind: kind_name(delivery.kind).into(),
        name: delivery.name.as_str().into(),
        at: delivery.at.to_string().into(),
        person: delivery.identifiers.iter().map(named).collect(),
        payload: to_raw_value(&payload).unwrap_or_default(),
    };
    row.line()
}

impl Row<'_> {
    /// Whether it is about somebody with one of these identifiers.
    pub fn is_about(&self, identifiers: &[(String, String)]) -> bool {
        let same = |it: &Named<'_>| identifiers.iter().any(|(kind, value)| it.kind == *kind && it.value == *value);
        self.person.iter().any(same)
    }

    /// Its line with the payload that `left` gives for its kind, name and payload; `None` where that gives none.
    pub fn told(mut self, left: &dyn Fn(&str, &str, &str) -> Option<String>) -> Option<Vec<u8>> {
        self.payload = RawValue::from_string(left(&self.kind, &self.name, self.payload.get())?).ok()?;
        Some(self.line())
    }

    fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The number that an id is.
pub fn id(text: &str) -> Option<u128> {
    u128::from_str_radix(text, 16).ok()
}

/// The day of a moment, in UTC.
pub fn day(at: Moment) -> String {
    at.to_string().chars().take(10).collect()
}

/// A moment as files are named by: `20260301T100500000000Z`. Names sort as moments do.
pub fn stamp(at: Moment) -> String {
    at.to_string().chars().filter(char::is_ascii_alphanumeric).collect()
}
