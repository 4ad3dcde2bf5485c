//! What a change of a project means: two compiled versions held against each other.
//!
//! Rules are compared by meaning, never by text: another order, other white space, another file change nothing. What
//! changed is said in words, part by part. Whose memberships change is for whoever has data to find out; this says which
//! rules to ask.
//!
//! INVARIANT: comparing a version with itself gives nothing; whatever changes a fingerprint is said.

mod exposure;
mod items;
mod reach;
mod schema;
mod version;
mod words;

pub use exposure::Exposure;
pub use items::{ItemChange, ItemKind, Steps};
pub use schema::{EventChange, SchemaChange};
pub use version::Bump;

use crate::ir::{Program, Successors};
use serde::Serialize;

/// What differs between two versions of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Segments, traits, journeys and the other items of rule files, by kind and name.
    pub items: Vec<ItemChange>,
    /// Events whose schema or handling differs, by name.
    pub events: Vec<EventChange>,
    /// Data and purposes that a destination did not have before.
    pub exposures: Vec<Exposure>,
    /// What else differs, in words.
    pub others: Vec<String>,
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.events.is_empty() && self.exposures.is_empty() && self.others.is_empty()
    }
}

/// How a thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was not there.
    Added,
    /// It means something else.
    Changed,
    /// It means the same under another name.
    Renamed,
    /// It is there no more.
    Removed,
}

/// What differs between two versions.
#[must_use]
pub fn compare(before: &Program, after: &Program) -> Changes {
    let successors = Successors::new(before, after);
    let names = exposure::Names::new(before, after, &successors);
    Changes {
        items: items::compare(before, after, &successors),
        events: schema::compare(before, after),
        exposures: exposure::compare(before, after, &names),
        others: others(before, after, &names),
    }
}

/// Files that are neither rules nor events: that they differ, and what that touches.
fn others(before: &Program, after: &Program, names: &exposure::Names) -> Vec<String> {
    let mut words = Vec::new();
    match (before.rollout, after.rollout) {
        (None, Some(rollout)) => {
            words.push(format!("what rules say anew is rolled out to {} of people", rollout.share()))
        }
        (Some(rollout), None) => words.push(format!("the roll-out to {} of people ends", rollout.share())),
        (Some(was), Some(is)) if was.seed() != is.seed() => {
            words.push("the roll-out begins with other people".to_owned())
        }
        _ => {}
    }
    if before.settings != after.settings {
        words.push("`sonder.yaml` says something else".to_owned());
    }
    if before.identity != after.identity {
        words.push("`identity.yaml` says something else: who is who may change for everybody".to_owned());
    }
    if before.consent != after.consent {
        words.push("`consent.yaml` says something else: what data may be used for may change for everybody".to_owned());
    }
    let named = |what: &str, name: &str, kind: Kind| match kind {
        Kind::Added => format!("{what} `{name}` is new"),
        Kind::Changed | Kind::Renamed => format!("{what} `{name}` says something else"),
        Kind::Removed => format!("{what} `{name}` is gone"),
    };
    let traits = (before.profile.iter(), after.profile.iter());
    // Schemas hold what is for people, too; sources of `merge` are numbers that a new source shifts.
    let same_trait = |a: &crate::model::ProfileTrait, b: &crate::model::ProfileTrait| {
        (&a.kind, a.pii, &a.purposes, &a.from) == (&b.kind, b.pii, &b.purposes, &b.from)
            && merge(before, &a.merge) == merge(after, &b.merge)
    };
    for (name, kind) in by_name(traits.0, traits.1, |it| it.name.as_str(), same_trait) {
        words.push(named("profile trait", name, kind));
    }
    let sources = (before.sources.iter(), after.sources.iter());
    for (name, kind) in by_name(sources.0, sources.1, |it| it.name.as_str(), |a, b| a == b) {
        words.push(named("source", name, kind));
    }
    let destinations = (before.destinations.iter(), after.destinations.iter());
    let same = |a: &crate::model::Destination, b: &crate::model::Destination| {
        exposure::without_ids(a) == exposure::without_ids(b)
            && names.received(before, a) == exposure::received(after, b)
    };
    for (name, kind) in by_name(destinations.0, destinations.1, |it| it.name.as_str(), same) {
        words.push(named("destination", name, kind));
    }
    words
}

fn merge(program: &Program, policy: &crate::model::MergePolicy) -> String {
    match policy {
        crate::model::MergePolicy::Sources(ids) => {
            let names = ids.iter().filter_map(|id| program.sources.get(id.index()));
            names.map(|source| source.name.as_str()).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// What is new, gone, or not the same, by name.
fn by_name<'a, T: 'a>(
    before: impl Iterator<Item = &'a T> + Clone,
    after: impl Iterator<Item = &'a T> + Clone,
    name: impl Fn(&'a T) -> &'a str,
    same: impl Fn(&'a T, &'a T) -> bool,
) -> Vec<(&'a str, Kind)> {
    let gone = before.clone().filter(|it| !after.clone().any(|other| name(other) == name(it)));
    let mut found: Vec<(&str, Kind)> = gone.map(|it| (name(it), Kind::Removed)).collect();
    for it in after {
        match before.clone().find(|other| name(other) == name(it)) {
            None => found.push((name(it), Kind::Added)),
            Some(other) if !same(other, it) => found.push((name(it), Kind::Changed)),
            Some(_) => {}
        }
    }
    found.sort_unstable();
    found
}
