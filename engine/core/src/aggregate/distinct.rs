//! `distinct`: how many different values there were.
//!
//! Values are kept as 128-bit keys, each with the moment of its latest event, sorted by that moment: those inside the
//! window are the tail. No order of arrival and no merge changes it, as the latest of all is the latest.

use super::{Occurrence, Spec, timeline};
use crate::datum::{Datum, Key};
use crate::evaluate::Answer;
use crate::footprint;
use crate::limits;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// The different values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distinct {
    // INVARIANT: sorted, each key once. Where nothing slides out, all moments are the same and keys alone sort.
    latest: ThinVec<(Moment, Key)>,
}

impl Distinct {
    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.value else { return };
        if spec.slides() {
            let begin = spec.begin(it.now);
            let stale = self.latest.partition_point(|(at, _)| *at <= begin);
            self.latest.drain(..stale);
        }
        self.note(it.at, Key::of(value), spec);
        self.bound(spec, dropped);
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        for (at, key) in other.latest {
            self.note(at, key, spec);
        }
        self.bound(spec, dropped);
    }

    fn note(&mut self, at: Moment, key: Key, spec: &Spec) {
        let at = if spec.slides() { at } else { Moment::MIN };
        if let Err(place) = self.latest.binary_search(&(at, key)) {
            if spec.slides()
                && let Some(known) = self.latest.iter().position(|(_, known)| *known == key)
            {
                if self.latest[known].0 < at {
                    self.latest.insert(place, (at, key));
                    self.latest.remove(known);
                }
                return;
            }
            timeline::make_room(&mut self.latest);
            self.latest.insert(place, (at, key));
        }
    }

    fn bound(&mut self, spec: &Spec, dropped: &mut u64) {
        let surplus = self.latest.len().saturating_sub(spec.enough.min(limits::DISTINCT_VALUES));
        self.latest.drain(..surplus);
        if spec.enough > limits::DISTINCT_VALUES {
            *dropped += surplus as u64;
        }
    }

    fn live(&self, now: Moment, spec: &Spec) -> &[(Moment, Key)] {
        if !spec.slides() {
            return &self.latest;
        }
        let begin = spec.begin(now);
        &self.latest[self.latest.partition_point(|(at, _)| *at <= begin)..]
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        let live = self.live(now, spec);
        let until = live.first().map_or(Moment::MAX, |(oldest, _)| spec.end(*oldest));
        Answer::new(Datum::Int(live.len() as i64), until)
    }

    /// As for counts.
    pub fn reaches(&self, threshold: usize, now: Moment, spec: &Spec) -> (bool, Moment) {
        let decisive = self.latest.len().checked_sub(threshold).and_then(|index| self.latest.get(index));
        let decisive = decisive.filter(|(at, _)| !spec.slides() || spec.admits(*at, now));
        decisive.map_or((false, Moment::MAX), |(at, _)| (true, spec.end(*at)))
    }

    pub fn heap(&self) -> usize {
        footprint::list(&self.latest)
    }
}
