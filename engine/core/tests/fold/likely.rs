//! Traits that say who is one person only because that is likely: since when, up to when, and who is told.

use crate::history::{event_mut, project, track};
use crate::partition::{MATCHED, OPEN, SURE, World};
use serde_json::{Value as Json, json};
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::{ChangeKind, Effects};
use sonder_core::explain::{Logged, Past, Personal, Who};
use sonder_core::message::Call;
use sonder_core::record::{Record, Seq};
use sonder_dsl::ir::RuleId;
use std::sync::Arc;

const HOOK: &str = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n\
                    receives: {segments: [sure], traits: [guess]}\n";
const ENDS: [(&str, &str); 2] = [("user_id", "u"), ("email", "e")];

/// Two people who looked at something, the one by a user id and the other by an address.
fn two() -> World {
    let mut world = World::new(&project(SURE, &format!("{OPEN}{MATCHED}"), HOOK));
    for (seq, end) in (1..).zip(ENDS) {
        let mut record = track(&world.program, seq, seq as i64, "", "view");
        event_mut(&mut record).identifiers = [world.identifier(end.0, end.1)].into_iter().collect();
        world.take(record);
    }
    world
}

/// The entries and exits of the last record, and what the destination heard of the trait.
fn told(world: &World) -> (Vec<ChangeKind>, Vec<Json>) {
    let moves = world.effects.changes.iter().map(|it| it.what.clone());
    let moves = moves.filter(|it| matches!(it, ChangeKind::Entered(_) | ChangeKind::Left(_))).collect();
    let of_trait = world.effects.deliveries.iter().filter(|it| it.name == "guess");
    let value = |payload: &str| serde_json::from_str::<Json>(payload).unwrap()["value"].clone();
    (moves, of_trait.map(|it| value(&it.payload)).collect())
}

fn sure(world: &World) -> RuleId {
    world.program.rule_named("sure").unwrap().0
}

#[test]
fn who_is_likely_one_leaves_what_must_be_sure_at_that_moment_and_comes_back_when_a_message_says_so() {
    let mut world = two();
    let sure = sure(&world);
    assert_eq!(world.state.segment_size(sure), 2);
    world.decide(Call::Match, 10, &ENDS);
    let one = world.who("email", "e").unwrap();
    assert!(world.guess(one));
    assert_eq!(told(&world), (vec![ChangeKind::Left(sure)], vec![json!(true)]));
    // What is said again is no news.
    world.decide(Call::Match, 11, &ENDS);
    assert_eq!(told(&world), (vec![], vec![]));
    // Another identifier of one half changes nothing.
    world.identify(12, &[("user_id", "u"), ("anonymous_id", "a")]);
    assert_eq!((told(&world), world.guess(one)), ((vec![], vec![]), true));
    world.identify(13, &[("anonymous_id", "a"), ("email", "e")]);
    assert_eq!(told(&world), (vec![ChangeKind::Entered(sure)], vec![Json::Null]));
    assert!(!world.guess(one));
    let of_record = |it: &sonder_core::view::TraitView| (it.name.clone(), it.value.clone());
    assert_eq!(
        world.views()[0].traits.iter().map(of_record).collect::<Vec<_>>(),
        [],
        "of everybody else nothing is kept"
    );
}

#[test]
fn a_decision_says_so_just_as_well_though_it_is_nobodys_event() {
    let mut world = two();
    let sure = sure(&world);
    world.decide(Call::Match, 10, &ENDS);
    world.decide(Call::Link, 11, &ENDS);
    assert_eq!(told(&world), (vec![ChangeKind::Entered(sure)], vec![Json::Null]));
    // And where it was known before, matching finds nothing.
    let mut world = two();
    world.decide(Call::Link, 10, &ENDS);
    world.decide(Call::Match, 11, &ENDS);
    assert!(!world.guess(world.who("email", "e").unwrap()));
}

#[test]
fn whoever_is_parted_was_never_a_guess() {
    let mut world = two();
    let before = world.views();
    let sure = sure(&world);
    world.decide(Call::Match, 10, &ENDS);
    world.decide(Call::Unlink, 11, &ENDS);
    assert_eq!(told(&world).0, [ChangeKind::Entered(sure), ChangeKind::Entered(sure)]);
    assert_eq!(told(&world).1, [Json::Null], "only of one of them it was ever told");
    assert_eq!(world.views(), before);
}

#[test]
fn whoever_is_made_anew_and_still_likely_is_so_since_then() {
    let mut world = two();
    world.decide(Call::Match, 10, &ENDS);
    world.identify(11, &[("user_id", "u"), ("anonymous_id", "a")]);
    let since = |world: &World| {
        let view = world.views().into_iter().find(|view| view.identifiers.iter().any(|it| it.value == "u")).unwrap();
        view.traits.iter().find(|it| it.name == "guess").map(|it| it.at)
    };
    let first = since(&world);
    assert!(first.is_some());
    world.decide(Call::Unlink, 12, &[("user_id", "u"), ("anonymous_id", "a")]);
    assert_ne!(world.who("user_id", "u"), world.who("anonymous_id", "a"));
    assert_eq!(since(&world), first);
    assert_eq!(told(&world), (vec![], vec![]));
}

#[test]
fn an_explanation_names_the_message_that_made_it_a_guess() {
    let mut world = two();
    let records: Vec<Record> = (1..)
        .zip(ENDS)
        .map(|(seq, end)| {
            let mut record = track(&world.program, seq, seq as i64, "", "view");
            event_mut(&mut record).identifiers = [world.identifier(end.0, end.1)].into_iter().collect();
            record
        })
        .chain([world.decision(Call::Match, 10, &ENDS)])
        .collect();
    world.take(records[2].clone());
    let logged = |it: &Record| Logged { message_id: format!("m{}", it.seq.0), record: it.clone() };
    let who = Who::Identifier(world.identifier("email", "e"));
    let past = Past::fold(&world.program, records.iter().map(logged), &who, world.state.as_of().1).unwrap();
    let said = past.explain(sure(&world), Personal::Hidden).unwrap();
    let shown = serde_json::to_value(&said).unwrap().to_string();
    assert!(shown.contains("\"message_id\":\"m3\"") && shown.contains("\"event\":\"match\""), "{shown}");
}

#[test]
fn no_message_can_say_it() {
    let program = project(SURE, &format!("{OPEN}{MATCHED}"), HOOK);
    let governor = sonder_core::govern::Governor::new(&program);
    let new_id = || "m".to_owned();
    let envelope = sonder_core::message::Envelope::alone(
        sonder_dsl::ir::SourceId(0),
        sonder_dsl::time::Moment(0),
        sonder_core::message::Timing::Recorded,
        program.settings.future_tolerance,
        &new_id,
    );
    let line = json!({
        "type": "identify", "userId": "u", "identity": {"probabilistic": true},
        "traits": {"guess": true, "country": "NL"}, "context": {"traits": {"guess": true}, "identity": {"probabilistic": true}}
    });
    let message = sonder_core::message::read_text(&line.to_string(), &envelope).unwrap();
    let event = governor.govern(&message).unwrap();
    assert_eq!(event.traits.len(), 1, "the country alone");
}

#[test]
fn a_replay_gives_the_same_to_the_byte() {
    let mut world = two();
    let mut records: Vec<Record> = Vec::new();
    let mut live = World::new(&world.program.clone());
    let calls = [Call::Match, Call::Identify, Call::Unlink, Call::Link, Call::Match, Call::Unlink, Call::Match];
    for seq in 1..=200_u64 {
        let mut record = track(&world.program, seq, seq as i64, "", ["view", "order"][seq as usize % 2]);
        let event = event_mut(&mut record);
        // As good as random, and the same every time.
        let drawn = |salt: u64, below: u64| ((seq * 4 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % below;
        let first = drawn(0, 3);
        let kind = |place: u64| ["user_id", "email", "anonymous_id"][((first + place) % 3) as usize];
        let value = |place: u64| drawn(place + 2, 3).to_string();
        if seq > 20 {
            event.call = calls[drawn(1, calls.len() as u64) as usize];
            event.event = None;
            event.likelihood.0 = if event.call == Call::Match { 7_000 } else { 0 };
        }
        let count = if seq > 20 { 2 } else { 1 };
        event.identifiers = (0..count).map(|place| world.identifier(kind(place), &value(place))).collect();
        record.seq = Seq(seq);
        records.push(record);
    }
    let (mut guessed, mut sure) = (0, 0);
    for record in &records {
        live.take(record.clone());
        for id in live.state.people() {
            assert_eq!(live.guess(id), live.state.is_likely_only(id));
            *(if live.guess(id) { &mut guessed } else { &mut sure }) += 1;
        }
    }
    assert!(guessed > 100 && sure > 100, "{guessed} and {sure}");
    let (mut state, mut chronicle) = (State::new(&world.program), Chronicle::default());
    for record in records {
        chronicle.step(&mut state, &world.program, record, &mut Effects::default()).unwrap();
    }
    assert_eq!(state.digest(), live.state.digest());
    let checkpoint = state.checkpoint();
    let people = checkpoint.people.iter().filter_map(|(id, bytes)| Some((*id, bytes.as_ref()?)));
    world.state = State::restore(&world.program, &Arc::default(), &checkpoint.meta, people).unwrap();
    assert_eq!(world.state.digest(), live.state.digest(), "from a checkpoint, too");
}
