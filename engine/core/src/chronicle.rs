//! A log in memory, for whoever folds without a store: it has what a state asks for when people are made anew.

use crate::State;
use crate::effect::Effects;
use crate::record::{Fact, Identifier, Record};
use crate::state::Missing;
use rustc_hash::FxHashMap;
use sonder_dsl::ir::Program;
use std::collections::BTreeSet;

/// Records, found by identifier.
#[derive(Debug, Default)]
pub struct Chronicle {
    records: Vec<Record>,
    carrying: FxHashMap<Identifier, Vec<usize>>,
}

impl Chronicle {
    /// Lets a state take in the next record of the log, and keeps it.
    ///
    /// # Errors
    /// When people whom it concerns are spilled: [`load`](State::load) them, and come again.
    pub fn step(
        &mut self,
        state: &mut State,
        program: &Program,
        record: Record,
        effects: &mut Effects,
    ) -> Result<(), Missing> {
        while let Err(missing) = state.step(program, &record, effects) {
            if !missing.people.is_empty() {
                return Err(missing);
            }
            let records = self.with(&missing.histories);
            state.recall(missing.histories, records);
        }
        self.add(record);
        Ok(())
    }

    /// Keeps a record that is later than all others.
    pub fn add(&mut self, record: Record) {
        let Fact::Event(event) = &record.fact;
        for identifier in &event.identifiers {
            let places = self.carrying.entry(identifier.clone()).or_default();
            places.push(self.records.len());
        }
        self.records.push(record);
    }

    /// The records that carry one of these, in order.
    #[must_use]
    pub fn with(&self, identifiers: &[Identifier]) -> Vec<Record> {
        let places = identifiers.iter().filter_map(|identifier| self.carrying.get(identifier)).flatten();
        let places: BTreeSet<usize> = places.copied().collect();
        places.into_iter().filter_map(|place| self.records.get(place).cloned()).collect()
    }
}
