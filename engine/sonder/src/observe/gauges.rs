//! Numbers that the pipeline keeps while it works, for `status`, readiness and tests. Each is exact by itself; together
//! they are a picture of about now.

use parking_lot::Mutex;
use sonder_dsl::time::Moment;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How the pipeline is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Taking traffic.
    #[default]
    Running,
    /// Reading works, writing does not; with the reason.
    Degraded(String),
    /// Finishing what it has.
    Stopping,
}

/// What happened when the project last changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReloadReport {
    /// Nothing has changed since the start.
    #[default]
    Unchanged,
    /// A new version runs.
    Applied(Moment),
    /// The new version has these errors; the old one runs on.
    Rejected(Moment, Vec<String>),
}

/// The numbers.
#[derive(Debug, Default)]
pub struct Gauges {
    /// The last durable place in the log.
    pub log_seq: AtomicU64,
    /// The last place that the fold has seen.
    pub folded_seq: AtomicU64,
    /// The place that the last checkpoint stands for.
    pub checkpoint_seq: AtomicU64,
    /// When the last record was logged, in microseconds; 0 on an empty log.
    pub last_received_at: AtomicI64,
    /// The moment the fold was last advanced to, in microseconds.
    pub folded_at: AtomicI64,
    /// Messages left out because they were seen before, since the start.
    pub duplicates: AtomicU64,
    /// Messages in quarantine.
    pub quarantined: AtomicU64,
    /// Changes of people's segments in, since the start.
    pub entered: AtomicU64,
    /// And out.
    pub left: AtomicU64,
    health: Mutex<Health>,
    reload: Mutex<ReloadReport>,
}

impl Gauges {
    /// How the pipeline is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.lock().clone()
    }

    /// Says how the pipeline is; a stop is final. Returns whether that is news.
    pub fn set_health(&self, health: Health) -> bool {
        let mut now = self.health.lock();
        if *now == health || *now == Health::Stopping {
            return false;
        }
        *now = health;
        true
    }

    /// What happened when the project last changed.
    #[must_use]
    pub fn reload(&self) -> ReloadReport {
        self.reload.lock().clone()
    }

    /// Says what happened to a change of the project.
    pub fn set_reload(&self, report: ReloadReport) {
        *self.reload.lock() = report;
    }

    /// The files are as good as the running version again: an error that was reported is no more.
    pub fn clear_rejection(&self) {
        let mut report = self.reload.lock();
        if matches!(*report, ReloadReport::Rejected(..)) {
            *report = ReloadReport::Unchanged;
        }
    }

    /// Records in the log that the fold has not seen.
    #[must_use]
    pub fn unfolded(&self) -> u64 {
        let folded = self.folded_seq.load(Ordering::Acquire);
        self.log_seq.load(Ordering::Acquire).saturating_sub(folded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_final() {
        let gauges = Gauges::default();
        assert!(gauges.set_health(Health::Degraded("full".into())));
        assert!(!gauges.set_health(Health::Degraded("full".into())), "no news");
        assert!(gauges.set_health(Health::Stopping));
        assert!(!gauges.set_health(Health::Running));
        assert_eq!(gauges.health(), Health::Stopping);
    }
}
