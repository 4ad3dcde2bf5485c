//! Items of rule files: which are new, which mean something else, which are gone.

use super::{Kind, reach};
use crate::ir::journey::NodeKind;
use crate::ir::{Expression, Fingerprint, Journey, Program, Rule, RuleKind, Successors};
pub use crate::syntax::ast::ItemKind;
use serde::Serialize;
use std::collections::BTreeMap;

/// An item that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemChange {
    /// What it is.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// What it was called in the version before, where that is another name.
    pub was: Option<String>,
    /// How it differs.
    pub change: Kind,
    /// Where it is declared, or was: path and line.
    pub place: String,
    /// What is different, part by part.
    pub words: Vec<String>,
    /// As it was written, for segments and traits.
    pub before: Option<String>,
    /// As it is written.
    pub after: Option<String>,
    /// For a journey that changed: where people stand in it, and whether they still can.
    pub steps: Option<Steps>,
}

/// The steps of a journey at which people wait. Whoever stands at one that is still there stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// There in both versions.
    pub kept: Vec<String>,
    /// There no more.
    pub gone: Vec<String>,
    /// New.
    pub new: Vec<String>,
}

/// What comparing needs of any item.
struct Item<'p> {
    fingerprint: Fingerprint,
    place: &'p str,
}

/// What something is, and its name.
type Key<'p> = (ItemKind, &'p str);

pub(super) fn compare(before: &Program, after: &Program, successors: &Successors) -> Vec<ItemChange> {
    let (old, new) = (items(before), items(after));
    let renamed = renamed(before, after, successors);
    let mut found = Vec::new();
    for (key, item) in &new {
        let was = renamed.get(key).copied();
        let change = match old.get(&was.unwrap_or(*key)) {
            None => Kind::Added,
            Some(known) if known.fingerprint != item.fingerprint => Kind::Changed,
            Some(_) if was.is_some() => Kind::Renamed,
            Some(_) => continue,
        };
        found.push(describe(before, after, *key, was.map(|(_, name)| name), change, item.place));
    }
    let goes_on = |key: &Key<'_>| new.contains_key(key) || renamed.values().any(|was| was == key);
    for (key, item) in old.iter().filter(|(key, _)| !goes_on(key)) {
        found.push(describe(before, after, *key, None, Kind::Removed, item.place));
    }
    for (name, was) in alike(&old, &new, &goes_on) {
        let words = format!(
            "means what `{was}` meant, which is gone: people leave `{was}` and enter `{name}`, unless it says `{name} was {was}`"
        );
        found.iter_mut().filter(|it| it.name == name).for_each(|it| it.words.push(words.clone()));
    }
    found.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    found
}

/// What was called otherwise, by what it is now.
fn renamed<'p>(before: &'p Program, after: &'p Program, successors: &Successors) -> BTreeMap<Key<'p>, Key<'p>> {
    let rules = before.rules.iter().zip(&successors.rules).filter_map(|(rule, now)| {
        let now = after.rules.get((*now)?.index())?;
        Some(((of_rule_kind(&now.kind), now.name.as_str()), (of_rule_kind(&rule.kind), rule.name.as_str())))
    });
    let journeys = before.journeys.iter().zip(&successors.journeys).filter_map(|(journey, now)| {
        let now = after.journeys.get((*now)?.index())?;
        Some(((ItemKind::Journey, now.name.as_str()), (ItemKind::Journey, journey.name.as_str())))
    });
    rules.chain(journeys).filter(|(now, was)| now.1 != was.1).collect()
}

const fn of_rule_kind(kind: &RuleKind) -> ItemKind {
    match kind {
        RuleKind::Segment => ItemKind::Segment,
        RuleKind::Trait(_) => ItemKind::Trait,
    }
}

fn items(program: &Program) -> BTreeMap<(ItemKind, &str), Item<'_>> {
    let mut items = BTreeMap::new();
    for rule in &program.rules {
        items.insert(
            (of_rule_kind(&rule.kind), rule.name.as_str()),
            Item { fingerprint: rule.fingerprint, place: &rule.place },
        );
    }
    macro_rules! all {
        ($list:ident, $kind:ident) => {
            for it in &program.$list {
                items.insert(
                    (ItemKind::$kind, it.name.as_str()),
                    Item { fingerprint: it.fingerprint, place: &it.place },
                );
            }
        };
    }
    // A journey as it was is one of the two that it is while it is rolled out.
    for it in program.journeys.iter().filter(|it| it.own_name() == it.name) {
        items.insert((ItemKind::Journey, it.name.as_str()), Item { fingerprint: it.fingerprint, place: &it.place });
    }
    all!(funnels, Funnel);
    all!(experiments, Experiment);
    all!(experiences, Experience);
    all!(predictions, Prediction);
    items
}

/// New segments and traits that mean exactly what one did that is gone, without saying that they were it.
fn alike<'p>(
    old: &BTreeMap<Key<'p>, Item<'_>>,
    new: &BTreeMap<Key<'p>, Item<'_>>,
    goes_on: &dyn Fn(&Key<'_>) -> bool,
) -> Vec<(&'p str, &'p str)> {
    let is_rule = |kind: ItemKind| matches!(kind, ItemKind::Segment | ItemKind::Trait);
    let added = new.iter().filter(|(key, _)| is_rule(key.0) && !old.contains_key(*key));
    let pairs = added.filter_map(|(key, item)| {
        let same = |(other, was): &(&Key<'_>, &Item<'_>)| {
            other.0 == key.0 && was.fingerprint == item.fingerprint && !goes_on(other)
        };
        Some((key.1, old.iter().find(same)?.0.1))
    });
    pairs.collect()
}

fn describe(
    before: &Program,
    after: &Program,
    (kind, name): Key<'_>,
    was: Option<&str>,
    change: Kind,
    place: &str,
) -> ItemChange {
    let is_rule = matches!(kind, ItemKind::Segment | ItemKind::Trait);
    let rule =
        |program: &Program, name: &str| program.rule_named(name).filter(|_| is_rule).map(|(_, rule)| rule.clone());
    let (old, new) = (rule(before, was.unwrap_or(name)), rule(after, name));
    let mut described = ItemChange {
        kind,
        name: name.to_owned(),
        was: was.map(str::to_owned),
        change,
        place: place.to_owned(),
        words: was.iter().map(|was| format!("was `{was}`")).collect(),
        before: old.as_ref().map(|rule| rule.source.clone()),
        after: new.as_ref().map(|rule| rule.source.clone()),
        steps: None,
    };
    if change == Kind::Added {
        let gate = match kind {
            ItemKind::Journey => after.journey_named(name).and_then(|(_, it)| it.gate).map(|it| it.rollout),
            _ => new.as_ref().and_then(|rule| reach::of(&rule.expression).0).map(|(rollout, _)| rollout),
        };
        described.words.extend(gate.map(|rollout| format!("for {} of people", rollout.share())));
    }
    if change != Kind::Changed {
        return described;
    }
    if let (Some(old), Some(new)) = (&old, &new) {
        described.words.extend(of_rule((before, old), (after, new)));
    }
    if kind == ItemKind::Journey
        && let (Some((_, old)), Some((_, new))) = (before.journey_named(was.unwrap_or(name)), after.journey_named(name))
    {
        described.steps = Some(steps((before, old), (after, new)));
        described.words.extend(reach::of_gates(old.gate, new.gate));
        let divides = |journey: &Journey| journey.nodes.iter().any(|node| matches!(node.kind, NodeKind::Split(_)));
        let (first, other) = (old.first_name(), new.first_name());
        if first != other {
            let what = if divides(new) { "its splits divide people anew" } else { "its passages get other keys" };
            described
                .words
                .push(format!("{what}: by the name `{other}`, not by `{first}`, which it no longer says it was"));
        }
    }
    described
}

fn of_rule((before, old): (&Program, &Rule), (after, new): (&Program, &Rule)) -> Vec<String> {
    let mut found = Vec::new();
    if old.purpose != new.purpose {
        let shown = |it: &Option<String>| it.as_ref().map_or("none".to_owned(), |it| format!("`{it}`"));
        found.push(format!("its purpose is {}, was {}", shown(&new.purpose), shown(&old.purpose)));
    }
    reach::expression((before, &old.expression), (after, &new.expression), &mut found);
    if let (RuleKind::Trait(was), RuleKind::Trait(is)) = (&old.kind, &new.kind)
        && was != is
        && found.is_empty()
    {
        found.push("its values are of another type".to_owned());
    }
    new.expression.walk(&mut |part| {
        let Expression::Rule(id) = part else { return };
        let Some(read) = after.rules.get(id.index()) else { return };
        let names = std::iter::once(&read.name).chain(&read.was);
        let was = names.filter_map(|name| before.rule_named(name)).map(|(_, rule)| rule.fingerprint).next();
        if was.is_some_and(|was| was != read.fingerprint) {
            found.push(format!("it reads `{}`, which means something else", read.name));
        }
    });
    if found.is_empty() {
        // The text is the same: a type in a schema, a session's bounds, or the time zone of a date.
        found.push("what it reads has another type or other bounds".to_owned());
    }
    found.dedup();
    found
}

fn steps((before, old): (&Program, &Journey), (after, new): (&Program, &Journey)) -> Steps {
    let waits = |journey: &Journey, program: &Program| -> Vec<(Fingerprint, String)> {
        let is_wait = |kind: &NodeKind| {
            matches!(kind, NodeKind::Wait { .. } | NodeKind::WaitUntil { .. } | NodeKind::WaitFor { .. })
        };
        let waiting = journey.nodes.iter().filter(|node| is_wait(&node.kind));
        waiting.map(|node| (node.key, format!("{} (line {})", node.label(program), node.line))).collect()
    };
    let (was, is) = (waits(old, before), waits(new, after));
    let has = |list: &[(Fingerprint, String)], key: Fingerprint| list.iter().any(|(known, _)| *known == key);
    let named = |list: &[(Fingerprint, String)], keep: &dyn Fn(Fingerprint) -> bool| {
        list.iter().filter(|(key, _)| keep(*key)).map(|(_, label)| label.clone()).collect()
    };
    Steps {
        kept: named(&is, &|key| has(&was, key)),
        gone: named(&was, &|key| !has(&is, key)),
        new: named(&is, &|key| !has(&was, key)),
    }
}
