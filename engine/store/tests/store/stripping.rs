//! `on_violation: strip`: what violates the schema is in the payload only, for rules and for SQL alike.

use crate::support::*;
use serde_json::json;

const STRIPPING: &str = "event: order\nproperties:\n  order_id: {type: string}\n  status: {type: string, enum: [paid, open]}\n  total: {type: number, multipleOf: 0.01, minimum: 0}\nrequired: [order_id]\non_violation: strip";

#[test]
fn a_stripped_property_is_not_in_the_typed_row() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(&[STRIPPING]));
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let order = |seq, properties| row(&program, seq, &track(&format!("m{seq}"), "order", "a1", &properties));
    let rows = vec![
        order(1, json!({"order_id": "o1", "status": "paid", "total": 5})),
        order(2, json!({"order_id": "o2", "status": "lost", "total": 6})),
        order(3, json!({"order_id": "o3", "status": "open", "total": -1})),
    ];
    store.append(&program, &batch(rows)).unwrap();
    assert_eq!(
        ask(&reader, "SELECT order_id, status, total FROM ev_order ORDER BY seq"),
        json!([["o1", "paid", "5.00"], ["o2", null, "6.00"], ["o3", "open", null]])
    );
    assert_eq!(
        ask(&reader, "SELECT payload LIKE '%lost%', labels FROM log WHERE seq = 2"),
        json!([[true, ["stripped"]]])
    );
}

#[test]
fn columns_and_tables_that_are_filled_later_leave_it_out_too() {
    let dir = tempfile::tempdir().unwrap();
    let first = shop();
    let Opened { store, reader, .. } = open(dir.path(), &first);
    let order = |seq, status: &str| {
        row(&first, seq, &track(&format!("m{seq}"), "order", "a1", &json!({"order_id": "o", "status": status})))
    };
    let refund = |seq, status: &str| {
        row(&first, seq, &track(&format!("m{seq}"), "refund", "a1", &json!({"order_id": "o", "status": status})))
    };
    let rows = vec![order(1, "paid"), order(2, "lost"), refund(3, "open"), refund(4, "lost")];
    store.append(&first, &batch(rows)).unwrap();
    let second = program(&[STRIPPING, VIEW, &STRIPPING.replace("event: order", "event: refund")]);
    store.evolve(&second).unwrap();
    assert_eq!(ask(&reader, "SELECT seq, status FROM ev_order ORDER BY seq"), json!([[1, "paid"], [2, null]]));
    assert_eq!(
        ask(&reader, "SELECT seq, order_id, status FROM ev_refund ORDER BY seq"),
        json!([[3, "o", "open"], [4, "o", null]])
    );
}
