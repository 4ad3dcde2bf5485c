//! What the expressions of a journey see: the person, and the event that they came in with.

use super::course::Instance;
use crate::datum::{Datum, Known};
use crate::evaluate::{Answer, EventScene, Scene, evaluate};
use crate::record::Event;
use crate::rules::PersonScene;
use sonder_dsl::ir::{BinaryOperator, EventSelector, Expression, Pattern, PropertySlot};
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

/// An event on the way.
struct MetScene<'a> {
    event: &'a Event,
    carried: &'a [(PropertySlot, Known)],
}

impl<'a> Scene<'a> for MetScene<'a> {
    fn leaf(&self, leaf: &'a Expression, now: Moment) -> Answer<'a> {
        match leaf {
            Expression::Step { step: 0, slot } => Answer::constant(value(self.carried, *slot)),
            // The event at hand, by the name that it was given.
            Expression::Step { slot, .. } => {
                Answer::constant(self.event.properties.get(slot.index()).and_then(Option::as_ref).into())
            }
            _ => EventScene { event: self.event }.leaf(leaf, now),
        }
    }
}

/// Whether an event is one that the pattern asks for, for a passage that carries this of the event that it began with.
pub fn meets(event: &Event, pattern: &Pattern, carried: &[(PropertySlot, Known)]) -> bool {
    let is_type = match pattern.event {
        EventSelector::One(id) => event.event == Some(id),
        EventSelector::Any => event.event.is_some(),
    };
    let scene = MetScene { event, carried };
    is_type && pattern.filter.as_ref().is_none_or(|it| evaluate(it, &scene, Moment::MIN).datum.is_true())
}

fn value(carried: &[(PropertySlot, Known)], slot: PropertySlot) -> Datum<'_> {
    let found = carried.binary_search_by_key(&slot, |(slot, _)| *slot);
    found.map_or(Datum::Unknown, |place| carried[place].1.datum())
}
