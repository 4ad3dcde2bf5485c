//! New rules for some people first: everybody has one version of all rules, and it is theirs.

use crate::history::{Happening, SECOND, does, project_with, record};
use sonder_core::State;
use sonder_core::effect::{ChangeKind, Effects, PersonId};
use sonder_core::state::Travelling;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

const IDENTITY: &str = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n";
const HOOK: &str = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n\
    receives: {segments: [keen, calm, rich], traits: [spent]}\n";
const PEOPLE: usize = 120;

const BEFORE: &str = "segment keen { when count(view) >= 2 }\n\
    segment calm { when not did(order) }\n\
    trait spent = sum(order.total)\n\
    trait looks = count(view)\n\
    segment rich { when spent > 20 }\n\
    segment gone { when did(view) }\n\
    journey carts { enter on add as cart again after 1s wait 30s send hook.remind { product: cart.product } }\n\
    journey old { enter on order wait 10s send hook.old { } }\n";
const NOW: &str = "segment keen { when count(view) >= 3 }\n\
    segment calm { when not did(order where total > 100) }\n\
    trait spent = sum(order.total) * 2\n\
    trait looks = count(view)\n\
    segment rich { when spent > 20 }\n\
    segment fresh { when not did(add) }\n\
    journey carts { enter on add as cart again after 1s wait 30s send hook.remind { product: cart.product, n: 1 } }\n\
    journey young { enter on order wait 10s send hook.young { } }\n";

fn project(rules: &str) -> Arc<Program> {
    project_with(rules, IDENTITY, &[HOOK], &[])
}

/// `NOW` for a share of the people, `BEFORE` for all others.
fn rolled(share: &str) -> Arc<Program> {
    let share = format!("share: {share}\nseed: one\n");
    project_with(NOW, IDENTITY, &[HOOK], &[("rollout.yaml", &share), ("rollout/rules/all.sonder", BEFORE)])
}

fn is_early(program: &Program, person: PersonId) -> bool {
    program.rollout.is_some_and(|rollout| rollout.is_early(person.0))
}

/// Everybody views some times; every third puts something into a cart, every fifth orders.
fn log() -> Vec<(i64, Happening)> {
    let mut log = Vec::new();
    for number in 0..PEOPLE {
        let who = format!("p{number}");
        log.extend((0..number % 4).map(|_| (1_000, does(&who, "view", "p"))));
        log.extend((number % 3 == 0).then(|| (1_001, does(&who, "add", "p"))));
        log.extend((number % 5 == 0).then(|| (1_002, does(&who, "order", "p"))));
    }
    log.sort_by_key(|(second, _)| *second);
    log
}

struct World {
    program: Arc<Program>,
    state: State,
    effects: Effects,
}

impl World {
    fn folded(program: Arc<Program>, travels: bool) -> Self {
        let mut world = Self { state: State::new(&program), program, effects: Effects::default() };
        if !travels {
            world.state.hold_journeys();
        }
        for (place, (second, it)) in log().iter().enumerate() {
            let record = record(&world.program, place as u64 + 1, *second, it);
            world.state.step(&world.program, &record, &mut world.effects).unwrap();
        }
        world.wait(1_010)
    }

    fn wait(mut self, second: i64) -> Self {
        self.state.advance(&self.program, Moment(second * SECOND), &mut self.effects).unwrap();
        self
    }

    /// What is known of everybody, and what was told of them, but for where they were told it.
    fn lives(&self) -> BTreeMap<PersonId, String> {
        let of = |id: PersonId| {
            let view = self.state.person(&self.program, id).unwrap();
            let mut segments: Vec<&str> = view.segments.iter().map(|it| it.name.as_str()).collect();
            segments.sort_unstable();
            let traits: Vec<_> = view.computed.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
            let told = self.effects.deliveries.iter().filter(|it| it.person == id);
            let mut told: Vec<_> = told.map(|it| format!("{} {} {}", it.kind.name(), it.name, it.payload)).collect();
            told.sort();
            (id, format!("{segments:?} {traits:?} {told:#?}"))
        };
        self.state.people().into_iter().map(of).collect()
    }

    /// `next` takes over at 1010 s, and goes on to 1100 s.
    fn taken_over_by(&self, program: Arc<Program>) -> Self {
        let mut next = Self::folded(program, false);
        next.effects = Effects::default();
        let travelling: Vec<Travelling> = self.state.travelling();
        next.state.take_over(&next.program, Some(&self.program), travelling, &mut next.effects);
        next.state.tell_since(&next.program, (&self.state, &self.program), (&[], false), &mut next.effects);
        next
    }

    /// The actions of journeys that were sent to somebody.
    fn sent(&self, person: PersonId) -> Vec<&str> {
        let sent = self.effects.deliveries.iter().filter(|it| it.person == person && it.kind.name() == "message");
        sent.map(|it| it.name.as_str()).collect()
    }
}

#[test]
fn everybody_has_one_version_of_all_rules() {
    let (before, now) =
        (World::folded(project(BEFORE), true).wait(1_100), World::folded(project(NOW), true).wait(1_100));
    let (before, now) = (before.lives(), now.lives());
    for share in ["1%", "30%", "99.5%", "100%"] {
        let program = rolled(share);
        let mixed = World::folded(Arc::clone(&program), true).wait(1_100);
        let mut early = 0;
        let lives = mixed.lives();
        let everybody = lives.len();
        for (person, life) in lives {
            early += usize::from(is_early(&program, person));
            let theirs = if is_early(&program, person) { &now[&person] } else { &before[&person] };
            // Traits are there in both versions, whoever they are for.
            assert_eq!(&life, theirs, "{share}");
        }
        assert!((share == "100%") == (early == everybody) && (share == "1%" || early > 20), "{share}: {early}");
    }
}

#[test]
fn a_larger_share_moves_those_who_come_to_it_and_nobody_else() {
    let before = World::folded(project(BEFORE), true);
    let some = before.taken_over_by(rolled("30%"));
    for it in &some.effects.changes {
        assert!(is_early(&some.program, it.person), "{it:?} is of somebody who keeps the version before");
    }
    assert!(some.effects.changes.iter().any(|it| matches!(it.what, ChangeKind::Left(_))));
    let more = some.taken_over_by(rolled("60%"));
    assert!(!more.effects.changes.is_empty() && !more.effects.deliveries.is_empty());
    let moved = |person| is_early(&more.program, person) && !is_early(&some.program, person);
    assert!(more.effects.changes.iter().all(|it| moved(it.person)));
    assert!(more.effects.deliveries.iter().all(|it| moved(it.person)));
    // Whether it becomes everybody's or is taken back: everybody is where that version has them.
    for (rules, end) in [(NOW, project(NOW)), (BEFORE, project(BEFORE))] {
        let end = some.taken_over_by(end);
        let straight = World::folded(project(rules), true);
        let segments = |world: &World| -> Vec<_> {
            let of = |id| world.state.person(&world.program, id).unwrap().segments;
            world
                .state
                .people()
                .into_iter()
                .map(|id| of(id).into_iter().map(|it| it.name).collect::<Vec<_>>())
                .collect()
        };
        assert_eq!(segments(&end), segments(&straight));
    }
}

#[test]
fn people_in_a_journey_go_on_in_the_version_that_is_theirs() {
    let before = World::folded(project(BEFORE), true);
    let some = before.taken_over_by(rolled("50%")).wait(1_100);
    let mut counts = [0; 2];
    for person in before.state.people() {
        let early = is_early(&some.program, person);
        // `old` is gone for those who are early, and nobody who ordered before comes into `young`.
        let sent = before.sent(person).into_iter().chain(some.sent(person)).collect::<Vec<_>>();
        let view = before.state.person(&before.program, person).unwrap();
        let in_carts = view.journeys.iter().any(|it| it.name == "carts");
        assert_eq!(sent.contains(&"remind"), in_carts, "the wait before it is there in both versions");
        assert!(!sent.contains(&"young"));
        counts[usize::from(early)] += usize::from(sent.contains(&"remind"));
        let old = some.effects.recalls.iter().any(|it| it.person == person && it.reason == "left old: removed");
        let was_in_old = view.journeys.iter().any(|it| it.name == "old");
        assert_eq!(old, was_in_old && early);
    }
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    let payload = |person: PersonId| {
        let sent = some.effects.deliveries.iter().find(|it| it.person == person && it.name == "remind");
        sent.map(|it| it.payload.contains("\"n\""))
    };
    for person in before.state.people() {
        assert!(payload(person).is_none_or(|new| new == is_early(&some.program, person)));
    }
}
