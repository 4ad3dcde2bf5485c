//! The same log gives the same state and the same effects, byte for byte, however it is cut into batches, looked at in
//! between, checkpointed, restored and spilled.

use crate::history::{Happening, SECOND, config, event_mut, for_purposes, happening, project, rules, track};
use crate::partition::{MATCHED, SURE};
use proptest::prelude::*;
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::{Effects, ItemKind, PersonId};
use sonder_core::message::Call;
use sonder_core::record::{Likelihood, Record};
use sonder_core::state::{Checkpoint, CheckpointHead, RestoreError};
use sonder_dsl::ir::Program;
use sonder_dsl::time::{Duration, Moment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const IDENTITY: &str = "identifiers:\n  user_id: {unique: true}\n  email: {limit: 2, expires: 20s}\n  \
                        anonymous_id: {limit: 3, expires: 30s}\ngeneric_after: 2\n";

/// Rules that leave links between identifiers that are nobody's.
const STRICT: &str = "identifiers:\n  user_id: {unique: always}\n  email: {at_most: {user_id: 1, anonymous_id: 1}}\n  \
                      anonymous_id: {limit: {count: 1, per: 9s}}\nstrategy: best_match\n";

const CONVERTING: &str = "identifiers:\n  user_id: {unique: true}\n  email: {limit: {count: 1, per: 15s}, expires: 30s}\n  \
                          anonymous_id: {at_most: {user_id: 1}}\nstrategy: conversion\n";

const DESTINATION: &str = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n\
                           receives: {segments: [s0, s1, s2, s3, sure], \
                           traits: [country, nickname, guess, guessed, total, favourite], events: [order]}\n";

/// Whatever else a project has, people go on journeys.
const JOURNEYS: &str = r#"
journey carts {
  enter on add as cart per cart.product
  again after 9s
  goal order
  wait 3s
  split {
    30% control {}
    70% treated { send hook.remind { product: cart.product, country: profile.country or "?" } }
  }
  wait for view where product == cart.product up to 6s {
    set trait nickname = cart.product
  } else {
    send hook.again { product: cart.product }
    wait until count(view, last 5s) >= 2 up to 8s { exit } else {}
  }
  send hook.last {}
}

journey lookers {
  enter when count(view, last 6s) >= 2 and not did(order, last 4s)
  again after 5s
  exit when profile.country == "BE" or profile.guess
  wait 2s
  if in(s0) { send hook.in_s0 {} wait 1s } else { wait 4s }
  send hook.done { nickname: profile.nickname, spent: total }
}
"#;

/// Which rules come with which identity is all the same.
fn random_project(rules: &str) -> Arc<Program> {
    let identity = [IDENTITY, STRICT, CONVERTING][rules.len() % 3];
    project(&(rules.to_owned() + JOURNEYS + SURE), &format!("{identity}{MATCHED}"), DESTINATION)
}

/// Some of what carries two identifiers is what matching found.
fn log(program: &Program, happenings: &[Happening]) -> Vec<Record> {
    let mut records = crate::history::log(program, happenings);
    for record in &mut records {
        let is_chosen = record.seq.0.is_multiple_of(3);
        let event = event_mut(record);
        if is_chosen && event.identifiers.len() > 1 {
            event.identifiers.truncate(2);
            (event.call, event.event) = (Call::Match, None);
            event.likelihood = Likelihood(7_000);
        }
    }
    records
}

/// What a store keeps: the latest of each part.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    meta: Vec<u8>,
    people: BTreeMap<PersonId, Vec<u8>>,
}

impl Kept {
    fn take(&mut self, checkpoint: Checkpoint) {
        self.meta = checkpoint.meta;
        for (id, bytes) in checkpoint.people {
            match bytes {
                Some(bytes) => self.people.insert(id, bytes),
                None => self.people.remove(&id),
            };
        }
    }

    fn restore(&self, program: &Program) -> State {
        State::restore(program, &Arc::default(), &self.meta, self.people.iter().map(|(id, bytes)| (*id, bytes)))
            .unwrap()
    }
}

fn straight(program: &Program, records: &[Record], end: Moment) -> (u128, Kept, Effects) {
    let mut state = State::new(program);
    let mut effects = Effects::default();
    let mut chronicle = Chronicle::default();
    for record in records {
        chronicle.step(&mut state, program, record.clone(), &mut effects).unwrap();
    }
    state.advance(program, end, &mut effects).unwrap();
    let digest = state.digest();
    let mut kept = Kept::default();
    kept.take(state.checkpoint());
    assert_eq!(digest, state.digest(), "a checkpoint changes nothing");
    (digest, kept, effects)
}

/// What happens between two records.
#[derive(Clone, Copy, Debug)]
enum Interruption {
    None,
    Glance(i64),
    Checkpoint,
    Restart,
    Rest,
    Spill,
}

fn interruption() -> impl Strategy<Value = Interruption> {
    prop_oneof![
        3 => Just(Interruption::None),
        2 => (0..2 * SECOND).prop_map(Interruption::Glance),
        1 => Just(Interruption::Checkpoint),
        1 => Just(Interruption::Restart),
        2 => Just(Interruption::Rest),
        2 => Just(Interruption::Spill),
    ]
}

/// Loads whoever is asked for, as a pipeline does.
fn load_missing(state: &mut State, kept: &Kept, records: &[Record], until: Moment) {
    for id in state.missing(records, until) {
        state.load(id, &kept.people[&id]).unwrap();
    }
}

fn interrupted(
    program: &Program,
    records: &[Record],
    interruptions: &[Interruption],
    end: Moment,
) -> (u128, Kept, Effects) {
    let mut state = State::new(program);
    let mut kept = Kept::default();
    kept.take(state.checkpoint());
    let mut effects = Effects::default();
    let mut chronicle = Chronicle::default();
    for (record, interruption) in records.iter().zip(interruptions) {
        match interruption {
            Interruption::None => {}
            Interruption::Glance(by) => {
                let glance = state.as_of().1.max(Moment(999 * SECOND)).plus(Duration(*by)).min(record.received_at);
                load_missing(&mut state, &kept, &[], glance);
                state.advance(program, glance, &mut effects).unwrap();
            }
            Interruption::Checkpoint => kept.take(state.checkpoint()),
            Interruption::Restart => {
                kept.take(state.checkpoint());
                let before = state.digest();
                state = kept.restore(program);
                assert!(state.differences().is_empty());
                assert_eq!(state.digest(), before, "a restart changes nothing");
            }
            Interruption::Rest => {
                kept.take(state.checkpoint());
                kept.take(state.checkpoint());
                let (before, taken) = (state.digest(), state.memory_estimate());
                assert!(state.rest(usize::MAX));
                assert_eq!(state.digest(), before, "resting changes nothing");
                assert!(state.memory_estimate() <= taken, "it takes no more room");
            }
            Interruption::Spill => {
                kept.take(state.checkpoint());
                let before = state.digest();
                state.spill(0);
                assert_eq!(state.spilled_count(), state.people_count());
                assert_eq!(state.digest(), before, "spilling changes nothing");
            }
        }
        while let Err(missing) = chronicle.step(&mut state, program, record.clone(), &mut effects) {
            assert!(!missing.people.is_empty());
            for id in missing.people {
                state.load(id, &kept.people[&id]).unwrap();
            }
        }
    }
    load_missing(&mut state, &kept, &[], end);
    state.advance(program, end, &mut effects).unwrap();
    let digest = state.digest();
    kept.take(state.checkpoint());
    (digest, kept, effects)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn no_interruption_changes_anything(
        rules in rules(),
        happenings in prop::collection::vec(happening(), 1..50),
        interruptions in prop::collection::vec(interruption(), 50),
    ) {
        let program = random_project(&for_purposes(&rules));
        let records = log(&program, &happenings);
        let end = records[records.len() - 1].received_at.plus(Duration(30 * SECOND));
        let (digest, kept, effects) = straight(&program, &records, end);
        let (other_digest, other_kept, other_effects) = interrupted(&program, &records, &interruptions, end);
        prop_assert_eq!(&effects.changes, &other_effects.changes);
        prop_assert_eq!(&effects.deliveries, &other_effects.deliveries);
        prop_assert_eq!(&effects.recalls, &other_effects.recalls);
        prop_assert_eq!(digest, other_digest);
        prop_assert_eq!(kept, other_kept, "checkpoints are equal byte for byte");
    }

    /// Taken bit by bit while the fold goes on, a checkpoint is what it would have been at its beginning; and the next one
    /// has all the rest, even of one that was given up.
    #[test]
    fn a_checkpoint_in_slices_is_as_of_its_beginning(
        rules in rules(),
        happenings in prop::collection::vec(happening(), 1..50),
        begin in 0..50_usize,
        slices in prop::collection::vec((0..4_usize, any::<bool>()), 50),
        given_up in any::<bool>(),
    ) {
        let program = random_project(&for_purposes(&rules));
        let records = log(&program, &happenings);
        let (before, after) = records.split_at(begin.min(records.len()));
        let mut effects = Effects::default();
        let mut state = State::new(&program);
        let mut chronicle = Chronicle::default();
        let mut kept = Kept::default();
        for (place, record) in before.iter().enumerate() {
            if place == before.len() / 2 {
                kept.take(state.checkpoint());
            }
            chronicle.step(&mut state, &program, record.clone(), &mut effects).unwrap();
        }
        let digest = state.digest();
        let CheckpointHead { seq, now, meta, people: count } = state.begin_checkpoint();
        prop_assert_eq!(state.digest(), digest, "beginning a checkpoint changes nothing");
        let mut people = Vec::new();
        for (record, (limit, is_given)) in after.iter().zip(slices) {
            if is_given {
                people.extend(state.checkpoint_slice(limit).unwrap());
            }
            chronicle.step(&mut state, &program, record.clone(), &mut effects).unwrap();
        }
        if given_up {
            state.changed_again(people.into_iter().map(|(id, _)| id));
        } else {
            people.extend(state.checkpoint_slice(usize::MAX).unwrap());
            prop_assert_eq!(state.checkpoint_slice(usize::MAX), Some(Vec::new()));
            let ids: BTreeSet<PersonId> = people.iter().map(|(id, _)| *id).collect();
            prop_assert_eq!(ids.len(), people.len(), "nobody is in it twice");
            kept.take(Checkpoint { seq, now, meta, people });
            let restored = kept.restore(&program);
            prop_assert_eq!(restored.people_count() as u64, count);
            prop_assert_eq!(restored.digest(), digest);
        }
        kept.take(state.checkpoint());
        prop_assert_eq!(kept.restore(&program).digest(), state.digest());
        prop_assert_eq!(State::new(&program).checkpoint_slice(1), None);
    }

    /// Every delivery has a key of its own, and keeps it in every replay.
    #[test]
    fn effects_have_keys_of_their_own(rules in rules(), happenings in prop::collection::vec(happening(), 1..50)) {
        let program = random_project(&for_purposes(&rules));
        let records = log(&program, &happenings);
        let (_, _, effects) = straight(&program, &records, Moment(2_000 * SECOND));
        let mut keys = BTreeMap::new();
        for delivery in &effects.deliveries {
            let Some(before) = keys.insert(delivery.id, delivery) else { continue };
            // Who was made anew may come to a step of a journey once more: the receiver knows the message by its key.
            prop_assert_eq!(delivery.kind, ItemKind::Message, "{:?}", delivery);
            prop_assert_eq!(&delivery.name, &before.name);
        }
    }

    /// Damaged bytes are an error, never a panic.
    #[test]
    fn damaged_checkpoints_are_refused_or_read(at in 0..4_000_usize, bit in 0..8_u8, cut in any::<bool>()) {
        let program = random_project("segment s0 \"\" { when did(view) }\nsegment s1 \"\" { when did(add) }\nsegment s2 \"\" { when did(order) }\nsegment s3 \"\" { when sequence(view then add) }\ntrait total = sum(order.total)\ntrait favourite = top(view.category)\n");
        let records: Vec<_> = (1..9).map(|seq| track(&program, seq, 1_000 + seq as i64, "a", ["view", "add", "order"][seq as usize % 3])).collect();
        let (_, mut kept, _) = straight(&program, &records, Moment(1_020 * SECOND));
        let damage = |bytes: &mut Vec<u8>| {
            let place = at % bytes.len();
            if cut { bytes.truncate(place) } else { bytes[place] ^= 1 << bit }
        };
        kept.people.values_mut().for_each(damage);
        let restored = State::restore(&program, &Arc::default(), &kept.meta, kept.people.iter().map(|(id, bytes)| (*id, bytes)));
        prop_assert!(!cut || restored.is_err());
        damage(&mut kept.meta);
        let _ = State::restore(&program, &Arc::default(), &kept.meta, Vec::<(PersonId, Vec<u8>)>::new());
    }
}

#[test]
fn another_format_is_named() {
    let program = random_project(&four_segments("did(view)"));
    let found = State::restore(&program, &Arc::default(), &[12, 1, 2], Vec::<(PersonId, Vec<u8>)>::new()).unwrap_err();
    assert_eq!(found, RestoreError::Format { found: 12 });
    assert_eq!(found.to_string(), "the checkpoint has format 12, this engine reads format 11");
}

fn four_segments(first: &str) -> String {
    let traits = "trait total = sum(order.total)\ntrait favourite = top(view.category)\n";
    let segments = [first, "did(add)", "did(order)", "did(view, last 5s)"];
    let numbered = segments.iter().enumerate();
    numbered.map(|(number, when)| format!("segment s{number} \"\" {{ when {when} }}\n")).collect::<String>() + traits
}

/// A state goes on under the next version of a project: what is unchanged keeps its history, what is new is named.
#[test]
fn a_new_version_keeps_what_it_shares_with_the_old() {
    let old = random_project(&four_segments("count(view, last 60s) >= 2"));
    let records: Vec<_> = (1..4).map(|seq| track(&old, seq, 1_000 + seq as i64, "a", "view")).collect();
    let (_, kept, _) = straight(&old, &records, Moment(1_004 * SECOND));

    // Another threshold, but no more than was kept: decided again from what is there.
    let lower = random_project(
        &("segment early \"\" { when did(add) }\n".to_owned() + &four_segments("count(view, last 60s) >= 1")),
    );
    let mut state = kept.restore(&lower);
    assert!(state.differences().aggregates.is_empty(), "{:?}", state.differences());
    assert!(!state.differences().rules.is_empty());
    let mut effects = Effects::default();
    state.reconsider(&lower, &mut effects).unwrap();
    assert_eq!(effects.changes, [], "they were in it, and still are");
    let (rule, _) = lower.rule_named("s0").unwrap();
    assert_eq!(state.segment_size(rule), 1);

    // More than was kept: the history is missing, and that is said.
    let higher = random_project(&four_segments("count(view, last 60s) >= 3"));
    let state = kept.restore(&higher);
    assert_eq!(state.differences().aggregates.len(), 1);
    // Other aggregates are where they were, whatever their number is now.
    let view = state.person(&higher, state.people()[0]).unwrap();
    assert_eq!(view.computed.iter().find(|it| it.name == "favourite").unwrap().value, "a");
}

/// Busy people stay within the memory that the figures allow.
#[test]
fn a_person_costs_less_than_a_kibibyte() {
    let rules = four_segments("count(view, last 60s) >= 3 and not did(order, last 60s)");
    let program = project(&(rules + SURE), &format!("{IDENTITY}{MATCHED}"), DESTINATION);
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    let people = 2_000;
    for index in 0..people {
        for (place, kind) in ["view", "view", "add", "view"].iter().enumerate() {
            let seq = index * 4 + place as u64 + 1;
            let record = track(&program, seq, 1_000, &format!("visitor-{index:032}"), kind);
            state.step(&program, &record, &mut effects).unwrap();
            effects = Effects::default();
        }
    }
    state.checkpoint();
    let each = state.memory_estimate() / people as usize;
    assert!(each < 1024, "{each} bytes a person");
    assert!(each > 300, "{each} bytes a person is too good to be true");
}

#[test]
fn somebody_who_is_not_in_memory_is_still_somebody() {
    let program = random_project(&four_segments("did(view)"));
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    state.step(&program, &track(&program, 1, 1_000, "a", "view"), &mut effects).unwrap();
    let id = state.people()[0];
    assert_eq!(state.spill(0), 0, "nobody leaves before a checkpoint has them");
    let bytes = state.checkpoint().people.remove(0).1.unwrap();
    let before = state.person(&program, id).unwrap();
    assert_eq!(state.spill(0), 1);
    assert!(state.is_spilled(id));
    assert_eq!(state.person(&program, id), None);
    assert_eq!(state.view_spilled(&program, id, &bytes).unwrap(), before);
    let (rule, _) = program.rule_named("s0").unwrap();
    assert_eq!(state.members(rule, None, 10), [(id, Moment(1_000 * SECOND))]);
    let next = track(&program, 2, 1_001, "a", "view");
    assert_eq!(state.step(&program, &next, &mut effects).unwrap_err().people, [id]);
    state.load(id, &bytes).unwrap();
    state.step(&program, &next, &mut effects).unwrap();
    assert_eq!(state.load(PersonId(7), &bytes).unwrap_err(), RestoreError::Unknown(PersonId(7)));
}

/// What `Happening` is for: late, tied and merged events are all in the random logs.
#[test]
fn random_logs_are_as_nasty_as_they_should_be() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let all: Vec<Happening> = prop::collection::vec(happening(), 500).new_tree(&mut runner).unwrap().current();
    assert!(all.iter().filter(|it| it.late > 0).count() > 50);
    assert!(all.iter().filter(|it| it.gap == 0).count() > 100);
    assert!(all.iter().filter(|it| it.who.len() > 1).count() > 30);
    assert!(all.iter().filter(|it| it.who.len() > 2).count() > 10);
}
