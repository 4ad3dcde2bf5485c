//! Typed reads: timelines, quarantine, deliveries, sizes.

use crate::support::*;
use serde_json::json;
use sonder_core::effect::{Cause, Change, ChangeKind, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::message::{Quarantined, Reason};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, SourceId};
use sonder_dsl::time::Moment;
use sonder_store::{
    DeliveryFilter, DeliveryOutcome, Happening, LogBatch, OutcomeState, QuarantineFilter, RecordedChange,
    RecordedDelivery, TimelineEntry, Whose,
};

fn change(person: u128, seq: u64, what: ChangeKind) -> RecordedChange {
    let at = Moment(START + i64::try_from(seq).unwrap() * SECOND);
    RecordedChange {
        as_of: Seq(seq),
        change: Change { person: PersonId(person), at, cause: Cause::Record(Seq(seq)), what },
    }
}

fn delivery(id: u128, person: u128, seconds: i64) -> RecordedDelivery {
    let delivery = Delivery {
        id: EffectId(id),
        destination: DestinationId(0),
        person: PersonId(person),
        at: Moment(START + seconds * SECOND),
        cause: if id.is_multiple_of(2) { Cause::Record(Seq(1)) } else { Cause::Timer(Moment(START)) },
        kind: ItemKind::TraitChanged,
        name: "spent".into(),
        identifiers: vec![("anonymous_id".into(), "a1".into())],
        payload: format!("{{\"id\": {id}}}"),
    };
    RecordedDelivery { as_of: Seq(1), delivery }
}

fn outcome(id: u128, state: OutcomeState, attempt: u32) -> DeliveryOutcome {
    let detail = (state != OutcomeState::Delivered).then(|| "no answer".to_owned());
    DeliveryOutcome {
        delivery: EffectId(id),
        state,
        attempt,
        at: Moment(START + i64::from(attempt)),
        status: None,
        detail,
    }
}

fn told(entry: &TimelineEntry) -> String {
    match &entry.what {
        Happening::Message { seq, event, .. } => format!("{} {}", event.as_deref().unwrap_or("-"), seq.0),
        Happening::Change { kind, name, value, .. } => format!("{kind} {} {value}", name.as_deref().unwrap_or("-")),
        Happening::Delivery { id, state, .. } => format!("delivery {} {state}", id.0),
    }
}

#[test]
fn a_timeline_has_everything_newest_first_page_by_page() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let (buyers, _) = program.rule_named("buyers").unwrap();
    let identify = json!({"type": "identify", "messageId": "i1", "anonymousId": "a1", "userId": "u1"});
    let everything = LogBatch {
        rows: vec![
            row(&program, 1, &track("m1", "view", "a1", &json!({}))),
            row(&program, 2, &track("m2", "view", "somebody else", &json!({}))),
            row(&program, 3, &identify),
            row(&program, 4, &track("m4", "order", "a1", &json!({"total": 5}))),
        ],
        changes: vec![
            change(1, 1, ChangeKind::Created),
            change(9, 2, ChangeKind::Created),
            change(1, 3, ChangeKind::Merged { absorbed: PersonId(2) }),
            change(2, 3, ChangeKind::Left(buyers)),
            change(1, 4, ChangeKind::Entered(buyers)),
        ],
        deliveries: vec![delivery(10, 1, 4), delivery(12, 9, 4)],
        outcomes: vec![outcome(10, OutcomeState::Retry, 1), outcome(10, OutcomeState::Delivered, 2)],
        ..LogBatch::default()
    };
    store.append(&program, &everything).unwrap();
    let whose = Whose {
        identifiers: vec![("user_id".into(), "u1".into()), ("anonymous_id".into(), "a1".into())],
        people: vec![PersonId(1), PersonId(2)],
    };
    let expected = [
        "delivery 10 delivered",
        "entered buyers null",
        "order 4",
        "left buyers null",
        "merged - {\"absorbed\":\"00000000000000000000000000000002\",\"cause\":\"message\"}",
        "- 3",
        "created - null",
        "view 1",
    ];
    let all = reader.timeline(&whose, None, 100).unwrap();
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected);
    for size in 1..=3 {
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = reader.timeline(&whose, before, size).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.place);
            paged.extend(page);
        }
        assert_eq!(paged, all, "in pages of {size}");
    }
    let Happening::Message { payload, received_at, .. } = &all[2].what else { panic!("{:?}", all[2]) };
    assert_eq!(payload.parse::<serde_json::Value>().unwrap()["messageId"], "m4");
    assert_eq!(*received_at, Moment(START + 4 * SECOND));
    assert_eq!(reader.timeline(&Whose::default(), None, 10).unwrap(), []);
}

#[test]
fn quarantine_is_filtered_counted_and_paged() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let aside = |number: i64, name: &str, codes: &[&str]| Quarantined {
        source: SourceId(0),
        received_at: Moment(START + number),
        occurred_at: None,
        historical: false,
        message_id: None,
        name: Some(name.into()),
        reasons: codes
            .iter()
            .map(|code| Reason { code: (*code).into(), path: None, message: "is wrong".into() })
            .collect(),
        payload: format!("{number}").into(),
    };
    let quarantined = vec![
        aside(1, "a", &["schema_violation", "missing_identifier"]),
        aside(2, "it's", &["schema_violation"]),
        aside(3, "a", &["malformed"]),
        aside(4, "nul\0'", &["malformed"]),
    ];
    store.append(&program, &LogBatch { quarantined, ..LogBatch::default() }).unwrap();
    let page = reader.quarantine(&QuarantineFilter { limit: 2, ..QuarantineFilter::default() }).unwrap();
    assert_eq!((page.total, page.more), (4, true));
    assert_eq!(
        page.reasons,
        [("malformed".into(), 2), ("schema_violation".into(), 2), ("missing_identifier".into(), 1)]
    );
    assert_eq!(page.messages.iter().map(|message| message.id).collect::<Vec<_>>(), [4, 3]);
    let next =
        reader.quarantine(&QuarantineFilter { limit: 2, before: Some(2), ..QuarantineFilter::default() }).unwrap();
    assert_eq!((next.total, next.more, next.messages[0].id), (4, false, 1));
    assert_eq!(next.messages[0].reasons[1].code, "missing_identifier");
    let one = |filter: QuarantineFilter| {
        let page = reader.quarantine(&QuarantineFilter { limit: 9, ..filter }).unwrap();
        (page.total, page.messages.iter().map(|message| message.id).collect::<Vec<_>>())
    };
    assert_eq!(
        one(QuarantineFilter { reason: Some("schema_violation".into()), ..Default::default() }),
        (2, vec![2, 1])
    );
    assert_eq!(one(QuarantineFilter { name: Some("it's".into()), ..Default::default() }), (1, vec![2]));
    assert_eq!(one(QuarantineFilter { name: Some("nul\0'".into()), ..Default::default() }), (1, vec![4]));
    assert_eq!(one(QuarantineFilter { name: Some("\0".into()), ..Default::default() }), (0, vec![]));
    assert_eq!(one(QuarantineFilter { source: Some("web".into()), ..Default::default() }), (4, vec![4, 3, 2, 1]));
    assert_eq!(one(QuarantineFilter { source: Some("' OR true --".into()), ..Default::default() }), (0, vec![]));
}

#[test]
fn deliveries_are_filtered_by_their_last_outcome() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    let everything = LogBatch {
        deliveries: (1..=4).map(|id| delivery(id, id % 2, 0)).collect(),
        outcomes: vec![
            outcome(1, OutcomeState::Retry, 1),
            outcome(1, OutcomeState::Dead, 2),
            outcome(2, OutcomeState::Delivered, 1),
            outcome(3, OutcomeState::Retry, 1),
        ],
        ..LogBatch::default()
    };
    store.append(&program, &everything).unwrap();
    let ids = |filter: DeliveryFilter| {
        let page = reader.deliveries(&DeliveryFilter { limit: 9, ..filter }).unwrap();
        assert_eq!(page.total, page.deliveries.len() as u64);
        page.deliveries.iter().map(|delivery| delivery.id.0).collect::<Vec<_>>()
    };
    let states = |states: &[&str]| DeliveryFilter {
        states: states.iter().map(|&state| state.into()).collect(),
        ..Default::default()
    };
    assert_eq!(ids(DeliveryFilter::default()), [4, 3, 2, 1]);
    assert_eq!(ids(states(&["pending", "retry"])), [4, 3]);
    assert_eq!(ids(states(&["dead"])), [1]);
    assert_eq!(ids(DeliveryFilter { people: vec![PersonId(1)], ..Default::default() }), [3, 1]);
    let first = reader.deliveries(&DeliveryFilter { limit: 3, ..Default::default() }).unwrap();
    assert!(first.more && first.total == 4);
    let last = &first.deliveries[2];
    let rest = DeliveryFilter { before: Some((last.at, last.id)), limit: 3, ..Default::default() };
    let rest = reader.deliveries(&rest).unwrap();
    assert_eq!((rest.more, rest.deliveries.len()), (false, 1));
    let dead = &rest.deliveries[0];
    assert_eq!((&*dead.state, dead.attempts, dead.detail.as_deref()), ("dead", 2, Some("no answer")));
}

#[test]
fn the_backlog_is_what_has_not_ended_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let program = with_webhook();
    let Opened { store, reader, .. } = open(dir.path(), &program);
    // Ids are hashes: their order is not that of deciding.
    let decided: Vec<_> = [50, 3, 77, 8].into_iter().map(|id| delivery(id, 1, 0)).collect();
    let outcomes = vec![outcome(50, OutcomeState::Retry, 1), outcome(3, OutcomeState::Delivered, 1)];
    store.append(&program, &LogBatch { deliveries: decided.clone(), outcomes, ..LogBatch::default() }).unwrap();
    let backlog =
        |after: Option<u128>, limit| reader.backlog("hook", DestinationId(0), after.map(EffectId), limit).unwrap();
    let expected = [&decided[0], &decided[2], &decided[3]].map(|decided| decided.delivery.clone());
    assert_eq!(backlog(None, 10), expected);
    assert_eq!(backlog(None, 2), expected[..2]);
    assert_eq!(backlog(Some(3), 10), expected[1..]);
    assert_eq!(backlog(Some(8), 10), []);
    assert_eq!(reader.backlog("other", DestinationId(0), None, 10).unwrap(), []);
    assert_eq!(reader.waiting_destinations().unwrap(), ["hook"]);
    assert_eq!(reader.delivered("hook", Moment(START)).unwrap(), [(PersonId(1), Moment(START + 1))]);
    assert_eq!(reader.delivered("hook", Moment(START + 1)).unwrap(), []);
    let ended = [50, 77, 8].map(|id| outcome(id, OutcomeState::Dead, 2)).to_vec();
    store.append(&program, &LogBatch { outcomes: ended, ..LogBatch::default() }).unwrap();
    assert!(reader.waiting_destinations().unwrap().is_empty() && backlog(None, 10).is_empty());
}

#[test]
fn sizes_are_known_without_counting() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    store.append(&program, &batch(views(&program, 1, 30))).unwrap();
    let stats = reader.stats().unwrap();
    assert_eq!(stats.events, [("order".to_owned(), 0), ("view".to_owned(), 30)]);
    assert!(stats.tables.contains(&("log".to_owned(), 30)));
    assert!(stats.file_bytes + stats.wal_bytes > 0);
}
