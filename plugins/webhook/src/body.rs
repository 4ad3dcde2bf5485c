//! What a call says: `{"type", "timestamp", "data"}`, and in batch mode a list of those.

use serde_json::{Map, Value, json};
use sonder_plugin::{Item, ItemKind};

/// The body for one item. The same item has the same bytes in every attempt.
pub fn of_item(item: &Item) -> Value {
    let mut data = Map::new();
    data.insert("name".to_owned(), Value::from(item.name.as_str()));
    let person: Vec<Value> =
        item.person.iter().map(|identifier| json!({"kind": identifier.kind, "value": identifier.value})).collect();
    data.insert("person".to_owned(), Value::Array(person));
    if item.kind == ItemKind::Message {
        // A journey may call a field whatever it likes.
        data.insert("fields".to_owned(), Value::Object(item.payload.clone()));
        return json!({"type": type_name(item.kind), "timestamp": null, "data": data});
    }
    for (key, value) in &item.payload {
        if key != "at" {
            data.entry(key.as_str()).or_insert_with(|| value.clone());
        }
    }
    let at = item.payload.get("at").cloned().unwrap_or(Value::Null);
    json!({"type": type_name(item.kind), "timestamp": at, "data": data})
}

/// The body for a batch; each entry says its own id.
pub fn of_batch(items: &[Item]) -> Value {
    let entries: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut entry = of_item(item);
            entry["id"] = Value::from(item.id.as_str());
            entry
        })
        .collect();
    let latest = entries.iter().filter_map(|entry| entry["timestamp"].as_str()).max().map_or(Value::Null, Value::from);
    json!({"type": "batch", "timestamp": latest, "data": entries})
}

/// The idempotency key of a batch: the same items in the same order have the same one (FNV-1a over their ids).
pub fn batch_id(items: &[Item]) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let mut hash = BASIS;
    for byte in items.iter().flat_map(|item| item.id.bytes().chain([0])) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    }
    format!("batch_{hash:032x}")
}

const fn type_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Message => "message",
        ItemKind::SegmentEntered => "segment.entered",
        ItemKind::SegmentLeft => "segment.left",
        ItemKind::TraitChanged => "trait.changed",
        ItemKind::Event => "event",
        ItemKind::Erase => "person.erase",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(id: &str) -> Item {
        let payload =
            json!({"segment": "vip", "at": "2026-03-01T03:00:00.000000Z", "traits": {"lifetime_value": "129.90"}});
        let payload = payload.as_object().unwrap().clone();
        Item {
            id: id.to_owned(),
            kind: ItemKind::SegmentEntered,
            name: "vip".to_owned(),
            person: vec![],
            payload,
            attempt: 1,
        }
    }

    #[test]
    fn a_call_says_what_happened_when_and_to_whom() {
        assert_eq!(
            of_item(&entered("e1")).to_string(),
            r#"{"type":"segment.entered","timestamp":"2026-03-01T03:00:00.000000Z","data":{"name":"vip","person":[],"segment":"vip","traits":{"lifetime_value":"129.90"}}}"#
        );
    }

    #[test]
    fn a_batch_has_a_key_of_its_items() {
        let (one, two) = (entered("e1"), entered("e2"));
        let both = batch_id(&[one.clone(), two.clone()]);
        assert_eq!(both, batch_id(&[one.clone(), two.clone()]));
        assert_ne!(both, batch_id(&[two, one.clone()]));
        assert_ne!(both, batch_id(&[one]));
    }

    #[test]
    fn a_message_says_its_fields() {
        let payload = json!({"template": "cart-reminder", "name": "not the action"}).as_object().unwrap().clone();
        let item = Item { kind: ItemKind::Message, name: "message".to_owned(), payload, ..entered("e1") };
        assert_eq!(
            of_item(&item).to_string(),
            r#"{"type":"message","timestamp":null,"data":{"name":"message","person":[],"fields":{"template":"cart-reminder","name":"not the action"}}}"#
        );
    }
}
