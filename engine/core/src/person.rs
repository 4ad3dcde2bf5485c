//! What is kept of one person besides their identifiers. Sparse: an aggregate, trait or timer that was never touched
//! costs nothing.

use crate::aggregate::AggregateState;
use crate::datum::{Datum, Known};
use crate::profile::Observations;
use sonder_dsl::ir::{AggregateId, ProfileTraitId, RuleId};
use sonder_dsl::time::Moment;

/// One person's state. INVARIANT: every list is sorted by its id, each once.
#[derive(Clone, Debug)]
pub struct Person {
    /// What their events amount to.
    pub aggregates: Vec<(AggregateId, AggregateState)>,
    /// Their golden record.
    pub profile: Vec<(ProfileTraitId, Observations)>,
    /// The segments they are in, and since when.
    pub segments: Vec<(RuleId, Moment)>,
    /// The values of computed traits that destinations were told last, where they are not those of an empty history.
    pub announced: Vec<(RuleId, Option<Known>)>,
    /// When rules may change by themselves.
    pub timers: Vec<(RuleId, Moment)>,
    /// Their earliest event.
    pub first_seen: Moment,
    /// Their latest event.
    pub last_seen: Moment,
}

impl Person {
    /// Nothing is known yet but that there was an event.
    pub fn new(seen: Moment) -> Self {
        Self {
            aggregates: Vec::new(),
            profile: Vec::new(),
            segments: Vec::new(),
            announced: Vec::new(),
            timers: Vec::new(),
            first_seen: seen,
            last_seen: seen,
        }
    }

    /// The state of an aggregate that was touched.
    pub fn aggregate(&self, id: AggregateId) -> Option<&AggregateState> {
        find(&self.aggregates, id)
    }

    /// The value of a trait of the golden record.
    pub fn profile_value(&self, id: ProfileTraitId) -> Datum<'_> {
        find(&self.profile, id).map_or(Datum::Unknown, Observations::value)
    }

    /// Since when they are in a segment.
    pub fn member_since(&self, rule: RuleId) -> Option<Moment> {
        find(&self.segments, rule).copied()
    }

    /// The earliest moment at which a rule may change by itself.
    pub fn due(&self) -> Moment {
        self.timers.iter().map(|(_, moment)| *moment).min().unwrap_or(Moment::MAX)
    }

    /// Sets or clears the timer of a rule, given where the one of an earlier rule is; says where this one is.
    pub fn set_timer(&mut self, mut place: usize, rule: RuleId, until: Moment) -> usize {
        place += self.timers[place..].iter().take_while(|(other, _)| *other < rule).count();
        match self.timers.get_mut(place).filter(|(other, _)| *other == rule) {
            Some(_) if until == Moment::MAX => {
                self.timers.remove(place);
            }
            Some(timer) => timer.1 = until,
            None if until == Moment::MAX => {}
            None => insert_tight(&mut self.timers, place, (rule, until)),
        }
        place
    }

    /// Bytes, the heap included, roughly.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.aggregates.capacity() * size_of::<(AggregateId, AggregateState)>()
            + self.aggregates.iter().map(|(_, state)| state.heap()).sum::<usize>()
            + self.profile.capacity() * size_of::<(ProfileTraitId, Observations)>()
            + self.profile.iter().map(|(_, observations)| observations.heap()).sum::<usize>()
            + self.segments.capacity() * size_of::<(RuleId, Moment)>()
            + self.announced.capacity() * size_of::<(RuleId, Option<Known>)>()
            + self.timers.capacity() * size_of::<(RuleId, Moment)>()
    }
}

fn find<K: Ord + Copy, V>(list: &[(K, V)], key: K) -> Option<&V> {
    let place = list.binary_search_by_key(&key, |(key, _)| *key).ok()?;
    Some(&list[place].1)
}

/// The entry of a key, made if it is not there. Lists grow by what they need: there are as many as there are people, and
/// their keys are soon all there.
pub fn entry<K: Ord + Copy, V>(list: &mut Vec<(K, V)>, key: K, make: impl FnOnce() -> V) -> &mut V {
    let place = match list.binary_search_by_key(&key, |(key, _)| *key) {
        Ok(place) => place,
        Err(place) => {
            insert_tight(list, place, (key, make()));
            place
        }
    };
    &mut list[place].1
}

/// The same, for keys that rise from call to call: looks from `place` on, and leaves there where it found the entry.
pub fn entry_after<'a, K: Ord + Copy, V>(
    list: &'a mut Vec<(K, V)>,
    place: &mut usize,
    key: K,
    make: impl FnOnce() -> V,
) -> &'a mut V {
    *place += list[*place..].iter().take_while(|(other, _)| *other < key).count();
    if list.get(*place).is_none_or(|(other, _)| *other != key) {
        insert_tight(list, *place, (key, make()));
    }
    &mut list[*place].1
}

/// Inserts without room to spare.
pub fn insert_tight<T>(list: &mut Vec<T>, place: usize, item: T) {
    list.reserve_exact(1);
    list.insert(place, item);
}
