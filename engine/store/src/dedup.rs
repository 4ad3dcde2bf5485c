//! Which message ids were seen lately: a bounded set in memory, exact to the microsecond.
//!
//! An id is kept as a 64-bit hash, so a new message is taken for a known one with a chance of n / 2^64: with ten million
//! ids in the window, one message in two billion thousand. A row costs about 20 bytes.
//!
//! Ids come in the order of their time (the log's clock never goes back), so those that fall out of the window are always
//! the oldest. `insert` is O(1), expiry O(1) for each id that expires.
//!
//! Ids are inserted before their batch is committed, because a batch may hold the same id twice. When the commit fails,
//! [`rollback`](DedupSet::rollback) to the [`mark`](DedupSet::mark) from before forgets them, so that the client's retry
//! is not mistaken for a duplicate.

use rustc_hash::FxHashSet;
use sonder_dsl::time::{Duration, Moment};
use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_64;

/// Message ids of the window that ends now.
#[derive(Clone, Debug)]
pub struct DedupSet {
    window: Duration,
    limit: usize,
    known: FxHashSet<u64>,
    // INVARIANT: the ids of `known`, each once, oldest first; `runs` says when they came, in order, and its counts add up
    // to their number.
    order: VecDeque<u64>,
    runs: VecDeque<(Moment, usize)>,
    /// How many ids have ever left `order` at its old end.
    expired: u64,
}

/// A state of a [`DedupSet`] to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl DedupSet {
    /// An empty set that remembers ids for `window`, and no more than `limit` of them.
    #[must_use]
    pub fn new(window: Duration, limit: usize) -> Self {
        Self {
            window,
            limit: limit.max(1),
            known: FxHashSet::default(),
            order: VecDeque::new(),
            runs: VecDeque::new(),
            expired: 0,
        }
    }

    /// Notes that `id` came `at` this moment. True when it is new; false when it came less than the window ago, in which
    /// case the first time stands.
    pub fn insert(&mut self, id: &str, at: Moment) -> bool {
        self.insert_hash(xxh3_64(id.as_bytes()), at)
    }

    pub(crate) fn insert_hash(&mut self, hash: u64, at: Moment) -> bool {
        self.expire(at);
        if !self.known.insert(hash) {
            return false;
        }
        if self.order.len() >= self.limit {
            self.drop_oldest();
        }
        self.order.push_back(hash);
        match self.runs.back_mut() {
            // A clock that went back would break the order; such an id counts as of the latest.
            Some((moment, count)) if *moment >= at => *count += 1,
            _ => self.runs.push_back((at, 1)),
        }
        true
    }

    /// Whether `id` came less than the window before `now`.
    pub fn contains(&mut self, id: &str, now: Moment) -> bool {
        self.expire(now);
        self.known.contains(&xxh3_64(id.as_bytes()))
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Changes how long ids are remembered, from now on.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window;
    }

    /// The present state, for [`rollback`](Self::rollback).
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.expired + self.order.len() as u64)
    }

    /// Forgets all ids that were inserted since `mark`.
    pub fn rollback(&mut self, mark: Mark) {
        while self.expired + self.order.len() as u64 > mark.0 {
            let Some(hash) = self.order.pop_back() else { return };
            self.known.remove(&hash);
            if let Some((_, count)) = self.runs.back_mut() {
                *count -= 1;
                if *count == 0 {
                    self.runs.pop_back();
                }
            }
        }
    }

    fn expire(&mut self, now: Moment) {
        while let Some((moment, _)) = self.runs.front()
            && now.since(*moment) >= self.window
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(hash) = self.order.pop_front() else { return };
        self.known.remove(&hash);
        self.expired += 1;
        if let Some((_, count)) = self.runs.front_mut() {
            *count -= 1;
            if *count == 0 {
                self.runs.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration(100);

    #[test]
    fn an_id_is_new_again_exactly_when_the_window_has_passed() {
        let mut set = DedupSet::new(WINDOW, 10);
        assert!(set.insert("a", Moment(1_000)));
        assert!(!set.insert("a", Moment(1_099)));
        assert!(set.insert("a", Moment(1_100)));
    }

    #[test]
    fn a_duplicate_does_not_prolong_its_id() {
        let mut set = DedupSet::new(WINDOW, 10);
        set.insert("a", Moment(0));
        set.insert("a", Moment(90));
        assert!(!set.contains("a", Moment(100)));
    }

    #[test]
    fn beyond_the_limit_the_oldest_are_forgotten() {
        let mut set = DedupSet::new(WINDOW, 2);
        for id in ["a", "b", "c"] {
            assert!(set.insert(id, Moment(0)));
        }
        assert_eq!(set.len(), 2);
        assert!(!set.contains("a", Moment(0)));
        assert!(set.contains("b", Moment(0)) && set.contains("c", Moment(0)));
    }

    #[test]
    fn a_batch_that_failed_may_come_again() {
        let mut set = DedupSet::new(WINDOW, 10);
        set.insert("before", Moment(0));
        let mark = set.mark();
        assert!(set.insert("a", Moment(99)));
        // While this one comes, `before` expires.
        assert!(set.insert("b", Moment(100)));
        assert!(!set.insert("a", Moment(100)));
        set.rollback(mark);
        assert!(set.is_empty());
        assert!(set.insert("a", Moment(101)) && set.insert("b", Moment(101)));
    }

    proptest! {
        /// Whatever comes when, the set says what a list of everything seen would say.
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0..20_u8, 0..60_i64), 0..200)) {
            let mut set = DedupSet::new(WINDOW, usize::MAX);
            let mut seen: Vec<(u8, i64)> = Vec::new();
            let mut now = 0;
            for (id, wait) in steps {
                now += wait;
                let new = !seen.iter().any(|(known, at)| *known == id && now - at < WINDOW.0);
                if new {
                    seen.push((id, now));
                }
                prop_assert_eq!(set.insert(&id.to_string(), Moment(now)), new);
                prop_assert_eq!(set.runs.iter().map(|(_, count)| count).sum::<usize>(), set.len());
            }
        }
    }
}
