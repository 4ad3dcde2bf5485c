//! What it costs to know who is who, in memory, on one core: `cargo bench -p sonder-core --bench identity`.
//!
//! Two million identifiers and 1.62 million links, among them a chain of 20,000: taken in message by message, and decided anew
//! from all links. A person and what is connected with them, of 10,000 identifiers: parted by a decision. An address that 10,000
//! people have. Times are those that the thread ran, where the system tells.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark whose project does not compile has nothing to say")]

use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::Effects;
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Identifiers of a network.
const NODES: u64 = 2_000_000;
/// Links that messages make between them, besides the chain.
const LINKS: u64 = 1_600_000;
/// Identifiers one after another, each seen with the next.
const CHAIN: u64 = 20_000;

const USER: IdentifierKindId = IdentifierKindId(0);
const EMAIL: IdentifierKindId = IdentifierKindId(1);
const DEVICE: IdentifierKindId = IdentifierKindId(2);

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let runs = |part: &str| chosen.is_empty() || chosen.iter().any(|it| it == part);
    if runs("network") {
        network();
    }
    if runs("parting") {
        parting();
    }
    if runs("poisoned") {
        poisoned();
    }
}

/// Many people who have a handful of identifiers each, and some who come in long chains.
fn network() {
    let program = project("identifiers: {user_id: {}, email: {}, device_id: {}}\n");
    let (mut state, mut effects) = (State::new(&program), Effects::default());
    let chance =
        |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let node = |number: u64| {
        let kind = [USER, EMAIL, DEVICE][(number % 3) as usize];
        Identifier { kind, value: format!("{number:016x}").as_str().into() }
    };
    // Links lead to others nearby, so that people stay as small as the limit asks for.
    let pair = |link: u64| {
        let one = chance(link) % (NODES - CHAIN);
        let other = (one / 64 * 64 + chance(link ^ 0xFFFF) % 64).min(NODES - CHAIN - 1);
        (one, other)
    };
    let mut seq = 0;
    let mut identify = |state: &mut State, who: Vec<Identifier>| {
        seq += 1;
        let record = record(seq, Call::Identify, who);
        (record.seq, state.step(&program, &record, &mut effects).is_ok())
    };
    let begin = ran();
    for link in 0..LINKS {
        let (one, other) = pair(link);
        if one != other {
            identify(&mut state, vec![node(one), node(other)]);
        }
    }
    for place in NODES - CHAIN..NODES - 1 {
        identify(&mut state, vec![node(place), node(place + 1)]);
    }
    let messages = ran() - begin;
    for number in 0..NODES {
        identify(&mut state, vec![node(number)]);
    }
    let begin = ran();
    let misplaced = state.misplaced(&program).unwrap();
    let anew = ran() - begin;
    assert_eq!(misplaced, [], "people are who all links make them");
    println!(
        "{} identifiers, {} links, {} people: decided anew in {anew:.0?} (under 500 ms: {}); message by message in {messages:.1?}, \
         {:.0} ns each",
        state.identifier_count(),
        LINKS + CHAIN - 1,
        state.people_count(),
        yes(anew < Duration::from_millis(500)),
        messages.as_nanos() as f64 / (LINKS + CHAIN) as f64
    );
}

/// Ten people of a thousand identifiers each who share a tablet, so that all of it is decided again when one is parted.
fn parting() {
    const PEOPLE: u64 = 10;
    const EACH: u64 = 999;
    let program = project("identifiers: {user_id: {unique: true}, email: {}, device_id: {}}\n");
    let (mut state, mut chronicle, mut effects) = (State::new(&program), Chronicle::default(), Effects::default());
    let mut seq = 0;
    let named = |kind: IdentifierKindId, value: String| Identifier { kind, value: value.as_str().into() };
    let mut take = |call: Call, who: Vec<Identifier>| {
        seq += 1;
        chronicle.step(&mut state, &program, record(seq, call, who), &mut effects).unwrap();
        (state.resolve(&named(DEVICE, "d0-500".to_owned())), state.identifier_count())
    };
    let user = |number: u64| named(USER, format!("u{number}"));
    let tablet = || named(DEVICE, "tablet".to_owned());
    for person in 0..PEOPLE {
        for device in 1..EACH {
            take(Call::Identify, vec![user(person), named(DEVICE, format!("d{person}-{device}"))]);
        }
        take(Call::Identify, vec![user(person), tablet()]);
    }
    let begin = ran();
    let (whose, identifiers) = take(Call::Unlink, vec![user(0), named(DEVICE, "d0-500".to_owned())]);
    let parted = ran() - begin;
    assert_eq!((whose, identifiers as u64), (None, PEOPLE * EACH + 1));
    println!(
        "one of {identifiers} identifiers that hang together is parted, its person made anew of 999 messages: {parted:.1?} (under 50 \
         ms: {})",
        yes(parted < Duration::from_millis(50))
    );
}

/// An address that everybody has.
fn poisoned() {
    const PEOPLE: u64 = 10_000;
    let program = project("identifiers: {user_id: {unique: true}, email: {limit: 5}, device_id: {}}\n");
    let (mut state, mut effects) = (State::new(&program), Effects::default());
    let begin = ran();
    for number in 0..PEOPLE {
        let who = [(USER, format!("u{number}")), (EMAIL, "all@x.example".to_owned()), (DEVICE, format!("d{number}"))];
        let who = who.map(|(kind, value)| Identifier { kind, value: value.as_str().into() });
        state.step(&program, &record(number + 1, Call::Identify, who.into()), &mut effects).unwrap();
    }
    let taken = ran() - begin;
    assert_eq!(state.people_count() as u64, PEOPLE);
    println!(
        "10,000 people with one address stay apart: {:.1} µs a message",
        taken.as_secs_f64() * 1e6 / PEOPLE as f64
    );
}

/// How long this thread has run, where the system tells; else the time of day.
fn ran() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = text.and_then(|text| text.split_whitespace().next()?.parse().ok()).map(Duration::from_nanos);
    ran.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

fn record(seq: u64, call: Call, identifiers: Vec<Identifier>) -> Record {
    let at = Moment(seq as i64);
    Record {
        seq: Seq(seq),
        received_at: at,
        fact: Fact::Event(Event { call, occurred_at: at, identifiers, ..Event::nothing() }),
    }
}

fn project(identity: &str) -> Arc<Program> {
    let files = [
        ("sonder.yaml", "name: bench\n"),
        ("identity.yaml", identity),
        ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
    ];
    let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(files.map(file).into()));
    compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}
