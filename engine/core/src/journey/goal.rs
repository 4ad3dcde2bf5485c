//! Goals that came before what they follow: an event may arrive late, or turn out to be the same person's. So the last goals of
//! everybody are kept, and of those whose condition names the event that a passage began with, what it compares with that.

use super::course::EventPlace;
use super::scene::{Happened, holds, is_of, meets};
use crate::datum::Known;
use crate::footprint;
use crate::record::Event;
use sonder_dsl::ir::Value;
use sonder_dsl::ir::{BinaryOperator, ContextSlot, EventId, Expression, Journey, Pattern, Program, PropertySlot};
use std::collections::{BTreeMap, BTreeSet};
use thin_vec::ThinVec;
use xxhash_rust::xxh3::xxh3_64;

/// A goal that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The value of the property that passages are told apart by; what has none is about all of them.
    pub key: Option<Known>,
    /// When, in the order of events.
    pub place: EventPlace,
    /// What its condition sees of it, where that names the event that a passage began with.
    pub seen: Option<Box<Seen>>,
}

impl Goal {
    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        self.key.as_ref().map_or(0, Known::heap) + self.seen.as_deref().map_or(0, Seen::size)
    }
}

/// What conditions see of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its type.
    pub event: EventId,
    /// What is known; sorted by field.
    pub values: ThinVec<(Field, Known)>,
}

impl Seen {
    /// Bytes in memory.
    fn size(&self) -> usize {
        let values: usize = self.values.iter().map(|(_, value)| value.heap()).sum();
        footprint::block(size_of::<Self>()) + footprint::list(&self.values) + values
    }
}

/// Where an event has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// In its properties.
    Property(PropertySlot),
    /// In its context.
    Context(ContextSlot),
}

impl Happened for Seen {
    fn event(&self) -> Option<EventId> {
        Some(self.event)
    }

    fn value(&self, field: Field) -> Option<&Value> {
        let place = self.values.binary_search_by_key(&field, |(field, _)| *field).ok()?;
        Some(&self.values[place].1.0)
    }
}

/// The goals of a journey, arranged by what the fold asks of them.
#[derive(Debug)]
pub struct Goals {
    /// Those whatever a passage began with.
    plain: Vec<Pattern>,
    /// Those whose condition names what it began with.
    correlated: Vec<Pattern>,
    /// What the latter see of an event, by its type.
    sight: BTreeMap<EventId, Sight>,
}

/// What is seen of the events of a type, with keys that outlive the program.
#[derive(Debug)]
pub struct Sight {
    /// Of the type.
    pub key: u64,
    /// Of its fields.
    pub fields: Vec<(Field, u64)>,
}

impl Goals {
    /// Of a journey.
    pub fn new(journey: &Journey, program: &Program) -> Self {
        let (correlated, plain): (Vec<Pattern>, Vec<Pattern>) =
            journey.goals.iter().cloned().partition(|goal| goal.filter.as_ref().is_some_and(names_entering));
        let mut sight: BTreeMap<EventId, Sight> = BTreeMap::new();
        for goal in &correlated {
            for (id, schema) in (0..).map(EventId).zip(&program.events) {
                if is_of(goal, Some(id)) {
                    let key = xxh3_64(schema.name.as_bytes());
                    let sight = sight.entry(id).or_insert_with(|| Sight { key, fields: Vec::new() });
                    sight
                        .fields
                        .extend(fields(goal).into_iter().filter_map(|it| Some((it, field_key(it, id, program)?))));
                }
            }
        }
        for sight in sight.values_mut() {
            sight.fields.sort_unstable();
            sight.fields.dedup();
        }
        Self { plain, correlated, sight }
    }

    /// Whether some name the event that a passage began with.
    pub fn are_correlated(&self) -> bool {
        !self.correlated.is_empty()
    }

    /// Whether an event is one, for a passage that carries this of the event that it began with.
    pub fn are_met(&self, event: &impl Happened, carried: &[(PropertySlot, Known)]) -> bool {
        self.plain.iter().chain(&self.correlated).any(|goal| meets(event, goal, carried))
    }

    /// Whether a goal that came is one for such a passage.
    pub fn are_met_by(&self, goal: &Goal, carried: &[(PropertySlot, Known)]) -> bool {
        goal.seen.as_ref().is_none_or(|seen| self.correlated.iter().any(|pattern| meets(&**seen, pattern, carried)))
    }

    /// What to note of an event: it is a goal, or may be one for some passage.
    pub fn of(&self, event: &Event, key: Option<&Known>, place: EventPlace) -> Option<Goal> {
        if self.plain.iter().any(|goal| meets(event, goal, &[])) {
            return Some(Goal { key: key.cloned(), place, seen: None });
        }
        let id = event.event?;
        let may_be =
            |goal: &Pattern| is_of(goal, Some(id)) && goal.filter.as_ref().is_none_or(|it| may_hold(it, event));
        if !self.correlated.iter().any(may_be) {
            return None;
        }
        let fields = self.sight.get(&id).map_or(&[][..], |sight| sight.fields.as_slice());
        let mut values: ThinVec<(Field, Known)> =
            fields.iter().filter_map(|(field, _)| Some((*field, Known(event.value(*field)?.clone())))).collect();
        values.shrink_to_fit();
        Some(Goal { key: key.cloned(), place, seen: Some(Box::new(Seen { event: id, values })) })
    }

    /// What is seen of a type of event.
    pub fn sight(&self, event: EventId) -> Option<&Sight> {
        self.sight.get(&event)
    }

    /// The type of this key, with what is seen of it.
    pub fn sight_by_key(&self, key: u64) -> Option<(EventId, &Sight)> {
        self.sight.iter().find(|(_, sight)| sight.key == key).map(|(id, sight)| (*id, sight))
    }
}

/// Whether a condition names the event that a passage began with.
fn names_entering(condition: &Expression) -> bool {
    let mut found = false;
    condition.walk(&mut |leaf| found |= matches!(leaf, Expression::Step { step: 0, .. }));
    found
}

/// Whether a condition may hold for an event and some other that a passage began with: what it says of the event alone does.
fn may_hold(condition: &Expression, event: &Event) -> bool {
    match condition {
        Expression::Binary { operator: BinaryOperator::And, left, right } => {
            may_hold(left, event) && may_hold(right, event)
        }
        _ => names_entering(condition) || holds(event, condition, &[]),
    }
}

/// What a pattern's condition sees of the event at hand.
fn fields(pattern: &Pattern) -> BTreeSet<Field> {
    let mut found = BTreeSet::new();
    let mut see = |leaf: &Expression| match leaf {
        Expression::Property(slot) => _ = found.insert(Field::Property(*slot)),
        // By the name that the pattern gives it.
        Expression::Step { step, slot } if *step > 0 => _ = found.insert(Field::Property(*slot)),
        Expression::Context(slot) => _ = found.insert(Field::Context(*slot)),
        _ => {}
    };
    pattern.filter.iter().for_each(|filter| filter.walk(&mut see));
    found
}

fn field_key(field: Field, event: EventId, program: &Program) -> Option<u64> {
    let (of, path) = match field {
        Field::Property(slot) => ("properties", &program.events.get(event.index())?.slots.get(slot.index())?.path),
        Field::Context(slot) => ("context", &program.context_slots.get(slot.index())?.path),
    };
    Some(xxh3_64(format!("{of}\0{}", path.join("\0")).as_bytes()))
}
