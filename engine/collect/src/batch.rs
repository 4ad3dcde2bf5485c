//! The envelope of a batch, parsed once: its messages stay slices of the body until each is read for itself, so that one
//! that is broken spoils no other.

use crate::limits;
use crate::rejection::Rejection;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use std::fmt;

/// A batch as it was sent. Of equal keys the last counts.
#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    /// The messages, each as its own text.
    pub(crate) messages: Vec<&'a RawValue>,
    /// When it was sent, by the client's clock; of any JSON type.
    pub(crate) sent_at: Option<Json>,
    /// Context of all its messages.
    pub(crate) context: Option<Map<String, Json>>,
    /// Integrations of all its messages.
    pub(crate) integrations: Option<Map<String, Json>>,
    /// Its write key.
    pub(crate) write_key: Option<String>,
    has_messages: bool,
}

impl<'a> Batch<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Rejection> {
        let batch: Self = {
            let mut deserializer = serde_json::Deserializer::from_str(text);
            let batch = deserializer
                .deserialize_map(BatchVisitor)
                .map_err(|_| Rejection::Malformed("the body is no JSON object"))?;
            deserializer.end().map_err(|_| Rejection::Malformed("something follows the JSON object"))?;
            batch
        };
        if !batch.has_messages {
            return Err(Rejection::Malformed("`batch` must be a list of messages"));
        }
        if batch.messages.len() > limits::BATCH_MESSAGES {
            return Err(Rejection::TooLarge("the batch has too many messages"));
        }
        Ok(batch)
    }

    /// The write key of the first message, where the batch itself has none.
    pub(crate) fn first_write_key(&self) -> Option<String> {
        let first: Map<String, Json> = serde_json::from_str(self.messages.first()?.get()).ok()?;
        text(first.get("writeKey")?)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Batch<'de>, A::Error> {
        let mut batch = Batch::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "batch" => {
                    let messages = map.next_value_seed(Messages)?;
                    batch.has_messages = messages.is_some();
                    batch.messages = messages.unwrap_or_default();
                }
                "sentAt" => batch.sent_at = Some(map.next_value()?).filter(|sent_at: &Json| !sent_at.is_null()),
                "context" => batch.context = object(map.next_value()?),
                "integrations" => batch.integrations = object(map.next_value()?),
                "writeKey" => batch.write_key = text(&map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(batch)
    }
}

/// A list of anything; `None` for what is no list.
struct Messages;

impl<'de> DeserializeSeed<'de> for Messages {
    type Value = Option<Vec<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Messages {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = list.next_element::<&RawValue>()? {
            // One more than allowed says that there are too many; the rest need not be kept.
            if messages.len() <= limits::BATCH_MESSAGES {
                messages.push(message);
            }
        }
        Ok(Some(messages))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn object(value: Json) -> Option<Map<String, Json>> {
    match value {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

/// Text that is not empty.
pub(crate) fn text(value: &Json) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
