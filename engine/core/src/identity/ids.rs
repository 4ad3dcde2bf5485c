//! By which ids people are known, where another version of the project would call them otherwise.
//!
//! The id of a person is a hash of the identifier that made them: of its value as `identity.yaml` makes it comparable, so another
//! `identity.yaml` may give another one, or another person. People keep their ids all the same: what a version that takes over
//! calls otherwise than the one before is kept here, and with the log ([`Ids::rows`]). So the state is a function of the log, of
//! the program and of this.
//!
//! INVARIANT: names are a permutation: two people never have one id.

use crate::effect::PersonId;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::hash::Hasher;
use xxhash_rust::xxh3::Xxh3;

/// By which ids people are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// What the program alone would call somebody, and what they are called.
    names: FxHashMap<PersonId, PersonId>,
    /// The other way round.
    naturals: FxHashMap<PersonId, PersonId>,
    /// Ids that the program gives nobody, and whom they mean.
    aliases: FxHashMap<PersonId, PersonId>,
    /// The other way round, in order.
    by_person: FxHashMap<PersonId, Vec<PersonId>>,
}

/// One of them, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdRow {
    /// Whom the program alone would call `natural` is called `id`.
    Name {
        /// What the program says.
        natural: PersonId,
        /// What they are called.
        id: PersonId,
    },
    /// `id` means `person`.
    Alias {
        /// An id of before.
        id: PersonId,
        /// An id that the program gives.
        person: PersonId,
    },
}

impl Ids {
    /// Of what was stored.
    pub fn of_rows(rows: impl IntoIterator<Item = IdRow>) -> Self {
        let mut ids = Self::default();
        for row in rows {
            match row {
                IdRow::Name { natural, id } => ids.name_so(natural, id),
                IdRow::Alias { id, person } => ids.alias(id, person),
            }
        }
        ids.by_person.values_mut().for_each(|all| all.sort_unstable());
        ids
    }

    /// All of it, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<IdRow> {
        let names = self.names.iter().map(|(natural, id)| IdRow::Name { natural: *natural, id: *id });
        let aliases = self.aliases.iter().map(|(id, person)| IdRow::Alias { id: *id, person: *person });
        let mut rows: Vec<IdRow> = names.chain(aliases).collect();
        rows.sort_unstable();
        rows
    }

    /// Equal for equal ones.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        for row in self.rows() {
            let (tag, one, other) = match row {
                IdRow::Name { natural, id } => (0, natural, id),
                IdRow::Alias { id, person } => (1, id, person),
            };
            hash.write_u8(tag);
            hash.write_u128(one.0);
            hash.write_u128(other.0);
        }
        hash.digest()
    }

    /// What somebody is called whom the program alone would call so.
    #[must_use]
    pub fn name(&self, natural: PersonId) -> PersonId {
        self.names.get(&natural).copied().unwrap_or(natural)
    }

    /// What the program alone would call somebody.
    #[must_use]
    pub fn natural(&self, id: PersonId) -> PersonId {
        self.naturals.get(&id).copied().unwrap_or(id)
    }

    /// Whom an id means that the program gives nobody.
    #[must_use]
    pub fn meant_by(&self, id: PersonId) -> Option<PersonId> {
        self.aliases.get(&id).copied()
    }

    /// Ids that the program gives nobody and that mean this one.
    #[must_use]
    pub fn aliases_of(&self, person: PersonId) -> &[PersonId] {
        self.by_person.get(&person).map_or(&[], Vec::as_slice)
    }

    /// All ids that the program gives nobody, in no order that means anything.
    pub fn aliases(&self) -> impl Iterator<Item = (PersonId, PersonId)> {
        self.aliases.iter().map(|(id, person)| (*id, *person))
    }

    /// The same, where some are called otherwise; without aliases, and without names of whom `is_known` knows nothing.
    #[must_use]
    pub fn renamed(&self, renaming: &Renaming, is_known: impl Fn(PersonId) -> bool) -> Self {
        let was: BTreeMap<PersonId, PersonId> = self.names.iter().map(|(natural, id)| (*natural, *id)).collect();
        let mut now: BTreeMap<PersonId, PersonId> =
            was.into_iter().map(|(natural, id)| (natural, renaming.of(id))).collect();
        now.extend(renaming.0.iter().map(|(was, now)| (self.natural(*was), *now)));
        let mut ids = Self::default();
        for natural in now.keys().copied().collect::<Vec<_>>() {
            // Each circle is kept or forgotten as a whole: what is left is a permutation.
            let mut circle = Vec::new();
            let mut at = natural;
            while let Some(id) = now.remove(&at) {
                circle.push((at, id));
                at = id;
            }
            if circle.iter().any(|(_, id)| is_known(*id)) {
                circle
                    .into_iter()
                    .filter(|(natural, id)| natural != id)
                    .for_each(|(natural, id)| ids.name_so(natural, id));
            }
        }
        ids
    }

    /// The same with ids that mean somebody.
    #[must_use]
    pub fn with_aliases(mut self, aliases: impl IntoIterator<Item = (PersonId, PersonId)>) -> Self {
        aliases.into_iter().for_each(|(id, person)| self.alias(id, person));
        self.by_person.values_mut().for_each(|all| all.sort_unstable());
        self
    }

    fn name_so(&mut self, natural: PersonId, id: PersonId) {
        self.names.insert(natural, id);
        self.naturals.insert(id, natural);
    }

    fn alias(&mut self, id: PersonId, person: PersonId) {
        if self.aliases.insert(id, person).is_none() {
            self.by_person.entry(person).or_default().push(id);
        }
    }
}

/// Who is to be called otherwise: a permutation of ids.
#[derive(Debug, Default)]
pub struct Renaming(FxHashMap<PersonId, PersonId>);

impl Renaming {
    /// Calls each of some people by another id. No two of them get the same; whoever has an id that is taken from them gets one
    /// that becomes free.
    #[must_use]
    pub fn new(wanted: &BTreeMap<PersonId, PersonId>) -> Self {
        let mut all: FxHashMap<PersonId, PersonId> = wanted.iter().map(|(was, now)| (*was, *now)).collect();
        let before: FxHashMap<PersonId, PersonId> = wanted.iter().map(|(was, now)| (*now, *was)).collect();
        for end in wanted.values().filter(|now| !wanted.contains_key(now)) {
            let mut begin = *end;
            while let Some(was) = before.get(&begin) {
                begin = *was;
            }
            all.insert(*end, begin);
        }
        all.retain(|was, now| was != now);
        Self(all)
    }

    /// Whether everybody is called as before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What somebody is called from now on.
    #[must_use]
    pub fn of(&self, id: PersonId) -> PersonId {
        self.0.get(&id).copied().unwrap_or(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// However often people are called otherwise, two never have one id, and what is stored comes back.
        #[test]
        fn names_are_a_permutation(
            rounds in prop::collection::vec(prop::collection::btree_map(0_u128..12, 0_u128..12, 0..8), 1..5),
            known in prop::collection::btree_set(0_u128..12, 0..12),
        ) {
            let mut ids = Ids::default();
            for round in rounds {
                // No two want the same.
                let mut taken = BTreeSet::new();
                let wanted: BTreeMap<PersonId, PersonId> = round
                    .into_iter()
                    .filter(|(_, now)| taken.insert(*now))
                    .map(|(was, now)| (PersonId(was), PersonId(now)))
                    .collect();
                let renaming = Renaming::new(&wanted);
                for (was, now) in &wanted {
                    prop_assert_eq!(renaming.of(*was), *now);
                }
                let next = ids.renamed(&renaming, |_| true);
                for natural in (0..12).map(PersonId) {
                    prop_assert_eq!(next.name(natural), renaming.of(ids.name(natural)));
                    prop_assert_eq!(next.natural(next.name(natural)), natural);
                }
                let called: BTreeSet<PersonId> = (0..12).map(|id| next.name(PersonId(id))).collect();
                prop_assert_eq!(called.len(), 12);
                let pruned = ids.renamed(&renaming, |id| known.contains(&id.0));
                for id in known.iter().map(|id| PersonId(*id)) {
                    prop_assert_eq!(pruned.natural(id), next.natural(id), "whoever is known keeps the name");
                }
                ids = next.with_aliases([(PersonId(100), PersonId(3)), (PersonId(101), PersonId(3))]);
                let again = Ids::of_rows(ids.rows());
                prop_assert_eq!(&again, &ids);
                prop_assert_eq!(again.digest(), ids.digest());
                prop_assert_eq!(again.aliases_of(PersonId(3)), &[PersonId(100), PersonId(101)][..]);
            }
        }
    }
}
