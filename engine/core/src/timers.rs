//! When to look at whom again: one entry a person, at the earliest moment at which one of their rules may change.
//!
//! An entry may be too early, never too late: a moment that moves back with every event of a busy person costs nothing
//! until it comes, and then the entry is put where it belongs. Looking at somebody too early has no effect.
//!
//! Entries of one moment stand in the order of people's ids, so that a replay fires them in the same order. An entry has
//! the beginning of the id only; whose beginnings are equal too is told apart by asking who they are.

use crate::effect::PersonId;
use crate::identity::graph::{Graph, PersonIndex};
use sonder_dsl::time::Moment;
use std::collections::BTreeSet;

/// All entries, in order.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeSet<(Moment, u32, PersonIndex)>,
}

impl Timers {
    /// Makes sure that a person is looked at no later than `due`. Returns where their entry is then, given where it was;
    /// the end of time stands for none.
    pub fn schedule(&mut self, person: PersonIndex, id: PersonId, due: Moment, queued: Moment) -> Moment {
        if due >= queued {
            return queued;
        }
        self.cancel(person, id, queued);
        self.queue.insert((due, id.beginning(), person));
        due
    }

    /// Removes a person's entry.
    pub fn cancel(&mut self, person: PersonIndex, id: PersonId, queued: Moment) {
        if queued != Moment::MAX {
            self.queue.remove(&(queued, id.beginning(), person));
        }
    }

    /// The moment of the first entry.
    pub fn next(&self) -> Option<Moment> {
        self.queue.first().map(|(moment, ..)| *moment)
    }

    /// The first entry, if it is due at or before a moment.
    pub fn first(&self, until: Moment, graph: &Graph) -> Option<(Moment, PersonIndex)> {
        let (moment, beginning, person) = *self.queue.first().filter(|(moment, ..)| *moment <= until)?;
        let end = (moment, beginning, PersonIndex(u32::MAX));
        let mut tied = self.queue.range((moment, beginning, PersonIndex(0))..=end).skip(1).peekable();
        if tied.peek().is_none() {
            return Some((moment, person));
        }
        let id = |person: &PersonIndex| graph.component(*person).map(|component| component.id);
        let first = tied.map(|(.., person)| *person).chain([person]).min_by_key(id)?;
        Some((moment, first))
    }

    /// People with entries due at or before a moment.
    pub fn due(&self, until: Moment) -> impl Iterator<Item = PersonIndex> {
        self.queue.range(..=(until, u32::MAX, PersonIndex(u32::MAX))).map(|(.., person)| *person)
    }

    /// Bytes, roughly.
    pub fn heap(&self) -> usize {
        // Nodes of a tree that grows at its end are half full.
        self.queue.len() * size_of::<(Moment, u32, PersonIndex)>() * 2
    }
}
