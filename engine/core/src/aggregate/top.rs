//! `top`: the most frequent value; a tie goes to the value whose latest event is the most recent.
//!
//! Cost: `insert` and `read` O(different values), plus what has just left the window.

use super::timeline::{self, Tie, Timeline};
use super::{Occurrence, Spec};
use crate::datum::{Datum, Known};
use crate::evaluate::Answer;
use crate::footprint;
use crate::limits;
use crate::record::Seq;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use std::cmp::Reverse;
use thin_vec::ThinVec;

/// How often each value was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Top {
    /// A tally without events is free for the next new value.
    tallies: ThinVec<Tally>,
    /// The events, where they will leave again.
    entries: Timeline<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tally {
    value: Known,
    count: u64,
    latest: (Moment, Seq),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    seq: Seq,
    tally: u32,
}

impl Tie for Entry {
    fn tie(&self) -> u64 {
        self.seq.0
    }
}

impl Top {
    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.value else { return };
        if spec.slides() {
            let tallies = &mut self.tallies;
            self.entries.drop_stale(it.now, spec, |entry| forget(tallies, *entry));
        }
        let tally = self.tally(Known(value.clone()), 1, (it.at, it.seq));
        if spec.slides() {
            self.entries.insert(it.at, Entry { seq: it.seq, tally });
        }
        self.bound(dropped);
    }

    pub fn merge(&mut self, other: Self, _spec: &Spec, dropped: &mut u64) {
        let moved: Vec<Option<u32>> = other
            .tallies
            .into_iter()
            .map(|it| (it.count > 0).then(|| self.tally(it.value, it.count, it.latest)))
            .collect();
        for (at, entry) in other.entries.all() {
            if let Some(Some(tally)) = moved.get(entry.tally as usize) {
                self.entries.insert(*at, Entry { seq: entry.seq, tally: *tally });
            }
        }
        self.bound(dropped);
    }

    /// Adds to the tally of a value and says which it is.
    fn tally(&mut self, value: Known, count: u64, latest: (Moment, Seq)) -> u32 {
        let of_value = self.tallies.iter().position(|tally| tally.count > 0 && tally.value == value);
        if let Some(place) = of_value {
            let tally = &mut self.tallies[place];
            tally.count += count;
            tally.latest = tally.latest.max(latest);
            return place as u32;
        }
        let fresh = Tally { value, count, latest };
        let free = self.tallies.iter().position(|tally| tally.count == 0);
        match free {
            Some(place) => {
                self.tallies[place] = fresh;
                place as u32
            }
            None => {
                timeline::make_room(&mut self.tallies);
                self.tallies.push(fresh);
                self.tallies.len() as u32 - 1
            }
        }
    }

    fn bound(&mut self, dropped: &mut u64) {
        let tallies = &mut self.tallies;
        *dropped += self.entries.keep_latest(limits::WINDOW_ENTRIES, |entry| forget(tallies, *entry)) as u64;
        // The rarest and oldest value makes room; where events slide out, its events go with it.
        while self.tallies.len() > limits::TOP_VALUES {
            let rarest = self.tallies.iter().enumerate().min_by_key(|(_, tally)| (tally.count, tally.latest));
            let Some((place, tally)) = rarest else { break };
            *dropped += u64::from(tally.count > 0);
            self.tallies.swap_remove(place);
            let last = self.tallies.len() as u32;
            self.entries.retain(|entry| entry.tally as usize != place);
            for entry in self.entries.items_mut().filter(|entry| entry.tally == last) {
                entry.tally = place as u32;
            }
        }
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'_> {
        let left = self.entries.left(now, spec);
        let live = |(index, tally): (usize, &Tally)| {
            let gone = left.iter().filter(|(_, entry)| entry.tally as usize == index).count() as u64;
            tally.count - gone.min(tally.count)
        };
        let counted = self.tallies.iter().enumerate().map(|it| (live(it), it.1)).filter(|(count, _)| *count > 0);
        let top = counted.max_by_key(|(count, tally)| (*count, tally.latest, Reverse(&tally.value)));
        let until = self.entries.live(now, spec).first().map_or(Moment::MAX, |(oldest, _)| spec.end(*oldest));
        match top {
            Some((_, tally)) => Answer::new(tally.value.datum(), until),
            None => Answer::constant(Datum::Unknown),
        }
    }

    pub fn heap(&self) -> usize {
        let values = self.tallies.iter().map(|tally| tally.value.heap());
        self.entries.heap() + footprint::list(&self.tallies) + values.sum::<usize>()
    }
}

/// An event is gone. Entries go oldest first, so the latest event of a value that is still counted is still there.
fn forget(tallies: &mut [Tally], entry: Entry) {
    if let Some(tally) = tallies.get_mut(entry.tally as usize) {
        tally.count = tally.count.saturating_sub(1);
    }
}
