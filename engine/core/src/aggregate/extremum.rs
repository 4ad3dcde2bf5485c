//! `min` and `max`.
//!
//! Inside a window that slides only those values matter that no later event beats: sorted by moment they form a
//! staircase whose first step is the answer, and whose next step is the answer when the first has left. The staircase of
//! two people's events is that of both their staircases, so merging is exact.
//!
//! Cost: `insert` O(log n) and amortised O(1) removals, `read` O(log n).

use super::{Occurrence, Spec, timeline};
use crate::aggregate::spec::Kind;
use crate::datum::{Datum, Known};
use crate::evaluate::Answer;
use crate::footprint;
use crate::limits;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// Values that are, or may become, the smallest or largest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Extremum {
    // INVARIANT: moments rise, values fall strictly in rank (for `max`; they rise for `min`). Without a window that
    // slides there is one entry at most.
    stairs: ThinVec<(Moment, Known)>,
}

impl Extremum {
    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.value else { return };
        self.drop_stale(it.now, spec);
        self.climb(it.at, Known(value.clone()), spec);
        let surplus = self.stairs.len().saturating_sub(limits::WINDOW_ENTRIES);
        self.stairs.drain(..surplus);
        *dropped += surplus as u64;
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        for (at, value) in other.stairs {
            self.climb(at, value, spec);
        }
        let surplus = self.stairs.len().saturating_sub(limits::WINDOW_ENTRIES);
        self.stairs.drain(..surplus);
        *dropped += surplus as u64;
    }

    fn climb(&mut self, at: Moment, value: Known, spec: &Spec) {
        // Without a window all events are of one moment: the staircase has a single step.
        let at = if spec.slides() { at } else { Moment::MIN };
        let beats = |a: &Known, b: &Known| if spec.kind == Kind::Max { a >= b } else { a <= b };
        let not_earlier = self.stairs.partition_point(|(moment, _)| *moment < at);
        if self.stairs.get(not_earlier).is_some_and(|(_, rival)| beats(rival, &value)) {
            return;
        }
        let end = self.stairs.partition_point(|(moment, _)| *moment <= at);
        let beaten = self.stairs[..end].iter().rev().take_while(|(_, rival)| beats(&value, rival)).count();
        timeline::make_room(&mut self.stairs);
        self.stairs.splice(end - beaten..end, [(at, value)]);
    }

    fn drop_stale(&mut self, now: Moment, spec: &Spec) {
        if spec.slides() {
            let begin = spec.begin(now);
            let stale = self.stairs.partition_point(|(at, _)| *at <= begin);
            self.stairs.drain(..stale);
        }
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'_> {
        let highest = if spec.slides() {
            let begin = spec.begin(now);
            self.stairs.get(self.stairs.partition_point(|(at, _)| *at <= begin))
        } else {
            self.stairs.first()
        };
        match highest {
            Some((at, value)) => Answer::new(value.datum(), spec.end(*at)),
            None => Answer::constant(Datum::Unknown),
        }
    }

    pub fn heap(&self) -> usize {
        footprint::list(&self.stairs) + self.stairs.iter().map(|(_, value)| value.heap()).sum::<usize>()
    }
}
