//! Who is in which segment.
//!
//! Members stand in the order of their ids, so that a page goes on where the one before it ended, also after a restart.
//! An entry has the beginning of the id only: eight bytes. Since when somebody is a member is kept with the person.

use crate::effect::PersonId;
use crate::identity::graph::PersonIndex;
use sonder_dsl::ir::RuleId;
use std::collections::BTreeSet;

/// The members of all segments, by rule.
#[derive(Debug)]
pub(super) struct Members {
    of_rule: Vec<BTreeSet<(u32, PersonIndex)>>,
}

impl Members {
    /// Nobody is in any of so many.
    pub fn new(rules: usize) -> Self {
        Self { of_rule: vec![BTreeSet::new(); rules] }
    }

    /// Somebody is in a segment.
    pub fn insert(&mut self, rule: RuleId, person: PersonIndex, id: PersonId) {
        if let Some(members) = self.of_rule.get_mut(rule.index()) {
            members.insert((id.beginning(), person));
        }
    }

    /// Somebody is in a segment no longer.
    pub fn remove(&mut self, rule: RuleId, person: PersonIndex, id: PersonId) {
        if let Some(members) = self.of_rule.get_mut(rule.index()) {
            members.remove(&(id.beginning(), person));
        }
    }

    /// How many are in a segment.
    pub fn count(&self, rule: RuleId) -> usize {
        self.of_rule.get(rule.index()).map_or(0, BTreeSet::len)
    }

    /// The next members of a segment after somebody, by id.
    pub fn page(
        &self,
        rule: RuleId,
        after: Option<PersonId>,
        limit: usize,
        id_of: impl Fn(PersonIndex) -> Option<PersonId>,
    ) -> Vec<(PersonId, PersonIndex)> {
        let Some(members) = self.of_rule.get(rule.index()) else { return Vec::new() };
        let begin = (after.map_or(0, PersonId::beginning), PersonIndex(0));
        let mut page: Vec<(PersonId, PersonIndex)> = Vec::new();
        let mut last = None;
        for (beginning, person) in members.range(begin..) {
            // People whose ids begin alike come in no order: all of them belong to the page before it is cut.
            if page.len() >= limit && last != Some(*beginning) {
                break;
            }
            last = Some(*beginning);
            let id = id_of(*person).filter(|id| after.is_none_or(|after| *id > after));
            page.extend(id.map(|id| (id, *person)));
        }
        page.sort_unstable_by_key(|(id, _)| *id);
        page.truncate(limit);
        page
    }

    /// Bytes, roughly.
    pub fn heap(&self) -> usize {
        // Nodes of a tree with entries that come in no order are two thirds full.
        let members: usize = self.of_rule.iter().map(BTreeSet::len).sum();
        members * size_of::<(u32, PersonIndex)>() * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_where_they_ended_also_among_ids_that_begin_alike() {
        let alike = |low: u128| PersonId(7 << 96 | low);
        let ids = [PersonId(1), alike(30), alike(10), alike(20), PersonId(9 << 96)];
        let mut members = Members::new(1);
        for (index, id) in ids.iter().enumerate() {
            members.insert(RuleId(0), PersonIndex(index as u32), *id);
        }
        let id_of = |person: PersonIndex| ids.get(person.index()).copied();
        for size in 1..=5 {
            let mut walked = Vec::new();
            loop {
                let page = members.page(RuleId(0), walked.last().copied(), size, id_of);
                if page.is_empty() {
                    break;
                }
                assert!(page.len() <= size);
                walked.extend(page.into_iter().map(|(id, _)| id));
            }
            assert_eq!(walked, [PersonId(1), alike(10), alike(20), alike(30), PersonId(9 << 96)]);
        }
    }
}
