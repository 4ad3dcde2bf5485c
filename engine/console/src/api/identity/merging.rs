//! What has to be decided so that two people are one, whatever rules say of their identifiers.

use crate::engine::Subject;
use sonder_core::kinship::{Kinship, Name};
use sonder_dsl::model::{Identity, Unique};

/// Sets of identifiers the first of which is to belong with each of the others.
///
/// The first identifiers of both are joined. Where the two together have more values of a kind than one person may, those of each
/// are bound to that one's own first identifier: so they come along, and go along when the two are parted again. What was decided
/// to be apart of the two is decided anew.
pub(super) fn merging(identity: &Identity, one: &Kinship, other: &Kinship) -> Vec<Vec<Subject>> {
    let (Some(first), Some(second)) = (anchor(identity, one), anchor(identity, other)) else { return Vec::new() };
    let mut decisions = vec![vec![subject(&first), subject(&second)]];
    for kind in &identity.identifiers {
        let (mine, theirs) = (of_kind(one, &kind.name), of_kind(other, &kind.name));
        if mine.is_empty() || theirs.is_empty() {
            continue;
        }
        let count = mine.len() + theirs.len();
        let are_too_many = kind.limit.is_some_and(|limit| count > limit.count as usize);
        if kind.unique == Unique::No && !are_too_many {
            continue;
        }
        for (anchor, names) in [(&first, mine), (&second, theirs)] {
            let bound: Vec<Subject> = names.iter().filter(|name| *name != anchor).map(subject).collect();
            if !bound.is_empty() {
                decisions.push(std::iter::once(subject(anchor)).chain(bound).collect());
            }
        }
    }
    let theirs = |name: &Name| current(other).any(|it| it == *name);
    let apart = one.apart.iter().filter(|(_, foreign)| theirs(foreign));
    decisions.extend(apart.map(|(own, foreign)| vec![subject(own), subject(foreign)]));
    decisions
}

/// Two identifiers that the project declares to be two people's, whoever says otherwise.
pub(super) fn declared_apart(identity: &Identity, one: &Kinship, other: &Kinship) -> Option<[Name; 2]> {
    let groups = identity.apart.iter().map(|group| {
        let names = group.identifiers.iter();
        names.filter_map(|(kind, value)| Some((identity.identifiers.get(kind.index())?.name.clone(), value.clone())))
    });
    groups.map(Iterator::collect::<Vec<Name>>).find_map(|group| {
        let mine = current(one).find(|name| group.contains(name))?;
        let theirs = current(other).find(|name| group.contains(name))?;
        Some([mine, theirs])
    })
}

/// The identifier of the highest priority; one that is shared by too many joins nobody.
fn anchor(identity: &Identity, person: &Kinship) -> Option<Name> {
    let generic = |name: &Name| person.identifiers.iter().any(|it| it.generic && name_of(it) == *name);
    let priority = |name: &Name| identity.identifiers.iter().position(|kind| kind.name == name.0);
    current(person).min_by_key(|name| (generic(name), priority(name)))
}

fn of_kind(person: &Kinship, kind: &str) -> Vec<Name> {
    current(person).filter(|name| name.0 == kind).collect()
}

fn current(person: &Kinship) -> impl Iterator<Item = Name> {
    person.identifiers.iter().filter(|it| !it.identifier.former).map(name_of)
}

fn name_of(it: &sonder_core::kinship::NodeView) -> Name {
    (it.identifier.kind.clone(), it.identifier.value.clone())
}

fn subject((kind, value): &Name) -> Subject {
    Subject { kind: kind.clone(), value: value.clone() }
}
