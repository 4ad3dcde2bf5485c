//! Metrics of what is so now: they are looked up when somebody asks for them.

use super::answers::Answers;
use crate::observe::{Health, ReloadReport, resident_bytes};
use crate::pipeline::clock;
use metrics::gauge;
use sonder_dsl::time::Moment;
use std::sync::atomic::Ordering;

impl Answers {
    pub(super) fn note_figures(&self) {
        let (people, overdue, forgotten) = {
            let live = self.shared.live.read();
            for (segment, rule) in live.program.segments() {
                let size = live.state.segment_size(segment);
                gauge!("sonder_segment_people", "segment" => rule.name.clone()).set(size as f64);
            }
            (live.state.people_count(), live.state.next_timer(), live.state.dropped())
        };
        let now = clock::wall();
        let seconds = |since: Moment| (now.since(since).0.max(0)) as f64 / 1e6;
        let gauges = &self.shared.gauges;
        let last = gauges.last_received_at.load(Ordering::Acquire);
        let is = |fact: bool| if fact { 1.0 } else { 0.0 };
        gauge!("sonder_people").set(people as f64);
        gauge!("sonder_forgotten_values").set(forgotten as f64);
        gauge!("sonder_clock_lag_seconds").set(overdue.map_or(0.0, seconds));
        gauge!("sonder_log_seq").set(gauges.log_seq.load(Ordering::Acquire) as f64);
        gauge!("sonder_folded_seq").set(gauges.folded_seq.load(Ordering::Acquire) as f64);
        gauge!("sonder_checkpoint_seq").set(gauges.checkpoint_seq.load(Ordering::Acquire) as f64);
        gauge!("sonder_log_age_seconds").set(if last == 0 { 0.0 } else { seconds(Moment(last)) });
        gauge!("sonder_unfolded_records").set(gauges.unfolded() as f64);
        gauge!("sonder_quarantined_messages").set(gauges.quarantined.load(Ordering::Relaxed) as f64);
        gauge!("sonder_queue_messages").set(self.shared.budget.waiting() as f64);
        gauge!("sonder_writable").set(is(gauges.health() == Health::Running));
        gauge!("sonder_project_rejected").set(is(matches!(gauges.reload(), ReloadReport::Rejected(..))));
        gauge!("sonder_resident_bytes").set(resident_bytes() as f64);
        let (files, logs) = self.store.bytes();
        for (file, bytes) in [("data", files), ("write_ahead_log", logs)] {
            gauge!("sonder_file_bytes", "file" => file).set(bytes as f64);
        }
        let requests = self.open_requests();
        gauge!("sonder_privacy_requests_open").set(requests.open as f64);
        gauge!("sonder_privacy_requests_due_soon").set(requests.due_soon as f64);
        gauge!("sonder_privacy_requests_overdue").set(requests.overdue as f64);
        let outbox = self.outbox.as_ref().map(|outbox| outbox.stats().destinations).unwrap_or_default();
        for stats in outbox {
            let name = || stats.name.clone();
            gauge!("sonder_outbox_pending", "destination" => name()).set(stats.pending as f64);
            gauge!("sonder_outbox_oldest_seconds", "destination" => name()).set(stats.oldest.map_or(0.0, seconds));
            gauge!("sonder_destination_paused", "destination" => name()).set(is(stats.is_paused()));
            gauge!("sonder_destination_unauthorized", "destination" => name()).set(is(stats.unauthorized.is_some()));
        }
    }
}
