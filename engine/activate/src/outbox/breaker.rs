//! The circuit breaker: after failures in a row a destination is left alone, then asked with a single item.

use super::policy::{Policy, doubled};
use sonder_dsl::time::{Duration, Moment};

/// Whether and how calls go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// As many as there are.
    #[default]
    Closed,
    /// They go out, one batch at a time: the last so many failed.
    Failing(u32),
    /// None before a moment, after so many pauses in a row.
    Open {
        /// When it is tried again.
        until: Moment,
        /// Pauses in a row, this one included.
        pauses: u32,
    },
    /// A single item is out to see whether it works again.
    Probing {
        /// Pauses in a row before it.
        pauses: u32,
    },
}

/// What may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Full batches, so many at the same time.
    Batches(usize),
    /// One item, with nothing else in flight.
    Probe,
    /// Nothing before a moment.
    After(Moment),
    /// Nothing before the probe that is out comes back.
    AfterProbe,
}

impl Breaker {
    /// What may go out now.
    #[must_use]
    pub fn permit(&self, now: Moment, policy: &Policy) -> Permit {
        match *self {
            Self::Closed => Permit::Batches(policy.in_flight.max(1)),
            Self::Failing(_) => Permit::Batches(1),
            Self::Open { until, .. } if now < until => Permit::After(until),
            Self::Open { .. } => Permit::Probe,
            Self::Probing { .. } => Permit::AfterProbe,
        }
    }

    /// The probe goes out.
    pub fn probe(&mut self) {
        if let Self::Open { pauses, .. } = *self {
            *self = Self::Probing { pauses };
        }
    }

    /// The destination answered as it should.
    pub fn succeeded(&mut self) {
        *self = Self::Closed;
    }

    /// A batch failed; `told` is the longest wait that the destination asked for.
    pub fn failed(&mut self, now: Moment, told: Duration, policy: &Policy) {
        let pauses = match *self {
            Self::Closed => 0,
            Self::Failing(failures) if failures + 1 < policy.breaker_after => {
                *self = Self::Failing(failures + 1);
                return;
            }
            Self::Failing(_) => 0,
            Self::Probing { pauses } => pauses,
            // A batch that was under way when it opened says nothing new.
            Self::Open { .. } => return,
        };
        if *self == Self::Closed && policy.breaker_after > 1 {
            *self = Self::Failing(1);
            return;
        }
        let pause = doubled(policy.breaker_pause, pauses, policy.ceiling).max(told);
        *self = Self::Open { until: now.plus(pause), pauses: pauses + 1 };
    }

    /// The destination does not accept its credentials: trying at once makes no sense.
    pub fn refused(&mut self, now: Moment, policy: &Policy) {
        let pauses = match *self {
            Self::Probing { pauses } => pauses,
            Self::Open { .. } => return,
            Self::Closed | Self::Failing(_) => 0,
        };
        let pause = doubled(policy.unauthorized_pause, pauses, policy.ceiling);
        *self = Self::Open { until: now.plus(pause), pauses: pauses + 1 };
    }

    /// Whether calls are held back.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Probing { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000_000);

    fn after(seconds: i64) -> Moment {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_success_closes_it() {
        let policy = Policy::default();
        let mut breaker = Breaker::default();
        assert_eq!(breaker.permit(NOW, &policy), Permit::Batches(4));
        for _ in 0..4 {
            breaker.failed(NOW, Duration::ZERO, &policy);
        }
        assert_eq!(breaker.permit(NOW, &policy), Permit::Batches(1));
        breaker.succeeded();
        for _ in 0..5 {
            breaker.failed(NOW, Duration::ZERO, &policy);
        }
        assert_eq!(breaker.permit(NOW, &policy), Permit::After(after(5)));
        assert_eq!(breaker.permit(after(5), &policy), Permit::Probe);
        breaker.probe();
        assert_eq!(breaker.permit(after(5), &policy), Permit::AfterProbe);
        breaker.failed(after(6), Duration::ZERO, &policy);
        assert_eq!(breaker.permit(after(6), &policy), Permit::After(after(16)));
        breaker.probe();
        breaker.succeeded();
        assert_eq!(breaker.permit(after(16), &policy), Permit::Batches(4));
    }

    #[test]
    fn pauses_double_up_to_the_ceiling_and_never_undercut_what_was_asked() {
        let policy = Policy { breaker_after: 1, ..Policy::default() };
        let mut breaker = Breaker::default();
        let mut pauses = Vec::new();
        for told in [0, 0, 0, 100, 0, 0, 0, 0] {
            breaker.failed(NOW, Duration::from_secs(told), &policy);
            let Permit::After(until) = breaker.permit(NOW, &policy) else { panic!("it is not open") };
            pauses.push(until.since(NOW).0 / 1_000_000);
            breaker.probe();
        }
        assert_eq!(pauses, [5, 10, 20, 100, 80, 160, 300, 300]);
    }

    #[test]
    fn refused_credentials_open_it_at_once() {
        let policy = Policy::default();
        let mut breaker = Breaker::default();
        breaker.refused(NOW, &policy);
        assert_eq!(breaker.permit(NOW, &policy), Permit::After(after(30)));
    }
}
