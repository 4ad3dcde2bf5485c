//! Events a second through identity and twenty rules, in memory, on one core: `cargo bench -p sonder-core`.
//!
//! Prints one line a mix of people and rules; ratios are against the first line of the same run. Times are those that the
//! thread ran, where the system tells, so that a busy machine does not count.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use sonder_core::State;
use sonder_core::effect::Effects;
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{IdentifierKindId, Program, SourceId, Value};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

const EVENTS: u64 = 1_000_000;

fn main() {
    let alone = run("identity alone", "", 20_000, None);
    let base = Some(alone);
    run("twenty counting rules, each touched", &counting(20), 20_000, base);
    run("twenty mixed rules", &mixed(), 20_000, base);
    run("twenty mixed rules, 500,000 people", &mixed(), 500_000, base);
}

/// Nanoseconds that this thread has run, or that have passed since the first call.
fn clock() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = ran.and_then(|text| text.split_whitespace().next()?.parse().ok());
    ran.unwrap_or_else(|| START.get_or_init(Instant::now).elapsed().as_nanos() as f64)
}

/// Folds the log and prints its speed; returns nanoseconds an event.
fn run(title: &str, rules: &str, people: u64, base: Option<f64>) -> f64 {
    let Some(program) = program(rules) else {
        println!("{title}: the project does not compile");
        return 1.0;
    };
    let mut state = State::new(&program);
    let mut effects = Effects::default();
    // Everybody once first: what is measured is the steady path.
    let warm_up = people * 2;
    let mut record = record(&program);
    for seq in 1..=warm_up {
        next(&mut record, seq, people);
        let _ = state.step(&program, &record, &mut effects);
        effects.changes.clear();
        effects.deliveries.clear();
    }
    let start = clock();
    let mut changes = 0;
    for seq in warm_up + 1..=warm_up + EVENTS {
        next(&mut record, seq, people);
        let _ = state.step(&program, &record, &mut effects);
        changes += effects.changes.len();
        effects.changes.clear();
        effects.deliveries.clear();
    }
    let nanos = (clock() - start) / EVENTS as f64;
    state.checkpoint();
    println!(
        "{title}: {:.0} events/s, {nanos:.0} ns each, {:.1} times the first, {changes} changes, {} bytes a person",
        1e9 / nanos,
        nanos / base.unwrap_or(nanos),
        state.memory_estimate() / people as usize
    );
    nanos
}

fn counting(count: usize) -> String {
    (0..count)
        .map(|number| format!("segment s{number} \"\" {{ when count(view, last {}d) >= 3 }}\n", number + 1))
        .collect()
}

fn mixed() -> String {
    let mut rules = counting(8);
    for (number, when) in [
        "count(view where category == \"a\", last 20d) >= 3 and not did(order, last 20d)",
        "count(view, per product, last 7d) >= 2",
        "sum(order.total, last 30d) > 100",
        "since(view) > 30d",
        "sequence(view then order within 9d)",
        "distinct(view.product, last 9d) >= 5",
        "max(view.price, last 7d) > 90",
        "last(view.category) == \"a\"",
        "top(view.category, last 9d) == \"b\"",
        "profile.country == \"NL\" and did(view)",
        "in(s1) and not in(s2)",
        "avg(order.total) > 20",
    ]
    .into_iter()
    .enumerate()
    {
        rules += &format!("segment m{number} \"\" {{ when {when} }}\n");
    }
    rules
}

fn program(rules: &str) -> Option<Arc<Program>> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(vec![
        file("sonder.yaml", "name: bench"),
        file(
            "events/view.yaml",
            "event: view\nproperties:\n  category: {type: string}\n  product: {type: string}\n  price: {type: number, multipleOf: 0.01}\n",
        ),
        file("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"),
        file("profile.yaml", "traits:\n  country: {type: string}\n"),
        file("sources/web.yaml", "source: web\nkind: server\nwrite_keys: [wk]\n"),
        file("identity.yaml", "identifiers:\n  user_id: {unique: true}\n  anonymous_id: {limit: 200}\n"),
        file("rules/all.sonder", rules),
    ]));
    for diagnostic in &compilation.diagnostics {
        println!("{}", diagnostic.message);
    }
    compilation.program
}

fn record(program: &Program) -> Record {
    let Some(view) = program.event_named("view") else { std::process::exit(1) };
    let slots = &program.events[view.index()].slots;
    let properties = slots.iter().map(|slot| match slot.path[0].as_str() {
        "price" => Some(Value::Decimal(rust_decimal::Decimal::new(1_999, 2))),
        _ => Some(Value::String("a".into())),
    });
    Record {
        seq: Seq(0),
        received_at: Moment(0),
        fact: Fact::Event(Event {
            call: Call::Track,
            event: Some(view),
            source: SourceId(0),
            occurred_at: Moment(0),
            identifiers: vec![
                Identifier { kind: IdentifierKindId(0), value: "".into() },
                Identifier { kind: IdentifierKindId(1), value: "".into() },
            ],
            traits: Vec::new(),
            properties: properties.collect(),
            context: Box::default(),
            forward: None,
            withheld: Vec::new(),
            stripped: Vec::new(),
            labels: Vec::new(),
            historical: false,
        }),
    }
}

/// The next view, of somebody at random, a tenth of a second after the one before.
fn next(record: &mut Record, seq: u64, people: u64) {
    let mixed = (seq ^ seq >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let person = if seq <= people { seq } else { mixed % people };
    let at = Moment::from_millis(1_767_225_600_000 + seq as i64 * 100);
    record.seq = Seq(seq);
    record.received_at = at;
    let Fact::Event(event) = &mut record.fact;
    event.occurred_at = at;
    event.identifiers[0].value = format!("user-{person}").into();
    event.identifiers[1].value = format!("visitor-{person:024}").into();
}
