//! How often a destination is called, and how often a person hears from it.

use crate::limits;
use rustc_hash::FxHashMap;
use sonder_core::effect::PersonId;
use sonder_dsl::model::Rate;
use sonder_dsl::time::{Duration, Moment};
use std::collections::VecDeque;

/// `rate: 50/s`: a bucket of tokens, one for each item, that fills evenly.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Rate,
    // In millionths of a token, so that nothing is lost to rounding.
    level: i128,
    at: Moment,
}

const TOKEN: i128 = 1_000_000;

impl Bucket {
    /// Full at first.
    #[must_use]
    pub fn new(rate: Rate, now: Moment) -> Self {
        Self { rate, level: capacity(rate), at: now }
    }

    /// How many items may go now.
    pub fn available(&mut self, now: Moment) -> usize {
        self.fill(now);
        usize::try_from(self.level / TOKEN).unwrap_or(0)
    }

    /// So many go.
    pub fn take(&mut self, items: usize) {
        self.level -= TOKEN * items as i128;
    }

    /// When the next one may go.
    #[must_use]
    pub fn next(&self, now: Moment) -> Moment {
        let missing = (TOKEN - self.level).max(0);
        let per = i128::from(self.rate.per.0.max(1));
        let speed = i128::from(self.rate.count.max(1)) * TOKEN;
        let wait = (missing * per + speed - 1) / speed;
        now.plus(Duration(i64::try_from(wait).unwrap_or(i64::MAX).max(1)))
    }

    fn fill(&mut self, now: Moment) {
        let passed = i128::from(now.since(self.at).0.max(0));
        let gained = passed * i128::from(self.rate.count) * TOKEN / i128::from(self.rate.per.0.max(1));
        if gained > 0 {
            self.level = (self.level + gained).min(capacity(self.rate));
            self.at = now;
        }
    }
}

fn capacity(rate: Rate) -> i128 {
    i128::from(rate.count.max(1)) * TOKEN
}

/// `cap: 2 per 7 days per person`: what each person got lately.
#[derive(Clone, Debug)]
pub struct Cap {
    rate: Rate,
    // INVARIANT: each list sorted, not longer than `rate.count`.
    got: FxHashMap<PersonId, VecDeque<Moment>>,
    prune_at: usize,
}

impl Cap {
    /// Nobody got anything yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, got: FxHashMap::default(), prune_at: 1_024 }
    }

    /// The same memory under another rate.
    #[must_use]
    pub fn with_rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// Whether a person may get another item.
    #[must_use]
    pub fn allows(&self, person: PersonId, now: Moment) -> bool {
        let since = now.minus(self.rate.per);
        let recent = self.got.get(&person).map_or(0, |got| got.iter().filter(|at| **at > since).count());
        recent < self.rate.count as usize
    }

    /// A person got an item.
    pub fn count(&mut self, person: PersonId, at: Moment) {
        let got = self.got.entry(person).or_default();
        let place = got.partition_point(|earlier| *earlier <= at);
        got.insert(place, at);
        while got.len() > self.rate.count.max(1) as usize {
            got.pop_front();
        }
        if self.got.len() >= self.prune_at {
            self.prune(at);
        }
    }

    /// What the cap is, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("over the cap of {} per {} per person", self.rate.count, self.rate.per)
    }

    /// Forgets what no longer counts; above the bound also what was longest ago.
    fn prune(&mut self, now: Moment) {
        let since = now.minus(self.rate.per);
        self.got.retain(|_, got| got.back().is_some_and(|latest| *latest > since));
        if self.got.len() > limits::CAPPED_PEOPLE {
            let mut latest: Vec<(Moment, PersonId)> =
                self.got.iter().filter_map(|(person, got)| Some((*got.back()?, *person))).collect();
            latest.sort_unstable();
            for (_, person) in latest.iter().take(self.got.len() - limits::CAPPED_PEOPLE / 2) {
                self.got.remove(person);
            }
        }
        self.prune_at = (self.got.len() * 2).clamp(1_024, limits::CAPPED_PEOPLE + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(0);

    #[test]
    fn a_bucket_gives_no_more_than_its_rate() {
        let mut bucket = Bucket::new(Rate { count: 50, per: Duration::from_secs(1) }, NOW);
        assert_eq!(bucket.available(NOW), 50);
        bucket.take(50);
        assert_eq!(bucket.available(NOW), 0);
        let next = bucket.next(NOW);
        assert_eq!(next, Moment(20_000));
        assert_eq!(bucket.available(Moment(next.0 - 1)), 0);
        assert_eq!(bucket.available(next), 1);
        let mut sent = 0;
        let mut now = next;
        while now < Moment(10_000_000) {
            let items = bucket.available(now);
            bucket.take(items);
            sent += items;
            now = now.plus(Duration(7_919));
        }
        assert!((490..=500).contains(&sent), "{sent}");
    }

    #[test]
    fn a_cap_counts_over_a_sliding_window() {
        let mut cap = Cap::new(Rate { count: 2, per: Duration::from_secs(10) });
        let (one, other) = (PersonId(1), PersonId(2));
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        cap.count(one, at(0));
        assert!(cap.allows(one, at(1)));
        cap.count(one, at(4));
        assert!(!cap.allows(one, at(5)) && cap.allows(other, at(5)));
        assert!(!cap.allows(one, Moment(at(10).0 - 1)));
        assert!(cap.allows(one, at(10)));
    }

    #[test]
    fn a_cap_forgets_people_who_no_longer_count() {
        let mut cap = Cap::new(Rate { count: 1, per: Duration(10) });
        for n in 0..100_000 {
            cap.count(PersonId(n), Moment(i64::try_from(n).unwrap()));
        }
        assert!(cap.got.len() < 2_048, "{}", cap.got.len());
    }
}
