//! Whoever is erased goes, and nobody else changes: not by a part of a word, and not by a number.

use crate::support::{Opened, START, ask, batch, kept_aside, open, program, row, track, with_webhook};
use serde_json::{Value as Json, json};
use sonder_core::effect::{Cause, Change, ChangeKind, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::DestinationId;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::{
    DeliveryOutcome, Expired, LogBatch, LoggedMessage, OutcomeState, Reader, RecordedDelivery, Request, RequestState,
    RetentionRun, Target,
};

const ORDER: &str = "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n  sku: {type: string}\n  note: {type: string}\n  \
    more: {type: object}\nrequired: [sku]";

fn target(identifiers: &[(&str, &str)]) -> Target {
    let identifiers = identifiers.iter().map(|(kind, value)| ((*kind).to_owned(), (*value).to_owned()));
    Target { identifiers: identifiers.collect(), people: vec![PersonId(7)], ..Target::default() }
}

fn order(id: u64, user: &str, properties: Json) -> Json {
    let mut order = track(&format!("m{id}"), "order", &format!("browser-{id}"), &properties);
    order["userId"] = user.into();
    order
}

fn payloads(reader: &Reader) -> Vec<String> {
    reader.log_after(Seq(0), 99).unwrap().iter().map(|it| it.payload.to_string()).collect()
}

#[test]
fn others_whose_identifiers_contain_theirs_stay_byte_for_byte() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(&[ORDER]));
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let messages = [
        order(1, "user-1", json!({"sku": "a", "total": 5})),
        order(2, "user-10", json!({"sku": "SKU-1000001", "total": 100_000, "note": "100000"})),
        json!({"type": "identify", "messageId": "m3", "userId": "100000", "traits": {"email": "joan@mail.example"}}),
        order(
            4,
            "bob",
            json!({"sku": "b", "note": "for user-1 and user-10", "more": {"to": ["an@mail.example", "x"]}}),
        ),
        order(5, "eve", json!({"sku": "an@mail.example", "total": 1.5})),
        order(6, "3", json!({"sku": "c", "note": "3", "total": 3})),
    ];
    store.append(&program, &batch(messages.iter().zip(1..).map(|(it, seq)| row(&program, seq, it)).collect())).unwrap();
    let before = (payloads(&reader), ask(&reader, "select * from ev_order where seq in (2, 6) order by seq"));
    let target = target(&[("user_id", "user-1"), ("email", "an@mail.example"), ("anonymous_id", "3")]);
    let suppression = store.suppression().unwrap();
    let struck = store.strike(("e", Moment(START)), &target, &suppression, &mut |it| it.seq == Seq(1)).unwrap();
    assert_eq!((struck.erasure.messages, struck.erasure.redacted), (1, 2));
    let after = payloads(&reader);
    for same in [1, 2, 5] {
        assert_eq!(after[same], before.0[same]);
    }
    assert_eq!(ask(&reader, "select * from ev_order where seq in (2, 6) order by seq"), before.1);
    assert_eq!(
        ask(&reader, "select identifiers from log where seq = 3"),
        json!([[["user_id:100000", "email:joan@mail.example"]]])
    );
    // What is left is what rules see, too; and what must be there is.
    let left: Json = serde_json::from_str(&after[3]).unwrap();
    assert_eq!(left["properties"], json!({"sku": "b", "note": "for erased and user-10", "more": {"to": ["x"]}}));
    assert_eq!(
        ask(&reader, "select seq, sku, note, total::varchar from ev_order where seq in (4, 5) order by seq"),
        json!([[4, "b", "for erased and user-10", null], [5, "erased", null, "1.50"]])
    );
    assert_eq!(ask(&reader, "select more::varchar from ev_order where seq = 4"), json!([["{\"to\":[\"x\"]}"]]));
}

#[test]
fn what_was_decided_about_others_or_kept_aside_of_them_stays() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(&[ORDER]));
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let created = |person, at| sonder_store::RecordedChange {
        as_of: Seq(0),
        change: Change {
            person: PersonId(person),
            at: Moment(at),
            cause: Cause::Timer(Moment(at)),
            what: ChangeKind::Created,
        },
    };
    let changes = vec![created(7, START), created(8, START)];
    let quarantined = [
        // Theirs, as they wrote it.
        json!({"type": "track", "userId": "3", "properties": {"total": "x"}}),
        json!({"type": "identify", "userId": "x", "traits": {"contact": " AN@Mail.example"}}),
        // Not theirs.
        json!({"type": "track", "userId": "bob", "properties": {"total": "3", "note": "100000 boxes"}}),
        json!({"type": "track", "userId": "dan@mail.example", "properties": {"total": "much"}}),
    ];
    let quarantined = quarantined.iter().map(kept_aside).collect();
    store.append(&program, &LogBatch { quarantined, changes, ..LogBatch::default() }).unwrap();
    store
        .strike(
            ("e", Moment(START)),
            &target(&[("user_id", "3"), ("email", "an@mail.example"), ("anonymous_id", "100000")]),
            &store.suppression().unwrap(),
            &mut |_| false,
        )
        .unwrap();
    assert_eq!(ask(&reader, "select id from quarantine order by id"), json!([[3], [4]]));
    assert_eq!(ask(&reader, "select count(*) from changes"), json!([[1]]));
}

/// Whoever judged a message and has not logged it yet is waited for: otherwise it would come behind the erasure.
#[test]
fn what_was_judged_before_is_in_the_log_before_somebody_is_struck() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(&[ORDER]));
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let suppression = store.suppression().unwrap();
    let judging = suppression.judging();
    std::thread::scope(|scope| {
        let strike = scope.spawn(|| {
            let mut is_theirs = |it: &LoggedMessage| it.payload.contains("user-1");
            store.strike(("e", Moment(START)), &target(&[("user_id", "user-1")]), &suppression, &mut is_theirs)
        });
        // Long enough to strike somebody, were it not for who judges.
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!strike.is_finished());
        let messages = [order(1, "user-1", json!({"sku": "a"})), order(2, "bob", json!({"sku": "b"}))];
        let rows = messages.iter().zip(1..).map(|(it, seq)| row(&program, seq, it)).collect();
        store.append(&program, &batch(rows)).unwrap();
        drop(judging);
        assert_eq!(strike.join().unwrap().unwrap().erasure.messages, 1);
    });
    let left: Vec<bool> = payloads(&reader).iter().map(|it| it.contains("bob")).collect();
    assert_eq!(left, [false, true]);
}

#[test]
fn who_keeps_files_is_told_of_everybody_and_how_they_are_written() {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let files = vec![
        file("sonder.yaml", "name: shop"),
        file("identity.yaml", "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase, drop_tag]}\n"),
        file(
            "destinations/lake.yaml",
            "destination: lake\nplugin: sonder/files@1\nreceives: {identifiers: [user_id]}\n",
        ),
        file("destinations/hook.yaml", "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n"),
    ];
    let program = sonder_dsl::compile(SourceSet::new(files)).program.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let Opened { store, .. } = open(dir.path(), &program);
    let vic =
        json!({"type": "identify", "messageId": "m1", "userId": "3", "traits": {"email": " Vic+News@Mail.example"}});
    store.append(&program, &batch(vec![row(&program, 1, &vic)])).unwrap();
    let target = target(&[("user_id", "3"), ("email", "vic@mail.example")]);
    let suppression = store.suppression().unwrap();
    let struck = store.strike(("e", Moment(START)), &target, &suppression, &mut |_| true).unwrap();
    let [(name, delivery)] = &struck.deliveries[..] else { panic!("{:?}", struck.deliveries) };
    assert_eq!((name.as_str(), delivery.kind), ("lake", ItemKind::Erase));
    assert_eq!(
        delivery.identifiers,
        [("email", "vic@mail.example"), ("user_id", "3")].map(|(kind, value)| (kind.to_owned(), value.to_owned()))
    );
    let payload: Json = serde_json::from_str(&delivery.payload).unwrap();
    assert_eq!(payload["known_by"]["written"], json!(["vic+news@mail.example", "vic@mail.example"]));
}

fn delivery(id: u128, person: u128, user: &str) -> RecordedDelivery {
    let at = Moment(START);
    let delivery = Delivery {
        id: EffectId(id),
        destination: DestinationId(0),
        person: PersonId(person),
        at,
        cause: Cause::Timer(at),
        kind: ItemKind::SegmentEntered,
        name: "buyers".to_owned(),
        identifiers: vec![("user_id".to_owned(), user.to_owned())],
        payload: r#"{"segment":"buyers","city":"3"}"#.to_owned(),
    };
    RecordedDelivery { as_of: Seq(0), delivery }
}

fn delivered(id: u128) -> DeliveryOutcome {
    let state = OutcomeState::Delivered;
    DeliveryOutcome { delivery: EffectId(id), state, attempt: 1, at: Moment(START + 1), status: None, detail: None }
}

#[test]
fn who_was_told_is_told_of_an_erasure_also_when_deliveries_are_over() {
    let (dir, program) = (tempfile::tempdir().unwrap(), with_webhook());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let deliveries = vec![delivery(1, 7, "3"), delivery(2, 8, "bob"), delivery(3, 9, "eve")];
    let outcomes = (1..=3).map(delivered).collect();
    store.append(&program, &LogBatch { deliveries, outcomes, ..LogBatch::default() }).unwrap();
    let suppression = store.suppression().unwrap();
    let expire = |gone: &[PersonId]| {
        let mut run =
            RetentionRun { id: "r".to_owned(), at: Moment(START), done_at: None, expired: Expired::default() };
        store.expire_records(&mut run, gone, (Moment(START), Some(Moment(START + 9)))).unwrap();
    };
    expire(&[]);
    assert_eq!(ask(&reader, "select count(*) from deliveries"), json!([[0]]));
    let known = "select destination, identifiers from told_before order by identifiers";
    assert_eq!(
        ask(&reader, known),
        json!([
            ["hook", "[[\"user_id\",\"3\"]]"],
            ["hook", "[[\"user_id\",\"bob\"]]"],
            ["hook", "[[\"user_id\",\"eve\"]]"]
        ])
    );
    let struck =
        store.strike(("e", Moment(START)), &target(&[("user_id", "3")]), &suppression, &mut |_| false).unwrap();
    assert_eq!(struck.deliveries.len(), 1);
    assert_eq!(struck.deliveries[0].1.identifiers, [("user_id".to_owned(), "3".to_owned())]);
    expire(&[PersonId(9)]);
    assert_eq!(ask(&reader, known), json!([["hook", "[[\"user_id\",\"bob\"]]"]]), "of whom nothing is known");
}

#[test]
fn another_request_for_the_same_is_served_by_the_first() {
    let (dir, program) = (tempfile::tempdir().unwrap(), program(&[ORDER]));
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let request = |id: &str, person: u128| Request {
        id: id.to_owned(),
        kind: "erasure".to_owned(),
        state: RequestState::Pending,
        person: Some(PersonId(person)),
        subject: Some("user_id:3".to_owned()),
        regime: None,
        purposes: Vec::new(),
        received_at: Moment(START),
        confirm_by: None,
        due_at: Moment(START + 9),
        extended: false,
        closed_at: None,
        origin: "api".to_owned(),
        steps: Vec::new(),
    };
    [("a", 7), ("b", 7), ("c", 8)].into_iter().for_each(|(id, who)| store.open_request(&request(id, who)).unwrap());
    let suppression = store.suppression().unwrap();
    store.strike(("a", Moment(START)), &target(&[("user_id", "u7")]), &suppression, &mut |_| false).unwrap();
    let state = |id: &str| store.request(id).unwrap().unwrap().state;
    assert_eq!((state("b"), state("c")), (RequestState::InProgress, RequestState::Pending));
    let struck: Vec<String> = store.struck().unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(struck, ["a", "b"]);
    store.rewrite(&struck, Moment(START + 1)).unwrap();
    assert_eq!((state("b"), state("c")), (RequestState::Completed, RequestState::Pending));
    assert_eq!(
        ask(&reader, "select person is null, subject is null from privacy_requests where id = 'b'"),
        json!([[true, true]])
    );
}
