//! How often a write key or an address may send: one moment of memory each (the generic cell rate algorithm).

use crate::limits;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sonder_dsl::model::Rate;
use sonder_dsl::time::Moment;
use std::hash::Hash;

/// Remembers who sent when.
pub(crate) struct RateLimiter<K> {
    /// For each, the moment at which all that it sent would have been sent at its steady rate.
    spent_until: Mutex<FxHashMap<K, i64>>,
}

impl<K> Default for RateLimiter<K> {
    fn default() -> Self {
        Self { spent_until: Mutex::default() }
    }
}

impl<K: Hash + Eq> RateLimiter<K> {
    /// Counts one request of `key`, or says after how many seconds it may send again. A rate may be used up at once, but not
    /// exceeded over its period.
    pub(crate) fn allow(&self, key: K, rate: Rate, now: Moment) -> Result<(), u32> {
        let period = rate.per.0.max(1);
        let cost = period / i64::from(rate.count.max(1));
        let mut spent_until = self.spent_until.lock();
        if spent_until.len() >= limits::RATES && !spent_until.contains_key(&key) {
            spent_until.retain(|_, until| *until > now.0);
            if spent_until.len() >= limits::RATES {
                return Err(1);
            }
        }
        let until = spent_until.entry(key).or_insert(now.0);
        let after = (*until).max(now.0).saturating_add(cost);
        let excess = after.saturating_sub(now.0).saturating_sub(period);
        if rate.count == 0 || excess > 0 {
            let seconds = u32::try_from(excess.div_euclid(1_000_000) + 1).unwrap_or(u32::MAX);
            return Err(seconds.min(*limits::RETRY_AFTER.end()));
        }
        *until = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::time::Duration;

    const RATE: Rate = Rate { count: 3, per: Duration::from_secs(6) };

    #[test]
    fn a_rate_may_be_used_up_at_once_and_comes_back_steadily() {
        let limiter = RateLimiter::default();
        let at = |seconds| Moment(1_000_000_000).plus(Duration::from_secs(seconds));
        for _ in 0..3 {
            assert_eq!(limiter.allow("a", RATE, at(0)), Ok(()));
        }
        assert_eq!(limiter.allow("a", RATE, at(0)), Err(3));
        assert_eq!(limiter.allow("b", RATE, at(0)), Ok(()), "others are not held up");
        assert_eq!(limiter.allow("a", RATE, at(1)), Err(2));
        assert_eq!(limiter.allow("a", RATE, at(2)), Ok(()));
        assert_eq!(limiter.allow("a", RATE, at(2)), Err(3));
    }

    #[test]
    fn memory_is_bounded_and_the_quiet_are_forgotten() {
        let limiter = RateLimiter::default();
        for key in 0..limits::RATES {
            assert_eq!(limiter.allow(key, RATE, Moment(0)), Ok(()));
        }
        assert_eq!(limiter.allow(limits::RATES, RATE, Moment(0)), Err(1));
        assert_eq!(limiter.allow(limits::RATES, RATE, Moment(3_000_000)), Ok(()));
    }
}
