//! What data is made of, and so what it may be used for.
//!
//! A rule is made of what it reads; a trait of the golden record of the events that `from` reads it from and, where it does not
//! say itself what it may be used for, of what journeys set it from. So a rule may read a trait that a journey sets from that rule.
//! What each allows is therefore found by taking away: at first all allow everything, and each gives up what anything that
//! it is made of does not allow, until nobody gives up more.

use super::led::Led;
use crate::ir::journey::{Journey, NodeId, NodeKind};
use crate::ir::{
    AggregateId, EventId, EventSelector, Expression, Function, Lowered, ProfileTraitId, Reads, Rule, RuleId,
};
use crate::model::{Declarations, ProfileTrait, Purposes};
use std::collections::BTreeSet;

/// What a rule reads, or a destination gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Data {
    Event(EventId),
    Profile(ProfileTraitId),
    Rule(RuleId),
    /// What a journey sets a trait to: an index into [`Flow::sets`].
    Set(usize),
}

/// The purposes that something allows; `None` for all.
pub(super) type Allowed<'a> = Option<BTreeSet<&'a str>>;

/// `set trait` in a journey.
pub(super) struct Set<'a> {
    pub journey: &'a Journey,
    pub node: NodeId,
    pub id: ProfileTraitId,
    /// What the value is made of, and what brings somebody here.
    pub reads: BTreeSet<Data>,
}

/// All data of a project.
pub(super) struct Flow<'a> {
    pub declarations: &'a Declarations,
    pub lowered: &'a Lowered,
    pub sets: Vec<Set<'a>>,
    /// By `RuleId`.
    rules: Vec<Made<'a>>,
    /// By `ProfileTraitId`.
    profile: Vec<Made<'a>>,
    /// By the index of `sets`: what each allows.
    set: Vec<Allowed<'a>>,
}

/// What something is made of, and what that allows.
struct Made<'a> {
    of: BTreeSet<Data>,
    allowed: Allowed<'a>,
}

impl<'a> Flow<'a> {
    pub fn new(declarations: &'a Declarations, lowered: &'a Lowered) -> Self {
        let mut flow =
            Self { declarations, lowered, sets: Vec::new(), rules: Vec::new(), profile: Vec::new(), set: Vec::new() };
        flow.sets = lowered.journeys.iter().flat_map(|journey| flow.sets_of(journey)).collect();
        flow.set = vec![None; flow.sets.len()];
        flow.rules =
            lowered.rules.iter().map(|rule| Made { of: flow.reads(&rule.expression), allowed: None }).collect();
        let traits = declarations.profile.iter().zip(0..);
        flow.profile =
            traits.map(|(kept, id)| Made { of: flow.sources(ProfileTraitId(id), kept), allowed: None }).collect();
        while flow.take_away() {}
        flow
    }

    /// Whether anything gave up a purpose. What is made of nothing that changed gives up nothing more, so this ends.
    fn take_away(&mut self) -> bool {
        let mut changed = false;
        for index in 0..self.profile.len() {
            let allowed = self.of_parts(Data::Profile(ProfileTraitId(index as u32)));
            changed |= std::mem::replace(&mut self.profile[index].allowed, allowed.clone()) != allowed;
        }
        // Rules stand after those that they read.
        for index in 0..self.rules.len() {
            let allowed = self.of_parts(Data::Rule(RuleId(index as u32)));
            changed |= std::mem::replace(&mut self.rules[index].allowed, allowed.clone()) != allowed;
        }
        for index in 0..self.set.len() {
            let allowed = self.of_parts(Data::Set(index));
            changed |= std::mem::replace(&mut self.set[index], allowed.clone()) != allowed;
        }
        // Without journeys that set something, nothing reads what stands behind it.
        changed && !self.sets.is_empty()
    }

    fn of_parts(&self, data: Data) -> Allowed<'a> {
        self.parts(data).fold(self.own(data), |allowed, part| both(allowed, self.allowed(part)))
    }

    /// What something is made of.
    pub fn parts(&self, data: Data) -> impl Iterator<Item = Data> {
        let parts = match data {
            Data::Event(_) => None,
            Data::Profile(id) => self.profile.get(id.index()).map(|made| &made.of),
            Data::Rule(id) => self.rules.get(id.index()).map(|made| &made.of),
            Data::Set(index) => self.sets.get(index).map(|set| &set.reads),
        };
        parts.into_iter().flatten().copied()
    }

    /// What it allows by itself, whatever it is made of.
    fn own(&self, data: Data) -> Allowed<'a> {
        let purpose = match data {
            Data::Event(_) | Data::Profile(_) => {
                let purposes = self.declared(data)?;
                return Some(purposes.names.iter().map(|name| name.name.as_str()).collect());
            }
            Data::Rule(id) => self.lowered.rules.get(id.index())?.purpose.as_deref(),
            Data::Set(index) => self.sets.get(index)?.journey.purpose.as_deref(),
        };
        purpose.map(|own| BTreeSet::from([own]))
    }

    /// What it allows.
    pub fn allowed(&self, data: Data) -> Allowed<'a> {
        match data {
            Data::Event(_) => self.own(data),
            Data::Profile(id) => self.profile.get(id.index())?.allowed.clone(),
            Data::Rule(id) => self.rules.get(id.index())?.allowed.clone(),
            Data::Set(index) => self.set.get(index)?.clone(),
        }
    }

    pub fn allows(&self, data: Data, purpose: &str) -> bool {
        match data {
            Data::Event(_) => self.declared(data).is_none_or(|purposes| purposes.allow(purpose)),
            Data::Profile(id) => self.profile.get(id.index()).is_none_or(|made| allow(&made.allowed, purpose)),
            Data::Rule(id) => self.rules.get(id.index()).is_none_or(|made| allow(&made.allowed, purpose)),
            Data::Set(index) => self.set.get(index).is_none_or(|allowed| allow(allowed, purpose)),
        }
    }

    pub fn declared(&self, data: Data) -> Option<&'a Purposes> {
        let places = &self.declarations.places;
        match data {
            Data::Event(id) => places.event_purposes.get(id.index())?.as_ref(),
            Data::Profile(id) => places.profile_purposes.get(id.index())?.as_ref(),
            Data::Rule(_) | Data::Set(_) => None,
        }
    }

    /// How a purpose is lost: what is made of what, down to what does not allow it itself.
    pub fn path(&self, from: Data, purpose: &str) -> Vec<Data> {
        let (mut path, mut seen) = (vec![from], BTreeSet::from([from]));
        while let Some(at) = path.last().copied() {
            let next = self.parts(at).find(|part| !self.allows(*part, purpose) && !seen.contains(part));
            match next {
                Some(next) => {
                    seen.insert(next);
                    path.push(next);
                }
                None if !allow(&self.own(at), purpose) => return path,
                // It only leads back to where the way came from.
                None => _ = path.pop(),
            }
        }
        vec![from]
    }

    /// What an expression reads itself, each once.
    pub fn reads(&self, expression: &Expression) -> BTreeSet<Data> {
        let mut found = BTreeSet::new();
        expression.walk(&mut |part| match part {
            Expression::Rule(id) => _ = found.insert(Data::Rule(*id)),
            Expression::Profile(id) => _ = found.insert(Data::Profile(*id)),
            Expression::Aggregate(id) => found.extend(self.events(*id).into_iter().map(Data::Event)),
            _ => {}
        });
        found
    }

    pub fn reads_of(&self, reads: &Reads<'_>) -> BTreeSet<Data> {
        let mut found: BTreeSet<Data> = reads.expressions.iter().flat_map(|it| self.reads(it)).collect();
        found.extend(self.selected(&reads.events).map(Data::Event));
        found
    }

    fn events(&self, id: AggregateId) -> Vec<EventId> {
        // What only items that are no rules ask comes after what rules ask.
        let mut aggregates = self.lowered.aggregates.iter().chain(&self.lowered.asked);
        let Some(aggregate) = aggregates.nth(id.index()) else { return Vec::new() };
        let mut selectors = vec![aggregate.pattern.event];
        if let Function::Sequence(sequence) = &aggregate.function {
            selectors.extend(sequence.then.iter().map(|step| step.pattern.event));
            selectors.extend(sequence.absence.iter().map(|absence| absence.pattern.event));
        }
        self.selected(&selectors).collect()
    }

    fn selected(&self, selectors: &[EventSelector]) -> impl Iterator<Item = EventId> {
        let all = self.declarations.events.len() as u32;
        let events = selectors.iter().flat_map(move |selector| match selector {
            EventSelector::One(id) => id.0..id.0 + 1,
            EventSelector::Any => 0..all,
        });
        events.map(EventId)
    }

    /// Whether an expression of a journey reads the event that the person entered with.
    pub fn reads_entering(&self, expression: &Expression) -> bool {
        let names_step = |expression: &Expression| {
            let mut found = false;
            expression.walk(&mut |part| found |= matches!(part, Expression::Step { .. }));
            found
        };
        let mut found = names_step(expression);
        expression.walk(&mut |part| {
            if let Expression::Aggregate(id) = part {
                let aggregate = self.lowered.aggregates.iter().chain(&self.lowered.asked).nth(id.index());
                found |= aggregate.and_then(|it| it.pattern.filter.as_ref()).is_some_and(names_step);
            }
        });
        found
    }

    fn sets_of(&self, journey: &'a Journey) -> Vec<Set<'a>> {
        let is_set = |kind: &NodeKind| matches!(kind, NodeKind::SetTrait { .. });
        if !journey.nodes.iter().any(|node| is_set(&node.kind)) {
            return Vec::new();
        }
        let led = Led::new(journey);
        let sets = journey.nodes.iter().zip(0..).filter_map(|(node, index)| {
            let NodeKind::SetTrait { id, value, .. } = &node.kind else { return None };
            let node = NodeId(index);
            let mut reads = self.reads_of(&led.to(node));
            reads.extend(self.reads(value));
            Some(Set { journey, node, id: *id, reads })
        });
        sets.collect()
    }

    /// What a trait is made of: events that declare the property that it is read from, and what journeys set it to. A trait
    /// that says what it may be used for is not made of the latter, because journeys are held against what it says.
    fn sources(&self, id: ProfileTraitId, kept: &ProfileTrait) -> BTreeSet<Data> {
        let mut found = BTreeSet::new();
        for path in kept.from.paths() {
            let [root, property, ..] = path.as_slice() else { continue };
            if root != "properties" {
                continue;
            }
            let events = self.declarations.events.iter().zip(0..);
            let declaring = events.filter(|(event, _)| event.properties.iter().any(|it| it.name == *property));
            found.extend(declaring.map(|(_, event)| Data::Event(EventId(event))));
        }
        if self.declared(Data::Profile(id)).is_none() {
            found.extend(self.sets.iter().zip(0..).filter(|(set, _)| set.id == id).map(|(_, index)| Data::Set(index)));
        }
        found
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> Option<&'a Rule> {
        self.lowered.rules.get(id.index())
    }
}

fn allow(allowed: &Allowed<'_>, purpose: &str) -> bool {
    allowed.as_ref().is_none_or(|set| set.contains(purpose))
}

fn both<'a>(a: Allowed<'a>, b: Allowed<'a>) -> Allowed<'a> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.intersection(&b).copied().collect()),
        (a, b) => a.or(b),
    }
}
