//! What is appended is there, typed, once, or not at all.

use crate::support::*;
use serde_json::json;
use sonder_core::effect::{Cause, Change, ChangeKind, Delivery, EffectId, ItemKind, PersonId, Recall};
use sonder_core::message::{Quarantined, Reason};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, SourceId, Value};
use sonder_dsl::time::Moment;
use sonder_store::{
    DeliveryOutcome, LogBatch, OutcomeState, RecordedChange, RecordedDelivery, RecordedRecall, Store, StoreError,
};

#[test]
fn a_row_is_in_the_log_and_typed() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let order = track("m1", "order", "a1", &json!({"order_id": "o1", "total": 49.95}));
    let view = track("m2", "View", "a1", &json!({"product": "p", "tags": ["x", "y"]}));
    store.append(&program, &batch(vec![row(&program, 1, &order), row(&program, 2, &view)])).unwrap();

    assert_eq!(
        ask(
            &reader,
            "SELECT seq, received_at, call, event, message_id, source, anonymous_id, user_id, identifiers, historical, labels FROM log ORDER BY seq LIMIT 1"
        ),
        json!([[
            1,
            "2026-03-01T00:00:01.000000Z",
            "track",
            "order",
            "m1",
            "web",
            "a1",
            null,
            ["anonymous_id:a1"],
            false,
            []
        ]])
    );
    assert_eq!(
        ask(&reader, "FROM ev_order"),
        json!([[
            1,
            "2026-03-01T00:00:00.500000Z",
            "2026-03-01T00:00:01.000000Z",
            "web",
            "m1",
            "a1",
            null,
            "o1",
            "49.95"
        ]])
    );
    assert_eq!(ask(&reader, "SELECT seq, product, tags FROM ev_view"), json!([[2, "p", ["x", "y"]]]));
    let logged = reader.log_after(Seq(0), 10).unwrap();
    assert_eq!(logged.len(), 2);
    assert_eq!(logged[0].payload.parse::<serde_json::Value>().unwrap(), order);
    assert_eq!((logged[1].seq, &*logged[1].source), (Seq(2), "web"));
}

#[test]
fn everything_of_a_batch_is_written_together() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let at = Moment(START);
    let (buyers, _) = program.rule_named("buyers").unwrap();
    let (spent, _) = program.rule_named("spent").unwrap();
    let change =
        |cause, what| RecordedChange { as_of: Seq(1), change: Change { person: PersonId(7), at, cause, what } };
    let delivery = Delivery {
        id: EffectId(99),
        destination: DestinationId(0),
        person: PersonId(7),
        at,
        cause: Cause::Record(Seq(1)),
        kind: ItemKind::SegmentEntered,
        name: "buyers".into(),
        identifiers: vec![("anonymous_id".into(), "a1".into())],
        payload: "{}".into(),
    };
    let reason = |code: &str| Reason {
        code: code.into(),
        path: Some("/properties/total".into()),
        message: "is not a number".into(),
    };
    let recall = Recall {
        id: delivery.id,
        destination: DestinationId(0),
        person: PersonId(7),
        at,
        reason: "left carts: converted".to_owned(),
    };
    let everything = LogBatch {
        rows: views(&program, 1, 1),
        quarantined: vec![Quarantined {
            source: SourceId(0),
            received_at: at,
            occurred_at: None,
            historical: false,
            message_id: Some("bad".into()),
            name: Some("order".into()),
            reasons: vec![reason("schema_violation"), reason("schema_violation")],
            payload: "{".into(),
        }],
        resolved: Vec::new(),
        changes: vec![
            change(Cause::Record(Seq(1)), ChangeKind::Created),
            change(Cause::Record(Seq(1)), ChangeKind::Entered(buyers)),
            change(
                Cause::Timer(at),
                ChangeKind::TraitChanged { rule: spent, value: Some(Value::Decimal("5".parse().unwrap())) },
            ),
        ],
        deliveries: vec![RecordedDelivery { as_of: Seq(1), delivery }],
        recalls: vec![RecordedRecall { as_of: Seq(1), recall }],
        outcomes: vec![DeliveryOutcome {
            delivery: EffectId(99),
            state: OutcomeState::Delivered,
            attempt: 1,
            at,
            status: Some(200),
            detail: None,
        }],
        succession: None,
    };
    store.append(&program, &everything).unwrap();
    let person = "00000000000000000000000000000007";
    assert_eq!(
        ask(&reader, "SELECT id, person, kind, name, value, cause_seq, cause_time IS NULL FROM changes ORDER BY id"),
        json!([
            [1, person, "created", null, null, 1, true],
            [2, person, "entered", "buyers", null, 1, true],
            [3, person, "trait_changed", "spent", "\"5.00\"", null, false],
        ])
    );
    assert_eq!(
        ask(&reader, "SELECT person, kind, name, state, attempts, status FROM delivery_states"),
        json!([[person, "segment_entered", "buyers", "delivered", 1, 200]])
    );
    assert_eq!(
        ask(&reader, "SELECT r.as_of_seq, reason, id IS NOT NULL FROM recalls r LEFT JOIN deliveries ON id = delivery"),
        json!([[1, "left carts: converted", true]])
    );
    assert_eq!(
        ask(&reader, "SELECT id, source, message_id, codes, payload FROM quarantine"),
        json!([[1, "web", "bad", ["schema_violation"], "{"]])
    );
}

#[test]
fn rows_that_do_not_continue_the_log_are_refused() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    store.append(&program, &batch(views(&program, 1, 3))).unwrap();
    for first in [3, 5] {
        let refused = store.append(&program, &batch(views(&program, first, 2)));
        assert!(matches!(refused, Err(StoreError::OutOfOrder { expected: 4, found }) if found == first), "{refused:?}");
    }
    store.append(&program, &batch(views(&program, 4, 2))).unwrap();
    assert_eq!(ask(&reader, "SELECT count(*), max(seq) FROM log"), json!([[5, 5]]));
    assert_eq!(store.last_seq(), Seq(5));
}

#[test]
fn a_large_batch_keeps_its_order() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    store.append(&program, &batch(views(&program, 1, 40_000))).unwrap();
    store.append(&program, &batch(views(&program, 40_001, 3))).unwrap();
    assert!(store.checkpoint_wal().unwrap());
    let mut expected = 1;
    loop {
        let chunk = reader.log_after(Seq(expected - 1), 7_000).unwrap();
        if chunk.is_empty() {
            break;
        }
        for message in chunk {
            assert_eq!(message.seq, Seq(expected));
            assert_eq!(message.message_id, format!("m{expected}"));
            expected += 1;
        }
    }
    assert_eq!(expected, 40_004);
}

#[test]
fn events_without_a_schema_are_logged_under_their_folded_name() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let message = track("m1", "Something Else", "a1", &json!({"x": 1}));
    store.append(&program, &batch(vec![row(&program, 1, &message)])).unwrap();
    assert_eq!(ask(&reader, "SELECT event FROM log"), json!([["something_else"]]));
}

#[test]
fn readers_see_whole_batches_while_one_writes() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 0..30 {
                store.append(&program, &batch(views(&program, number * 50 + 1, 50))).unwrap();
                store.checkpoint_wal().unwrap();
            }
        });
        while !writing.is_finished() {
            let counts = ask(&reader, "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM ev_view)");
            let (logged, typed) = (counts[0][0].as_u64().unwrap(), counts[0][1].as_u64().unwrap());
            assert_eq!(logged % 50, 0);
            assert_eq!(logged, typed);
        }
        writing.join().unwrap();
    });
}

#[test]
fn a_second_engine_is_refused() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let _first = open(dir.path(), &program);
    let second = Store::open(dir.path(), &program);
    assert!(matches!(second, Err(StoreError::Locked { pid: Some(pid), .. }) if pid == std::process::id()));
}
