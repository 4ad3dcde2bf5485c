//! Who is who: the rules of `identity.yaml`, one by one and together.

use crate::history::{SECOND, config, event_mut, happening, identify, log, project, track};
use proptest::prelude::*;
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::{Change, ChangeKind, Effects, PersonId};
use sonder_core::message::Call;
use sonder_core::record::{Identifier, Record};
use sonder_core::view::PersonView;
use sonder_dsl::ir::{IdentifierKindId, ProfileTraitId, Program, SourceId, Value};
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

const RULES: &str = "segment lookers \"\" { when count(view) >= 2 }\n";

/// A project with this identity, and its state after some records.
struct World {
    program: Arc<Program>,
    state: State,
    chronicle: Chronicle,
    effects: Effects,
}

impl World {
    fn new(identity: &str) -> Self {
        Self::with(RULES, identity)
    }

    fn with(rules: &str, identity: &str) -> Self {
        let program = project(rules, identity, "");
        Self { state: State::new(&program), program, chronicle: Chronicle::default(), effects: Effects::default() }
    }

    fn take(&mut self, record: &Record) -> &mut Self {
        self.effects = Effects::default();
        self.chronicle.step(&mut self.state, &self.program, record.clone(), &mut self.effects).unwrap();
        self
    }

    fn identify(&mut self, second: i64, who: &[(&'static str, &str)]) -> &mut Self {
        let seq = self.state.as_of().0.0 + 1;
        let record = identify(&self.program, seq, second, who);
        self.take(&record)
    }

    fn identifier(&self, kind: &str, value: &str) -> Identifier {
        let kind = self.program.identity.identifiers.iter().position(|it| it.name == kind).unwrap();
        Identifier { kind: IdentifierKindId(kind as u16), value: value.into() }
    }

    fn who(&self, kind: &str, value: &str) -> Option<PersonId> {
        self.state.resolve(&self.identifier(kind, value))
    }

    fn view(&self, kind: &str, value: &str) -> PersonView {
        self.state.person(&self.program, self.who(kind, value).unwrap()).unwrap()
    }

    fn refusals(&self) -> Vec<(String, &'static str)> {
        let refused = |change: &Change| match &change.what {
            ChangeKind::LinkRefused { identifier, reason } => Some((identifier.value.to_string(), *reason)),
            _ => None,
        };
        self.effects.changes.iter().filter_map(refused).collect()
    }
}

#[test]
fn the_person_created_first_survives_and_the_other_id_is_an_alias() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  anonymous_id: {}\n");
    world.identify(1, &[("anonymous_id", "a")]).identify(2, &[("anonymous_id", "b")]);
    let (a, b) = (world.who("anonymous_id", "a").unwrap(), world.who("anonymous_id", "b").unwrap());
    assert_ne!(a, b);
    world
        .identify(3, &[("user_id", "u"), ("anonymous_id", "b")])
        .identify(4, &[("user_id", "u"), ("anonymous_id", "a")]);
    assert_eq!(world.who("user_id", "u"), Some(a));
    assert_eq!(world.state.canonical(b), a);
    assert_eq!(world.state.person(&world.program, b), world.state.person(&world.program, a));
    assert_eq!(world.state.people_count(), 1);
    let merged = ChangeKind::Merged { absorbed: b };
    assert!(world.effects.changes.iter().any(|change| change.person == a && change.what == merged));
    let view = world.view("anonymous_id", "b");
    assert_eq!(view.absorbed, [b]);
    let links: Vec<_> = view.links.iter().map(|link| (link.a.1.as_str(), link.b.1.as_str(), link.seq)).collect();
    assert_eq!(links, [("u", "b", 3), ("u", "a", 4)], "each link says who said so and where");
}

#[test]
fn a_merge_keeps_memberships_from_the_earlier_moment_and_emits_only_what_follows() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  anonymous_id: {}\n");
    let program = world.program.clone();
    let (rule, _) = program.rule_named("lookers").unwrap();
    for (seq, second, who) in [(1, 1, "a"), (2, 2, "b"), (3, 3, "b"), (4, 4, "c")] {
        world.take(&track(&program, seq, second, who, "view"));
    }
    world
        .identify(5, &[("user_id", "u"), ("anonymous_id", "a")])
        .identify(6, &[("user_id", "u"), ("anonymous_id", "b")]);
    let entered: Vec<_> = world.effects.changes.iter().filter(|it| matches!(it.what, ChangeKind::Entered(_))).collect();
    assert!(entered.is_empty(), "the person entered back then: {entered:?}");
    let a = world.who("anonymous_id", "a").unwrap();
    assert_eq!(world.state.members(rule, None, 10), [(a, Moment(3 * SECOND))]);
    // Two people who were in it neither of them are in it together.
    world.take(&track(&program, 7, 7, "d", "view")).identify(8, &[("user_id", "v"), ("anonymous_id", "c")]);
    world.identify(9, &[("user_id", "v"), ("anonymous_id", "d")]);
    assert!(world.effects.changes.iter().any(|it| it.what == ChangeKind::Entered(rule)));
}

/// Three people, one for each kind of identifier, in this order; then a message with all three identifiers.
fn one_message_joins(order: [usize; 3]) {
    const WHO: [(&str, &str); 3] = [("user_id", "u"), ("email", "e"), ("anonymous_id", "a")];
    const COUNTRIES: [&str; 3] = ["NL", "BE", "DE"];
    let rules = format!("{RULES}trait views = count(view)\n");
    let mut world = World::with(&rules, "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n");
    let program = world.program.clone();
    let (lookers, _) = program.rule_named("lookers").unwrap();
    let (views, _) = program.rule_named("views").unwrap();
    let profile = |name: &str| ProfileTraitId(program.profile.iter().position(|it| it.name == name).unwrap() as u32);
    let mut seq = 0;
    for kind in order {
        let (name, value) = WHO[kind];
        for _ in 0..2 {
            seq += 1;
            let mut view = track(&program, seq, seq as i64, "", "view");
            event_mut(&mut view).identifiers = vec![world.identifier(name, value)];
            world.take(&view);
        }
        seq += 1;
        let mut told = identify(&program, seq, seq as i64, &[WHO[kind]]);
        event_mut(&mut told).traits = vec![
            (profile("country"), Value::String(COUNTRIES[kind].into())),
            (profile("age"), Value::Int(20 + kind as i64)),
        ];
        event_mut(&mut told).traits.sort_by_key(|(id, _)| *id);
        world.take(&told);
    }
    let ids = WHO.map(|(kind, value)| world.who(kind, value).unwrap());
    assert_eq!(world.state.segment_size(lookers), 3);
    let mut saved: BTreeMap<_, _> = world.state.checkpoint().people.into_iter().collect();

    world.identify(10, &WHO);

    // The message's first identifier meets the second, and whoever they are then the third; the older one survives.
    let older =
        |a: usize, b: usize| if order.iter().find(|it| [a, b].contains(it)) == Some(&a) { (a, b) } else { (b, a) };
    let first = older(0, 1);
    let second = older(first.0, 2);
    let merges: Vec<_> = world
        .effects
        .changes
        .iter()
        .filter_map(|it| if let ChangeKind::Merged { absorbed } = it.what { Some((it.person, absorbed)) } else { None })
        .collect();
    assert_eq!(merges, [first, second].map(|(survivor, absorbed)| (ids[survivor], ids[absorbed])), "{order:?}");
    let moved = |it: &&Change| matches!(it.what, ChangeKind::Entered(_) | ChangeKind::Left(_));
    assert_eq!(world.effects.changes.iter().find(moved), None, "{order:?}: all of them were in it");
    let survivor = ids[order[0]];
    assert_eq!(world.state.people(), [survivor], "{order:?}");
    assert_eq!(ids.map(|id| world.state.canonical(id)), [survivor; 3], "{order:?}");
    assert_eq!(world.state.members(lookers, None, 10), [(survivor, Moment(2 * SECOND))], "{order:?}");
    let view = world.view("user_id", "u");
    let counted = view.computed.iter().find(|it| it.rule == views).map(|it| it.value.clone());
    assert_eq!(counted, Some(6.into()), "{order:?}");
    let known = |name: &str| view.traits.iter().find(|it| it.name == name).map(|it| it.value.clone());
    assert_eq!(known("country"), Some(COUNTRIES[order[2]].into()), "{order:?}: the most recent");
    assert_eq!(known("age"), Some(22.into()), "{order:?}: the highest");
    assert_eq!((view.first_seen, view.last_seen), (Moment(SECOND), Moment(10 * SECOND)), "{order:?}");

    let checkpoint = world.state.checkpoint();
    saved.extend(checkpoint.people);
    let people = saved.into_iter().filter_map(|(id, bytes)| Some((id, bytes?)));
    let restored = State::restore(&program, &Arc::default(), &checkpoint.meta, people).unwrap();
    assert_eq!(restored.digest(), world.state.digest(), "{order:?}");
    assert_eq!(restored.members(lookers, None, 10), world.state.members(lookers, None, 10), "{order:?}");
    assert_eq!(restored.person(&program, survivor), Some(view), "{order:?}");
}

#[test]
fn one_message_that_joins_three_people_loses_nobodys_history() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        one_message_joins(order);
    }
}

#[test]
fn different_values_of_a_unique_kind_are_never_one_person() {
    let mut world = World::new("identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\n");
    world.identify(1, &[("user_id", "u"), ("anonymous_id", "shared")]);
    world.identify(2, &[("user_id", "v"), ("anonymous_id", "shared")]);
    assert_eq!(world.refusals(), [("shared".to_owned(), "unique")]);
    assert_ne!(world.who("user_id", "u"), world.who("user_id", "v"));
    assert_eq!(world.who("anonymous_id", "shared"), world.who("user_id", "u"));
    world.identify(3, &[("user_id", "v"), ("anonymous_id", "shared")]);
    assert_eq!(world.refusals(), [], "each refusal is reported once");
}

#[test]
fn an_alias_call_is_consent_to_join_unique_values() {
    let mut world = World::new("identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\n");
    world.identify(1, &[("user_id", "old")]).identify(2, &[("user_id", "new")]);
    let mut record = identify(&world.program, 3, 3, &[("user_id", "new"), ("user_id", "old")]);
    event_mut(&mut record).call = Call::Alias;
    world.take(&record);
    assert_eq!(world.who("user_id", "old"), world.who("user_id", "new"));
    assert_eq!(world.view("user_id", "new").links[0].by, "alias");
    // Further identifiers still join them: they are one person now.
    world.identify(4, &[("user_id", "new"), ("anonymous_id", "a")]);
    assert_eq!(world.who("anonymous_id", "a"), world.who("user_id", "old"));
}

/// Anybody can read the key of a page.
#[test]
fn a_page_joins_no_two_accounts_by_an_alias() {
    let mut world = World::new("identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\n");
    world.identify(1, &[("user_id", "old")]).identify(2, &[("user_id", "new")]);
    let web = world.program.sources.iter().position(|source| source.name == "web").unwrap();
    let alias = |world: &World, seq: u64, who: &[(&'static str, &str)]| {
        let mut record = identify(&world.program, seq, seq as i64, who);
        event_mut(&mut record).call = Call::Alias;
        event_mut(&mut record).source = SourceId(web as u32);
        record
    };
    let record = alias(&world, 3, &[("user_id", "new"), ("user_id", "old")]);
    world.take(&record);
    assert_ne!(world.who("user_id", "old"), world.who("user_id", "new"));
    assert_eq!(world.refusals(), [("old".to_owned(), "unique")]);
    let record = alias(&world, 4, &[("user_id", "new"), ("anonymous_id", "a")]);
    world.take(&record);
    let new = world.who("user_id", "new");
    assert_eq!(world.who("anonymous_id", "a"), new, "who was there before becomes an account's");
    let mut record = identify(&world.program, 5, 5, &[("user_id", "new"), ("user_id", "old")]);
    event_mut(&mut record).call = Call::Alias;
    world.take(&record);
    assert_eq!(world.who("user_id", "old"), world.who("user_id", "new"), "a back end may");
}

#[test]
fn a_person_has_no_more_values_of_a_kind_than_its_limit() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  anonymous_id: {limit: 2}\n");
    world
        .identify(1, &[("user_id", "u"), ("anonymous_id", "a")])
        .identify(2, &[("user_id", "u"), ("anonymous_id", "b")]);
    assert_eq!(world.refusals(), []);
    world.identify(3, &[("user_id", "u"), ("anonymous_id", "c")]);
    assert_eq!(world.refusals(), [("c".to_owned(), "limit")]);
    assert_eq!(world.view("user_id", "u").identifiers.len(), 3);
    assert_eq!(world.who("anonymous_id", "c"), None, "the value is still free");
}

#[test]
fn a_source_links_only_what_it_is_trusted_with() {
    let mut world = World::new(
        "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\ntrust: {browser: [anonymous_id, email], server: all}\n",
    );
    let web = world.program.sources.iter().position(|source| source.name == "web").unwrap();
    let mut record = identify(&world.program, 1, 1, &[("user_id", "u"), ("email", "e"), ("anonymous_id", "a")]);
    event_mut(&mut record).source = SourceId(web as u32);
    world.take(&record);
    assert_eq!(world.refusals(), [("u".to_owned(), "untrusted")]);
    assert_eq!(world.who("email", "e"), world.who("anonymous_id", "a"));
    assert_eq!(world.who("user_id", "u"), None);
    // Somebody has to be who did it, even if only an untrusted value says who.
    let mut alone = identify(&world.program, 2, 2, &[("user_id", "u")]);
    event_mut(&mut alone).source = SourceId(web as u32);
    world.take(&alone);
    assert!(world.who("user_id", "u").is_some());
    world.identify(3, &[("user_id", "u"), ("anonymous_id", "a")]);
    assert_eq!(world.who("user_id", "u"), world.who("email", "e"), "a server may");
}

/// Whoever reads the key of a page may say that an address and a browser are one person's, and no more.
#[test]
fn a_page_joins_no_two_people_whom_it_may_not_name() {
    let identity = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n\
                    trust: {browser: [anonymous_id, email], server: all}\n";
    let said = |world: &World, seq: u64, source: &str, who: &[(&'static str, &str)]| {
        let mut record = identify(&world.program, seq, seq as i64, who);
        let source = world.program.sources.iter().position(|it| it.name == source).unwrap();
        event_mut(&mut record).source = SourceId(source as u32);
        record
    };
    let steps: [(&str, &[(&'static str, &str)]); 3] = [
        ("server", &[("user_id", "one"), ("email", "one@x.example")]),
        ("server", &[("user_id", "two"), ("anonymous_id", "a")]),
        ("web", &[("email", "one@x.example"), ("anonymous_id", "a")]),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut world = World::new(identity);
        for (seq, step) in (1..).zip(order) {
            let (source, who) = steps[step];
            let record = said(&world, seq, source, who);
            world.take(&record);
        }
        let (one, two) = (world.who("user_id", "one").unwrap(), world.who("user_id", "two").unwrap());
        assert_ne!(one, two, "{order:?}");
        assert_eq!((world.who("email", "one@x.example"), world.who("anonymous_id", "a")), (Some(one), Some(two)));
        let refused = world.state.kinship(&world.program, one).unwrap().refused;
        assert_eq!(refused.iter().map(|it| it.reason).collect::<Vec<_>>(), ["untrusted"], "{order:?}");
        // A browser that nobody knows it joins with whoever has the address.
        let record = said(&world, 4, "web", &[("email", "one@x.example"), ("anonymous_id", "b")]);
        world.take(&record);
        assert_eq!(world.who("anonymous_id", "b"), Some(one));
        // And whom a server says to be one, they are.
        world.identify(5, &[("user_id", "one"), ("anonymous_id", "a")]);
        assert_eq!(world.who("user_id", "one"), world.who("user_id", "two"));
    }
}

/// Of an id that nobody knew nothing is told but whose it is.
#[test]
fn the_first_sign_in_of_somebody_known_makes_nobody_new() {
    let mut world = World::new("identifiers:\n  user_id: {unique: true}\n  email: {}\n  anonymous_id: {}\n");
    world.identify(1, &[("anonymous_id", "a")]);
    let a = world.who("anonymous_id", "a").unwrap();
    world.identify(2, &[("user_id", "u"), ("email", "e"), ("anonymous_id", "a")]);
    assert_eq!(world.effects.changes, []);
    assert_eq!((world.who("user_id", "u"), world.who("email", "e")), (Some(a), Some(a)));
    assert_eq!(world.view("user_id", "u").absorbed, []);
    // Somebody else on the same browser is somebody new.
    world.identify(3, &[("user_id", "v"), ("email", "f"), ("anonymous_id", "a")]);
    let v = world.who("user_id", "v").unwrap();
    let created: Vec<_> = world.effects.changes.iter().map(|it| (it.person, it.what.clone())).take(1).collect();
    assert_eq!(created, [(v, ChangeKind::Created)]);
}

#[test]
fn an_identifier_that_turns_out_to_be_anothers_is_told_of_both() {
    let mut world = World::new("identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\n");
    world.identify(20, &[("user_id", "late"), ("anonymous_id", "a")]).identify(21, &[("user_id", "early")]);
    let (late, early) = (world.who("user_id", "late").unwrap(), world.who("user_id", "early").unwrap());
    // It happened before, and arrives after.
    let mut record = identify(&world.program, 3, 30, &[("user_id", "early"), ("anonymous_id", "a")]);
    event_mut(&mut record).occurred_at = Moment(10 * SECOND);
    world.take(&record);
    assert_eq!(world.who("anonymous_id", "a"), Some(early));
    let identifier = world.identifier("anonymous_id", "a");
    let moved = ChangeKind::IdentifierMoved { identifier, from: late, to: early };
    let told: Vec<_> = world.effects.changes.iter().map(|it| (it.person, it.what.clone())).collect();
    assert_eq!(told, [(late, moved.clone()), (early, moved)]);
}

#[test]
fn a_source_is_trusted_as_itself_before_its_kind() {
    let kinds = "identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\n";
    for (trust, refused) in [
        ("{browser: all, web: [anonymous_id, email]}", &[("u".to_owned(), "untrusted")][..]),
        ("{web: all, browser: [anonymous_id]}", &[]),
    ] {
        let mut world = World::new(&format!("{kinds}trust: {trust}\n"));
        let web = world.program.sources.iter().position(|source| source.name == "web").unwrap();
        let mut record = identify(&world.program, 1, 1, &[("user_id", "u"), ("email", "e"), ("anonymous_id", "a")]);
        event_mut(&mut record).source = SourceId(web as u32);
        world.take(&record);
        assert_eq!(world.refusals(), refused, "{trust}");
    }
}

/// Of several paths the first counts that has a value that identifies somebody.
#[test]
fn a_path_whose_value_identifies_nobody_leaves_it_to_the_next() {
    let program = project(
        RULES,
        "identifiers:\n  user_id: {from: [properties.uid, userId], block: [nobody]}\n  anonymous_id: {}\n",
        "",
    );
    let governor = sonder_core::govern::Governor::new(&program);
    let new_id = || "m".to_owned();
    let envelope = sonder_core::message::Envelope::alone(
        SourceId(0),
        Moment(0),
        sonder_core::message::Timing::Recorded,
        program.settings.future_tolerance,
        &new_id,
    );
    for (uid, user, expected, is_refused) in [
        ("\"p\"", "\"u\"", &["p", "a"][..], false),
        ("\"\"", "\"u\"", &["u", "a"], false),
        ("null", "\"u\"", &["u", "a"], false),
        ("{}", "\"u\"", &["u", "a"], false),
        ("\"nobody\"", "\"u\"", &["u", "a"], true),
        ("\"null\"", "\"nobody\"", &["a"], true),
        ("\"p\"", "\"nobody\"", &["p", "a"], false),
    ] {
        let line = format!(
            r#"{{"type": "track", "event": "view", "anonymousId": "a", "userId": {user}, "properties": {{"uid": {uid}}}}}"#
        );
        let message = sonder_core::message::read_text(&line, &envelope).unwrap();
        let event = governor.govern(&message).unwrap();
        let values: Vec<&str> = event.identifiers.iter().map(|it| &*it.value).collect();
        let label = sonder_core::message::Label::IdentifierRefused;
        assert_eq!((values.as_slice(), event.labels.contains(&label)), (expected, is_refused), "{line}");
    }
}

/// Whoever has an account, addresses and a number on one browser is one person all the same.
#[test]
fn values_of_different_kinds_do_not_make_a_value_generic() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\ngeneric_after: 2\n");
    for (second, (kind, value)) in (1..).zip([("user_id", "u"), ("email", "e"), ("email", "f")]) {
        world.identify(second, &[(kind, value), ("anonymous_id", "a")]);
    }
    assert_eq!(world.state.people_count(), 1);
    assert_eq!(world.who("anonymous_id", "a"), world.who("user_id", "u"));
    world.identify(4, &[("email", "g"), ("anonymous_id", "a")]);
    assert_ne!(world.who("email", "g"), world.who("user_id", "u"), "three addresses are three people's");
    assert_ne!(world.who("email", "e"), world.who("user_id", "u"));
}

#[test]
fn a_value_that_too_many_share_identifies_nobody() {
    let mut world = World::new("identifiers:\n  user_id: {unique: true}\n  anonymous_id: {}\ngeneric_after: 2\n");
    world.identify(1, &[("user_id", "u1"), ("anonymous_id", "kiosk")]);
    world.identify(2, &[("user_id", "u2"), ("anonymous_id", "kiosk")]);
    world.identify(3, &[("user_id", "u3"), ("anonymous_id", "kiosk")]);
    world.identify(4, &[("user_id", "u4"), ("anonymous_id", "kiosk")]);
    assert_eq!(world.refusals(), [("kiosk".to_owned(), "generic")]);
    // Whoever stands at the kiosk without signing in is not the first who did.
    world.identify(5, &[("anonymous_id", "kiosk")]);
    assert_ne!(world.who("anonymous_id", "kiosk"), world.who("user_id", "u1"));
    assert_eq!(world.state.people_count(), 5);
    let first = world.view("user_id", "u1");
    assert!(first.identifiers.iter().all(|it| it.value != "kiosk"), "as if it had never been");
    let alone = world.who("anonymous_id", "kiosk");
    world.identify(6, &[("anonymous_id", "kiosk")]);
    assert_eq!(world.who("anonymous_id", "kiosk"), alone, "once and for all");
}

#[test]
fn a_value_that_was_not_seen_for_long_starts_anew() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  anonymous_id: {expires: 10s}\n");
    world.identify(1, &[("user_id", "u"), ("anonymous_id", "a")]).identify(11, &[("anonymous_id", "a")]);
    assert_eq!(world.who("anonymous_id", "a"), world.who("user_id", "u"), "ten seconds are not too long");
    world.identify(22, &[("anonymous_id", "a")]);
    assert_eq!(world.refusals(), [("a".to_owned(), "expired")]);
    let (old, new) = (world.who("user_id", "u").unwrap(), world.who("anonymous_id", "a").unwrap());
    assert_ne!(old, new);
    assert_eq!(world.effects.changes.iter().filter(|it| it.person == new).count(), world.effects.changes.len());
    assert!(world.view("user_id", "u").identifiers.iter().any(|it| it.value == "a" && it.former));
    // And may expire again, as somebody else again.
    world.identify(40, &[("anonymous_id", "a")]);
    assert_ne!(world.who("anonymous_id", "a"), Some(new));
    assert_eq!(world.state.people_count(), 3);
}

#[test]
fn a_person_has_no_more_identifiers_than_the_core_allows() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  anonymous_id: {}\n");
    let limit = sonder_core::limits::IDENTIFIERS;
    for index in 1..limit {
        world.identify(1, &[("user_id", "u"), ("anonymous_id", &index.to_string())]);
        assert_eq!(world.refusals(), []);
    }
    world.identify(1, &[("user_id", "u"), ("anonymous_id", "one too many")]);
    assert_eq!(world.refusals(), [("one too many".to_owned(), "limit")]);
}

proptest! {
    #![proptest_config(config(200))]

    /// Whatever arrives: unique kinds stay unique, limits hold, every identifier is one person's, and everybody has one.
    #[test]
    fn rules_hold_whatever_arrives(happenings in prop::collection::vec(happening(), 1..60), extra in prop::collection::vec((0..3_u8, 0..3_u8), 60)) {
        let identity = "identifiers:\n  user_id: {unique: true}\n  email: {limit: 2}\n  anonymous_id: {limit: 3, expires: 25s}\ngeneric_after: 3\n";
        let mut world = World::new(identity);
        let mut happenings = happenings;
        for (it, (user, email)) in happenings.iter_mut().zip(extra) {
            // Some carry three identifiers, which join the most.
            if it.who.len() == 2 {
                it.who = vec![("user_id", format!("u{user}")), ("email", format!("e{email}")), it.who[1].clone()];
            }
        }
        for record in log(&world.program.clone(), &happenings) {
            world.take(&record);
            let sonder_core::record::Fact::Event(event) = &record.fact;
            let best = world.state.resolve(&event.identifiers[0]);
            prop_assert!(best.is_some() || event.identifiers.len() > 1);
        }
        let mut owned = 0;
        for id in world.state.people() {
            let view = world.state.person(&world.program, id).unwrap();
            let count = |kind: &str| view.identifiers.iter().filter(|it| it.kind == kind && !it.former).count();
            prop_assert!(count("user_id") <= 1);
            prop_assert!(count("email") <= 2);
            prop_assert!(count("anonymous_id") <= 3);
            for it in view.identifiers.iter().filter(|it| !it.former) {
                owned += 1;
                prop_assert_eq!(world.who(&it.kind, &it.value), Some(id));
            }
            for absorbed in &view.absorbed {
                prop_assert_eq!(world.state.canonical(*absorbed), id);
            }
        }
        prop_assert!(owned <= world.state.identifier_count());
    }
}

/// Found by the agreement of both evaluators: the message moved both identifiers to an earlier second, and for a moment the link
/// that it says again itself was later than they were.
#[test]
fn a_late_message_that_says_a_link_again_parts_nobody() {
    let mut world = World::new("identifiers:\n  user_id: {}\n  email: {}\n  anonymous_id: {}\nstrategy: best_match\n");
    world.identify(2, &[("anonymous_id", "a")]);
    world.identify(2, &[("anonymous_id", "a"), ("email", "e@example.com")]);
    let person = world.who("anonymous_id", "a");
    assert_eq!(world.who("email", "e@example.com"), person);
    let seq = world.state.as_of().0.0 + 1;
    let mut late = identify(&world.program, seq, 5, &[("anonymous_id", "a"), ("email", "e@example.com")]);
    event_mut(&mut late).occurred_at = Moment(SECOND);
    world.take(&late);
    assert_eq!(world.effects.changes, []);
    assert_eq!((world.who("anonymous_id", "a"), world.who("email", "e@example.com")), (person, person));
}
