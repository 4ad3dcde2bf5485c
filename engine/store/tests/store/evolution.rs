//! Typed tables follow the schemas, and no value is lost on the way.

use crate::support::*;
use serde_json::json;

const ORDER_2: &str = "event: order\nproperties:\n  order_id: {type: string}\n  total: {type: number, multipleOf: 0.01}\n  coupon: {type: string}\n  items: {type: integer}";
const ORDER_TEXT: &str = "event: order\nproperties:\n  order_id: {type: string}\n  total: {type: string}";

#[test]
fn a_new_property_gets_a_column_that_is_filled_from_the_payloads() {
    let dir = tempfile::tempdir().unwrap();
    let first = shop();
    let Opened { store, reader, .. } = open(dir.path(), &first);
    let with = |id: &str, properties| track(id, "order", "a1", &properties);
    store
        .append(
            &first,
            &batch(vec![
                row(&first, 1, &with("m1", json!({"order_id": "o1", "total": 5, "coupon": "SPRING", "items": 2.0}))),
                row(&first, 2, &with("m2", json!({"order_id": "o2", "total": 6, "coupon": 7}))),
            ]),
        )
        .unwrap();

    let second = program(&[ORDER_2, VIEW]);
    store.evolve(&second).unwrap();
    store
        .append(&second, &batch(vec![row(&second, 3, &with("m3", json!({"order_id": "o3", "coupon": "MAY"})))]))
        .unwrap();
    let expected = json!([[1, "5.00", "SPRING", 2], [2, "6.00", null, null], [3, null, "MAY", null]]);
    assert_eq!(ask(&reader, "SELECT seq, total, coupon, items FROM ev_order ORDER BY seq"), expected);

    // A batch of the version before may still be on its way; its new properties are not declared there.
    let late = with("m4", json!({"order_id": "o4", "coupon": "LATE"}));
    store.append(&first, &batch(vec![row(&first, 4, &late)])).unwrap();
    assert_eq!(ask(&reader, "SELECT order_id, coupon FROM ev_order WHERE seq = 4"), json!([["o4", null]]));

    drop((store, reader));
    let Opened { reader, .. } = open(dir.path(), &second);
    assert_eq!(ask(&reader, "SELECT count(*) FROM ev_order"), json!([[4]]));
}

#[test]
fn a_changed_type_keeps_the_old_column_and_fills_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = shop();
    let Opened { store, reader, .. } = open(dir.path(), &first);
    let order = |id: &str, total| track(id, "order", "a1", &json!({"order_id": id, "total": total}));
    store.append(&first, &batch(vec![row(&first, 1, &order("m1", json!(5.5)))])).unwrap();

    let second = program(&[ORDER_TEXT, VIEW]);
    store.append(&second, &batch(vec![row(&second, 2, &order("m2", json!("six")))])).unwrap();
    assert_eq!(
        ask(&reader, "SELECT seq, total, total__v1 FROM ev_order ORDER BY seq"),
        json!([[1, null, "5.50"], [2, "six", null]])
    );
    // Back again: the payloads still have every value of the first type.
    store.evolve(&first).unwrap();
    assert_eq!(
        ask(&reader, "SELECT seq, total, total__v1, total__v2 FROM ev_order ORDER BY seq"),
        json!([[1, "5.50", "5.50", null], [2, null, null, "six"]])
    );
    assert_eq!(
        ask(
            &reader,
            "SELECT column_name, kind, state FROM typed_columns WHERE event = 'order' AND property = 'total' ORDER BY position"
        ),
        json!([
            ["total__v1", "DECIMAL(38,2)", "retired"],
            ["total__v2", "VARCHAR", "retired"],
            ["total", "DECIMAL(38,2)", "current"]
        ])
    );
}

#[test]
fn an_event_that_is_declared_late_gets_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let first = shop();
    let Opened { store, reader, .. } = open(dir.path(), &first);
    let search =
        |id: &str, seq| row(&first, seq, &track(id, "Search Done", "a1", &json!({"terms": ["a", "b"], "hits": 3})));
    store.append(&first, &batch(vec![search("m1", 1), search("m2", 2)])).unwrap();
    let second = program(&[
        ORDER,
        VIEW,
        "event: search_done\nproperties:\n  terms: {type: array, items: {type: string}}\n  hits: {type: integer}\n  source: {type: string}",
    ]);
    store.evolve(&second).unwrap();
    assert_eq!(
        ask(&reader, "SELECT seq, source, anonymous_id, terms, hits, property_source FROM ev_search_done ORDER BY seq"),
        json!([[1, "web", "a1", ["a", "b"], 3, null], [2, "web", "a1", ["a", "b"], 3, null]])
    );
}

#[test]
fn a_property_that_comes_back_is_filled_for_the_time_it_was_away() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without) = (program(&[ORDER_2]), program(&[ORDER]));
    let Opened { store, reader, .. } = open(dir.path(), &with);
    let order = |id: &str| track(id, "order", "a1", &json!({"order_id": id, "coupon": id}));
    store.append(&with, &batch(vec![row(&with, 1, &order("m1"))])).unwrap();
    store.append(&without, &batch(vec![row(&without, 2, &order("m2"))])).unwrap();
    assert_eq!(ask(&reader, "SELECT coupon FROM ev_order ORDER BY seq"), json!([["m1"], [null]]));
    store.evolve(&with).unwrap();
    assert_eq!(ask(&reader, "SELECT coupon FROM ev_order ORDER BY seq"), json!([["m1"], ["m2"]]));
}
