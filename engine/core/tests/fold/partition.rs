//! Who is one person, whatever the order: against a definition written a second time, and undone without a trace.

use crate::history::{SECOND, config, event_mut, for_purposes, happening, identify, log, project, rules, track};
use proptest::prelude::*;
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::{ChangeKind, Effects, PersonId};
use sonder_core::message::Call;
use sonder_core::record::{Event, Fact, Identifier, Likelihood, Record, Seq};
use sonder_core::state::Relation;
use sonder_core::view::PersonView;
use sonder_dsl::ir::{IdentifierKindId, Program, SourceId};
use sonder_dsl::model::{Strategy as Approach, Unique};
use sonder_dsl::time::Moment;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

const KINDS: [&str; 3] = ["user_id", "email", "anonymous_id"];
const BOUNDED: &str = "identifiers:\n  user_id: {unique: true}\n  email: {limit: 2}\n  anonymous_id: {limit: 3}\n";
const SHARED: &str = "identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\ngeneric_after: 2\n";
const TIMED: &str = "identifiers:\n  user_id: {unique: always}\n  email: {limit: {count: 1, per: 5s}}\n  \
                     anonymous_id: {limit: {count: 2, per: 4s}}\n";
const COUNTED: &str = "identifiers:\n  user_id: {unique: true}\n  email: {at_most: {user_id: 1}}\n  anonymous_id: \
                       {at_most: {user_id: 1, email: 2}, limit: 3}\n";
const APART: &str = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n\
                     apart: [[user_id:1, email:3, user_id:2], [anonymous_id:1, anonymous_id:2]]\n";
/// Neither a page nor a workshop may name everybody.
const GUARDED: &str = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {limit: 3}\n\
                       trust: {web: [email, anonymous_id], workshop: [user_id, anonymous_id]}\n";
pub const OPEN: &str = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n";
/// From even odds on, what matching found is a link.
pub const MATCHED: &str = "probabilistic: {compare: {name: name}, link_at: 0.5, review_at: 0.1}\n";

/// What can be known of people whatever the order of arrival.
const RULES: &str = "segment lookers \"\" { when count(view) >= 2 }\nsegment quiet \"\" { when not did(view) }\n\
                     trait views = count(view)\ntrait spent = sum(order.total)\ntrait first_product = first(view.product)\n";

/// What needs to be sure who somebody is.
pub const SURE: &str =
    "segment sure \"\" { when did(view) and not profile.guess }\ntrait guessed = profile.guess or false\n";

pub struct World {
    pub program: Arc<Program>,
    pub state: State,
    chronicle: Chronicle,
    pub effects: Effects,
}

impl World {
    pub fn new(program: &Arc<Program>) -> Self {
        Self {
            program: Arc::clone(program),
            state: State::new(program),
            chronicle: Chronicle::default(),
            effects: Effects::default(),
        }
    }

    pub fn take(&mut self, record: Record) -> &mut Self {
        self.effects = Effects::default();
        self.chronicle.step(&mut self.state, &self.program, record, &mut self.effects).unwrap();
        self
    }

    pub fn identify(&mut self, second: i64, who: &[(&'static str, &str)]) -> &mut Self {
        let seq = self.state.as_of().0.0 + 1;
        self.take(identify(&self.program.clone(), seq, second, who))
    }

    /// Somebody decides about identifiers, the first of which is apart from the others or belongs with them.
    pub fn decide(&mut self, call: Call, second: i64, who: &[(&'static str, &str)]) -> &mut Self {
        let record = self.decision(call, second, who);
        self.take(record)
    }

    /// The next record, where somebody decides that.
    pub fn decision(&self, call: Call, second: i64, who: &[(&'static str, &str)]) -> Record {
        let seq = self.state.as_of().0.0 + 1;
        let mut record = identify(&self.program, seq, second, &[]);
        event_mut(&mut record).call = call;
        if call == Call::Match {
            event_mut(&mut record).likelihood = Likelihood(7_000);
        }
        event_mut(&mut record).identifiers = who.iter().map(|(kind, value)| self.identifier(kind, value)).collect();
        record
    }

    pub fn identifier(&self, kind: &str, value: &str) -> Identifier {
        let kind = self.program.identity.identifiers.iter().position(|it| it.name == kind).unwrap();
        Identifier { kind: IdentifierKindId(kind as u16), value: value.into() }
    }

    pub fn who(&self, kind: &str, value: &str) -> Option<PersonId> {
        self.state.resolve(&self.identifier(kind, value))
    }

    pub fn views(&self) -> Vec<PersonView> {
        self.state.people().into_iter().map(|id| self.state.person(&self.program, id).unwrap()).collect()
    }

    /// What the trait says that is read from the identity graph.
    pub fn guess(&self, id: PersonId) -> bool {
        let view = self.state.person(&self.program, id).unwrap();
        view.traits.iter().find(|it| it.name == "guess").is_some_and(|it| it.value == true)
    }

    /// Everybody's identifiers and what is known of them, without what tells of arrival: ids, and since when.
    fn known(&self) -> BTreeSet<String> {
        let known = |view: &PersonView| {
            let identifiers: Vec<_> = view.identifiers.iter().map(|it| format!("{}:{}", it.kind, it.value)).collect();
            let segments: Vec<_> = view.segments.iter().map(|it| &it.name).collect();
            let traits: Vec<_> = view.traits.iter().map(|it| (&it.name, &it.value)).collect();
            let computed: Vec<_> = view.computed.iter().map(|it| (&it.name, &it.value)).collect();
            format!("{identifiers:?} {segments:?} {traits:?} {computed:?} {:?} {:?}", view.first_seen, view.last_seen)
        };
        self.views().iter().map(known).collect()
    }
}

/// A message: what it is, what it carries, and from which source.
type Message = (Said, BTreeMap<&'static str, u8>, u32);

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Alias,
    Seen,
    /// What matching found, where it carries two.
    Likely(i32),
}

fn message(kinds: &'static [&'static str]) -> impl Strategy<Value = Message> {
    let who = prop::collection::btree_map(prop::sample::select(kinds), 0..4_u8, 1..=kinds.len());
    let likely = prop::sample::select(vec![-500, 300, 2_000, 9_000]).prop_map(Said::Likely);
    (prop_oneof![1 => Just(Said::Alias), 7 => Just(Said::Seen), 2 => likely], who, 0..3_u32)
}

/// Records of messages that happened one second after another, in an order of arrival. Everybody was there before: matching
/// finds nobody new.
fn arriving(program: &Program, messages: &[Message], order: &[usize]) -> Vec<Record> {
    let everybody: Vec<Message> = KINDS
        .iter()
        .flat_map(|kind| (0..4).map(move |value| (Said::Seen, BTreeMap::from([(*kind, value)]), 0)))
        .filter(|(_, who, _)| {
            messages.iter().any(|(said, of, _)| {
                matches!(said, Said::Likely(_)) && who.iter().all(|(kind, value)| of.get(kind) == Some(value))
            })
        })
        .collect();
    let first: Vec<usize> = (0..everybody.len()).map(|place| messages.len() + place).collect();
    let messages: Vec<Message> = messages.iter().cloned().chain(everybody).collect();
    let record = |(place, at): (usize, &usize)| {
        let (said, who, source) = &messages[*at];
        let late = 10_000 + place as i64;
        let mut record = track(program, place as u64 + 1, late, "", ["view", "order"][*at % 2]);
        let event = event_mut(&mut record);
        event.occurred_at = Moment((*at as i64 + 1) * SECOND);
        event.source = SourceId(source % program.sources.len() as u32);
        event.identifiers = KINDS
            .iter()
            .filter_map(|kind| Some((*kind, who.get(kind)?)))
            .map(|(kind, value)| {
                let kind = program.identity.identifiers.iter().position(|it| it.name == kind).unwrap();
                Identifier { kind: IdentifierKindId(kind as u16), value: format!("{value}").as_str().into() }
            })
            .collect();
        match *said {
            Said::Alias => (event.call, event.event) = (Call::Alias, None),
            Said::Likely(weight) if event.identifiers.len() > 1 => {
                (event.call, event.event) = (Call::Match, None);
                event.identifiers.truncate(2);
                event.likelihood = Likelihood(weight);
            }
            Said::Seen | Said::Likely(_) => {}
        }
        record
    };
    first.iter().chain(order).enumerate().map(record).collect()
}

/// The definition, in the plainest words: links from the strongest to the weakest, none that breaks a rule. Of people with
/// one identifier only those are somebody who have an event.
fn defined(program: &Program, events: &[&Event]) -> BTreeSet<Vec<String>> {
    let identity = &program.identity;
    let is_trusted =
        |event: &Event, kind: IdentifierKindId| identity.may_link(&program.sources[event.source.index()], kind);
    let guard = |event: &Event| -> BTreeSet<IdentifierKindId> {
        let kinds = (0..identity.identifiers.len()).map(|kind| IdentifierKindId(kind as u16));
        kinds.filter(|kind| !identity.identifiers[kind.index()].anonymous && !is_trusted(event, *kind)).collect()
    };
    let grade = |event: &Event| match event.call {
        Call::Alias if !program.sources[event.source.index()].kind.is_public() => 0_u8,
        Call::Match => 3,
        _ if guard(event).is_empty() => 1,
        _ => 2,
    };
    let linked = |event: &Event| -> Vec<Identifier> {
        let said = event.identifiers.iter();
        said.filter(|it| event.call == Call::Match || is_trusted(event, it.kind)).cloned().collect()
    };
    let pairs = |event: &&Event| {
        let (ids, grade) = (linked(event), grade(event));
        let (at, likelihood) = (event.occurred_at, Reverse(event.likelihood));
        let all =
            ids.iter().enumerate().flat_map(|(place, one)| ids[place + 1..].iter().map(move |other| (one, other)));
        all.map(|(one, other)| ((grade, likelihood, one.kind.max(other.kind), at), one.clone(), other.clone()))
            .collect::<Vec<_>>()
    };
    let mut sharers: BTreeMap<Identifier, BTreeSet<Identifier>> = BTreeMap::new();
    let mut first_seen: BTreeMap<Identifier, Moment> = BTreeMap::new();
    let sightings = || events.iter().filter(|event| event.call != Call::Match);
    for (event, it) in sightings().flat_map(|event| event.identifiers.iter().map(move |it| (event, it))) {
        let seen = first_seen.entry(it.clone()).or_insert(event.occurred_at);
        *seen = (*seen).min(event.occurred_at);
    }
    let mut links: Vec<_> = events.iter().flat_map(pairs).collect();
    for (_, one, other) in links.iter().filter(|(_, one, other)| one.kind < other.kind) {
        sharers.entry(other.clone()).or_default().insert(one.clone());
    }
    let is_generic = |it: &Identifier| {
        let of_kind =
            |kind: IdentifierKindId| sharers.get(it).map_or(0, |all| all.iter().filter(|it| it.kind == kind).count());
        let count = (0..it.kind.0).map(|kind| of_kind(IdentifierKindId(kind))).max().unwrap_or(0);
        identity.generic_after.is_some_and(|limit| count > limit as usize)
    };
    links.retain(|(_, one, other)| !is_generic(one) && !is_generic(other));
    // Of what several say who are not trusted with everything, what the most trusted may.
    let mut guards: BTreeMap<(Identifier, Identifier), BTreeSet<IdentifierKindId>> = BTreeMap::new();
    for event in events.iter().filter(|event| grade(event) == 2) {
        let ids = linked(event);
        for (place, one) in ids.iter().enumerate() {
            for other in &ids[place + 1..] {
                let known = guards.entry((one.clone(), other.clone())).or_insert_with(|| guard(event));
                *known = known.intersection(&guard(event)).copied().collect();
            }
        }
    }
    // Of each pair the strongest thing that was said of it.
    links.sort();
    let mut said = BTreeSet::new();
    links.retain(|(_, one, other)| said.insert((one.clone(), other.clone())));
    let is_of_device = |it: &Identifier| identity.identifiers[it.kind.index()].anonymous;
    links.retain(|((grade, Reverse(likelihood), _, at), one, other)| {
        let (a, b) = (first_seen[one], first_seen[other]);
        let crosses = is_of_device(one) != is_of_device(other);
        if *grade == 3 {
            let joins = match identity.strategy {
                Approach::Link => true,
                Approach::Isolation | Approach::Conversion => !crosses,
                Approach::BestMatch => false,
            };
            return likelihood.0 >= 0 && joins;
        }
        *grade == 0
            || match identity.strategy {
                Approach::Link => true,
                Approach::Isolation => !crosses,
                Approach::Conversion => !crosses || *at == if is_of_device(one) { b } else { a },
                Approach::BestMatch => *at == a || *at == b,
            }
    });
    // A value is linked with the first that it was seen with.
    let mut partners: BTreeMap<(Identifier, IdentifierKindId), u32> = BTreeMap::new();
    links.retain(|(_, one, other)| {
        let mut fits = true;
        for (end, beyond) in [(one, other), (other, one)] {
            let count = partners.entry((end.clone(), beyond.kind)).or_default();
            *count += 1;
            let rules = &identity.identifiers[end.kind.index()].at_most;
            fits &= rules.iter().all(|(kind, most)| *kind != beyond.kind || *count <= *most);
        }
        fits
    });
    let mut sets: Vec<BTreeSet<Identifier>> = events
        .iter()
        .flat_map(|event| &event.identifiers)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|it| BTreeSet::from([it.clone()]))
        .collect();
    let is_apart = |one: &Identifier, other: &Identifier| {
        let has = |group: &sonder_dsl::model::Apart, it: &Identifier| {
            group.identifiers.iter().any(|(kind, value)| (*kind, value.as_str()) == (it.kind, &*it.value))
        };
        identity.apart.iter().any(|group| one != other && has(group, one) && has(group, other))
    };
    for ((grade, ..), one, other) in links {
        let place = |it: &Identifier| sets.iter().position(|set| set.contains(it)).unwrap();
        let (a, b) = (place(&one), place(&other));
        let breaks = identity.identifiers.iter().zip(0..).any(|(kind, index)| {
            let of = |set: usize| -> Vec<&Identifier> { sets[set].iter().filter(|it| it.kind.0 == index).collect() };
            let (in_a, in_b) = (of(a), of(b));
            let both = || in_a.iter().chain(&in_b).map(|it| first_seen[*it]);
            let is_over = kind.limit.is_some_and(|limit| match limit.per {
                None => both().count() > limit.count as usize,
                Some(per) => both()
                    .any(|from| both().filter(|to| *to >= from && to.since(from) < per).count() > limit.count as usize),
            });
            let is_unique = match kind.unique {
                Unique::No => false,
                Unique::Yes => grade > 0,
                Unique::Always => true,
            };
            !in_a.is_empty() && !in_b.is_empty() && (is_unique || is_over)
        });
        let is_known =
            |set: usize, guard: &BTreeSet<IdentifierKindId>| sets[set].iter().any(|it| guard.contains(&it.kind));
        let guard = guards.get(&(one.clone(), other.clone())).filter(|_| grade == 2);
        let breaks = breaks || guard.is_some_and(|guard| is_known(a, guard) && is_known(b, guard));
        let apart = || sets[a].iter().any(|one| sets[b].iter().any(|other| is_apart(one, other)));
        if a != b && !breaks && !apart() {
            let taken = std::mem::take(&mut sets[b]);
            sets[a].extend(taken);
        }
    }
    let deciding = |event: &&Event| {
        let trusted = || event.identifiers.iter().filter(|it| is_trusted(event, it.kind));
        trusted().find(|it| !is_generic(it)).or(trusted().next()).or(event.identifiers.first()).cloned()
    };
    let deciding: BTreeSet<Identifier> = sightings().filter_map(deciding).collect();
    sets.retain(|set| set.len() > 1 || set.iter().any(|it| deciding.contains(it)));
    let named = |it: &Identifier| format!("{}:{}", identity.identifiers[it.kind.index()].name, it.value);
    sets.iter()
        .map(|set| {
            let mut names: Vec<String> = set.iter().map(named).collect();
            names.sort();
            names
        })
        .collect()
}

fn in_any_order(identity: &str, messages: &[Message], order: &[usize]) {
    let program = project(&format!("{RULES}{SURE}"), identity, "");
    let straight: Vec<usize> = (0..messages.len()).collect();
    let (mut one, mut other) = (World::new(&program), World::new(&program));
    arriving(&program, messages, &straight).into_iter().for_each(|record| _ = one.take(record));
    let records = arriving(&program, messages, order);
    for record in &records {
        other.take(record.clone());
        assert_eq!(other.state.misplaced(&program).as_deref(), Some(&[][..]), "decided anew");
        for id in other.state.people() {
            for it in other.state.person(&program, id).unwrap().identifiers {
                assert_eq!(other.who(&it.kind, &it.value), Some(id), "an identifier is its person's");
            }
            assert_eq!(other.guess(id), other.state.is_likely_only(id), "what the trait says is so");
        }
    }
    let events: Vec<&Event> = records
        .iter()
        .map(|record| {
            let Fact::Event(event) = &record.fact;
            event
        })
        .collect();
    let people: BTreeSet<Vec<String>> = other
        .views()
        .iter()
        .map(|view| view.identifiers.iter().map(|it| format!("{}:{}", it.kind, it.value)).collect())
        .collect();
    assert_eq!(people, defined(&program, &events), "the definition");
    assert_eq!(one.known(), other.known(), "another order");
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_order_of_arrival_changes_who_is_who(
        messages in prop::collection::vec(message(&KINDS), 1..24),
        order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let order: Vec<usize> = order.into_iter().filter(|at| *at < messages.len()).collect();
        in_any_order(&format!("{BOUNDED}{MATCHED}"), &messages, &order);
    }

    #[test]
    fn no_order_of_arrival_changes_what_is_generic(
        messages in prop::collection::vec(message(&["user_id", "anonymous_id"]), 1..24),
        order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let order: Vec<usize> = order.into_iter().filter(|at| *at < messages.len()).collect();
        in_any_order(&format!("{SHARED}{MATCHED}"), &messages, &order);
    }

    #[test]
    fn no_order_of_arrival_changes_whom_a_page_joins(
        unique in any::<bool>(),
        messages in prop::collection::vec(message(&KINDS), 1..24),
        order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let order: Vec<usize> = order.into_iter().filter(|at| *at < messages.len()).collect();
        let identity = if unique { GUARDED.replacen("{}", "{unique: true}", 1) } else { GUARDED.to_owned() };
        in_any_order(&format!("{identity}{MATCHED}"), &messages, &order);
    }

    /// (What is generic is asked above, of two kinds: of the middle one of three it is known to go by arrival.)
    #[test]
    fn no_order_of_arrival_changes_what_any_rule_says(
        identity in prop::sample::select(vec![TIMED, COUNTED, APART]),
        strategy in prop::sample::select(vec!["link", "conversion", "isolation", "best_match"]),
        messages in prop::collection::vec(message(&KINDS), 1..24),
        order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let order: Vec<usize> = order.into_iter().filter(|at| *at < messages.len()).collect();
        in_any_order(&format!("{identity}strategy: {strategy}\n{MATCHED}"), &messages, &order);
    }

    /// Two people who are joined by a decision, or because that is likely, and parted by another are as they would be without
    /// either, and so is what all rules say of them, and where they are in journeys.
    #[test]
    fn what_is_undone_never_was(
        rules in rules(),
        happenings in prop::collection::vec(happening(), 2..40),
        begin in 0..20_usize,
        lasting in 1..20_usize,
        joins in prop::sample::select(vec![Call::Link, Call::Match]),
    ) {
        let journey = "journey carts { enter on add as cart per cart.product again after 9s exit when profile.guess goal order wait 3s \
                       send hook.on {} wait 4s }\n";
        let hook = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\n";
        let program = project(&(for_purposes(&rules) + journey + SURE), &format!("{OPEN}{MATCHED}"), hook);
        // Nothing else may connect them: each message has one identifier, of one of two people or somebody else.
        let mut happenings = happenings;
        for it in &mut happenings {
            it.who.truncate(1);
        }
        let records = log(&program, &happenings);
        let (mut with, mut without) = (World::new(&program), World::new(&program));
        let (ends, other) = (("anonymous_id", "a0"), ("user_id", "u1"));
        let mut seq = 0;
        let mut both = |with: &mut World, without: &mut World, mut record: Record| {
            seq += 1;
            record.seq = Seq(seq);
            with.take(record.clone());
            without.take(record);
        };
        // Both are there from the start.
        both(&mut with, &mut without, identify(&program, 0, 999, &[ends]));
        both(&mut with, &mut without, identify(&program, 0, 999, &[other]));
        let mut skipped = 0;
        for (place, record) in records.iter().enumerate() {
            for (at, call) in [(begin, joins), (begin + lasting, Call::Unlink)] {
                if at == place {
                    with.decide(call, record.received_at.0 / SECOND, &[ends, other]);
                    skipped += 1;
                    // The other log has a record there that is about nobody else.
                    let mut nothing = identify(&program, 0, 0, &[("email", "nobody")]);
                    nothing.seq = with.state.as_of().0;
                    nothing.received_at = record.received_at;
                    without.take(nothing);
                }
            }
            let mut record = record.clone();
            record.seq = Seq(with.state.as_of().0.0 + 1);
            with.take(record.clone());
            without.take(record);
        }
        if skipped < 2 {
            return Ok(());
        }
        let end = with.state.as_of().1.plus(sonder_dsl::time::Duration(30 * SECOND));
        with.state.advance(&program, end, &mut Effects::default()).unwrap();
        without.state.advance(&program, end, &mut Effects::default()).unwrap();
        let nobody = without.who("email", "nobody").unwrap();
        let expected: Vec<PersonView> = without.views().into_iter().filter(|view| view.id != nobody).collect();
        prop_assert_eq!(with.views(), expected);
        prop_assert_eq!(with.state.standing(sonder_dsl::ir::JourneyId(0)), without.state.standing(sonder_dsl::ir::JourneyId(0)));
    }
}

#[test]
fn what_happened_first_keeps_a_value_that_may_be_one_persons_only() {
    let mut world = World::new(&project(RULES, BOUNDED, ""));
    world.identify(20, &[("user_id", "late"), ("anonymous_id", "a")]);
    let late = world.who("user_id", "late").unwrap();
    // It happened before, and arrives after.
    let mut record = identify(&world.program, 2, 30, &[("user_id", "early"), ("anonymous_id", "a")]);
    event_mut(&mut record).occurred_at = Moment(10 * SECOND);
    world.take(record);
    assert_eq!(world.who("anonymous_id", "a"), world.who("user_id", "early"));
    assert_eq!(world.who("user_id", "late"), Some(late), "who was there keeps the id");
}

#[test]
fn a_decision_joins_and_another_parts_and_both_are_told() {
    let mut world = World::new(&project(RULES, OPEN, ""));
    world.identify(1, &[("user_id", "u")]).identify(2, &[("anonymous_id", "a")]);
    let (u, a) = (world.who("user_id", "u").unwrap(), world.who("anonymous_id", "a").unwrap());
    world.decide(Call::Link, 3, &[("anonymous_id", "a"), ("user_id", "u")]);
    assert_eq!(world.state.canonical(a), u);
    assert_eq!(world.views()[0].links[0].by, "decision");
    world.decide(Call::Unlink, 4, &[("anonymous_id", "a"), ("user_id", "u")]);
    assert_eq!((world.who("user_id", "u"), world.who("anonymous_id", "a")), (Some(u), Some(a)), "the id comes back");
    let parted = ChangeKind::Split { parted: a };
    assert!(world.effects.changes.iter().any(|change| change.person == u && change.what == parted));
    // From then on no message joins them, but another decision does.
    world.identify(5, &[("user_id", "u"), ("anonymous_id", "a")]);
    assert_ne!(world.who("user_id", "u"), world.who("anonymous_id", "a"));
    world.decide(Call::Link, 6, &[("anonymous_id", "a"), ("user_id", "u")]);
    assert_eq!(world.who("user_id", "u"), world.who("anonymous_id", "a"));
}

#[test]
fn what_is_likely_is_weaker_than_whatever_was_said() {
    let mut world = World::new(&project(RULES, &format!("{BOUNDED}{MATCHED}"), ""));
    world.identify(1, &[("user_id", "u")]).identify(2, &[("email", "e")]).identify(3, &[("user_id", "v")]);
    world.decide(Call::Match, 4, &[("user_id", "u"), ("email", "e")]);
    assert_eq!(world.who("user_id", "u"), world.who("email", "e"));
    let link = world.views().into_iter().find_map(|view| view.links.first().cloned()).unwrap();
    assert_eq!((link.by, link.probability.map(|it| (it * 1e4).round())), ("probabilistic", Some(9_922.0)));
    let relation = |world: &World, one: (&str, &str), other: (&str, &str)| {
        world.state.relation(&world.identifier(one.0, one.1), &world.identifier(other.0, other.1), Likelihood(7_000))
    };
    assert_eq!(relation(&world, ("email", "e"), ("user_id", "u")), Relation::Linked);
    // Two accounts are not one because that is likely, but somebody may decide so.
    assert_eq!(relation(&world, ("user_id", "u"), ("user_id", "v")), Relation::Against("unique"));
    world.decide(Call::Match, 5, &[("user_id", "u"), ("user_id", "v")]);
    assert_ne!(world.who("user_id", "u"), world.who("user_id", "v"));
    // Without that they are two.
    assert!(world.state.is_likely_only(world.who("email", "e").unwrap()));
    assert!(!world.state.is_likely_only(world.who("user_id", "v").unwrap()));
    // A message of the other account takes the mail away.
    world.identify(6, &[("user_id", "v"), ("email", "e")]);
    assert_eq!(world.who("user_id", "v"), world.who("email", "e"));
    assert!(!world.state.is_likely_only(world.who("email", "e").unwrap()));
    assert_eq!(relation(&world, ("email", "e"), ("user_id", "u")), Relation::Against("unique"));
    world.decide(Call::Unlink, 7, &[("user_id", "u"), ("user_id", "v")]);
    assert_eq!(relation(&world, ("user_id", "u"), ("user_id", "v")), Relation::Apart);
    world.decide(Call::Link, 8, &[("user_id", "u"), ("user_id", "v")]);
    assert_eq!(relation(&world, ("user_id", "u"), ("user_id", "v")), Relation::Decided);
    // Of whom nothing is known nothing is found.
    world.decide(Call::Match, 9, &[("user_id", "u"), ("email", "nobody")]);
    assert_eq!(world.who("email", "nobody"), None);
    assert_eq!(relation(&world, ("user_id", "u"), ("email", "nobody")), Relation::Unknown);
}

#[test]
fn the_project_says_from_when_on_what_is_likely_is_a_link() {
    let of = |matching: &str| {
        let mut world = World::new(&project(RULES, &format!("{OPEN}{matching}"), ""));
        world.identify(1, &[("user_id", "u")]).identify(2, &[("email", "e")]);
        world.decide(Call::Match, 4, &[("user_id", "u"), ("email", "e")]);
        let kinship = world.state.kinship(&world.program, world.who("user_id", "u").unwrap()).unwrap();
        (world.who("user_id", "u") == world.who("email", "e"), kinship.refused.first().map(|it| it.reason))
    };
    assert_eq!(of("probabilistic: {compare: {name: name}, link_at: 0.99, review_at: 0.5}\n"), (true, None));
    let unlikely = (false, Some("unlikely"));
    assert_eq!(of("probabilistic: {compare: {name: name}, link_at: 0.999, review_at: 0.5}\n"), unlikely);
    assert_eq!(of(""), unlikely);
    let isolated = "strategy: isolation\nprobabilistic: {compare: {name: name}, link_at: 0.9, review_at: 0.5}\n";
    assert_eq!(of(isolated), (true, None), "both are known");
}

#[test]
fn somebody_parted_takes_along_what_is_theirs() {
    let mut world = World::new(&project(RULES, OPEN, ""));
    let program = world.program.clone();
    world.take(track(&program, 1, 1, "a", "view")).take(track(&program, 2, 2, "b", "view"));
    world.identify(3, &[("user_id", "u"), ("anonymous_id", "a")]);
    world.identify(4, &[("user_id", "u"), ("anonymous_id", "b")]);
    let (lookers, _) = program.rule_named("lookers").unwrap();
    assert_eq!(world.state.segment_size(lookers), 1);
    world.decide(Call::Unlink, 5, &[("anonymous_id", "b"), ("user_id", "u"), ("anonymous_id", "a")]);
    let left: Vec<_> = world.effects.changes.iter().filter(|it| it.what == ChangeKind::Left(lookers)).collect();
    assert_eq!(left.len(), 1, "one view each is not two");
    assert_eq!(left[0].person, world.who("user_id", "u").unwrap());
    assert_eq!(world.state.segment_size(lookers), 0);
    let views = world.views();
    let counts: Vec<_> =
        views.iter().map(|view| view.computed.iter().find(|it| it.name == "views").unwrap().value.clone()).collect();
    assert_eq!(counts, [1, 1]);
}

#[test]
fn a_poisoned_identifier_leaves_ten_thousand_people_apart_and_is_fast() {
    let mut world = World::new(&project("", BOUNDED, ""));
    let begin = Instant::now();
    for user in 0..10_000 {
        world.identify(user, &[("user_id", &user.to_string()), ("email", "all@x.example")]);
    }
    assert_eq!(world.state.people_count(), 10_000);
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    // The first one to have used it has it.
    assert_eq!(world.who("email", "all@x.example"), world.who("user_id", "0"));
}

#[test]
fn nobody_is_parted_from_themselves() {
    let mut world = World::new(&project("", OPEN, ""));
    world.identify(1, &[("user_id", "u"), ("email", "e")]);
    let one = world.who("user_id", "u");
    for call in [Call::Unlink, Call::Link] {
        world.decide(call, 2, &[("user_id", "u"), ("user_id", "u")]);
        assert_eq!((world.who("user_id", "u"), world.who("email", "e")), (one, one));
    }
}
