//! The same work on many pairs, by all processors; what comes of it does not depend on how many there are.

use crate::block::Pair;
use crate::compare::{Pattern, compare};
use crate::records::Records;
use rustc_hash::FxHashMap;
use std::thread;

/// Pairs that are worth a thread.
const WORTH_A_THREAD: usize = 20_000;

/// Who does the work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers {
    processors: usize,
}

impl Workers {
    /// All processors, or so many.
    pub fn new(processors: Option<usize>) -> Self {
        let all = || thread::available_parallelism().map_or(1, usize::from);
        Self { processors: processors.unwrap_or_else(all) }
    }

    /// Applies `work` to parts of `items` side by side; gives what it made, in the order of the parts.
    pub fn side_by_side<T: Sync, R: Send>(self, items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
        let parts = self.processors.min(items.len() / WORTH_A_THREAD).max(1);
        let part = items.len().div_ceil(parts).max(1);
        thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = items.chunks(part).map(|part| scope.spawn(move || work(part))).collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            joined.map(|made| made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    /// Which patterns pairs have, and how many each; sorted.
    pub fn patterns(self, records: &Records, pairs: &[Pair]) -> Vec<(Pattern, u64)> {
        count(&self.compared(records, pairs))
    }

    /// The pattern of each pair, in their order.
    pub fn compared(self, records: &Records, pairs: &[Pair]) -> Vec<Pattern> {
        let parts = self.side_by_side(pairs, |part| {
            part.iter().map(|(a, b)| compare(records, *a as usize, *b as usize)).collect::<Vec<_>>()
        });
        parts.concat()
    }
}

/// How many there are of each; sorted.
pub(crate) fn count(patterns: &[Pattern]) -> Vec<(Pattern, u64)> {
    let mut counts: FxHashMap<Pattern, u64> = FxHashMap::default();
    for pattern in patterns {
        *counts.entry(*pattern).or_default() += 1;
    }
    let mut counts: Vec<(Pattern, u64)> = counts.into_iter().collect();
    counts.sort_unstable();
    counts
}
