//! Personal data at rest: what is marked `pii` is in no file, and comes back as it was.

use crate::support::{START, batch, kept_aside, open, row, track};
use serde_json::{Value as Json, json};
use sonder_core::effect::PersonId;
use sonder_core::record::Seq;
use sonder_dsl::ir::{Fingerprint, Program};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::{
    Expired, Expiring, KEYS_FILE, Left, LogBatch, PersonRow, ProjectKey, ProjectKeys, Query, Reader, RetentionRun,
    StateCheckpoint, Store, StoreError, StoreOptions, Target, Whose, later_keys, note_later_keys,
};
use std::path::Path;
use std::sync::Arc;

const SECRET: &str = "Wendeltreppe 7, Utrecht";

fn program(marked: bool) -> Arc<Program> {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    let mark = if marked { ", pii: contact" } else { "" };
    let files = vec![
        file("sonder.yaml", "name: shop\nundeclared_events: accept\n".into()),
        file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n".into()),
        file("identity.yaml", "identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\n".into()),
        file("profile.yaml", format!("traits:\n  street: {{type: string{mark}}}\n")),
        file(
            "events/order.yaml",
            format!(
                "event: order\nproperties:\n  street: {{type: string{mark}}}\n  floor: {{type: integer{mark}}}\n  \
                 total: {{type: number, multipleOf: 0.01}}\n"
            ),
        ),
    ];
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}

fn key(number: u8) -> ProjectKey {
    ProjectKey::read(&format!("{number:02x}").repeat(32)).unwrap()
}

fn with(keys: Option<ProjectKeys>) -> StoreOptions {
    StoreOptions { keys: keys.map(Arc::new), ..StoreOptions::default() }
}

fn under(number: u8, previous: &[u8]) -> StoreOptions {
    with(Some(ProjectKeys::sealing(key(number), previous.iter().map(|it| key(*it)).collect())))
}

fn opened(dir: &Path, program: &Arc<Program>, options: StoreOptions) -> Store {
    Store::open_with(dir, program, options).unwrap().0
}

fn orders(program: &Program, first: u64, count: u64) -> Vec<sonder_store::LogRow> {
    let order = |seq: u64| {
        let properties = json!({"street": SECRET, "floor": 70_000 + seq, "total": 1.5});
        track(&format!("m{seq}"), "order", &format!("a{}", seq % 3), &properties)
    };
    (first..first + count).map(|seq| row(program, seq, &order(seq))).collect()
}

fn identify(program: &Program, seq: u64) -> sonder_store::LogRow {
    let message = json!({"type": "identify", "messageId": format!("i{seq}"), "userId": "u1", "anonymousId": "a1",
        "traits": {"street": SECRET, "plan": "pro"}, "context": {"traits": {"street": SECRET}}});
    row(program, seq, &message)
}

fn ask(reader: &Reader, sql: &str) -> Json {
    json!(reader.query(&Query::new(sql)).unwrap_or_else(|error| panic!("{sql}: {error}")).rows)
}

/// Whether any file of a directory has a text.
fn is_in_files(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { is_in_files(&path, text) } else { contains(&std::fs::read(&path).unwrap(), text.as_bytes()) }
    })
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// A copy of the files as they are, without keys of a moment of their own.
fn copy_of(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap().flatten().filter(|it| it.path().is_file()) {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// A checkpoint with people whose state says the secret.
fn save(store: &Store, people: &[u128]) {
    let mut saving = store.begin_checkpoint(Fingerprint(7)).unwrap();
    let states: Vec<_> = people.iter().map(|id| (PersonId(*id), Some(SECRET.as_bytes().to_vec()))).collect();
    let rows: Vec<_> = people.iter().map(|id| person(*id)).collect();
    saving.add(&states, &rows).unwrap();
    let checkpoint = StateCheckpoint {
        seq: store.last_seq(),
        now: Moment(START),
        meta: SECRET.as_bytes(),
        people: people.len() as u64,
        pending: &[],
    };
    saving.finish(&checkpoint).unwrap();
}

fn person(id: u128) -> PersonRow {
    let (first_seen, last_seen) = (Moment(START), Moment(START));
    let (identifiers, segments, traits) = (Vec::new(), Vec::new(), "{}".to_owned());
    PersonRow { person: PersonId(id), first_seen, last_seen, identifiers, segments, traits }
}

#[test]
fn what_is_marked_is_in_no_file_and_comes_back_as_it_came() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let mut rows = orders(&program, 1, 5);
    rows.push(identify(&program, 6));
    {
        let store = opened(dir.path(), &program, under(1, &[]));
        store.append(&program, &batch(rows.clone())).unwrap();
        assert!(!is_in_files(dir.path(), "Wendeltreppe"), "while it runs");
        store.checkpoint_wal().unwrap();
        assert!(!is_in_files(dir.path(), "Wendeltreppe"), "when it is folded");
    }
    assert!(!is_in_files(dir.path(), "Wendeltreppe") && !is_in_files(dir.path(), "70001"));
    let reader = Reader::open(dir.path(), under(1, &[])).unwrap();
    let logged = reader.log_after(Seq(0), 10).unwrap();
    let payloads: Vec<_> = logged.iter().map(|it| &*it.payload).collect();
    assert_eq!(payloads, rows.iter().map(|it| &*it.message.payload).collect::<Vec<_>>());
    let a1 = vec![("anonymous_id".to_owned(), "a1".to_owned())];
    let seqs = |logged: Vec<sonder_store::LoggedMessage>| logged.iter().map(|it| it.seq.0).collect::<Vec<_>>();
    assert_eq!(seqs(reader.kin(&a1, Moment(2 * START)).unwrap()), [1, 4, 6]);
    assert_eq!(reader.carrying(&a1, Seq(2)).unwrap()[0].payload, rows[0].message.payload);
    let timeline = reader.timeline(&Whose { identifiers: a1, people: Vec::new() }, None, 9).unwrap();
    assert!(timeline.iter().all(|it| format!("{it:?}").contains("Wendeltreppe")), "{timeline:?}");
    assert!(reader.examine().unwrap().iter().all(|it| it.wrong.is_none()));
    assert_eq!(reader.unsealed(&program).unwrap(), (0, 6));
}

#[test]
fn sql_sees_that_a_value_is_known_and_not_what_it_is() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let store = opened(dir.path(), &program, under(1, &[]));
    let odd = row(&program, 3, &track("m3", "order", "a9", &json!({"total": 2})));
    let mut rows = orders(&program, 1, 2);
    rows.push(odd);
    store.append(&program, &batch(rows)).unwrap();
    let reader = store.reader();
    assert_eq!(
        ask(&reader, "select street, floor, total from ev_order order by seq"),
        json!([["sealed", "sealed", "1.50"], ["sealed", "sealed", "1.50"], [null, null, "2.00"]])
    );
    assert_eq!(
        ask(
            &reader,
            "select payload->>'$.properties.street', payload->>'$.properties.total' from log order by seq limit 1"
        ),
        json!([["sealed", "1.5"]])
    );
    assert_eq!(
        ask(&reader, "select count(*), count(subject) from keys.subject_keys"),
        json!([[2, 2]]),
        "a9 has nothing to seal"
    );
}

#[test]
fn without_the_key_nothing_is_opened_and_it_is_said_which_is_missing() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    opened(dir.path(), &program, under(1, &[])).append(&program, &batch(orders(&program, 1, 2))).unwrap();
    for options in [with(None), under(2, &[])] {
        let error = Store::open_with(dir.path(), &program, options).unwrap_err();
        assert!(matches!(&error, StoreError::NoKey { fingerprint } if fingerprint == key(1).fingerprint()), "{error}");
    }
    let blind = Reader::open(dir.path(), with(None)).unwrap();
    assert_eq!(ask(&blind, "select count(*) from log"), json!([[2]]));
    assert!(matches!(blind.log_after(Seq(0), 9), Err(StoreError::NoKey { .. })));
    assert!(blind.examine().unwrap().iter().all(|it| it.wrong.is_none()));
    drop(blind);
    assert!(matches!(Reader::open(dir.path(), under(2, &[])), Err(StoreError::NoKey { .. })));
    // The key is not used any more, but what it sealed is read.
    let store = opened(dir.path(), &program, with(ProjectKeys::reading(vec![key(1)])));
    store.append(&program, &batch(orders(&program, 3, 1))).unwrap();
    assert_eq!(ask(&store.reader(), "select count(sealed_by), count(*) from log"), json!([[2, 3]]));
    assert!(store.reader().log_after(Seq(0), 9).unwrap().iter().all(|it| it.payload.contains(SECRET)));
    assert_eq!(
        ask(&store.reader(), "select street, floor from ev_order order by seq limit 1"),
        json!([[SECRET, 70_001]])
    );
}

#[test]
fn a_rotation_wraps_keys_anew_and_can_stop_at_any_time() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    opened(dir.path(), &program, under(1, &[])).append(&program, &batch(orders(&program, 1, 6))).unwrap();
    let before = std::fs::read(dir.path().join("sonder.duckdb")).unwrap().len();
    {
        // Both are at hand: the new one seals, the old one is read.
        let store = opened(dir.path(), &program, under(2, &[1]));
        store.append(&program, &batch(orders(&program, 7, 3))).unwrap();
        assert_eq!(
            ask(&store.reader(), "select version, count(*) from keys.subject_keys group by all order by all"),
            json!([[1, 3], [2, 3]]),
            "a key that was not remembered is made again"
        );
    }
    let store = opened(dir.path(), &program, under(2, &[1]));
    assert_eq!(store.rotate_keys().unwrap(), 3);
    assert_eq!(store.rotate_keys().unwrap(), 0);
    assert_eq!(store.project_key(), Some((2, key(2).fingerprint().to_owned())));
    drop(store);
    let store = opened(dir.path(), &program, under(2, &[]));
    assert!(store.reader().log_after(Seq(0), 9).unwrap().iter().all(|it| it.payload.contains(SECRET)));
    assert!(before > 0);
    drop(store);
    assert!(matches!(Store::open_with(dir.path(), &program, under(1, &[])), Err(StoreError::NoKey { .. })));
}

#[test]
fn what_was_changed_in_the_files_is_not_opened() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    opened(dir.path(), &program, under(1, &[])).append(&program, &batch(orders(&program, 1, 6))).unwrap();
    for (file, change) in [
        // Another row's, of the same key.
        ("sonder", "UPDATE log SET sealed = (SELECT sealed FROM log WHERE seq = 4) WHERE seq = 1"),
        ("sonder", "UPDATE log SET payload = replace(payload, '\"sealed\"', '\"seal\"') WHERE seq = 1"),
        ("keys", "UPDATE subject_keys SET wrapped = (SELECT wrapped FROM subject_keys WHERE id = 2) WHERE id = 1"),
    ] {
        let copy = copy_of(dir.path());
        let connection = duckdb::Connection::open(copy.path().join(format!("{file}.duckdb"))).unwrap();
        connection.execute_batch(change).unwrap();
        drop(connection);
        let reader = Reader::open(copy.path(), under(1, &[])).unwrap();
        assert!(matches!(reader.log_after(Seq(0), 9), Err(StoreError::Damaged(_))), "{change}");
    }
}

#[test]
fn whoever_is_erased_takes_their_keys_along_and_others_stay_readable() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let store = opened(dir.path(), &program, under(1, &[]));
    let mut rows = orders(&program, 1, 3);
    // Of somebody else, first known by an identifier of whom is erased; and of another who mentions them in what is sealed.
    let shared = json!({"type": "track", "event": "order", "messageId": "m4", "anonymousId": "b1", "userId": "ada-1815",
        "properties": {"street": "Kanaal 9", "total": 1}});
    let mentions = track("m5", "order", "b2", &json!({"street": "with ADA-1815 at Kanaal 9", "total": 1}));
    rows.push(row(&program, 4, &shared));
    rows.push(row(&program, 5, &mentions));
    store.append(&program, &batch(rows)).unwrap();
    let suppression = store.suppression().unwrap();
    let identifiers =
        [("user_id", "ada-1815"), ("anonymous_id", "a1")].map(|(kind, value)| (kind.to_owned(), value.to_owned()));
    let target = Target { identifiers: identifiers.to_vec(), ..Target::default() };
    let struck = store.strike(("e1", Moment(START)), &target, &suppression, &mut |it| it.seq == Seq(1)).unwrap();
    assert_eq!((struck.erasure.messages, struck.erasure.redacted), (1, 2));
    let left: Vec<_> = store.reader().log_after(Seq(0), 9).unwrap().iter().map(|it| it.payload.to_string()).collect();
    assert_eq!(left[0], "");
    assert!(left[1].contains(SECRET) && left[3].contains("Kanaal 9") && !left[3].contains("ada-1815"), "{left:?}");
    assert!(left[4].contains("with erased at Kanaal 9"), "{}", left[4]);
    assert_eq!(
        ask(
            &store.reader(),
            "select id, wrapped is null, subject is null, destroyed_at is null from keys.subject_keys order by id"
        ),
        json!([
            [1, true, true, false],
            [2, false, false, true],
            [3, false, false, true],
            [4, true, true, false],
            [5, false, false, true],
            [6, false, false, true]
        ])
    );
    assert!(store.reader().examine().unwrap().iter().all(|it| it.wrong.is_none()));
    store.rewrite(&["e1".to_owned()], Moment(START)).unwrap();
    // Their next message gets a key of its own, with a number that no key had.
    store.append(&program, &batch(orders(&program, 6, 2))).unwrap();
    assert_eq!(ask(&store.reader(), "select sealed_by > 6 from log where seq = 7"), json!([[true]]));
    assert!(!is_in_files(dir.path(), "Kanaal"));
}

/// What a backup has: the files but for the keys. Those of a later moment do not open what is of whoever was erased since, not in
/// their messages and not in the state, and everything else they do.
#[test]
fn what_was_copied_before_an_erasure_is_opened_by_no_key_that_is_left() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let store = opened(dir.path(), &program, under(1, &[]));
    store.append(&program, &batch(orders(&program, 1, 6))).unwrap();
    save(&store, &[1, 2]);
    drop(store);
    let before = copy_of(dir.path());
    let earlier_keys = std::fs::read(before.path().join(KEYS_FILE)).unwrap();
    let store = opened(dir.path(), &program, under(1, &[]));
    let suppression = store.suppression().unwrap();
    let target = Target {
        identifiers: vec![("anonymous_id".to_owned(), "a1".to_owned())],
        people: vec![PersonId(1)],
        ..Target::default()
    };
    let is_theirs = |it: &sonder_store::LoggedMessage| it.seq.0 % 3 == 1;
    store.strike(("e1", Moment(START)), &target, &suppression, &mut { is_theirs }).unwrap();
    store.forget_people();
    save(&store, &[2]);
    store.rewrite(&["e1".to_owned()], Moment(START)).unwrap();
    let copy = store.reader().copy_keys().unwrap();
    assert_eq!((copy.figures.are_needed, copy.figures.erased), (true, 1));
    std::fs::copy(copy.path(), before.path().join(KEYS_FILE)).unwrap();
    let (path, wrapped) = (copy.path().to_owned(), wrapped_of(&earlier_keys));
    assert_eq!(wrapped.len(), 4, "of three who ordered, and of the state");
    for keys in [std::fs::read(&path).unwrap(), std::fs::read(dir.path().join(KEYS_FILE)).unwrap()] {
        let left = wrapped.iter().filter(|it| contains(&keys, it)).count();
        assert_eq!(left, 2, "keys of whoever is erased, and of the state that they were in, are in no file");
    }
    drop(copy);
    assert!(!path.exists(), "a copy goes with what it was made for");
    drop(store);

    let reader = Reader::open(before.path(), under(1, &[])).unwrap();
    assert!(matches!(reader.log_after(Seq(0), 9), Err(StoreError::Damaged(_))));
    assert!(matches!(reader.each_person(|_| ()), Err(StoreError::Damaged(_))));
    assert!(matches!(reader.checkpoint(), Err(StoreError::Damaged(_))));
    let is_wrong = |reader: &Reader| reader.examine().unwrap().iter().any(|it| it.wrong.is_some());
    assert!(is_wrong(&reader));
    drop(reader);
    // Said to be of a later moment, they are no damage; what they do not open goes, and the rest is as it was.
    note_later_keys(before.path()).unwrap();
    assert!(!is_wrong(&Reader::open(before.path(), under(1, &[])).unwrap()));
    let store = opened(before.path(), &program, under(1, &[]));
    let payloads: Vec<_> = store.reader().log_after(Seq(0), 9).unwrap().into_iter().map(|it| it.payload).collect();
    for (payload, seq) in payloads.iter().zip(1_u64..) {
        let json: Json = serde_json::from_str(payload).unwrap();
        let (street, floor) =
            if seq % 3 == 1 { (Json::Null, Json::Null) } else { (json!(SECRET), json!(70_000 + seq)) };
        assert_eq!(json["properties"], json!({"street": street, "floor": floor, "total": 1.5}));
    }
    assert_eq!(store.load_checkpoint().unwrap(), None, "whoever is erased is in it");
    assert_eq!(store.reader().erased_by_copy().unwrap().len(), 1);
    assert!(!is_wrong(&store.reader()));
    assert!(later_keys(before.path()), "until they are struck");
    store.settle_later_keys().unwrap();
    assert!(!later_keys(before.path()));
    // Numbers go on behind those of the keys.
    store.append(&program, &batch(orders(&program, 7, 1))).unwrap();
    assert_eq!(ask(&store.reader(), "select sealed_by > 5 from log where seq = 7"), json!([[true]]));
}

/// The wrapped keys in a file of keys.
fn wrapped_of(file: &[u8]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.duckdb");
    std::fs::write(&path, file).unwrap();
    let connection = duckdb::Connection::open(&path).unwrap();
    let mut statement = connection.prepare("SELECT wrapped FROM subject_keys WHERE wrapped IS NOT NULL").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// What does not fit into memory is spilled, and encrypted then: more than DuckDB can do without an extension unless it is told to.
#[test]
fn with_little_memory_it_goes_on_and_nothing_personal_is_spilled() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let options = StoreOptions { memory_bytes: 64 << 20, threads: 1, ..under(1, &[]) };
    let store = opened(dir.path(), &program, options);
    let mut next = 1;
    for _ in 0..40 {
        store.append(&program, &batch(orders(&program, next, 500))).unwrap();
        next += 500;
    }
    let reader = store.reader();
    let spilled = "select count(*) from (select distinct payload || i::varchar from log, range(60) as r(i))";
    assert_eq!(ask(&reader, spilled), json!([[1_200_000]]));
    store.append(&program, &batch(orders(&program, next, 500))).unwrap();
    assert_eq!(reader.log_after(Seq(next), 9).unwrap().len(), 9);
    assert!(!is_in_files(dir.path(), "Wendeltreppe"));
}

#[test]
fn without_its_keys_or_with_earlier_ones_nothing_is_written() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    opened(dir.path(), &program, under(1, &[])).append(&program, &batch(orders(&program, 1, 2))).unwrap();
    let keys = dir.path().join(KEYS_FILE);
    let earlier = std::fs::read(&keys).unwrap();
    opened(dir.path(), &program, under(1, &[])).append(&program, &batch(orders(&program, 3, 2))).unwrap();
    let open = || Store::open_with(dir.path(), &program, under(1, &[]));
    std::fs::remove_file(&keys).unwrap();
    for _ in 0..2 {
        assert!(matches!(open().unwrap_err(), StoreError::NoKeys { .. }), "a new file of keys makes no difference");
    }
    let blind = Reader::open(dir.path(), under(1, &[])).unwrap();
    assert_eq!(ask(&blind, "select count(*) from log"), json!([[4]]));
    assert!(matches!(blind.log_after(Seq(0), 9), Err(StoreError::Damaged(_))));
    drop(blind);
    std::fs::write(&keys, earlier).unwrap();
    note_later_keys(dir.path()).unwrap();
    let error = open().unwrap_err();
    assert!(matches!(error, StoreError::NoKeys { .. }), "{error}");
    assert!(error.help().unwrap().contains("not older than the backup"));
}

/// As format 4 laid it out.
#[test]
fn keys_that_were_with_the_log_move_to_a_file_of_their_own() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    opened(dir.path(), &program, under(1, &[])).append(&program, &batch(orders(&program, 1, 6))).unwrap();
    let keys = dir.path().join(KEYS_FILE);
    let wrapped = wrapped_of(&std::fs::read(&keys).unwrap());
    assert_eq!(wrapped.len(), 3);
    let log = dir.path().join("sonder.duckdb");
    let connection = duckdb::Connection::open(&log).unwrap();
    connection
        .execute_batch(&format!(
            "ATTACH '{}' AS keys;
             CREATE TABLE subject_keys AS FROM keys.subject_keys; CREATE TABLE project_keys AS FROM keys.project_keys;
             UPDATE sonder_format SET version = 4; DETACH keys; CHECKPOINT;",
            keys.display()
        ))
        .unwrap();
    drop(connection);
    std::fs::remove_file(&keys).unwrap();
    let are_in = |file: &Path| wrapped.iter().filter(|it| contains(&std::fs::read(file).unwrap(), it)).count();
    assert_eq!(are_in(&log), 3);
    // Looked at, it stays as it is.
    let reader = Reader::open(dir.path(), under(1, &[])).unwrap();
    assert!(reader.log_after(Seq(0), 9).unwrap().iter().all(|it| it.payload.contains(SECRET)));
    assert!(reader.examine().unwrap().iter().all(|it| it.wrong.is_none()));
    assert_eq!(reader.key_figures().unwrap().keys, 3);
    drop(reader);
    assert!(!keys.exists());
    let store = opened(dir.path(), &program, under(1, &[]));
    assert!(store.reader().log_after(Seq(0), 9).unwrap().iter().all(|it| it.payload.contains(SECRET)));
    store.append(&program, &batch(orders(&program, 7, 3))).unwrap();
    assert_eq!(ask(&store.reader(), "select count(*), count(distinct id) from keys.subject_keys"), json!([[6, 6]]));
    drop(store);
    assert_eq!((are_in(&log), are_in(&keys)), (0, 3), "the log has them no more, not in free blocks either");
}

/// What was kept aside has a key for each row, so that one can go without the others.
#[test]
fn what_is_kept_aside_is_sealed_row_by_row() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let store = opened(dir.path(), &program, under(1, &[]));
    let quarantined = ["q1", "q2"].map(|street| kept_aside(&json!({"street": street}))).into();
    let kept = LogBatch { quarantined, ..LogBatch::default() };
    store.append(&program, &kept).unwrap();
    assert_eq!(
        ask(
            &store.reader(),
            "select count(distinct sealed_by), (select count(*) from keys.subject_keys) from quarantine"
        ),
        json!([[2, 2]])
    );
    let mut run = RetentionRun { id: "r".to_owned(), at: Moment(START), done_at: None, expired: Expired::default() };
    store.expire_records(&mut run, &[], (Moment(2 * START), None)).unwrap();
    assert_eq!(ask(&store.reader(), "select count(wrapped), count(*) from keys.subject_keys"), json!([[0, 2]]));
}

#[test]
fn what_retention_leaves_of_a_message_stays_sealed() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let store = opened(dir.path(), &program, under(1, &[]));
    let mut rows = orders(&program, 1, 3);
    rows.push(identify(&program, 4));
    store.append(&program, &batch(rows)).unwrap();
    let what = Expiring { traits: vec![("street".to_owned(), Moment(2 * START))], ..Expiring::default() };
    let due = store.reader().expiring(&what, Seq(0), 9).unwrap();
    assert_eq!(due.len(), 4, "names of traits can be looked for");
    let seen = json!({"type": "seen", "messageId": "m1", "identifiers": [{"kind": "anonymous_id", "value": "a1"}],
        "traits": {"street": SECRET}});
    let left = [
        Left { seq: Seq(1), payload: Some(seen.to_string()), is_over: true },
        Left { seq: Seq(2), payload: None, is_over: true },
        Left {
            seq: Seq(4),
            payload: Some(json!({"type": "identify", "messageId": "i4", "userId": "u1"}).to_string()),
            is_over: false,
        },
    ];
    let run = RetentionRun { id: "r".to_owned(), at: Moment(START), done_at: None, expired: Expired::default() };
    store.expire(&run, &[], &left).unwrap();
    let now: Vec<_> = store.reader().log_after(Seq(0), 9).unwrap().iter().map(|it| it.payload.to_string()).collect();
    assert_eq!(now[0], seen.to_string());
    assert_eq!(
        ask(&store.reader(), "select seq, sealed_by is null from log order by seq"),
        json!([[1, false], [2, true], [3, false], [4, true]])
    );
    assert_eq!(
        ask(&store.reader(), "select count(wrapped), count(*) from keys.subject_keys"),
        json!([[2, 4]]),
        "unused keys are gone"
    );
    assert!(!is_in_files(dir.path(), "Wendeltreppe"));
}

#[test]
fn what_came_before_is_sealed_when_asked_for() {
    let (dir, plain, marked) = (tempfile::tempdir().unwrap(), program(false), program(true));
    {
        let store = opened(dir.path(), &plain, with(None));
        store.append(&plain, &batch(orders(&plain, 1, 5))).unwrap();
        store.append(&plain, &batch(vec![identify(&plain, 6)])).unwrap();
    }
    let store = opened(dir.path(), &marked, under(1, &[]));
    assert_eq!(ask(&store.reader(), "select street, floor from ev_order limit 1"), json!([["sealed", "sealed"]]));
    assert_eq!(
        ask(&store.reader(), "select column_name, kind, state from typed_columns order by position"),
        json!([
            ["total", "DECIMAL(38,2)", "current"],
            ["street", "SEALED VARCHAR", "current"],
            ["floor", "SEALED BIGINT", "current"]
        ]),
        "no column keeps what they were"
    );
    assert_eq!(store.reader().unsealed(&marked).unwrap(), (6, 0));
    let before = store.reader().log_after(Seq(0), 9).unwrap();
    assert_eq!(store.seal_old(&marked).unwrap(), 6);
    assert_eq!(store.seal_old(&marked).unwrap(), 0);
    assert_eq!(store.reader().unsealed(&marked).unwrap(), (0, 6));
    assert_eq!(store.reader().log_after(Seq(0), 9).unwrap(), before);
    store.rewrite(&[], Moment(START)).unwrap();
    assert!(!is_in_files(dir.path(), "Wendeltreppe"));
    drop(store);
    // A version that marks nothing has the values in its columns again.
    let store = opened(dir.path(), &plain, under(1, &[]));
    assert_eq!(
        ask(&store.reader(), "select street, floor from ev_order order by seq limit 1"),
        json!([[SECRET, 70_001]])
    );
}

#[test]
fn a_project_without_keys_writes_what_it_wrote_before() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(true));
    let opened = open(dir.path(), &program);
    opened.store.append(&program, &batch(orders(&program, 1, 2))).unwrap();
    assert_eq!(
        ask(&opened.reader, "select count(*), count(sealed_by), (select count(*) from keys.subject_keys) from log"),
        json!([[2, 0, 0]])
    );
    assert_eq!(ask(&opened.reader, "select street from ev_order limit 1"), json!([[SECRET]]));
}
