//! What the fold costs, in memory, on one core: `cargo bench -p sonder-core`.
//!
//! Prints one line a mix of people and rules; ratios are against a line of the same run. Times are those that the thread
//! ran, where the system tells, so that a busy machine does not count; the time that it takes to make the records alone is
//! taken off.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark whose project does not compile has nothing to say")]

#[path = "../tests/footprint/shop.rs"]
mod shop;
#[path = "../tests/footprint/views.rs"]
mod views;

use mimalloc::MiMalloc;
use sonder_core::State;
use sonder_core::effect::Effects;
use sonder_core::record::Record;
use sonder_dsl::ir::{EventId, Program};
use sonder_dsl::time::Moment;
use std::hint::black_box;
use std::time::Instant;
use views::Views;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let runs = |part: &str| chosen.is_empty() || chosen.iter().any(|it| it == part);
    if runs("speed") {
        speed();
    }
    if runs("segments") {
        segments();
    }
    if runs("memory") {
        memory();
    }
    if runs("journeys") {
        journeys();
    }
}

/// Events a second, with rules that all are touched.
fn speed() {
    let alone = run("identity alone", "", 20_000, None);
    let counting = run("twenty counting rules, each touched", &counting(20), 20_000, Some(alone));
    println!(
        "  at least 400,000 events/s: {}; {:.0} ns for each rule touched (under 300)",
        if counting <= 2_500.0 { "yes" } else { "no" },
        (counting - alone) / 20.0
    );
    run("twenty mixed rules", &mixed(), 20_000, Some(alone));
    run("twenty mixed rules, 500,000 people", &mixed(), 500_000, Some(alone));
}

/// A thousand segments, of which an event touches as many as when there are ten.
fn segments() {
    const TYPES: usize = 100;
    const PEOPLE: u64 = 2_000;
    // Of a thousand segments, each person has eight times as many states. With eight times as many people, ten segments
    // take as much memory: what is left is what the number of segments costs, not that of the states that no cache holds.
    let alone = spread(&views::project(""), 1, PEOPLE, "identity alone");
    let few = spread(&views::project(&of_types(1)), 1, PEOPLE, "10 segments, all of them touched, 2,000 people");
    let ten = spread(&views::project(&of_types(1)), 1, 8 * PEOPLE, "10 segments, all of them touched, 16,000 people");
    let all =
        spread(&views::project(&of_types(TYPES)), TYPES, PEOPLE, "1,000 segments, 10 of them touched, 2,000 people");
    println!(
        "  1,000 segments cost {:.2} times what 10 do with as many states (at most 2), {:.2} times with as many people; \
         {:.0} ns for each rule touched (under 300)",
        all / ten,
        all / few,
        (all - alone) / 10.0
    );
}

/// What people take.
fn memory() {
    let program = shop::project().unwrap();
    let shoppers = 100_000;
    let history = shop::history(shoppers);
    let before = resident();
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    for (record, number) in shop::records(&program, &history).zip(1..) {
        fold(&mut state, &program, &record, &mut effects);
        if number % 10_000 == 0 {
            keep(&mut state);
            state.rest(usize::MAX);
        }
    }
    report("shop", &state, shoppers, before);
    println!("  ({:.1} events a person, under 1,024 bytes)", history.len() as f64 / shoppers as f64);
    drop((state, history));

    // All of them awake: nobody has time to rest between two events.
    let program = views::project(&counting(20));
    let people = 1_000_000;
    let mut views = Views::new(&program, people);
    let before = resident();
    let mut state = State::new(&program);
    for seq in 1..=4 * people {
        fold(&mut state, &program, views.next(seq), &mut effects);
    }
    keep(&mut state);
    report("a million people and twenty windowed rules, four events each, none at rest", &state, people, before);
    println!("  (under 2 GiB)");
}

/// People who wait, and who are all written to in the same second: at eight in the morning.
fn journeys() {
    const PEOPLE: u64 = 1_000_000;
    const WOKEN: u64 = 100_000;
    let rules = "journey reminder {\n  enter on view as seen\n  again after 90d\n  goal order\n  hours 08:00 to 20:00\n  \
                 wait 1m\n  send hook.message { product: seen.product }\n  wait 30d\n}\n";
    let program = views::project(rules);
    for (people, what) in [(WOKEN, "a hundred thousand"), (PEOPLE, "a million")] {
        let mut views = Views::new(&program, people);
        let (before, mut effects) = (resident(), Effects::default());
        let mut state = State::new(&program);
        let start = Instant::now();
        let began = clock(start);
        for seq in 1..=people {
            fold(&mut state, &program, views.next(seq), &mut effects);
        }
        let entered = (clock(start) - began) / people as f64;
        keep(&mut state);
        state.settle();
        state.rest(usize::MAX);
        report(&format!("{what} people who wait in a journey (under 500 bytes)"), &state, people, before);
        let (_, now) = state.as_of();
        // A tenth of a second apart they came in from midnight on: who came by then waits for the hours to begin.
        let eight = Moment(
            now.0 - now.0.rem_euclid(DAY) + 8 * DAY / 24 + if now.0.rem_euclid(DAY) >= 8 * DAY / 24 { DAY } else { 0 },
        );
        state.advance(&program, Moment(eight.0 - 1), &mut effects).unwrap();
        effects = Effects::default();
        let fired = clock(start);
        state.advance(&program, eight, &mut effects).unwrap();
        let took = clock(start) - fired;
        let count = effects.deliveries.len();
        println!(
            "  {count} of them written to in one second: {:.2} s, {:.0} ns each, {:.1} times an entry; at most 2 s for 100,000: {}",
            took / 1e9,
            took / count.max(1) as f64,
            took / count.max(1) as f64 / entered,
            if took / count.max(1) as f64 <= 20_000.0 { "yes" } else { "no" }
        );
    }
}

fn fold(state: &mut State, program: &Program, record: &Record, effects: &mut Effects) {
    state.step(program, record, effects).unwrap();
    effects.changes.clear();
    effects.deliveries.clear();
}

/// A checkpoint as the engine takes it: some people at a time.
fn keep(state: &mut State) {
    state.begin_checkpoint();
    while state.checkpoint_slice(1_000).is_some_and(|slice| !slice.is_empty()) {}
}

fn report(title: &str, state: &State, people: u64, before: u64) {
    let (estimate, really) = (state.memory_estimate() as u64, resident().saturating_sub(before));
    println!(
        "{title}: {} bytes a person by the estimate, {} resident; {:.2} GiB",
        estimate / people,
        really / people,
        really as f64 / (1_u64 << 30) as f64
    );
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}

/// Nanoseconds that this thread has run.
fn clock(start: Instant) -> f64 {
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = ran.and_then(|text| text.split_whitespace().next()?.parse().ok());
    ran.unwrap_or_else(|| start.elapsed().as_nanos() as f64)
}

/// Folds views of people at random and prints the speed; returns nanoseconds an event.
fn run(title: &str, rules: &str, people: u64, base: Option<f64>) -> f64 {
    const EVENTS: u64 = 1_000_000;
    let program = views::project(rules);
    let mut views = Views::new(&program, people);
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    // Everybody a few times first: what is measured is the steady path.
    let warm_up = people * 4;
    for seq in 1..=warm_up {
        fold(&mut state, &program, views.next(seq), &mut effects);
    }
    let (start, mut changes) = (Instant::now(), 0);
    let began = clock(start);
    for seq in warm_up + 1..=warm_up + EVENTS {
        black_box(views.next(seq));
    }
    let made = clock(start);
    for seq in warm_up + 1..=warm_up + EVENTS {
        state.step(&program, views.next(seq), &mut effects).unwrap();
        changes += effects.changes.len();
        effects.changes.clear();
    }
    let nanos = ((clock(start) - made) - (made - began)) / EVENTS as f64;
    state.checkpoint();
    println!(
        "{title}: {:.0} events/s, {nanos:.0} ns each, {:.1} times the first, {changes} changes, {} bytes a person awake",
        1e9 / nanos,
        nanos / base.unwrap_or(nanos),
        state.memory_estimate() / people as usize
    );
    nanos
}

/// The same, of people each of whom has eight of the event types; returns nanoseconds an event.
fn spread(program: &Program, types: usize, people: u64, title: &str) -> f64 {
    const EVENTS: u64 = 400_000;
    let mut state = State::new(program);
    let mut effects = Effects::default();
    let mut of_type: Vec<Views> = (0..types)
        .map(|number| {
            let mut views = Views::new(program, people);
            let kind: EventId = program.event_named(&format!("e{number}")).unwrap();
            views.of_type(program, kind);
            views
        })
        .collect();
    let who = |seq: u64| {
        let mixed = (seq ^ seq >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let person = mixed % people;
        (person, (person * 7 + mixed / people % 8 * 13) as usize % types)
    };
    let mut seq = 0;
    let mut go = |state: Option<&mut State>, events: u64| {
        let Some(state) = state else {
            for seq in seq + 1..=seq + events {
                let (person, kind) = who(seq);
                black_box(of_type[kind].of(seq, person));
            }
            return;
        };
        for _ in 0..events {
            seq += 1;
            let (person, kind) = who(seq);
            state.step(program, of_type[kind].of(seq, person), &mut effects).unwrap();
            effects.changes.clear();
        }
    };
    go(Some(&mut state), 100 * people.max(2_000));
    let start = Instant::now();
    let began = clock(start);
    go(None, EVENTS);
    let made = clock(start);
    go(Some(&mut state), EVENTS);
    let nanos = ((clock(start) - made) - (made - began)) / EVENTS as f64;
    println!("{title}: {:.0} events/s, {nanos:.0} ns each", 1e9 / nanos);
    nanos
}

fn counting(count: usize) -> String {
    (0..count)
        .map(|number| format!("segment s{number} \"\" {{ when count(view, last {}d) >= 3 }}\n", number + 1))
        .collect()
}

/// Ten segments for each of so many event types.
fn of_types(types: usize) -> String {
    let one = |kind: usize| {
        let whens = [
            format!("count(e{kind}, last 1d) >= 3"),
            format!("count(e{kind}, last 7d) >= 5"),
            format!("count(e{kind}, last 30d) >= 2 and not did(order, last 30d)"),
            format!("count(e{kind} where category == \"a\", last 20d) >= 3"),
            format!("did(e{kind}, last 90d)"),
            format!("count(e{kind}) >= 10"),
            format!("since(e{kind}) > 30d"),
            format!("last(e{kind}.category) == \"b\""),
            format!("max(e{kind}.price) > 90"),
            format!("sum(e{kind}.price) > 1000"),
        ];
        let numbered = whens.into_iter().enumerate();
        numbered.map(|(number, when)| format!("segment s{kind}_{number} \"\" {{ when {when} }}\n")).collect::<String>()
    };
    (0..types).map(one).collect()
}

fn mixed() -> String {
    let mut rules = counting(8);
    for (number, when) in [
        "count(view where category == \"a\", last 20d) >= 3 and not did(order, last 20d)",
        "count(view, per product, last 7d) >= 2",
        "sum(order.price, last 30d) > 100",
        "since(view) > 30d",
        "sequence(view then order within 9d)",
        "distinct(view.product, last 9d) >= 5",
        "max(view.price, last 7d) > 90",
        "last(view.category) == \"a\"",
        "top(view.category, last 9d) == \"b\"",
        "profile.country == \"NL\" and did(view)",
        "in(s1) and not in(s2)",
        "avg(order.price) > 20",
    ]
    .into_iter()
    .enumerate()
    {
        rules += &format!("segment m{number} \"\" {{ when {when} }}\n");
    }
    rules
}
