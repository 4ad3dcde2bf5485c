//! Time, and who may move it.
//!
//! Two threads move the fold's time: records, which carry the moment they were logged, and the clock, which fires timers
//! while nothing arrives. A replay knows records only and fires every timer that is due before a record; so live the
//! clock must never pass a record that is still on its way to the fold. The [`Horizon`] keeps them in step: the log
//! stamps records through it, and the clock moves only while nothing is under way, and takes the log's stamps with it.

use parking_lot::Mutex;
use sonder_dsl::time::Moment;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock.
#[must_use]
pub fn wall() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// How long from `now` to `then`; zero when it has passed.
#[must_use]
pub fn until(then: Moment, now: Moment) -> Duration {
    Duration::from_micros(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0))
}

/// Where the log's and the fold's time have come to.
#[derive(Debug)]
pub struct Horizon {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    // INVARIANT: no record with an earlier `received_at` will be stamped.
    reached: Moment,
    // Batches that are stamped and not yet folded.
    under_way: usize,
}

impl Horizon {
    /// Starts where the last run came to.
    #[must_use]
    pub const fn new(reached: Moment) -> Self {
        Self { inner: Mutex::new(Inner { reached, under_way: 0 }) }
    }

    /// Stamps a batch: gives each message `max(its arrival, what was reached)`, in order. The clock stands still until
    /// [`landed`](Self::landed).
    pub fn stamp(&self, arrivals: impl Iterator<Item = Moment>, mut give: impl FnMut(Moment)) {
        let mut inner = self.inner.lock();
        inner.under_way += 1;
        for arrival in arrivals {
            inner.reached = inner.reached.max(arrival);
            give(inner.reached);
        }
    }

    /// A batch was folded, or will never be.
    pub fn landed(&self) {
        let mut inner = self.inner.lock();
        inner.under_way = inner.under_way.saturating_sub(1);
    }

    /// Whether a batch is under way, so that the clock stands still.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.inner.lock().under_way > 0
    }

    /// Moves time to `now`, unless a batch is under way: then its records will move it.
    #[must_use]
    pub fn advance(&self, now: Moment) -> Option<Moment> {
        let mut inner = self.inner.lock();
        if inner.under_way > 0 {
            return None;
        }
        inner.reached = inner.reached.max(now);
        Some(inner.reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(horizon: &Horizon, arrivals: &[i64]) -> Vec<i64> {
        let mut out = Vec::new();
        horizon.stamp(arrivals.iter().map(|&at| Moment(at)), |at| out.push(at.0));
        out
    }

    #[test]
    fn stamps_never_go_back() {
        let horizon = Horizon::new(Moment(5));
        assert_eq!(stamped(&horizon, &[3, 7, 6]), [5, 7, 7]);
        assert_eq!(stamped(&horizon, &[1]), [7]);
    }

    #[test]
    fn the_clock_waits_for_records_under_way_and_then_takes_the_stamps_along() {
        let horizon = Horizon::new(Moment(0));
        stamped(&horizon, &[10]);
        assert_eq!(horizon.advance(Moment(20)), None, "a record of 10 is on its way");
        assert!(horizon.is_held());
        horizon.landed();
        assert!(!horizon.is_held());
        assert_eq!(horizon.advance(Moment(20)), Some(Moment(20)));
        assert_eq!(stamped(&horizon, &[15]), [20], "timers up to 20 have fired");
    }
}
