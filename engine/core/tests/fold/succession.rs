//! People keep their ids while `identity.yaml` changes, whatever it makes of them; and the log with the ids on record gives the
//! same people.

use crate::history::{Happening, config, event_mut, happening, identify, log, project, track};
use crate::partition::OPEN;
use proptest::prelude::*;
use sonder_core::State;
use sonder_core::chronicle::Chronicle;
use sonder_core::effect::{Cause, ChangeKind, Effects, PersonId};
use sonder_core::record::{Event, Identifier, Record};
use sonder_core::state::Ids;
use sonder_dsl::ir::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const RULES: &str = "segment lookers \"\" { when count(view) >= 2 }\ntrait views = count(view)\n";
const UNIQUE: &str = "identifiers:\n  user_id: {unique: true}\n  email: {limit: 1}\n  anonymous_id: {}\n";
const FOLDED: &str = "identifiers:\n  user_id: {normalize: [lowercase]}\n  email: {}\n  anonymous_id: {normalize: [{replace: '/[0-1]$/', \
                      with: x}]}\n";
const TURNED: &str =
    "identifiers:\n  anonymous_id: {}\n  email: {at_most: {user_id: 1}}\n  user_id: {normalize: [lowercase]}\n";

/// A version of the project, with what the log so far makes of people.
struct Version {
    program: Arc<Program>,
    state: State,
    chronicle: Chronicle,
}

impl Version {
    fn new(program: &Arc<Program>, ids: &Arc<Ids>) -> Self {
        let state = State::known_by(program, Arc::clone(ids));
        Self { program: Arc::clone(program), state, chronicle: Chronicle::default() }
    }

    fn take(&mut self, record: &Record) -> Effects {
        let mut effects = Effects::default();
        let record = comparable(&self.program, record);
        self.chronicle.step(&mut self.state, &self.program, record, &mut effects).unwrap();
        effects
    }

    /// The same log under another version, which takes over.
    fn reload(&self, program: &Arc<Program>, records: &[Record]) -> (Self, Effects) {
        let mut next = Self::new(program, self.state.ids());
        records.iter().for_each(|record| _ = next.take(record));
        next.state.advance(program, self.state.as_of().1, &mut Effects::default()).unwrap();
        let mut effects = Effects::default();
        next.state.keep_ids(program, (&self.state, &self.program), &[], &mut effects);
        next.state.tell_since(program, (&self.state, &self.program), (&[], false), &mut effects);
        (next, effects)
    }

    fn alive(&self) -> BTreeSet<PersonId> {
        self.state.people().into_iter().collect()
    }

    fn who(&self, kind: &str, value: &str) -> Option<PersonId> {
        let kind = self.program.identity.kind_named(kind)?;
        self.state.resolve(&Identifier { kind, value: value.into() })
    }

    /// What is known of everybody, by id.
    fn known(&self) -> BTreeMap<PersonId, Vec<String>> {
        let names = |id: PersonId| {
            let view = self.state.person(&self.program, id).unwrap();
            view.identifiers.iter().map(|it| format!("{}:{}", it.kind, it.value)).collect()
        };
        self.state.people().into_iter().map(|id| (id, names(id))).collect()
    }
}

/// A record as a version reads it: kinds by their names, in its order, and values as it makes them comparable. Records are written
/// for [`OPEN`].
fn comparable(program: &Program, record: &Record) -> Record {
    let mut record = record.clone();
    let Event { identifiers, .. } = event_mut(&mut record);
    for it in identifiers.iter_mut() {
        let name = ["user_id", "email", "anonymous_id"][it.kind.index()];
        it.kind = program.identity.kind_named(name).unwrap();
        let declared = &program.identity.identifiers[it.kind.index()];
        it.value = declared.normalized(&it.value, &|_| None).unwrap().into();
    }
    identifiers.sort();
    identifiers.dedup();
    record
}

fn version(identity: &str) -> Arc<Program> {
    project(RULES, identity, "")
}

/// Who is there after what was told, if these were there before.
fn after(mut alive: BTreeSet<PersonId>, effects: &Effects) -> BTreeSet<PersonId> {
    for change in &effects.changes {
        match change.what {
            ChangeKind::Created => assert!(alive.insert(change.person), "created twice"),
            ChangeKind::Split { parted } => _ = alive.insert(parted),
            ChangeKind::Merged { absorbed } => assert!(alive.remove(&absorbed), "nobody was absorbed"),
            _ => {}
        }
    }
    alive
}

fn told(effects: &Effects) -> Vec<String> {
    effects.changes.iter().map(|it| format!("{:?}", it.what)).filter(|it| !it.starts_with("Trait")).collect()
}

/// Two people by a shared device, whom the second version does not keep apart.
fn shared_device() -> (Version, Vec<Record>) {
    let program = version(OPEN);
    let mut records = vec![
        identify(&program, 1, 1, &[("user_id", "U1"), ("anonymous_id", "a")]),
        identify(&program, 2, 2, &[("user_id", "U2"), ("anonymous_id", "a")]),
        identify(&program, 3, 3, &[("user_id", "U2"), ("anonymous_id", "b")]),
    ];
    records.push(track(&program, 4, 4, "a", "view"));
    records.push(track(&program, 5, 5, "b", "view"));
    let mut before = Version::new(&version(UNIQUE), &Arc::default());
    records.iter().for_each(|record| _ = before.take(record));
    (before, records)
}

#[test]
fn an_id_that_a_new_version_gives_nobody_means_who_they_became() {
    let (before, records) = shared_device();
    let (one, two) = (before.who("user_id", "U1").unwrap(), before.who("user_id", "U2").unwrap());
    assert_ne!(one, two);
    let (now, effects) = before.reload(&version(OPEN), &records);
    assert_eq!((now.who("user_id", "U1"), now.who("user_id", "U2")), (Some(one), Some(one)));
    assert_eq!(now.state.canonical(two), one);
    assert_eq!(now.state.ids_of(one), [one, two]);
    assert_eq!(now.state.person(&now.program, two).unwrap().absorbed, [two]);
    let merged = effects.changes.iter().find(|it| it.what == ChangeKind::Merged { absorbed: two }).unwrap();
    assert_eq!((merged.person, merged.cause), (one, Cause::Takeover(now.state.as_of().1)));
    let (lookers, _) = now.program.rule_named("lookers").unwrap();
    assert!(effects.changes.iter().any(|it| it.person == one && it.what == ChangeKind::Entered(lookers)));
    // And back again: who was two is two, by the ids of before.
    let (back, effects) = now.reload(&before.program, &records);
    assert_eq!((back.who("user_id", "U1"), back.who("user_id", "U2")), (Some(one), Some(two)));
    assert_eq!(back.known(), before.known());
    assert_eq!(back.state.ids().rows(), [], "nothing is left to be said of ids");
    assert!(effects.changes.iter().any(|it| it.person == one && it.what == ChangeKind::Split { parted: two }));
    assert!(!effects.changes.iter().any(|it| it.what == ChangeKind::Created), "they were there before");
}

#[test]
fn people_keep_their_ids_when_values_are_compared_otherwise() {
    let (before, records) = shared_device();
    let lower = UNIQUE.replace("unique: true", "unique: true, normalize: [lowercase]");
    let (now, effects) = before.reload(&version(&lower), &records);
    for (was, is) in [("U1", "u1"), ("U2", "u2")] {
        assert_eq!(now.who("user_id", is), before.who("user_id", was), "{is}");
        assert_eq!(now.who("user_id", was), None);
    }
    assert_eq!(told(&effects), [""; 0], "nothing is otherwise");
    // Somebody who is there later gets no id of anybody.
    let mut now = now;
    let record = identify(&version(OPEN), 6, 6, &[("user_id", "U3")]);
    now.take(&record);
    assert_eq!(now.alive().len(), 3);
    let records = [&records[..], &[record]].concat();
    let (back, effects) = now.reload(&before.program, &records);
    assert_eq!(back.known().len(), 3);
    assert_eq!(back.who("user_id", "U1"), before.who("user_id", "U1"));
    assert_eq!(back.who("user_id", "U3"), now.who("user_id", "u3"));
    assert_eq!(told(&effects), [""; 0]);
}

#[test]
fn an_identifier_that_is_anothers_under_a_new_version_is_told() {
    let program = version(OPEN);
    // A mail is the first one's who used it, or the second's.
    let records = [
        identify(&program, 1, 1, &[("user_id", "u1"), ("anonymous_id", "a")]),
        identify(&program, 2, 2, &[("user_id", "u2"), ("anonymous_id", "b")]),
        identify(&program, 3, 3, &[("user_id", "u1"), ("email", "e")]),
        identify(&program, 4, 4, &[("user_id", "u2"), ("email", "e")]),
    ];
    let mut before = Version::new(&version(UNIQUE), &Arc::default());
    records.iter().for_each(|record| _ = before.take(record));
    let apart = UNIQUE.to_owned() + "apart: [[user_id:u1, email:e]]\n";
    let (one, two) = (before.who("user_id", "u1").unwrap(), before.who("user_id", "u2").unwrap());
    assert_eq!(before.who("email", "e"), Some(one), "the first one who used it has it");
    let (now, effects) = before.reload(&version(&apart), &records);
    assert_eq!((now.who("user_id", "u1"), now.who("user_id", "u2")), (Some(one), Some(two)));
    assert_eq!(now.who("email", "e"), Some(two));
    let moved = effects.changes.iter().filter(|it| matches!(it.what, ChangeKind::IdentifierMoved { .. }));
    let moved: Vec<_> = moved.map(|it| (it.person, it.what.clone())).collect();
    let kind = program.identity.kind_named("email").unwrap();
    let what = ChangeKind::IdentifierMoved { identifier: Identifier { kind, value: "e".into() }, from: one, to: two };
    assert_eq!(moved, [(one, what.clone()), (two, what)]);
}

fn people_keep_their_ids(versions: &[&str], happenings: &[Happening], more: &[Happening]) -> Result<(), TestCaseError> {
    let plain = version(OPEN);
    let all = log(&plain, &[happenings, more].concat());
    let (records, later) = all.split_at(happenings.len());
    let first = version(versions[0]);
    let mut before = Version::new(&first, &Arc::default());
    records.iter().for_each(|record| _ = before.take(record));
    let begin = before.known();
    for identity in &versions[1..] {
        let program = version(identity);
        let (mut now, effects) = before.reload(&program, records);
        prop_assert_eq!(after(before.alive(), &effects), now.alive(), "what is told is what is so");
        for id in before.alive() {
            prop_assert!(now.state.person(&program, id).is_some(), "an id means somebody");
        }
        let mut again = Version::new(&program, now.state.ids());
        records.iter().for_each(|record| _ = again.take(record));
        again.state.advance(&program, now.state.as_of().1, &mut Effects::default()).unwrap();
        prop_assert_eq!(again.known(), now.known());
        prop_assert_eq!(again.state.digest(), now.state.digest(), "the log and the ids are all there is to it");
        // And they go on alike.
        for record in later {
            prop_assert_eq!(again.take(record), now.take(record));
        }
        prop_assert_eq!(again.state.digest(), now.state.digest());
        before = before.reload(&program, records).0;
    }
    let (back, _) = before.reload(&first, records);
    for id in begin.keys() {
        prop_assert!(back.state.person(&first, *id).is_some(), "an id means somebody");
    }
    // What a version took for one value no other can tell apart by ids again.
    if !versions.contains(&FOLDED) {
        prop_assert_eq!(back.known(), begin, "as if it had never been otherwise");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn people_keep_their_ids_whatever_versions_make_of_them(
        versions in prop::collection::vec(prop::sample::select(vec![OPEN, UNIQUE, FOLDED, TURNED]), 2..5),
        happenings in prop::collection::vec(happening(), 1..30),
        more in prop::collection::vec(happening(), 0..10),
    ) {
        people_keep_their_ids(&versions, &happenings, &more)?;
    }
}
