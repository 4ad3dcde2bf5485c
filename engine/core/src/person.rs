//! What is kept of one person besides their identifiers and memberships. Sparse: an aggregate, trait or timer that was
//! never touched costs nothing.

use crate::aggregate::cells::{self, Cells};
use crate::aggregate::{AggregateState, Spec};
use crate::consent::{Answers, Bound};
use crate::datum::{Datum, Known};
use crate::evaluate::Answer;
use crate::footprint;
use crate::journey::Travels;
use crate::profile::Observations;
use crate::rule_times::RuleTimes;
use sonder_dsl::ir::{AggregateId, ProfileTraitId, RuleId};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// One person's state. INVARIANT: every list is sorted by its id, each once.
#[derive(Clone, Debug)]
pub struct Person {
    /// What their events amount to, where that is a few words.
    pub cells: Cells,
    /// What their events amount to, where it is more.
    pub aggregates: ThinVec<(AggregateId, AggregateState)>,
    /// Their golden record.
    pub profile: ThinVec<(ProfileTraitId, Observations)>,
    /// The values of computed traits that destinations were told last, where they are not those of an empty history.
    pub announced: ThinVec<(RuleId, Option<Known>)>,
    /// When rules may change by themselves.
    pub timers: RuleTimes,
    /// Where they are in journeys, if they ever came near one.
    pub travels: Option<Box<Travels>>,
    /// What they said about consent.
    pub answers: Answers,
    /// What they did, as far as rules with a purpose may ask.
    pub bound: Option<Box<Bound>>,
    /// Whether new rules hold for them while they are rolled out. INVARIANT: it follows from their id.
    pub is_early: bool,
    /// Their earliest event.
    pub first_seen: Moment,
    /// Their latest event.
    pub last_seen: Moment,
}

/// The state of one aggregate, wherever it stands.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    /// In the person's cells.
    Cells(&'a [Moment]),
    /// On its own.
    Own(&'a AggregateState),
}

impl<'a> Held<'a> {
    /// As [`AggregateState::read`].
    pub fn read(self, now: Moment, spec: &Spec) -> Answer<'a> {
        match self {
            Self::Cells(words) => cells::read(words, now, spec),
            Self::Own(state) => state.read(now, spec),
        }
    }

    /// As [`AggregateState::reaches`].
    pub fn reaches(self, threshold: usize, now: Moment, spec: &Spec) -> Option<(bool, Moment)> {
        match self {
            Self::Cells(words) => cells::reaches(words, threshold, now, spec),
            Self::Own(state) => state.reaches(threshold, now, spec),
        }
    }
}

impl Person {
    /// Nothing is known yet, not even an event.
    pub fn unseen() -> Self {
        Self { first_seen: Moment::MAX, last_seen: Moment::MIN, ..Self::new(Moment::MIN) }
    }

    /// Nothing is known yet but that there was an event.
    pub fn new(seen: Moment) -> Self {
        Self {
            cells: Cells::default(),
            aggregates: ThinVec::new(),
            profile: ThinVec::new(),
            announced: ThinVec::new(),
            timers: RuleTimes::default(),
            travels: None,
            answers: Answers::default(),
            bound: None,
            is_early: false,
            first_seen: seen,
            last_seen: seen,
        }
    }

    /// The state of an aggregate that was touched.
    pub fn aggregate(&self, id: AggregateId, spec: &Spec) -> Option<Held<'_>> {
        match spec.cell {
            Some(cell) => self.cells.get(cell.owner).map(|words| Held::Cells(cell.part(words))),
            None => find(&self.aggregates, id).map(Held::Own),
        }
    }

    /// The value of a trait of the golden record.
    pub fn profile_value(&self, id: ProfileTraitId) -> Datum<'_> {
        find(&self.profile, id).map_or(Datum::Unknown, Observations::value)
    }

    /// Bytes in memory, on the heap all of them.
    pub fn size(&self) -> usize {
        footprint::block(size_of::<Self>())
            + self.cells.heap()
            + footprint::list(&self.aggregates)
            + self.aggregates.iter().map(|(_, state)| state.heap()).sum::<usize>()
            + footprint::list(&self.profile)
            + self.profile.iter().map(|(_, observations)| observations.heap()).sum::<usize>()
            + footprint::list(&self.announced)
            + self.announced.iter().flat_map(|(_, value)| value).map(Known::heap).sum::<usize>()
            + self.timers.heap()
            + self.travels.as_ref().map_or(0, |travels| travels.size())
            + self.answers.heap()
            + self.bound.as_ref().map_or(0, |bound| bound.heap())
    }

    /// The earliest moment at which something may change by itself.
    pub fn due(&self) -> Moment {
        self.timers.earliest().min(self.travels.as_ref().map_or(Moment::MAX, |travels| travels.due()))
    }
}

fn find<K: Ord + Copy, V>(list: &[(K, V)], key: K) -> Option<&V> {
    let place = list.binary_search_by_key(&key, |(key, _)| *key).ok()?;
    Some(&list[place].1)
}

/// The entry of a key, made if it is not there. Lists grow by what they need: there are as many as there are people, and
/// their keys are soon all there.
pub fn entry<K: Ord + Copy, V>(list: &mut ThinVec<(K, V)>, key: K, make: impl FnOnce() -> V) -> &mut V {
    entry_after(list, &mut 0, key, make)
}

/// The same, for keys that rise from call to call: looks from `place` on, and leaves there where it found the entry.
pub fn entry_after<'a, K: Ord + Copy, V>(
    list: &'a mut ThinVec<(K, V)>,
    place: &mut usize,
    key: K,
    make: impl FnOnce() -> V,
) -> &'a mut V {
    let found = list[*place..].binary_search_by_key(&key, |(key, _)| *key);
    *place += found.unwrap_or_else(|place| place);
    if found.is_err() {
        list.reserve_exact(1);
        list.insert(*place, (key, make()));
    }
    &mut list[*place].1
}
