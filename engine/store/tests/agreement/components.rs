//! People against components that SQL finds on its own, by a recursive CTE: after random streams of messages, of decisions that
//! join and of decisions that part.

use duckdb::{Connection, params};
use proptest::prelude::*;
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::Effects;
use sonder_core::kinship::{Kinship, Name};
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Likelihood, Record, Seq};
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const KINDS: [&str; 3] = ["user_id", "email", "anonymous_id"];
const OPEN: &str = "identifiers: {user_id: {}, email: {}, anonymous_id: {}}\nprobabilistic: {compare: {name: name}, link_at: 0.5, review_at: 0.1}\n";
const BOUNDED: &str = "identifiers: {user_id: {unique: true}, email: {limit: 2, at_most: {user_id: 1}}, anonymous_id: {}}\nprobabilistic: {compare: {name: name}, link_at: 0.5, review_at: 0.1}\n";

/// What arrives: a message, or a decision that joins or parts.
#[derive(Clone, Debug)]
struct Arrival {
    call: Call,
    /// By kind and value; more than one of a kind only in decisions.
    who: Vec<(usize, u8)>,
    /// Of a match.
    weight: i32,
}

fn arrivals(decisions: u32) -> impl Strategy<Value = Vec<Arrival>> {
    let message = prop::collection::btree_map(0..3_usize, 0..12_u8, 1..=3).prop_map(|who| Arrival {
        call: Call::Identify,
        who: who.into_iter().collect(),
        weight: 0,
    });
    let pair = prop::collection::btree_set((0..3_usize, 0..12_u8), 2..=2);
    let call = prop::sample::select(vec![Call::Link, Call::Unlink, Call::Match]);
    let decision = (call, pair, -1_000..9_000_i32).prop_map(|(call, who, weight)| Arrival {
        call,
        who: who.into_iter().collect(),
        weight: if call == Call::Match { weight } else { 0 },
    });
    let one = (message, decision, 0..10 + decisions).prop_map(
        |(message, decision, chance)| {
            if chance < 10 { message } else { decision }
        },
    );
    prop::collection::vec(one, 1..60)
}

fn project(identity: &str) -> Arc<Program> {
    let files = [
        ("sonder.yaml", "name: components\n"),
        ("identity.yaml", identity),
        ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
    ];
    let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
    sonder_dsl::compile(SourceSet::new(files.map(file).into())).program.unwrap()
}

fn state_of(program: &Program, arrivals: &[Arrival]) -> State {
    let (mut state, mut chronicle) = (State::new(program), Chronicle::default());
    for (arrival, seq) in arrivals.iter().zip(1..) {
        let named = |(kind, value): &(usize, u8)| Identifier {
            kind: IdentifierKindId(*kind as u16),
            value: format!("v{value}").as_str().into(),
        };
        let at = Moment(seq as i64);
        let event = Event {
            call: arrival.call,
            occurred_at: at,
            identifiers: arrival.who.iter().map(named).collect(),
            likelihood: Likelihood(arrival.weight),
            ..Event::nothing()
        };
        let record = Record { seq: Seq(seq), received_at: at, fact: Fact::Event(event) };
        chronicle.step(&mut state, program, record, &mut Effects::default()).unwrap();
    }
    state
}

fn kinships(state: &State, program: &Program) -> Vec<Kinship> {
    state.people().into_iter().filter_map(|id| state.kinship(program, id)).collect()
}

/// Who is together, as the state has it; whoever is alone is left out.
fn people(kinships: &[Kinship]) -> BTreeSet<BTreeSet<Name>> {
    let names = |it: &Kinship| -> BTreeSet<Name> {
        it.identifiers.iter().map(|it| (it.identifier.kind.clone(), it.identifier.value.clone())).collect()
    };
    kinships.iter().map(names).filter(|names| names.len() > 1).collect()
}

/// The same by SQL, which knows nothing but pairs.
fn components(connection: &Connection, pairs: &BTreeSet<(Name, Name)>) -> BTreeSet<BTreeSet<Name>> {
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE links(a VARCHAR, b VARCHAR)").unwrap();
    let text = |(kind, value): &Name| format!("{kind}:{value}");
    for (a, b) in pairs {
        connection.execute("INSERT INTO links VALUES (?, ?)", params![text(a), text(b)]).unwrap();
    }
    let mut statement = connection
        .prepare(
            "WITH RECURSIVE edges AS (SELECT a, b FROM links UNION SELECT b, a FROM links),
                 reach(root, node) AS (
                     SELECT a, a FROM edges
                     UNION
                     SELECT r.root, e.b FROM reach AS r JOIN edges AS e ON e.a = r.node)
             SELECT node, min(root) FROM reach GROUP BY node",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut of_root: BTreeMap<String, BTreeSet<Name>> = BTreeMap::new();
    for (node, root) in rows.map(Result::unwrap) {
        let (kind, value) = node.split_once(':').unwrap();
        of_root.entry(root).or_default().insert((kind.to_owned(), value.to_owned()));
    }
    of_root.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Where nothing is against it, people are the components of all that messages and decisions said.
    #[test]
    fn without_rules_people_are_the_components_of_the_log(arrivals in arrivals(0)) {
        let program = project(OPEN);
        let state = state_of(&program, &arrivals);
        let name = |(kind, value): &(usize, u8)| (KINDS[*kind].to_owned(), format!("v{value}"));
        let pairs = arrivals.iter().flat_map(|it| {
            it.who.iter().enumerate().flat_map(|(place, one)| it.who[place + 1..].iter().map(|other| (name(one), name(other))))
        });
        let connection = Connection::open_in_memory().unwrap();
        prop_assert_eq!(people(&kinships(&state, &program)), components(&connection, &pairs.collect()));
    }

    /// Whatever was said, undone and said again: people are the components of the links that hold, nobody has two identifiers that
    /// somebody decided to be apart, and all decided anew is the same.
    #[test]
    fn people_are_the_components_of_the_links_that_hold(
        identity in prop::sample::select(vec![OPEN, BOUNDED]),
        arrivals in arrivals(6),
    ) {
        let program = project(identity);
        let state = state_of(&program, &arrivals);
        let kinships = kinships(&state, &program);
        let links = kinships.iter().flat_map(|it| &it.links).map(|link| (link.a.clone(), link.b.clone()));
        let connection = Connection::open_in_memory().unwrap();
        prop_assert_eq!(people(&kinships), components(&connection, &links.collect()));
        for kinship in &kinships {
            let has = |name: &Name| {
                kinship.identifiers.iter().any(|it| (&it.identifier.kind, &it.identifier.value) == (&name.0, &name.1))
            };
            prop_assert!(kinship.apart.iter().all(|(one, other)| has(one) && !has(other)));
        }
        prop_assert_eq!(state.misplaced(&program), Some(Vec::new()));
    }
}
