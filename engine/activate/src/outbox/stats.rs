//! How a destination does, for people and monitors.

use super::breaker::Breaker;
use sonder_dsl::time::{Duration, Moment};

/// All destinations, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutboxStats {
    /// Each of them.
    pub destinations: Vec<DestinationStats>,
}

/// One destination.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationStats {
    /// Its name.
    pub name: String,
    /// Deliveries that wait for it, those in flight and in the store included.
    pub pending: u64,
    /// Of those, how many wait in the store because memory is full.
    pub spilled: u64,
    /// Of those, how many are being sent or recorded.
    pub in_flight: u64,
    /// Delivered since the start.
    pub delivered: u64,
    /// Attempts that failed and are repeated, since the start.
    pub retried: u64,
    /// Given up since the start.
    pub dead: u64,
    /// Whether and how calls go out.
    pub breaker: Breaker,
    /// Why it does not accept its credentials; somebody must look.
    pub unauthorized: Option<String>,
    /// Why the last attempt failed, unless the last one did not.
    pub last_error: Option<String>,
    /// When the oldest waiting delivery in memory was decided.
    pub oldest: Option<Moment>,
    /// Half of all deliveries took no longer from the fold's decision to their end; `None` before the first.
    pub p50: Option<Duration>,
    /// 99 in 100 took no longer.
    pub p99: Option<Duration>,
}

impl DestinationStats {
    /// Whether calls are held back because too many failed.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.breaker.is_open()
    }
}

/// Durations, counted in steps of an eighth of their magnitude.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

const STEPS: usize = 8;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; 64 * STEPS].into_boxed_slice(), total: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.0).unwrap_or(0);
        let step = step(micros).min(self.counts.len() - 1);
        self.counts[step] += 1;
        self.total += 1;
    }

    /// The duration that a share of all does not exceed, rounded up to a step.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let wanted = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration(i64::try_from(end(step)).unwrap_or(i64::MAX)))
    }
}

/// Below 8 each value has its own step; above, each power of two has eight.
const fn step(micros: u64) -> usize {
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let magnitude = 63 - micros.leading_zeros() as usize;
    (magnitude - 2) * STEPS + ((micros >> (magnitude - 3)) as usize - STEPS)
}

/// The largest value of a step.
const fn end(step: usize) -> u64 {
    if step < STEPS {
        return step as u64;
    }
    let magnitude = step / STEPS + 2;
    (((step % STEPS + STEPS + 1) as u64) << (magnitude - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_all_durations_without_gaps() {
        let mut previous = None;
        for step_index in 0..400 {
            let last = end(step_index);
            assert_eq!(step(last), step_index);
            assert_eq!(step(last + 1), step_index + 1);
            assert!(previous.is_none_or(|previous| previous < last));
            previous = Some(last);
        }
    }

    #[test]
    fn quantiles_are_within_an_eighth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in 1..=1_000 {
            histogram.record(Duration::from_millis(millis));
        }
        for (share, expected) in [(0.5, 500_000), (0.99, 990_000)] {
            let found = histogram.quantile(share).unwrap().0;
            assert!((expected..=expected * 9 / 8).contains(&found), "{share}: {found}");
        }
    }
}
