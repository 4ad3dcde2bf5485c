//! What the expressions of a journey see: the person, and the event that they came in with.

use super::course::Instance;
use super::goal::Field;
use crate::datum::{Datum, Known};
use crate::evaluate::{Answer, Scene, evaluate};
use crate::record::Event;
use crate::rules::PersonScene;
use sonder_dsl::ir::Value;
use sonder_dsl::ir::{BinaryOperator, EventId, EventSelector, Expression, Pattern, PropertySlot};
use sonder_dsl::time::Moment;

/// A person on a journey.
pub struct TravellerScene<'a, 'm> {
    /// Who.
    pub person: PersonScene<'a, 'm>,
    /// Their passage.
    pub instance: &'a Instance,
}

impl<'a> Scene<'a> for TravellerScene<'a, '_> {
    fn leaf(&self, leaf: &'a Expression, now: Moment) -> Answer<'a> {
        match leaf {
            Expression::Step { slot, .. } => Answer::constant(value(&self.instance.values, *slot)),
            _ => self.person.leaf(leaf, now),
        }
    }

    fn compare(
        &self,
        operator: BinaryOperator,
        left: &'a Expression,
        right: &'a Expression,
        now: Moment,
    ) -> Option<Answer<'a>> {
        self.person.compare(operator, left, right, now)
    }
}

/// An event, or what is kept of one.
pub trait Happened {
    /// Its declared type.
    fn event(&self) -> Option<EventId>;

    /// What it has there.
    fn value(&self, field: Field) -> Option<&Value>;
}

impl Happened for Event {
    fn event(&self) -> Option<EventId> {
        self.event
    }

    fn value(&self, field: Field) -> Option<&Value> {
        let value = match field {
            Field::Property(slot) => self.properties.get(slot.index()),
            Field::Context(slot) => self.context.get(slot.index()),
        };
        value.and_then(Option::as_ref)
    }
}

/// An event on the way.
struct MetScene<'a, E> {
    event: &'a E,
    carried: &'a [(PropertySlot, Known)],
}

impl<'a, E: Happened> Scene<'a> for MetScene<'a, E> {
    fn leaf(&self, leaf: &'a Expression, _now: Moment) -> Answer<'a> {
        let field = match leaf {
            Expression::Step { step: 0, slot } => return Answer::constant(value(self.carried, *slot)),
            // The event at hand; also by the name that it was given.
            Expression::Property(slot) | Expression::Step { slot, .. } => Field::Property(*slot),
            Expression::Context(slot) => Field::Context(*slot),
            _ => return Answer::constant(Datum::Unknown),
        };
        Answer::constant(self.event.value(field).into())
    }
}

/// Whether an event is one that the pattern asks for, for a passage that carries this of the event that it began with.
pub fn meets(event: &impl Happened, pattern: &Pattern, carried: &[(PropertySlot, Known)]) -> bool {
    is_of(pattern, event.event()) && pattern.filter.as_ref().is_none_or(|it| holds(event, it, carried))
}

/// Whether a condition holds for such an event.
pub fn holds(event: &impl Happened, condition: &Expression, carried: &[(PropertySlot, Known)]) -> bool {
    evaluate(condition, &MetScene { event, carried }, Moment::MIN).datum.is_true()
}

/// Whether events of a type are those that a pattern asks for.
pub fn is_of(pattern: &Pattern, event: Option<EventId>) -> bool {
    match pattern.event {
        EventSelector::One(id) => event == Some(id),
        EventSelector::Any => event.is_some(),
    }
}

fn value(carried: &[(PropertySlot, Known)], slot: PropertySlot) -> Datum<'_> {
    let found = carried.binary_search_by_key(&slot, |(slot, _)| *slot);
    found.map_or(Datum::Unknown, |place| carried[place].1.datum())
}
