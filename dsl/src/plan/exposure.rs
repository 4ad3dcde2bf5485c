//! What destinations get to see, and what of it is new.

use crate::ir::journey::NodeKind;
use crate::ir::{EventSelector, Expression, Program, PropertySlot, Rule, RuleKind, Successors};
use crate::model::{Destination, PiiClass};
use serde::Serialize;
use std::collections::BTreeMap;

/// Something that a destination did not get before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// The destination.
    pub destination: String,
    /// What it gets: `profile.email`, `order.total`, `segment keen`, `purpose marketing`, `people of us`.
    pub what: String,
    /// The class, where it is personal data.
    pub pii: Option<PiiClass>,
    /// What that data may be used for, where it says so.
    pub purposes: Vec<String>,
}

/// What is known of something that a destination gets.
pub(super) type Received = BTreeMap<String, (Option<PiiClass>, Vec<String>)>;

/// What segments and traits of the version before are called now, where that is something else: `segment keen` by what it was.
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn new(before: &Program, after: &Program, successors: &Successors) -> Self {
        let pairs = before.rules.iter().zip(&successors.rules).filter_map(|(rule, now)| {
            let now = after.rules.get((*now)?.index())?;
            (now.name != rule.name).then(|| (named(rule), named(now)))
        });
        Self(pairs.collect())
    }

    /// All that a destination got, by the names of now.
    pub(super) fn received(&self, before: &Program, destination: &Destination) -> Received {
        let got = received(before, destination).into_iter();
        got.map(|(what, known)| (self.0.get(&what).cloned().unwrap_or(what), known)).collect()
    }
}

/// All that is new, by destination and name.
pub(super) fn compare(before: &Program, after: &Program, names: &Names) -> Vec<Exposure> {
    let mut found = Vec::new();
    for destination in &after.destinations {
        let old = before.destinations.iter().find(|it| it.name == destination.name);
        let known = old.map(|old| names.received(before, old)).unwrap_or_default();
        for (what, (pii, purposes)) in received(after, destination) {
            // What was no personal data and is now is news, too.
            if known.get(&what).is_none_or(|(was, _)| was.is_none() && pii.is_some()) {
                found.push(Exposure { destination: destination.name.clone(), what, pii, purposes });
            }
        }
    }
    found
}

/// A destination but for what it receives of rules and files, which are numbers: see [`received`].
pub(super) fn without_ids(destination: &Destination) -> Destination {
    Destination {
        segments: Vec::new(),
        profile_traits: Vec::new(),
        computed_traits: Vec::new(),
        events: Vec::new(),
        identifiers: Vec::new(),
        ..destination.clone()
    }
}

/// All that a destination gets, by name.
pub(super) fn received(program: &Program, destination: &Destination) -> Received {
    let mut got = Received::new();
    for id in &destination.segments {
        if let Some(rule) = program.rules.get(id.index()) {
            got.insert(named(rule), (None, rule.purpose.iter().cloned().collect()));
        }
    }
    for id in &destination.profile_traits {
        expression(program, &Expression::Profile(*id), &[], &mut got);
    }
    for id in &destination.computed_traits {
        expression(program, &Expression::Rule(*id), &[], &mut got);
    }
    for event in destination.events.iter().filter_map(|id| program.events.get(id.index())) {
        got.insert(format!("event {}", event.name), (None, event.purposes.clone()));
        for property in event.properties.iter().filter(|it| it.derivation.is_none()) {
            got.insert(format!("{}.{}", event.name, property.name), (property.pii, event.purposes.clone()));
        }
    }
    let kinds = program.identity.identifiers.iter().enumerate().filter(|(index, _)| {
        destination.identifiers.is_empty() || destination.identifiers.iter().any(|id| id.index() == *index)
    });
    for (_, kind) in kinds {
        got.insert(format!("identifier {}", kind.name), (None, Vec::new()));
    }
    let others = destination.transfers.iter().map(|(region, _)| region);
    for region in destination.regions.iter().chain(others) {
        got.insert(format!("people of {region}"), (None, Vec::new()));
    }
    for purpose in &destination.purposes {
        got.insert(format!("purpose {purpose}"), (None, Vec::new()));
    }
    sent_by_journeys(program, destination, &mut got);
    got
}

/// `segment keen`, `trait spent`
fn named(rule: &Rule) -> String {
    let kind = if rule.kind == RuleKind::Segment { "segment" } else { "trait" };
    format!("{kind} {}", rule.name)
}

/// What journeys send it.
fn sent_by_journeys(program: &Program, destination: &Destination, got: &mut Received) {
    for journey in &program.journeys {
        let entering: Vec<EventSelector> = journey.patterns().take(1).map(|pattern| pattern.event).collect();
        for node in &journey.nodes {
            let NodeKind::Send { destination: to, fields, .. } = &node.kind else { continue };
            if program.destinations.get(to.index()).is_some_and(|it| it.name == destination.name) {
                fields.iter().for_each(|field| expression(program, &field.value, &entering, got));
            }
        }
    }
}

/// What a value hands on: conditions tell at most that something is there.
fn expression(program: &Program, value: &Expression, steps: &[EventSelector], got: &mut Received) {
    match value {
        Expression::Profile(id) => {
            if let Some(it) = program.profile.get(id.index()) {
                got.insert(format!("profile.{}", it.name), (it.pii, it.purposes.clone()));
            }
        }
        Expression::Rule(id) => {
            let Some(rule) = program.rules.get(id.index()) else { return };
            got.insert(named(rule), (None, rule.purpose.iter().cloned().collect()));
            if rule.kind != RuleKind::Segment {
                expression(program, &rule.expression, &[], got);
            }
        }
        Expression::Aggregate(id) => {
            use crate::ir::Function::{Count, Did, Distinct, Since};
            let Some(aggregate) = program.aggregate(*id) else { return };
            let keeps = !matches!(aggregate.function, Count | Did | Distinct | Since);
            if let (true, Some(slot)) = (keeps, aggregate.value) {
                property(program, aggregate.pattern.event, slot, got);
            }
        }
        Expression::Step { step, slot } => {
            if let Some(event) = steps.get(usize::from(*step)) {
                property(program, *event, *slot, got);
            }
        }
        Expression::IsKnown(_) => {}
        Expression::If { then, otherwise, .. } => {
            expression(program, then, steps, got);
            expression(program, otherwise, steps, got);
        }
        other => other.children().into_iter().flatten().for_each(|child| expression(program, child, steps, got)),
    }
}

fn property(program: &Program, event: EventSelector, slot: PropertySlot, got: &mut Received) {
    let EventSelector::One(id) = event else { return };
    let Some(event) = program.events.get(id.index()) else { return };
    let Some(path) = event.slots.get(slot.index()).map(|slot| &slot.path) else { return };
    let declared = event.properties.iter().find(|it| Some(&it.name) == path.first());
    let pii = declared.and_then(|it| it.pii);
    got.insert(format!("{}.{}", event.name, path.join(".")), (pii, event.purposes.clone()));
}
