//! What destinations are told.

use crate::history::{SECOND, event_mut, identify, project, track};
use serde_json::{Value as Json, json};
use sonder_core::State;
use sonder_core::effect::{Cause, Delivery, Effects, ItemKind};
use sonder_core::record::{Record, Seq};
use sonder_dsl::ir::{DestinationId, ProfileTraitId, Program, Value};
use sonder_dsl::time::Moment;
use std::sync::Arc;

fn shop() -> Arc<Program> {
    project(
        "segment lookers \"\" { when did(view, last 10s) }\nsegment unheard \"\" { when did(view) }\n\
         trait spent = sum(order.total)\ntrait unheard_of = count(view)\n",
        "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n",
        "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n\
         receives: {segments: [lookers], traits: [country, spent], events: [order], identifiers: [user_id, anonymous_id]}\n",
    )
}

fn deliveries(program: &Program, state: &mut State, record: &Record) -> Vec<Delivery> {
    let mut effects = Effects::default();
    state.step(program, record, &mut effects).unwrap();
    effects.deliveries
}

fn payload(delivery: &Delivery) -> Json {
    serde_json::from_str(&delivery.payload).unwrap()
}

#[test]
fn an_entry_says_who_where_when_and_with_which_traits() {
    let program = shop();
    let mut state = State::new(&program);
    let mut first = identify(&program, 1, 1_000, &[("user_id", "u"), ("email", "e@x"), ("anonymous_id", "a")]);
    event_mut(&mut first).traits = vec![(ProfileTraitId(0), Value::String("NL".into()))];
    let told = deliveries(&program, &mut state, &first);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, told[0].name.as_str()), (ItemKind::TraitChanged, "country"));
    let at = "1970-01-01T00:16:40.000000Z";
    let traits = json!({"country": "NL", "spent": "0.00"});
    assert_eq!(payload(&told[0]), json!({"trait": "country", "value": "NL", "at": at, "traits": traits}));

    let told = deliveries(&program, &mut state, &track(&program, 2, 1_001, "a", "view"));
    let [entry] = told.as_slice() else { panic!("one entry, {told:?}") };
    assert_eq!((entry.kind, entry.name.as_str()), (ItemKind::SegmentEntered, "lookers"));
    assert_eq!(entry.cause, Cause::Record(Seq(2)));
    assert_eq!(entry.destination, DestinationId(0));
    assert_eq!(entry.at, Moment(1_001 * SECOND));
    let seen = [("user_id", "u"), ("anonymous_id", "a")].map(|(kind, value)| (kind.to_owned(), value.to_owned()));
    assert_eq!(entry.identifiers, seen, "it may not see e-mail addresses");
    let at = "1970-01-01T00:16:41.000000Z";
    assert_eq!(payload(entry), json!({"segment": "lookers", "at": at, "traits": traits}));

    // A window slides: the exit is of that very moment.
    let mut effects = Effects::default();
    state.advance(&program, Moment(1_020 * SECOND), &mut effects).unwrap();
    let [exit] = effects.deliveries.as_slice() else { panic!("one exit, {effects:?}") };
    assert_eq!(exit.kind, ItemKind::SegmentLeft);
    assert_eq!(exit.cause, Cause::Timer(Moment(1_011 * SECOND)));
}

#[test]
fn an_event_goes_before_what_it_brings_about() {
    let program = shop();
    let mut state = State::new(&program);
    let told = deliveries(&program, &mut state, &track(&program, 1, 1_000, "a", "order"));
    let kinds: Vec<_> = told.iter().map(|it| (it.kind, it.name.as_str())).collect();
    assert_eq!(kinds, [(ItemKind::Event, "order"), (ItemKind::TraitChanged, "spent")]);
    let at = "1970-01-01T00:16:40.000000Z";
    let traits = json!({"spent": "12.50"});
    let event = json!({"event": "order", "at": at, "properties": {"product": "p0"}, "traits": traits});
    assert_eq!(payload(&told[0]), event);
    assert_eq!(payload(&told[1]), json!({"trait": "spent", "value": "12.50", "at": at, "traits": traits}));

    let mut withheld = track(&program, 2, 1_001, "a", "order");
    event_mut(&mut withheld).withheld = vec![DestinationId(0)];
    let told = deliveries(&program, &mut state, &withheld);
    assert_eq!(told.len(), 1, "its own integrations withhold the event, not what it brings about");
    assert_eq!(told[0].kind, ItemKind::TraitChanged);
}

#[test]
fn imported_history_changes_people_but_tells_nobody() {
    let program = shop();
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    for (seq, kind) in [(1, "view"), (2, "order")] {
        let mut record = track(&program, seq, 1_000, "a", kind);
        event_mut(&mut record).historical = true;
        state.step(&program, &record, &mut effects).unwrap();
    }
    assert_eq!(effects.deliveries, []);
    assert!(effects.changes.len() >= 3, "created, entered twice, spent: {:?}", effects.changes);
    state.advance(&program, Moment(1_010 * SECOND), &mut effects).unwrap();
    assert_eq!(effects.deliveries.len(), 1, "the exit is not history");
}

#[test]
fn the_same_value_again_is_no_news() {
    let program = shop();
    let mut state = State::new(&program);
    let mut record = identify(&program, 1, 1_000, &[("user_id", "u")]);
    event_mut(&mut record).traits = vec![(ProfileTraitId(0), Value::String("NL".into()))];
    assert_eq!(deliveries(&program, &mut state, &record).len(), 1);
    record.seq = Seq(2);
    assert_eq!(deliveries(&program, &mut state, &record), []);
}

#[test]
fn a_merge_tells_of_a_profile_that_is_another_by_it() {
    let program = shop();
    let mut state = State::new(&program);
    for (seq, who, country) in [(1, "a", "NL"), (2, "b", "BE")] {
        let mut record = identify(&program, seq, 1_000 + seq as i64, &[("anonymous_id", who)]);
        event_mut(&mut record).traits = vec![(ProfileTraitId(0), Value::String(country.into()))];
        deliveries(&program, &mut state, &record);
    }
    deliveries(&program, &mut state, &identify(&program, 3, 1_003, &[("user_id", "u"), ("anonymous_id", "a")]));
    let told =
        deliveries(&program, &mut state, &identify(&program, 4, 1_004, &[("user_id", "u"), ("anonymous_id", "b")]));
    let [news] = told.as_slice() else { panic!("one change, {told:?}") };
    assert_eq!(payload(news)["value"], "BE");
}
