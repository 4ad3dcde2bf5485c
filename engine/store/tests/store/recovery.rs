//! What a store knows when it is opened again.

use crate::support::*;
use serde_json::json;
use sonder_core::effect::{Cause, Change, ChangeKind, Delivery, EffectId, ItemKind, PersonId, Recall};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, Fingerprint};
use sonder_dsl::time::Moment;
use sonder_store::{
    DeliveryOutcome, LogBatch, OutcomeState, PersonRow, RecordedChange, RecordedDelivery, RecordedRecall,
    SavedCheckpoint, StateCheckpoint, Store, Succession, Takeover,
};
use std::sync::Arc;

type People<'a> = &'a [(PersonId, Option<Vec<u8>>)];

fn checkpoint<'a>(seq: u64, people: u64) -> StateCheckpoint<'a> {
    let now = Moment(START + i64::try_from(seq).unwrap() * SECOND);
    StateCheckpoint { seq: Seq(seq), now, meta: b"meta", people, pending: &[] }
}

/// Of the program with that fingerprint, in one slice.
fn save(
    store: &Store,
    of: u64,
    checkpoint: &StateCheckpoint<'_>,
    people: People<'_>,
    rows: &[PersonRow],
) -> SavedCheckpoint {
    let mut saving = store.begin_checkpoint(Fingerprint(of)).unwrap();
    saving.add(people, rows).unwrap();
    saving.finish(checkpoint).unwrap()
}

fn person_row(person: u128, segment: &str) -> PersonRow {
    PersonRow {
        person: PersonId(person),
        first_seen: Moment(START),
        last_seen: Moment(START),
        identifiers: vec![("anonymous_id".into(), format!("a{person}"))],
        segments: vec![(segment.into(), Moment(START))],
        traits: "{\"spent\":\"5.00\"}".into(),
    }
}

fn delivery(id: u128) -> Delivery {
    Delivery {
        id: EffectId(id),
        destination: DestinationId(0),
        person: PersonId(1),
        at: Moment(START),
        cause: Cause::Timer(Moment(START)),
        kind: ItemKind::SegmentLeft,
        name: "buyers".into(),
        identifiers: vec![("email".into(), "a@example.com".into())],
        payload: "{}".into(),
    }
}

fn outcome(id: u128, state: OutcomeState) -> DeliveryOutcome {
    DeliveryOutcome { delivery: EffectId(id), state, attempt: 1, at: Moment(START), status: None, detail: None }
}

#[test]
fn an_empty_store_begins_at_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { recovered, store, .. } = open(dir.path(), &shop());
    assert_eq!((recovered.last_seq, recovered.last_received_at), (Seq(0), Moment(0)));
    assert!(recovered.dedup.is_empty() && recovered.checkpoint.is_none() && recovered.ended.is_empty());
    assert_eq!(store.load_checkpoint().unwrap(), None);
}

#[test]
fn the_log_and_its_message_ids_are_known_again() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let last = START + 48 * 3_600 * SECOND;
    let message = |id: &str| track(id, "view", "a1", &json!({}));
    {
        let Opened { store, .. } = open(dir.path(), &program);
        let rows = vec![
            row_at(&program, 1, START, &message("just outside")),
            row_at(&program, 2, START + 1, &message("just inside")),
            row_at(&program, 3, last, &message("last")),
        ];
        store.append(&program, &batch(rows)).unwrap();
    }
    let Opened { mut recovered, store, .. } = open(dir.path(), &program);
    assert_eq!((recovered.last_seq, recovered.last_received_at), (Seq(3), Moment(last)));
    assert_eq!(recovered.dedup.len(), 2);
    assert!(!recovered.dedup.contains("just outside", Moment(last)));
    assert!(recovered.dedup.contains("just inside", Moment(last)));
    assert!(!recovered.dedup.contains("just inside", Moment(last + 1)));
    assert_eq!(store.last_seq(), Seq(3));
}

#[test]
fn a_checkpoint_comes_back_with_the_latest_state_of_everybody() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let people = |pairs: &[(u128, Option<&str>)]| -> Vec<_> {
        pairs.iter().map(|(id, state)| (PersonId(*id), state.map(|text| text.as_bytes().to_vec()))).collect()
    };
    {
        let Opened { store, .. } = open(dir.path(), &program);
        store.append(&program, &batch(views(&program, 1, 9))).unwrap();
        let first = people(&[(1, Some("one")), (2, Some("two")), (u128::MAX, Some("max"))]);
        let rows = [person_row(1, "buyers"), person_row(2, "buyers"), person_row(u128::MAX, "buyers")];
        save(&store, u64::MAX, &checkpoint(5, 3), &first, &rows);
        let second = people(&[(1, Some("one again")), (2, None)]);
        let pending = [delivery(5)];
        let with_pending = StateCheckpoint { pending: &pending, ..checkpoint(9, 2) };
        let saved = save(&store, u64::MAX, &with_pending, &second, &[person_row(1, "others")]);
        assert_eq!((saved.version, saved.people), (2, 2));
    }
    let Opened { recovered, store, reader } = open(dir.path(), &program);
    let saved = recovered.checkpoint.unwrap();
    assert_eq!((saved.seq, saved.fingerprint, saved.people), (Seq(9), Fingerprint(u64::MAX), 2));
    let loaded = store.load_checkpoint().unwrap().unwrap();
    assert_eq!((loaded.saved, &*loaded.meta), (saved, b"meta".as_slice()));
    assert_eq!(loaded.pending, [delivery(5)]);
    let mut everybody = Vec::new();
    store.each_person(|chunk| everybody.extend(chunk)).unwrap();
    everybody.sort();
    let expected = vec![(PersonId(1), b"one again".to_vec()), (PersonId(u128::MAX), b"max".to_vec())];
    assert_eq!(everybody, expected);
    assert_eq!(store.load_people(&[PersonId(2), PersonId(1), PersonId(3)]).unwrap(), expected[..1]);

    assert_eq!(
        ask(&reader, "SELECT person, segment FROM memberships ORDER BY segment, person"),
        json!([["ffffffffffffffffffffffffffffffff", "buyers"], ["00000000000000000000000000000001", "others"]])
    );
    assert_eq!(
        ask(&reader, "SELECT kind, \"value\" FROM identifiers WHERE person = '00000000000000000000000000000001'"),
        json!([["anonymous_id", "a1"]])
    );
    assert_eq!(ask(&reader, "SELECT traits->>'spent' FROM people LIMIT 1"), json!([["5.00"]]));
}

#[test]
fn the_first_checkpoint_of_another_program_replaces_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let program = shop();
    let Opened { store, .. } = open(dir.path(), &program);
    let old = [(PersonId(1), Some(b"old".to_vec())), (PersonId(2), Some(b"old".to_vec()))];
    save(&store, 1, &checkpoint(1, 2), &old, &[person_row(1, "buyers"), person_row(2, "buyers")]);

    let new = [(PersonId(2), Some(b"new".to_vec()))];
    save(&store, 7, &checkpoint(2, 1), &new, &[]);
    let mut kept = Vec::new();
    store.each_person(|chunk| kept.extend(chunk)).unwrap();
    assert_eq!(kept, [(PersonId(2), b"new".to_vec())]);

    // The next one of that program adds to it.
    let more = [(PersonId(3), Some(b"new".to_vec()))];
    save(&store, 7, &checkpoint(3, 2), &more, &[]);
    kept.clear();
    store.each_person(|chunk| kept.extend(chunk)).unwrap();
    assert_eq!(kept, [(PersonId(2), b"new".to_vec()), (PersonId(3), b"new".to_vec())]);
}

#[test]
fn a_checkpoint_that_is_not_finished_never_was() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let first = [(PersonId(1), Some(b"one".to_vec()))];
    save(&store, 1, &checkpoint(1, 1), &first, &[person_row(1, "buyers")]);
    // One that is given up, of another program at that; and one that is cut off.
    for _ in 0..2 {
        let mut saving = store.begin_checkpoint(Fingerprint(7)).unwrap();
        saving.add(&[(PersonId(1), Some(b"other".to_vec()))], &[person_row(1, "others")]).unwrap();
        saving.add(&[(PersonId(2), Some(b"other".to_vec()))], &[person_row(2, "others")]).unwrap();
        // Appends do not wait for it.
        store.append(&program, &batch(views(&program, store.last_seq().0 + 1, 5))).unwrap();
        assert!(!store.checkpoint_state_wal().unwrap(), "its transaction is open");
        assert!(store.checkpoint_wal().unwrap());
        drop(saving);
    }
    assert_eq!(store.load_people(&[PersonId(1), PersonId(2)]).unwrap(), [(PersonId(1), b"one".to_vec())]);
    assert_eq!(ask(&reader, "SELECT segment FROM memberships"), json!([["buyers"]]));
    let second = [(PersonId(2), Some(b"two".to_vec()))];
    assert_eq!(save(&store, 1, &checkpoint(2, 2), &second, &[]).version, 2);
    assert!(store.checkpoint_state_wal().unwrap());
    drop((store, reader));
    let Opened { recovered, store, .. } = open(dir.path(), &program);
    assert_eq!(recovered.last_seq, Seq(10));
    assert_eq!(recovered.checkpoint.unwrap().seq, Seq(2));
    assert_eq!(store.load_people(&[PersonId(1), PersonId(2)]).unwrap().len(), 2);
}

#[test]
fn where_another_version_took_over_is_known_again() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let takeover = |seq, now| Takeover { as_of: Seq(seq), now: Moment(now), fingerprint: Fingerprint(u64::MAX - 1) };
    {
        let Opened { store, recovered, .. } = open(dir.path(), &program);
        assert_eq!(recovered.takeover, None);
        for (seq, now) in [(0, START), (5, START + 5 * SECOND), (5, START + 6 * SECOND)] {
            let rows = views(&program, store.last_seq().0 + 1, seq - store.last_seq().0);
            let (takeover, new) = (takeover(seq, now), Arc::clone(&program));
            let succession =
                Succession { takeover, program: new, changes: Vec::new(), deliveries: Vec::new(), ids: Arc::default() };
            let batch = LogBatch { rows, succession: Some(Arc::new(succession)), ..LogBatch::default() };
            store.append(&program, &batch).unwrap();
        }
    }
    let Opened { recovered, .. } = open(dir.path(), &program);
    assert_eq!(recovered.takeover, Some(takeover(5, START + 6 * SECOND)));
}

/// As version 0.1 of the format laid it out.
#[test]
fn the_state_of_an_older_format_moves_to_its_own_file() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    {
        let Opened { store, .. } = open(dir.path(), &program);
        store.append(&program, &batch(views(&program, 1, 5))).unwrap();
    }
    std::fs::remove_file(dir.path().join("state.duckdb")).unwrap();
    let connection = duckdb::Connection::open(dir.path().join("sonder.duckdb")).unwrap();
    connection
        .execute_batch(
            "DROP VIEW memberships; DROP VIEW identifiers; DROP VIEW people;
             CREATE TABLE checkpoints(version UBIGINT, seq UBIGINT, now TIMESTAMP, fingerprint UBIGINT, people UBIGINT,
                meta BLOB, pending VARCHAR);
             CREATE TABLE state_people(person UUID, version UBIGINT, state BLOB);
             CREATE TABLE people_rows(person UUID, version UBIGINT, gone BOOLEAN, first_seen TIMESTAMP, last_seen TIMESTAMP,
                identifiers STRUCT(kind VARCHAR, \"value\" VARCHAR)[], segments STRUCT(segment VARCHAR, since TIMESTAMP)[],
                traits VARCHAR);
             CREATE VIEW people AS SELECT person FROM people_rows;
             INSERT INTO checkpoints VALUES (3, 5, TIMESTAMP '2026-03-01', 7, 1, 'meta', '[]');
             INSERT INTO state_people VALUES ('00000000000000000000000000000001', 2, 'old'),
                ('00000000000000000000000000000001', 3, 'one'), ('00000000000000000000000000000002', 3, NULL);
             INSERT INTO people_rows VALUES ('00000000000000000000000000000001', 3, false, NULL, NULL, [], [], '{}');
             UPDATE sonder_format SET version = 1;",
        )
        .unwrap();
    drop(connection);
    for _ in 0..2 {
        let Opened { recovered, store, reader } = open(dir.path(), &program);
        assert_eq!(
            recovered.checkpoint.map(|it| (it.version, it.seq, it.fingerprint)),
            Some((3, Seq(5), Fingerprint(7)))
        );
        let people = store.load_people(&[PersonId(1), PersonId(2)]).unwrap();
        assert_eq!(people, [(PersonId(1), b"one".to_vec())]);
        assert_eq!(ask(&reader, "SELECT count(*) FROM people"), json!([[1]]));
        assert_eq!(ask(&reader, "SELECT count(*) FROM log"), json!([[5]]));
    }
}

#[test]
fn many_versions_are_compacted_and_nobody_is_lost() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    for version in 0..6_u8 {
        let people: Vec<_> =
            (0..25_000).map(|id| (PersonId(id), (id % 5 != 4 || version < 5).then(|| vec![version; 3]))).collect();
        save(&store, 1, &checkpoint(u64::from(version), if version < 5 { 25_000 } else { 20_000 }), &people, &[]);
    }
    let rows = ask(&reader, "SELECT count(*) FROM state.people")[0][0].as_u64().unwrap();
    assert!(rows < 150_000, "{rows} rows for 20,000 people");
    let mut count = 0;
    store
        .each_person(|chunk| {
            for (id, state) in chunk {
                assert_eq!((id.0 % 5 != 4, &*state), (true, [5, 5, 5].as_slice()));
                count += 1;
            }
        })
        .unwrap();
    assert_eq!(count, 20_000);
}

#[test]
fn what_was_decided_after_the_checkpoint_is_discarded_and_outcomes_are_not() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let change = |as_of, at| RecordedChange {
        as_of: Seq(as_of),
        change: Change {
            person: PersonId(1),
            at: Moment(at),
            cause: Cause::Timer(Moment(at)),
            what: ChangeKind::Created,
        },
    };
    let decided =
        |as_of, id| RecordedDelivery { as_of: Seq(as_of), delivery: Delivery { at: Moment(START), ..delivery(id) } };
    {
        let Opened { store, .. } = open(dir.path(), &program);
        let first = LogBatch {
            rows: views(&program, 1, 5),
            changes: vec![change(4, 0), change(5, START + 5 * SECOND)],
            deliveries: vec![decided(5, 1)],
            outcomes: vec![outcome(1, OutcomeState::Retry)],
            ..LogBatch::default()
        };
        store.append(&program, &first).unwrap();
        save(&store, 1, &checkpoint(5, 0), &[], &[]);
        let second = LogBatch {
            // The clock went on after the checkpoint and before the next record.
            changes: vec![change(5, START + 5 * SECOND + 1), change(6, START)],
            deliveries: vec![decided(6, 2), decided(6, 3)],
            outcomes: vec![outcome(2, OutcomeState::Delivered), outcome(3, OutcomeState::Retry)],
            rows: views(&program, 6, 1),
            ..LogBatch::default()
        };
        store.append(&program, &second).unwrap();
    }
    let Opened { store, reader, recovered } = open(dir.path(), &program);
    assert_eq!(recovered.ended.into_iter().collect::<Vec<_>>(), [(EffectId(2), OutcomeState::Delivered)]);
    let saved = recovered.checkpoint.unwrap();
    let last = store.discard_effects_after(saved.seq, saved.now).unwrap();
    assert_eq!(last, Moment(START + 5 * SECOND + 1), "the clock had come that far");
    assert_eq!(ask(&reader, "SELECT id, as_of_seq FROM changes ORDER BY id"), json!([[1, 4], [2, 5]]));
    assert_eq!(ask(&reader, "SELECT number FROM deliveries"), json!([[1]]));
    assert_eq!(ask(&reader, "SELECT count(*) FROM delivery_outcomes"), json!([[3]]));
    // Refolding decides the same again, and it is numbered on from there.
    let again = LogBatch { changes: vec![change(6, START)], deliveries: vec![decided(6, 2)], ..LogBatch::default() };
    store.append(&program, &again).unwrap();
    assert_eq!(ask(&reader, "SELECT max(id) FROM changes"), json!([[3]]));
    assert_eq!(
        ask(&reader, "SELECT number, state FROM delivery_states ORDER BY number"),
        json!([[1, "retry"], [2, "delivered"]])
    );
    store.discard_effects_after(Seq(0), Moment::MIN).unwrap();
    assert_eq!(ask(&reader, "SELECT count(*) FROM changes"), json!([[0]]));
}

#[test]
fn what_was_called_back_and_still_waits_is_cancelled() {
    let (dir, program) = (tempfile::tempdir().unwrap(), with_webhook());
    let decided = |id| RecordedDelivery { as_of: Seq(5), delivery: Delivery { at: Moment(START), ..delivery(id) } };
    let recall = |id| RecordedRecall {
        as_of: Seq(5),
        recall: Recall {
            id: EffectId(id),
            destination: DestinationId(0),
            person: PersonId(1),
            at: Moment(START + SECOND),
            reason: "left carts: converted".to_owned(),
        },
    };
    {
        let Opened { store, .. } = open(dir.path(), &program);
        let batch = LogBatch {
            rows: views(&program, 1, 5),
            deliveries: (1..=4).map(decided).collect(),
            recalls: vec![recall(2), recall(3), recall(4), recall(4), recall(99)],
            outcomes: vec![
                outcome(3, OutcomeState::Delivered),
                // Under way when it was called back.
                DeliveryOutcome { at: Moment(START + 2 * SECOND), ..outcome(4, OutcomeState::Retry) },
            ],
            ..LogBatch::default()
        };
        store.append(&program, &batch).unwrap();
    }
    let states = json!([
        [1, "pending", null],
        [2, "cancelled", "left carts: converted"],
        [3, "delivered", null],
        [4, "cancelled", "left carts: converted"]
    ]);
    for _ in 0..2 {
        let Opened { store, reader, .. } = open(dir.path(), &program);
        store.cancel_recalled().unwrap();
        assert_eq!(ask(&reader, "SELECT number, state, detail FROM delivery_states ORDER BY number"), states);
        assert_eq!(ask(&reader, "SELECT count(*) FROM recalls"), json!([[0]]));
        let waiting = reader.backlog("hook", DestinationId(0), None, 10).unwrap();
        assert_eq!(waiting.iter().map(|it| it.id).collect::<Vec<_>>(), [EffectId(1)]);
    }
}

#[test]
fn a_newer_format_is_refused() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    drop(open(dir.path(), &program));
    let connection = duckdb::Connection::open(dir.path().join("sonder.duckdb")).unwrap();
    connection.execute_batch("UPDATE sonder_format SET version = 99").unwrap();
    drop(connection);
    let error = Store::open(dir.path(), &program).unwrap_err();
    assert!(error.to_string().contains("has format 99, and this version of sonder reads up to format 5"), "{error}");
    assert_eq!(error.help().as_deref(), Some("run the version of sonder that wrote it, or a newer one"));
}

#[test]
fn a_store_at_rest_can_be_read_but_not_while_an_engine_runs() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let missing = sonder_store::Reader::open(dir.path(), Default::default()).unwrap_err();
    assert!(matches!(missing, sonder_store::StoreError::Missing { .. }), "{missing}");
    let Opened { store, reader, .. } = open(dir.path(), &program);
    store.append(&program, &batch(views(&program, 1, 3))).unwrap();
    let running = sonder_store::Reader::open(dir.path(), Default::default()).unwrap_err();
    assert!(matches!(running, sonder_store::StoreError::Locked { .. }), "{running}");
    drop((store, reader));
    let at_rest = sonder_store::Reader::open(dir.path(), Default::default()).unwrap();
    assert_eq!(ask(&at_rest, "SELECT count(*) FROM log"), json!([[3]]));
}

#[test]
fn appends_checkpoints_and_folding_go_on_beside_each_other() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, .. } = open(dir.path(), &program);
    std::thread::scope(|scope| {
        let (store, program) = (&store, &program);
        let appending = scope.spawn(move || {
            for number in 0..40 {
                store.append(program, &batch(views(program, number * 100 + 1, 100))).unwrap();
            }
        });
        let saving = scope.spawn(move || {
            let mut version = 0_u8;
            while !appending.is_finished() {
                version = version.wrapping_add(1);
                let people: Vec<_> = (0..2_000).map(|id| (PersonId(id), Some(vec![version; 20]))).collect();
                save(store, 1, &checkpoint(1, 2_000), &people, &[person_row(1, "buyers")]);
            }
            version
        });
        while !saving.is_finished() {
            store.checkpoint_wal().unwrap();
            store.checkpoint_state_wal().unwrap();
        }
        let version = saving.join().unwrap();
        assert_eq!(store.load_people(&[PersonId(1_999)]).unwrap(), [(PersonId(1_999), vec![version; 20])]);
    });
    drop(store);
    let Opened { recovered, reader, .. } = open(dir.path(), &program);
    assert_eq!(recovered.last_seq, Seq(4_000));
    assert_eq!(ask(&reader, "SELECT count(*) FROM people"), json!([[1]]));
}
