//! When to look at whom again: one entry a person, at the earliest moment at which one of their rules may change.
//!
//! An entry may be too early, never too late: a moment that moves back with every event of a busy person costs nothing
//! until it comes, and then the entry is put where it belongs. Looking at somebody too early has no effect.

use crate::effect::PersonId;
use crate::identity::graph::PersonIndex;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;

/// All entries, by (moment, person).
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeMap<(Moment, PersonId), PersonIndex>,
}

impl Timers {
    /// Makes sure that a person is looked at no later than `due`. Returns where their entry is then, given where it was;
    /// the end of time stands for none.
    pub fn schedule(&mut self, person: PersonIndex, id: PersonId, due: Moment, queued: Moment) -> Moment {
        if due >= queued {
            return queued;
        }
        self.cancel(id, queued);
        self.queue.insert((due, id), person);
        due
    }

    /// Removes a person's entry.
    pub fn cancel(&mut self, id: PersonId, queued: Moment) {
        if queued != Moment::MAX {
            self.queue.remove(&(queued, id));
        }
    }

    /// The first entry.
    pub fn first(&self) -> Option<(Moment, PersonIndex)> {
        self.queue.first_key_value().map(|((moment, _), person)| (*moment, *person))
    }

    /// Entries due at or before a moment, in order.
    pub fn due(&self, until: Moment) -> impl Iterator<Item = PersonIndex> {
        self.queue.range(..=(until, PersonId(u128::MAX))).map(|(_, person)| *person)
    }

    /// Takes the first entry out.
    pub fn pop(&mut self) -> Option<(Moment, PersonIndex)> {
        self.queue.pop_first().map(|((moment, _), person)| (moment, person))
    }
}
