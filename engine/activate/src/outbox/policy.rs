//! How patient the outbox is, and how its waits are drawn.

use crate::limits;
use sonder_core::effect::EffectId;
use sonder_dsl::time::Duration;

/// Waits and bounds of the outbox, the same for all destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The longest wait after the first failed attempt; it doubles with each.
    pub base: Duration,
    /// No wait of the outbox's own is longer.
    pub ceiling: Duration,
    /// A delivery is given up after so many attempts …
    pub attempts: u32,
    /// … but not before it was tried for so long: an outage of an hour loses nothing.
    pub patience: Duration,
    /// So many failed batches in a row, and calls are held back.
    pub breaker_after: u32,
    /// For so long at first; it doubles with each failed probe.
    pub breaker_pause: Duration,
    /// A destination that does not accept its credentials is left alone for so long at first.
    pub unauthorized_pause: Duration,
    /// Batches of one destination at the same time.
    pub in_flight: usize,
    /// Deliveries to one destination in memory.
    pub window_items: usize,
    /// Bytes of those.
    pub window_bytes: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            ceiling: Duration::from_secs(300),
            attempts: 12,
            patience: Duration::from_secs(4 * 3_600),
            breaker_after: 5,
            breaker_pause: Duration::from_secs(5),
            unauthorized_pause: Duration::from_secs(30),
            in_flight: limits::BATCHES_IN_FLIGHT,
            window_items: limits::WINDOW_ITEMS,
            window_bytes: limits::WINDOW_BYTES,
        }
    }
}

impl Policy {
    /// The wait after failed attempt number `attempt`: drawn evenly between nothing and the bound (full jitter), by a
    /// hash instead of chance, so that a simulation gives the same again.
    #[must_use]
    pub fn back_off(&self, id: EffectId, attempt: u32) -> Duration {
        let bound = doubled(self.base, attempt.saturating_sub(1), self.ceiling);
        let mut seed = [0; 20];
        seed[..16].copy_from_slice(&id.0.to_le_bytes());
        seed[16..].copy_from_slice(&attempt.to_le_bytes());
        let drawn = xxhash_rust::xxh3::xxh3_64(&seed);
        let bound = u128::try_from(bound.0.max(1)).unwrap_or(1);
        Duration(i64::try_from((u128::from(drawn) * bound) >> 64).unwrap_or(0) + 1)
    }

    /// The wait after the destination said when to come back: that, and a little more, so that not all come at once.
    #[must_use]
    pub fn told_to_wait(&self, id: EffectId, attempt: u32, seconds: u32) -> Duration {
        let told = Duration::from_secs(i64::from(seconds.min(MAX_TOLD_SECONDS)));
        Duration(told.0.saturating_add(self.back_off(id, attempt.min(2)).0))
    }
}

/// A destination may ask for a day, not for ever.
const MAX_TOLD_SECONDS: u32 = 86_400;

/// `base` doubled `times` times, but no more than `ceiling`.
#[must_use]
pub fn doubled(base: Duration, times: u32, ceiling: Duration) -> Duration {
    Duration(base.0.saturating_mul(1_i64 << times.min(40)).min(ceiling.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_ceiling_and_are_spread_evenly() {
        let policy = Policy::default();
        for (attempt, bound) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (60, 300)] {
            let bound = Duration::from_secs(bound);
            let waits: Vec<i64> = (0..4_000_u128).map(|n| policy.back_off(EffectId(n), attempt).0).collect();
            assert!(waits.iter().all(|wait| (1..=bound.0).contains(wait)), "{attempt}");
            let mean = waits.iter().sum::<i64>() / 4_000;
            assert!((bound.0 * 47 / 100..bound.0 * 53 / 100).contains(&mean), "attempt {attempt}: mean {mean}");
        }
        assert_eq!(policy.back_off(EffectId(7), 3), policy.back_off(EffectId(7), 3));
    }

    #[test]
    fn a_destination_that_says_when_is_believed() {
        let policy = Policy::default();
        let wait = policy.told_to_wait(EffectId(1), 9, 30);
        assert!((30_000_001..=32_000_000).contains(&wait.0), "{wait}");
        assert!(policy.told_to_wait(EffectId(1), 1, u32::MAX) <= Duration::from_secs(86_402));
    }
}
