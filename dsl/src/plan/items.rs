//! Items of rule files: which are new, which mean something else, which are gone.

use super::{Kind, words};
use crate::ir::journey::NodeKind;
use crate::ir::{Expression, Fingerprint, Journey, Program, Rule, RuleKind};
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

pub(super) fn compare(before: &Program, after: &Program) -> Vec<ItemChange> {
    let (old, new) = (items(before), items(after));
    let mut found = Vec::new();
    for (key, item) in &new {
        let change = match old.get(key) {
            None => Kind::Added,
            Some(was) if was.fingerprint != item.fingerprint => Kind::Changed,
            Some(_) => continue,
        };
        found.push(describe(before, after, *key, change, item.place));
    }
    for (key, item) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        found.push(describe(before, after, *key, Kind::Removed, item.place));
    }
    for (name, was) in renamed(&old, &new) {
        let words = format!("means what `{was}` meant, which is gone: people leave `{was}` and enter `{name}`");
        found.iter_mut().filter(|it| it.name == name).for_each(|it| it.words.push(words.clone()));
    }
    found.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    found
}

fn items(program: &Program) -> BTreeMap<(ItemKind, &str), Item<'_>> {
    let mut items = BTreeMap::new();
    for rule in &program.rules {
        let kind = if rule.kind == RuleKind::Segment { ItemKind::Segment } else { ItemKind::Trait };
        items.insert((kind, rule.name.as_str()), Item { fingerprint: rule.fingerprint, place: &rule.place });
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
    all!(journeys, Journey);
    all!(funnels, Funnel);
    all!(experiments, Experiment);
    all!(experiences, Experience);
    all!(predictions, Prediction);
    items
}

/// New segments and traits that mean exactly what one did that is gone.
fn renamed<'p>(
    old: &BTreeMap<(ItemKind, &'p str), Item<'_>>,
    new: &BTreeMap<(ItemKind, &'p str), Item<'_>>,
) -> Vec<(&'p str, &'p str)> {
    let is_rule = |kind: ItemKind| matches!(kind, ItemKind::Segment | ItemKind::Trait);
    let added = new.iter().filter(|(key, _)| is_rule(key.0) && !old.contains_key(*key));
    let pairs = added.filter_map(|(key, item)| {
        let same = |(other, was): &(&(ItemKind, &str), &Item<'_>)| {
            other.0 == key.0 && was.fingerprint == item.fingerprint && !new.contains_key(*other)
        };
        Some((key.1, old.iter().find(same)?.0.1))
    });
    pairs.collect()
}

fn describe(
    before: &Program,
    after: &Program,
    (kind, name): (ItemKind, &str),
    change: Kind,
    place: &str,
) -> ItemChange {
    let rule = |program: &'_ Program| program.rule_named(name).map(|(_, rule)| rule.clone());
    let is_rule = matches!(kind, ItemKind::Segment | ItemKind::Trait);
    let (old, new) = if is_rule { (rule(before), rule(after)) } else { (None, None) };
    let mut described = ItemChange {
        kind,
        name: name.to_owned(),
        change,
        place: place.to_owned(),
        words: Vec::new(),
        before: old.as_ref().map(|rule| rule.source.clone()),
        after: new.as_ref().map(|rule| rule.source.clone()),
        steps: None,
    };
    if change != Kind::Changed {
        return described;
    }
    if let (Some(old), Some(new)) = (&old, &new) {
        described.words = of_rule((before, old), (after, new));
    }
    if kind == ItemKind::Journey
        && let (Some((_, old)), Some((_, new))) = (before.journey_named(name), after.journey_named(name))
    {
        described.steps = Some(steps((before, old), (after, new)));
    }
    described
}

fn of_rule((before, old): (&Program, &Rule), (after, new): (&Program, &Rule)) -> Vec<String> {
    let mut found = Vec::new();
    if old.purpose != new.purpose {
        let shown = |it: &Option<String>| it.as_ref().map_or("none".to_owned(), |it| format!("`{it}`"));
        found.push(format!("its purpose is {}, was {}", shown(&new.purpose), shown(&old.purpose)));
    }
    words::expression((before, &old.expression), (after, &new.expression), &mut found);
    if let (RuleKind::Trait(was), RuleKind::Trait(is)) = (&old.kind, &new.kind)
        && was != is
        && found.is_empty()
    {
        found.push("its values are of another type".to_owned());
    }
    new.expression.walk(&mut |part| {
        let Expression::Rule(id) = part else { return };
        let Some(read) = after.rules.get(id.index()) else { return };
        let was = before.rule_named(&read.name).map(|(_, rule)| rule.fingerprint);
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
