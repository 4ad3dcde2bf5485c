//! A journey, arranged by what the fold asks of it.

use super::goal::Goals;
use super::hours::DayPart;
use crate::datum::Known;
use crate::person::Person;
use crate::record::Event;
use rustc_hash::FxHashMap;
use sonder_dsl::ir::journey::{Entry, Node, NodeId, NodeKind};
use sonder_dsl::ir::{
    DestinationId, EventId, EventSelector, Expression, Fingerprint, Journey, JourneyId, Pattern, Program, PropertySlot,
    PurposeId, Reads, RuleId, Type,
};
use sonder_dsl::model::{Rate, Settings};
use sonder_dsl::syntax::ast::Share;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// All journeys of a program.
#[derive(Debug, Default)]
pub struct JourneyPlans {
    /// By id.
    pub all: Vec<JourneyPlan>,
    /// For each event type, the journeys that it bears upon.
    pub of_event: Vec<Vec<JourneyId>>,
    /// Which journey people enter when a hidden rule becomes true; by its place behind the program's rules.
    pub entered_by: Vec<JourneyId>,
    /// When nothing is sent.
    pub quiet: Option<DayPart>,
    /// How many messages of a destination one person may get.
    pub caps: Vec<(DestinationId, Rate)>,
}

/// A journey, ready to run.
#[derive(Debug)]
pub struct JourneyPlan {
    /// What it says.
    pub journey: Journey,
    /// When it sends.
    pub hours: Option<DayPart>,
    /// What is kept of the event that somebody came in with, with a key that outlives this program; sorted by slot.
    pub carried: Vec<(PropertySlot, u64)>,
    /// What people must consent to, to be in it.
    pub purpose: Option<PurposeId>,
    /// The rules that its expressions name.
    pub reads: Vec<RuleId>,
    /// Nodes by their keys.
    pub places: FxHashMap<Fingerprint, NodeId>,
    /// For each node that is a split, how many are before it in the text.
    splits: Vec<u32>,
    /// When somebody converts.
    pub goals: Goals,
    /// The type of what passages are told apart by.
    pub key_kind: Type,
}

impl JourneyPlans {
    /// Of a program.
    pub fn new(program: &Program) -> Self {
        let all: Vec<JourneyPlan> = program.journeys.iter().map(|it| JourneyPlan::new(it, program)).collect();
        let concerned = |event: usize| {
            let numbered = all.iter().enumerate().filter(|(_, plan)| plan.is_concerned(EventId(event as u32)));
            numbered.map(|(index, _)| JourneyId(index as u16)).collect()
        };
        let hidden = all.iter().enumerate().filter(|(_, plan)| plan.condition().is_some());
        let Settings { quiet_hours, caps, .. } = &program.settings;
        let capped = |name: &str| program.destinations.iter().position(|destination| destination.name == name);
        let mut caps: Vec<(DestinationId, Rate)> =
            caps.iter().filter_map(|(name, rate)| Some((DestinationId(capped(name)? as u32), *rate))).collect();
        caps.sort_by_key(|(id, _)| *id);
        Self {
            of_event: (0..program.events.len()).map(concerned).collect(),
            entered_by: hidden.map(|(index, _)| JourneyId(index as u16)).collect(),
            quiet: quiet_hours.map(|hours| DayPart { from: hours.from, to: hours.to }),
            caps,
            all,
        }
    }

    /// A journey; an id of another program gives none.
    pub fn get(&self, id: JourneyId) -> Option<&JourneyPlan> {
        self.all.get(id.index())
    }

    /// How many messages of a destination one person may get.
    pub fn cap(&self, destination: DestinationId) -> Option<Rate> {
        let place = self.caps.binary_search_by_key(&destination, |(id, _)| *id).ok()?;
        Some(self.caps[place].1)
    }
}

impl JourneyPlan {
    fn new(journey: &Journey, program: &Program) -> Self {
        let expressions = Reads::from(journey).expressions;
        let mut slots = BTreeSet::new();
        let mut reads = BTreeSet::new();
        for expression in &expressions {
            expression.walk(&mut |leaf| match leaf {
                Expression::Step { step: 0, slot } => _ = slots.insert(*slot),
                Expression::Rule(rule) => _ = reads.insert(*rule),
                _ => {}
            });
        }
        let entering = match &journey.entry {
            Entry::Event { pattern: Pattern { event: EventSelector::One(id), .. }, .. } => {
                program.events.get(id.index())
            }
            _ => None,
        };
        let key = |slot: PropertySlot| {
            let path = entering.and_then(|event| event.slots.get(slot.index()));
            path.map_or(0, |slot| xxh3_64(slot.path.join("\0").as_bytes()))
        };
        let nodes = &journey.nodes;
        let is_split = |node: &Node| matches!(node.kind, NodeKind::Split(_));
        Self {
            hours: journey.hours.map(|hours| DayPart { from: hours.from.0, to: hours.to.0 }),
            purpose: bound_to(journey, program),
            carried: slots.into_iter().map(|slot| (slot, key(slot))).collect(),
            reads: reads.into_iter().collect(),
            places: nodes.iter().enumerate().map(|(index, node)| (node.key, NodeId(index as u32))).collect(),
            splits: (0..nodes.len())
                .map(|index| nodes[..index].iter().filter(|node| is_split(node)).count() as u32)
                .collect(),
            key_kind: match &journey.entry {
                Entry::Event { per: Some(per), .. } => {
                    entering.and_then(|event| event.slots.get(per.slot.index())).map(|slot| slot.kind.clone())
                }
                _ => None,
            }
            .unwrap_or(Type::Bool),
            goals: Goals::new(journey, program),
            journey: journey.clone(),
        }
    }

    /// Whether it is for somebody, while it is rolled out.
    pub fn admits(&self, person: &Person) -> bool {
        self.journey.gate.is_none_or(|gate| gate.admits(person.is_early))
    }

    /// The condition that brings people in.
    pub fn condition(&self) -> Option<&Expression> {
        match &self.journey.entry {
            Entry::Condition(condition) => Some(condition),
            Entry::Event { .. } => None,
        }
    }

    /// The event that brings people in.
    pub fn entering(&self) -> Option<&Pattern> {
        match &self.journey.entry {
            Entry::Event { pattern, .. } => Some(pattern),
            Entry::Condition(_) => None,
        }
    }

    /// Whether passages are told apart by a property.
    pub fn is_keyed(&self) -> bool {
        matches!(&self.journey.entry, Entry::Event { per: Some(_), .. })
    }

    /// The value in an event of the property that passages are told apart by.
    pub fn key_of(&self, event: &Event) -> Option<Known> {
        let Entry::Event { pattern, per: Some(per) } = &self.journey.entry else { return None };
        let kind = event.event?;
        let slot = if pattern.event == EventSelector::One(kind) {
            per.slot
        } else {
            per.elsewhere.iter().find(|(event, _)| *event == kind)?.1
        };
        event.properties.get(slot.index())?.clone().map(Known)
    }

    /// Which branch of a split somebody takes who has this number, which is the same for a person whenever it is asked.
    pub fn branch_of(&self, split: NodeId, person: u128) -> u32 {
        let mut hash = Xxh3::new();
        hash.update(self.journey.first_name().as_bytes());
        hash.update(&[0]);
        hash.update(&self.splits.get(split.index()).copied().unwrap_or_default().to_le_bytes());
        hash.update(&person.to_le_bytes());
        // Evenly over the shares; 2^64 is so much larger that what is left over does not matter.
        ((u128::from(hash.digest()) * u128::from(Share::ALL.0)) >> 64) as u32
    }

    fn is_concerned(&self, event: EventId) -> bool {
        self.journey.patterns().any(|pattern| match pattern.event {
            EventSelector::One(id) => id == event,
            EventSelector::Any => true,
        })
    }
}

/// What people must consent to, to be in a journey.
fn bound_to(journey: &Journey, program: &Program) -> Option<PurposeId> {
    program.consent.purpose(journey.purpose.as_deref().filter(|_| program.consent.enforced)?)
}
