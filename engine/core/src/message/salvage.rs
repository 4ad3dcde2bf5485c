//! What can be read of a message that is kept aside: all of it where only no rule accepts it; where it cannot be read, whose it is and
//! what it says of consent, as far as that is small and plain.

use super::{Call, Message, Quarantined, inspect, limits, read::from_log, time};
use crate::consent::signal::CONTEXT;
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_128;

/// The message, or what is left of it; `None` where nobody can read it.
pub(crate) fn salvaged(aside: &Quarantined) -> Option<Message> {
    let occurred_at = |json: &Map<String, Json>| {
        let said = aside.occurred_at.or_else(|| time::original_timestamp(json));
        said.map_or(aside.received_at, |at| at.min(aside.received_at))
    };
    let json: Map<String, Json> = serde_json::from_str(&aside.payload).ok()?;
    let at = occurred_at(&json);
    let made = |payload: &str| from_log(payload, aside.source, at, aside.received_at, aside.historical).ok();
    if aside.occurred_at.is_some() {
        return made(&aside.payload);
    }
    let mut left = Map::new();
    left.insert("type".to_owned(), Json::from(Call::Identify.name()));
    let id = json.get("messageId").and_then(Json::as_str).filter(|id| id.len() <= limits::MESSAGE_ID_BYTES);
    let unnamed = || format!("unnamed-{:032x}", xxh3_128(aside.payload.as_bytes()));
    left.insert("messageId".to_owned(), Json::from(id.map_or_else(unnamed, str::to_owned)));
    for key in ["anonymousId", "userId"] {
        let value = json.get(key).filter(|it| matches!(it, Json::String(_) | Json::Number(_)));
        left.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    let context = json.get("context").and_then(Json::as_object)?;
    let said = CONTEXT.iter().filter_map(|key| Some(((*key).to_owned(), context.get(*key)?.clone())));
    left.insert("context".to_owned(), Json::Object(said.collect()));
    if !inspect::inspect(&left).is_empty() {
        return None;
    }
    let payload = Json::Object(left).to_string();
    if payload.len() > limits::EVENT_BYTES { None } else { made(&payload) }
}
