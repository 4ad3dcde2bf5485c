//! `per p`: the largest value over the groups of `p`; for a bool, whether any holds.
//!
//! A group exists while an event of it is inside the window. Groups are found by the 128-bit key of their value.

use super::{AggregateState, Occurrence, Spec, timeline};
use crate::datum::{Datum, Key};
use crate::evaluate::Answer;
use crate::footprint;
use crate::limits;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use std::cmp::Ordering;
use thin_vec::ThinVec;

/// One state a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Keyed {
    // INVARIANT: sorted by key, each once.
    groups: ThinVec<Group>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    key: Key,
    latest: Moment,
    state: AggregateState,
}

impl Keyed {
    /// These groups, in the form that `spec` asks for.
    pub fn adapt(self, spec: &Spec) -> Option<Self> {
        let adapted = self.groups.into_iter().map(|Group { key, latest, state }| {
            let state = state.adapt_ungrouped(spec)?;
            Some(Group { key, latest, state })
        });
        Some(Self { groups: adapted.collect::<Option<_>>()? })
    }

    /// The states of all groups.
    pub fn states(&self) -> impl Iterator<Item = &AggregateState> {
        self.groups.iter().map(|group| &group.state)
    }

    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.group else { return };
        let key = Key::of(value);
        let place = match self.groups.binary_search_by_key(&key, |group| group.key) {
            Ok(place) => place,
            Err(_) => {
                self.make_room(it.now, spec, dropped);
                let place = self.groups.partition_point(|group| group.key < key);
                let state = AggregateState::ungrouped(spec);
                timeline::make_room(&mut self.groups);
                self.groups.insert(place, Group { key, latest: it.at, state });
                place
            }
        };
        let group = &mut self.groups[place];
        group.latest = group.latest.max(it.at);
        group.state.insert(it, spec, dropped);
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        for theirs in other.groups {
            match self.groups.binary_search_by_key(&theirs.key, |group| group.key) {
                Ok(place) => {
                    let ours = &mut self.groups[place];
                    ours.latest = ours.latest.max(theirs.latest);
                    ours.state.merge(theirs.state, spec, dropped);
                }
                Err(place) => self.groups.insert(place, theirs),
            }
        }
        while self.groups.len() > limits::GROUPS {
            self.drop_quietest(dropped);
        }
    }

    /// Stale groups are swept out each time their number reaches a power of two, which costs O(1) for each new one.
    fn make_room(&mut self, now: Moment, spec: &Spec, dropped: &mut u64) {
        let count = self.groups.len();
        if spec.slides() && count >= 8 && (count.is_power_of_two() || count >= limits::GROUPS) {
            let begin = spec.begin(now);
            self.groups.retain(|group| group.latest > begin);
        }
        if self.groups.len() >= limits::GROUPS {
            self.drop_quietest(dropped);
        }
    }

    fn drop_quietest(&mut self, dropped: &mut u64) {
        let quietest = self.groups.iter().enumerate().min_by_key(|(_, group)| (group.latest, group.key));
        if let Some((place, _)) = quietest {
            self.groups.remove(place);
            *dropped += 1;
        }
    }

    /// The groups of which an event is inside the window, and the moment from which none is.
    fn live(&self, now: Moment, spec: &Spec) -> impl Iterator<Item = (&AggregateState, Moment)> {
        let begin = spec.begin(now);
        let live = self.groups.iter().filter(move |group| !spec.slides() || group.latest > begin);
        live.map(|group| (&group.state, spec.end(group.latest)))
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'_> {
        let mut largest: Option<Answer<'_>> = None;
        let mut until = Moment::MAX;
        for (state, end) in self.live(now, spec) {
            let answer = state.read(now, spec);
            if let Datum::Bool(true) = answer.datum {
                // One that holds is enough; the one that holds longest says until when.
                let held = largest.filter(|it| it.datum.is_true()).map_or(Moment::MIN, |it| it.until);
                largest = Some(Answer::new(Datum::Bool(true), held.max(answer.until)));
                continue;
            }
            until = until.min(answer.until).min(end);
            let exceeds = |it: &Answer<'_>| match answer.datum.compare(it.datum) {
                Some(order) => order == Ordering::Greater,
                None => !it.datum.is_known(),
            };
            if largest.as_ref().is_none_or(exceeds) {
                largest = Some(answer);
            }
        }
        match largest {
            Some(Answer { datum: Datum::Bool(true), until, .. }) => Answer::new(Datum::Bool(true), until),
            Some(answer) => Answer { until, ..answer },
            None => spec.of_nothing(),
        }
    }

    /// As for counts: some group holds the answer up as long as the last of them does.
    pub fn reaches(&self, threshold: usize, now: Moment, spec: &Spec) -> Option<(bool, Moment)> {
        let mut last = None;
        for (state, _) in self.live(now, spec) {
            if let (true, until) = state.reaches(threshold, now, spec)? {
                last = last.max(Some(until));
            }
        }
        Some(last.map_or((false, Moment::MAX), |until| (true, until)))
    }

    pub fn heap(&self) -> usize {
        footprint::list(&self.groups) + self.states().map(AggregateState::heap).sum::<usize>()
    }
}
