//! Metrics in Prometheus' text format. Every room counts through the `metrics` facade; this is where the counts are kept.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Buckets for everything that is measured in seconds: from a fast commit to a stalled disk.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 10.0];

/// The registry of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Starts counting, once a process; later calls give the same registry.
#[must_use]
pub fn set_up() -> Metrics {
    static REGISTRY: OnceLock<Metrics> = OnceLock::new();
    REGISTRY
        .get_or_init(|| {
            let builder = PrometheusBuilder::new();
            let recorder = match builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS) {
                Ok(builder) => builder.build_recorder(),
                Err(_) => PrometheusBuilder::new().build_recorder(),
            };
            let handle = recorder.handle();
            // Fails only where somebody else's recorder is installed; then ours renders what it was given: nothing.
            drop(::metrics::set_global_recorder(recorder));
            describe();
            Metrics { handle }
        })
        .clone()
}

impl Metrics {
    /// All of them as text.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn describe() {
    use ::metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("sonder_messages_total", "messages accepted into the log");
    describe_counter!("sonder_quarantined_total", "messages kept aside");
    describe_counter!("sonder_duplicates_total", "messages seen before and left out");
    describe_counter!("sonder_changes_total", "facts about people that came true");
    describe_counter!("sonder_redrawn_records_total", "records that people were made anew from");
    describe_counter!("sonder_deliveries_total", "deliveries decided");
    describe_counter!("sonder_write_failures_total", "transactions that failed and were refused or repeated");
    describe_counter!("sonder_reloads_total", "changes of the project, by outcome");
    describe_histogram!("sonder_commit_seconds", "time of one log transaction");
    describe_histogram!("sonder_fold_seconds", "time the fold held the state for one chunk of records");
    describe_histogram!("sonder_checkpoint_seconds", "time to write one checkpoint");
    describe_gauge!("sonder_log_seq", "last durable place in the log");
    describe_gauge!("sonder_folded_seq", "last place in the log that the fold has seen");
    describe_gauge!("sonder_queue_messages", "messages waiting for the log");
    describe_gauge!("sonder_people", "people");
}
