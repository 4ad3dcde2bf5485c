//! Entries in the order in which they happened, whatever the order in which they arrived.
//!
//! Windowed states keep one of these. What has left a window stays until it is half of the whole: dropping is then
//! O(1) for each event on average, and whoever reads skips the stale front by bisection.

use super::Spec;
use crate::footprint;
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// Entries sorted by moment, and by [`Tie::tie`] within one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline<T> {
    entries: ThinVec<(Moment, T)>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self { entries: ThinVec::new() }
    }
}

/// Room for one more, and half as much again: there are as many such lists as people, and most hold few entries.
pub fn make_room<T>(list: &mut ThinVec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 2);
    }
}

/// What orders entries of one moment: the place in the log, where that matters.
pub trait Tie {
    /// Smaller is earlier.
    fn tie(&self) -> u64;
}

impl<T: Tie> Timeline<T> {
    /// Puts an entry where it belongs.
    pub fn insert(&mut self, at: Moment, item: T) {
        let tie = item.tie();
        make_room(&mut self.entries);
        let in_order = self.entries.last().is_none_or(|(last, it)| (*last, it.tie()) <= (at, tie));
        if in_order {
            self.entries.push((at, item));
        } else {
            let place = self.entries.partition_point(|(moment, it)| (*moment, it.tie()) <= (at, tie));
            self.entries.insert(place, (at, item));
        }
    }

    /// Takes in all entries of another person's.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.entries.sort_by_key(|(at, item)| (*at, item.tie()));
    }

    /// Drops what left the window before `now`, once that is worth the move; `forget` hears of each.
    pub fn drop_stale(&mut self, now: Moment, spec: &Spec, forget: impl FnMut(&T)) {
        let begin = spec.begin(now);
        if self.entries.first().is_none_or(|(at, _)| *at > begin) {
            return;
        }
        let stale = self.stale(begin);
        if stale * 2 >= self.entries.len() {
            self.drop_oldest(stale, forget);
        }
    }

    /// Drops what happened before a moment.
    pub fn drop_before(&mut self, begin: Moment) {
        if self.entries.first().is_some_and(|(at, _)| *at < begin) {
            let stale = self.entries.partition_point(|(at, _)| *at < begin);
            self.entries.drain(..stale);
        }
    }

    /// Keeps the `limit` latest; returns how many had to go.
    pub fn keep_latest(&mut self, limit: usize, mut forget: impl FnMut(&T)) -> usize {
        let surplus = self.entries.len().saturating_sub(limit);
        match surplus {
            0 => {}
            // The steady path of a bounded list.
            1 => forget(&self.entries.remove(0).1),
            _ => self.drop_oldest(surplus, forget),
        }
        surplus
    }

    /// Keeps the `limit` earliest.
    pub fn keep_earliest(&mut self, limit: usize) {
        self.entries.truncate(limit);
    }

    fn drop_oldest(&mut self, count: usize, mut forget: impl FnMut(&T)) {
        for (_, item) in &self.entries[..count] {
            forget(item);
        }
        self.entries.drain(..count);
    }

    fn stale(&self, begin: Moment) -> usize {
        // The stale front is short as a rule, and mostly empty.
        if self.entries.first().is_none_or(|(at, _)| *at > begin) {
            return 0;
        }
        self.entries.partition_point(|(at, _)| *at <= begin)
    }

    /// What is inside the window as of `now`, oldest first.
    pub fn live(&self, now: Moment, spec: &Spec) -> &[(Moment, T)] {
        &self.entries[self.stale(spec.begin(now))..]
    }

    /// What has left the window by `now` but is still here.
    pub fn left(&self, now: Moment, spec: &Spec) -> &[(Moment, T)] {
        &self.entries[..self.stale(spec.begin(now))]
    }

    /// All entries, oldest first.
    pub fn all(&self) -> &[(Moment, T)] {
        &self.entries
    }

    /// All entries, oldest first, to change what they carry but not when they are.
    pub fn items_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, item)| item)
    }

    /// Drops what `keep` does not hold on to.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|(_, item)| keep(item));
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        footprint::list(&self.entries)
    }
}
