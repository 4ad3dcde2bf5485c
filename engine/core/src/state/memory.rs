//! Memory: people who were not touched lately leave it and come back when they are needed.
//!
//! What stays is the identity graph, memberships and timers: enough to know who a record concerns, who is in a segment,
//! and when to look at whom. Only people whose state the last checkpoint has can leave.

use super::rest::Body;
use super::{CLEAN, State};
use crate::effect::PersonId;
use crate::footprint;
use crate::identity::graph::{Component, PersonIndex};
use crate::record::{Event, Fact, Identifier, Record, Seq};
use sonder_dsl::time::Moment;
use std::collections::BTreeSet;

/// What is not in memory, but needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the state of {} people and the messages of {} identifiers are not in memory", people.len(), histories.len())]
pub struct Missing {
    /// People whose state is; sorted.
    pub people: Vec<PersonId>,
    /// Identifiers all of whose records are, because people are to be made anew: see [`State::recall`]. Sorted.
    pub histories: Vec<Identifier>,
}

impl State {
    /// Who must be [`load`](Self::load)ed before these records are taken in and time goes on to `until`; sorted.
    #[must_use]
    pub fn missing(&self, records: &[Record], until: Moment) -> Vec<PersonId> {
        if self.spilled == 0 {
            return Vec::new();
        }
        let mut missing = BTreeSet::new();
        let last = records.last().map_or(until, |record| until.max(record.received_at));
        for person in self.timers.due(last).filter(|person| self.slots[person.index()].due <= last) {
            missing.extend(self.id_if_spilled(person));
        }
        for record in records {
            let Fact::Event(event) = &record.fact;
            missing.extend(self.spilled_people_of(event));
        }
        missing.into_iter().collect()
    }

    /// Whether somebody is known, but not in memory.
    #[must_use]
    pub fn is_spilled(&self, id: PersonId) -> bool {
        self.graph.person(id).is_some_and(|person| self.id_if_spilled(person).is_some())
    }

    /// Lets people go who were not touched lately, until the estimate is no more than `limit` bytes. Only those go whose
    /// state the last checkpoint has. Returns how many went.
    pub fn spill(&mut self, limit: usize) -> usize {
        if self.memory_estimate() <= limit {
            return 0;
        }
        let mut cold: Vec<(Seq, PersonId, PersonIndex)> = self
            .graph
            .people()
            .filter(|(person, _)| {
                self.slots.get(person.index()).is_some_and(|slot| slot.body.is_here() && slot.changed == CLEAN)
            })
            .map(|(person, component)| (self.slots[person.index()].touched, component.id, person))
            .collect();
        cold.sort_unstable();
        let rest = self.memory_estimate() - self.memory;
        let mut gone = 0;
        for (_, _, person) in cold {
            if self.memory + rest <= limit {
                break;
            }
            let digest = self.body_digest(person);
            self.slots[person.index()].body = Body::Away(digest);
            self.measure(person);
            self.spilled += 1;
            gone += 1;
        }
        gone
    }

    /// How many people are known but not in memory.
    #[must_use]
    pub fn spilled_count(&self) -> usize {
        self.spilled
    }

    /// Bytes that people take in memory, roughly: as of the last checkpoint for each of them.
    #[must_use]
    pub fn memory_estimate(&self) -> usize {
        self.memory + self.graph.size() + self.slots.heap() + self.members.heap() + self.timers.heap()
    }

    /// Corrects the estimate for a person.
    pub(super) fn measure(&mut self, person: PersonIndex) {
        let slot = &mut self.slots[person.index()];
        let body = match &slot.body {
            Body::Awake(person) => person.size(),
            Body::Resting(bytes) => footprint::block(bytes.len()),
            Body::Away(_) => 0,
        };
        let size = body + slot.segments.heap() + self.graph.component(person).map_or(0, Component::heap);
        self.memory = (self.memory + size).saturating_sub(slot.size as usize);
        slot.size = u32::try_from(size).unwrap_or(u32::MAX);
    }

    pub(super) fn require_loaded(&self, event: &Event) -> Result<(), Missing> {
        if self.spilled == 0 {
            return Ok(());
        }
        let people: BTreeSet<_> = self.spilled_people_of(event).collect();
        if people.is_empty() {
            Ok(())
        } else {
            Err(Missing { people: people.into_iter().collect(), histories: Vec::new() })
        }
    }

    pub(super) fn require_loaded_person(&self, person: PersonIndex) -> Result<(), Missing> {
        match self.id_if_spilled(person) {
            Some(id) => Err(Missing { people: vec![id], histories: Vec::new() }),
            None => Ok(()),
        }
    }

    fn spilled_people_of(&self, event: &Event) -> impl Iterator<Item = PersonId> {
        let nodes = event.identifiers.iter().filter_map(|identifier| self.graph.find(identifier));
        nodes.filter_map(|node| self.id_if_spilled(self.graph.node(node)?.1.person))
    }

    fn id_if_spilled(&self, person: PersonIndex) -> Option<PersonId> {
        let component = self.graph.component(person)?;
        (!self.slots.get(person.index())?.body.is_here()).then_some(component.id)
    }
}
