//! The bounds, and the figures behind them: `cargo test -p sonder-core --test footprint -- --nocapture`.

use crate::{shop, views};
use allocation_counter::measure;
use sonder_core::State;
use sonder_core::effect::Effects;

/// People of the shop cost less than a kibibyte each on average, by the fold's own estimate and by the allocator: a month
/// of shoppers, with a checkpoint every few hours, after which those rest who are gone by then.
#[test]
fn a_shopper_costs_less_than_a_kibibyte() {
    let program = shop::project().unwrap();
    let shoppers = 4_000;
    let history = shop::history(shoppers);
    let mut state = State::new(&program);
    let taken = measure(|| {
        let mut effects = Effects::default();
        for (record, number) in shop::records(&program, &history).zip(1..) {
            state.step(&program, &record, &mut effects).unwrap();
            effects.changes.clear();
            effects.deliveries.clear();
            if number % 200 == 0 {
                drop(state.checkpoint());
                assert!(state.rest(usize::MAX));
            }
        }
    });
    assert_eq!(state.people_count() as u64, shoppers);
    let (estimate, really) = (state.memory_estimate() as u64 / shoppers, taken.bytes_current as u64 / shoppers);
    println!(
        "{:.1} events and {:.1} identifiers a person: {estimate} bytes by the estimate, {really} by the allocator",
        history.len() as f64 / shoppers as f64,
        state.identifier_count() as f64 / shoppers as f64,
    );
    assert!(estimate < 1_024, "{estimate} bytes a person by the estimate");
    assert!(really < 1_024, "{really} bytes a person by the allocator");
    assert!(estimate > really * 9 / 10, "the estimate of {estimate} bytes leaves out much of {really}");
    assert!(estimate < really * 13 / 10, "the estimate of {estimate} bytes is far from {really}");
}

/// `count(...) >= k last w` keeps the k latest moments: eight bytes each, and nothing for the thousands before them.
#[test]
fn a_count_keeps_no_more_than_its_constant() {
    let taken = |rules: &str| {
        let program = views::project(rules);
        let mut views = views::Views::new(&program, 1);
        let mut state = State::new(&program);
        let mut effects = Effects::default();
        for seq in 1..=5_000 {
            state.step(&program, views.next(seq), &mut effects).unwrap();
            effects.changes.clear();
        }
        drop(state.checkpoint());
        state.memory_estimate()
    };
    // One rule with a state and a timer, whatever the count: the size besides the moments.
    let one = taken("segment s \"\" { when count(view, last 30d) >= 1 }");
    for k in [1, 2, 3, 5, 8, 9, 20, 100, 1_000] {
        let size = taken(&format!("segment s \"\" {{ when count(view, last 30d) >= {k} }}"));
        let moments = size.saturating_sub(one);
        println!("count(view, last 30d) >= {k}: {moments} bytes more than for one, after 5,000 views");
        // Larger counts are lists of their own, that grow by halves until they have k.
        assert!(moments <= 8 * (k - 1) + 8 * k / 2 + 96, "{moments} bytes for {k} moments");
    }
}

/// Counting allocates nothing, once everybody is known and each count has what it may have.
#[test]
fn counting_allocates_nothing() {
    let rules: String = (1..=20)
        .map(|number| {
            let filter = if number % 3 == 0 { " where category == \"a\"" } else { "" };
            format!("segment s{number} \"\" {{ when count(view{filter}, last {number}d) >= {} }}\n", number % 5 + 1)
        })
        .collect();
    let others = "segment ever \"\" { when did(view) }\nsegment quiet \"\" { when since(view) > 30d }\n\
                  segment many \"\" { when count(view) >= 3 }\n";
    let program = views::project(&(rules + others));
    let people = 200;
    let mut views = views::Views::new(&program, people);
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    let warm_up = people * 20;
    for seq in 1..=warm_up {
        state.step(&program, views.next(seq), &mut effects).unwrap();
        effects.changes.clear();
    }
    let mut allocations = 0;
    let steady = 5_000;
    for seq in warm_up + 1..=warm_up + steady {
        let record = views.next(seq);
        let counted = measure(|| state.step(&program, record, &mut effects).unwrap());
        assert_eq!(effects.changes, [], "the steady path");
        allocations += counted.count_total;
    }
    println!("{steady} events, each counted by 23 rules: {allocations} allocations");
    assert_eq!(allocations, 0);
}

/// Who waits in a journey is who they are, where they stand, what they came in with, and when to look again: less than 400
/// bytes for a visitor at rest, less than 500 for somebody with a second identifier.
#[test]
fn who_waits_in_a_journey_takes_little() {
    let rules = "journey reminder {\n  enter on view as seen\n  again after 90d\n  goal order\n  wait 30d\n  \
                 split {\n    10% control {}\n    90% treated { send hook.message { product: seen.product } }\n  }\n}\n";
    let program = views::project(rules);
    let people = 5_000;
    for (identifiers, most) in [(1, 400), (2, 500)] {
        let mut views = views::Views::new(&program, people);
        let mut state = State::new(&program);
        let mut take = |state: &mut State, seq| {
            let mut record = views.next(seq).clone();
            let sonder_core::record::Fact::Event(event) = &mut record.fact;
            event.identifiers.drain(..2 - identifiers);
            state.step(&program, &record, &mut Effects::default()).unwrap();
        };
        let taken = measure(|| {
            (1..=people).for_each(|seq| take(&mut state, seq));
            // Who nothing happened to between two checkpoints rests.
            drop(state.checkpoint());
            state.settle();
            assert!(state.rest(usize::MAX));
        });
        assert_eq!(u64::from(state.standing(sonder_dsl::ir::JourneyId(0)).iter().sum::<u32>()), people);
        let really = taken.bytes_current as u64 / people;
        println!(
            "{identifiers} of their identifiers known: {really} bytes for each who waits; by the estimate {}",
            state.memory_estimate() as u64 / people
        );
        assert!(really < most, "{really} bytes for each who waits");
    }
}
