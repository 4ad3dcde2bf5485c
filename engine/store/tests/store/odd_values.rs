//! Whatever JSON a property holds, its row is stored: a value that does not fit its column is NULL there, and the payload
//! has it. The fold makes the same of it.

use crate::support::*;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use sonder_core::record::Fact;
use sonder_dsl::ir::{Program, Type, Value};
use sonder_dsl::model::{Property, SlotPath};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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
  \"it's \\\"odd\\\"\": {type: integer}
on_violation: label";

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
        Just(json!("2026-03-01T10:00:00")),
        Just(json!("2026-03-01")),
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

/// The project, with a slot for each typed property, as rules that read all of them would make.
fn odd() -> Arc<Program> {
    let mut program = Arc::unwrap_or_clone(program(&[EVENT]));
    let event = &mut program.events[0];
    let slot = |property: &Property| Some(SlotPath { path: vec![property.name.clone()], kind: property.kind.clone()? });
    event.slots = event.properties.iter().filter_map(slot).collect();
    Arc::new(program)
}

/// A value of the fold, as SQL answers it.
fn in_sql(value: Option<&Value>) -> Json {
    match value {
        None => Json::Null,
        Some(Value::Bool(value)) => json!(value),
        Some(Value::Int(value)) => json!(value),
        Some(Value::Float(value)) => json!(value),
        Some(Value::Decimal(value)) => json!(value.normalize().to_string()),
        Some(Value::String(value)) => json!(**value),
        Some(Value::Time(value)) => json!(value.to_string()),
        Some(Value::List(items)) => items.iter().map(|item| in_sql(Some(item))).collect(),
        Some(other) => panic!("{other:?} is of no property"),
    }
}

/// Decimals without the zeros that the scale of a column adds.
fn normal(cell: &Json, kind: &Type) -> Json {
    match (kind, cell) {
        (Type::Decimal { .. }, Json::String(text)) => json!(text.parse::<Decimal>().unwrap().normalize().to_string()),
        (Type::List(item), Json::Array(cells)) => cells.iter().map(|cell| normal(cell, item)).collect(),
        _ => cell.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_keeps_a_batch_out_and_sql_sees_what_rules_see(
        rows in prop::collection::vec(prop::collection::vec(any_json(), PROPERTIES.len()), 1..8)
    ) {
        static STORE: OnceLock<(tempfile::TempDir, Arc<Program>, Opened)> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (_dir, program, opened) = STORE.get_or_init(|| {
            let (dir, program) = (tempfile::tempdir().unwrap(), odd());
            let opened = open(dir.path(), &program);
            (dir, program, opened)
        });
        let first = NEXT.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let mut logged = Vec::new();
        for (seq, values) in (first..).zip(&rows) {
            let properties: Map<_, _> = PROPERTIES.iter().map(|&name| name.to_owned()).zip(values.iter().cloned()).collect();
            logged.push(row(program, seq, &track(&format!("m{seq}"), "odd", "a1", &json!(properties))));
        }
        let events: Vec<_> = logged.iter().map(|row| row.record.fact.clone()).collect();
        opened.store.append(program, &batch(logged)).unwrap();
        let typed = ask(&opened.reader, &format!(
            "SELECT flag, count, price, ratio, name, moment, tags, prices, title, property_seq, \"it's \"\"odd\"\"\"
             FROM ev_odd WHERE seq >= {first} ORDER BY seq"
        ));
        for (found, Fact::Event(event)) in typed.as_array().unwrap().iter().zip(&events) {
            for (place, slot) in program.events[0].slots.iter().enumerate() {
                let (fold, sql) = (in_sql(event.properties[place].as_ref()), normal(&found[place], &slot.kind));
                prop_assert_eq!(fold, sql, "{:?} in the fold and in SQL", &slot.path);
            }
        }
    }
}

#[test]
fn what_does_not_fit_its_column_is_null_and_dates_are_midnight() {
    let (dir, program) = (tempfile::tempdir().unwrap(), odd());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let of = |seq, properties| row(&program, seq, &track(&format!("m{seq}"), "odd", "a1", &properties));
    let rows = vec![
        of(1, json!({"flag": "true", "count": "3", "price": "9.95", "name": 7, "moment": 0, "tags": ["a", 1]})),
        of(2, json!({"price": 9.955, "moment": "2026-03-01", "tags": ["a", null], "prices": [1, 2.5], "ratio": -0.0})),
        of(3, json!({"moment": "2026-03-01T10:00:00", "tags": [], "prices": [0.001]})),
    ];
    store.append(&program, &batch(rows)).unwrap();
    assert_eq!(
        ask(&reader, "SELECT flag, count, price, name, moment, tags, prices, ratio FROM ev_odd ORDER BY seq"),
        json!([
            [null, null, null, null, null, null, null, null],
            [null, null, null, null, "2026-03-01T00:00:00.000000Z", null, ["1.00", "2.50"], 0.0],
            [null, null, null, null, "2026-03-01T10:00:00.000000Z", [], null, null],
        ])
    );
}
