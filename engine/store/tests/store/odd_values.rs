//! Whatever JSON a property holds, its row is stored: a value that does not fit its column is NULL there, and the payload
//! has it.

use crate::support::*;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const EVENT: &str = "event: odd\nproperties:
  flag: {type: boolean}
  count: {type: integer}
  price: {type: number, multipleOf: 0.01}
  ratio: {type: number}
  name: {type: string}
  moment: {type: string, format: date-time}
  tags: {type: array, items: {type: string}}
  prices: {type: array, items: {type: number, multipleOf: 0.01}}
  anything: {type: object}
  title: {type: string}
  seq: {type: integer}
  \"it's \\\"odd\\\"\": {type: integer}";

const PROPERTIES: [&str; 12] =
    ["flag", "count", "price", "ratio", "name", "moment", "tags", "prices", "anything", "title", "seq", "it's \"odd\""];

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        (-1_000_000..1_000_000_i64).prop_map(|cents| json!(cents as f64 / 100.0)),
        Just(json!(1e308)),
        ".{0,20}".prop_map(Json::from),
        Just(json!("a\u{0}b")),
        Just(json!("2026-03-01T10:00:00Z")),
        Just(json!("+275760-09-13T00:00:00Z")),
        Just(json!("-009999-01-01T00:00:00Z")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_keeps_a_batch_out(rows in prop::collection::vec(prop::collection::vec(any_json(), PROPERTIES.len()), 1..8)) {
        static STORE: OnceLock<(tempfile::TempDir, std::sync::Arc<sonder_dsl::ir::Program>, Opened)> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (_dir, program, opened) = STORE.get_or_init(|| {
            let (dir, program) = (tempfile::tempdir().unwrap(), program(&[EVENT]));
            let opened = open(dir.path(), &program);
            (dir, program, opened)
        });
        let first = NEXT.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let mut logged = Vec::new();
        for (seq, values) in (first..).zip(&rows) {
            let properties: Map<_, _> = PROPERTIES.iter().map(|&name| name.to_owned()).zip(values.iter().cloned()).collect();
            // Only what the schema allows passes it; here the store is asked to take the rest, too.
            let mut row = row(program, seq, &track(&format!("m{seq}"), "odd", "a1", &json!({})));
            row.message.payload = json!({"type": "track", "event": "odd", "messageId": format!("m{seq}"), "anonymousId": "a1", "properties": properties}).to_string().into();
            row.message.properties = properties;
            logged.push(row);
        }
        opened.store.append(program, &batch(logged)).unwrap();
        let typed = ask(&opened.reader, &format!(
            "SELECT flag, count, name, title, property_seq, \"it's \"\"odd\"\"\", ratio, tags FROM ev_odd WHERE seq >= {first} ORDER BY seq"
        ));
        for (found, values) in typed.as_array().unwrap().iter().zip(&rows) {
            let expected = [
                &values[0].as_bool().map_or(Json::Null, Json::from),
                found.get(1).unwrap(),
                &values[4].as_str().map_or(Json::Null, Json::from),
                &values[9].as_str().map_or(Json::Null, Json::from),
            ];
            for (place, value) in expected.into_iter().enumerate() {
                prop_assert_eq!(&found[place], value);
            }
            for (place, column) in [(1, 1), (10, 4), (11, 5)] {
                if let Some(int) = values[place].as_i64() {
                    prop_assert_eq!(&found[column], &json!(int));
                } else if !values[place].is_number() {
                    prop_assert_eq!(&found[column], &Json::Null);
                }
            }
            prop_assert_eq!(&found[6], &values[3].as_f64().map_or(Json::Null, Json::from));
            prop_assert_eq!(found[7].is_null(), !values[6].is_array());
        }
    }
}
