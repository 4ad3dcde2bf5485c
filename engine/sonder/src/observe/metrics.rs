//! Metrics in Prometheus' text format. Every room counts through the `metrics` facade; this is where the counts are kept, and
//! [`FIGURES`] says what each of them means.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Buckets for everything that is measured in seconds: from a fast commit to a stalled disk.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 10.0];

/// The registry of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// How it is to be read.
    pub kind: FigureKind,
    /// The labels that it always has.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub about: &'static str,
}

/// How a metric is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKind {
    /// Only rises, from the start of the process on.
    Counter,
    /// As of now.
    Gauge,
    /// Seconds, in buckets.
    Seconds,
}

use FigureKind::{Counter, Gauge, Seconds};

const fn figure(name: &'static str, kind: FigureKind, labels: &'static [&'static str], about: &'static str) -> Figure {
    Figure { name, kind, labels, about }
}

/// All metrics, in the order of a message's way.
pub const FIGURES: [Figure; 59] = [
    figure("sonder_collect_received_total", Counter, &[], "messages that requests brought"),
    figure("sonder_collect_rejected_total", Counter, &["reason"], "requests that were refused"),
    figure("sonder_collect_quarantined_total", Counter, &[], "messages of requests that were kept aside"),
    figure(
        "sonder_collect_without_consent_total",
        Counter,
        &[],
        "messages that were not collected for want of consent",
    ),
    figure(
        "sonder_collect_forwarded_total",
        Counter,
        &["region", "outcome"],
        "messages that belong to another region, sent on to its engine: taken, refused, unreachable",
    ),
    figure(
        "sonder_geoip_built_timestamp_seconds",
        Gauge,
        &[],
        "when the database of `--geoip` was built, in seconds since 1970",
    ),
    figure("sonder_queue_messages", Gauge, &[], "messages waiting for the log"),
    figure("sonder_messages_total", Counter, &[], "messages accepted into the log"),
    figure(
        "sonder_events_total",
        Counter,
        &["event", "source"],
        "messages accepted into the log, by event and source; calls by their name",
    ),
    figure("sonder_quarantined_total", Counter, &["source", "reason"], "messages kept aside, by their first reason"),
    figure("sonder_quarantined_messages", Gauge, &[], "messages that are kept aside now"),
    figure("sonder_quarantine_resolved_total", Counter, &[], "messages that were kept aside and are no longer"),
    figure("sonder_duplicates_total", Counter, &[], "messages seen before and left out"),
    figure("sonder_suppressed_total", Counter, &[], "messages of people from before their erasure, left out"),
    figure("sonder_retention_events_total", Counter, &[], "events that went as their time was over"),
    figure("sonder_commit_seconds", Seconds, &[], "time of one log transaction"),
    figure("sonder_write_failures_total", Counter, &[], "transactions that failed and were refused or repeated"),
    figure("sonder_log_seq", Gauge, &[], "last durable place in the log"),
    figure("sonder_log_age_seconds", Gauge, &[], "time since a message was logged last"),
    figure("sonder_folded_seq", Gauge, &[], "last place in the log that the fold has seen"),
    figure("sonder_unfolded_records", Gauge, &[], "records of the log that the fold has not seen"),
    figure("sonder_clock_lag_seconds", Gauge, &[], "how long the earliest timer is overdue"),
    figure("sonder_fold_seconds", Seconds, &[], "time the fold held the state for one chunk of records"),
    figure("sonder_redrawn_records_total", Counter, &[], "records that people were made anew from"),
    figure("sonder_changes_total", Counter, &[], "facts about people that came true"),
    figure(
        "sonder_rule_changes_total",
        Counter,
        &["rule", "change"],
        "people who entered or left a segment, or whose trait changed",
    ),
    figure("sonder_segment_people", Gauge, &["segment"], "people in a segment"),
    figure("sonder_people", Gauge, &[], "people"),
    figure(
        "sonder_forgotten_values",
        Gauge,
        &[],
        "values, events and groups of single people that limits made the running version forget",
    ),
    figure("sonder_checkpoint_seq", Gauge, &[], "place in the log that the last checkpoint stands for"),
    figure("sonder_checkpoint_seconds", Seconds, &[], "time to write one checkpoint"),
    figure("sonder_checkpoint_pause_seconds", Seconds, &[], "time that a checkpoint held the state at once"),
    figure("sonder_wal_fold_seconds", Seconds, &[], "time to fold the write-ahead log into its file"),
    figure("sonder_deliveries_total", Counter, &[], "deliveries decided"),
    figure(
        "sonder_delivery_decisions_total",
        Counter,
        &["destination", "kind"],
        "deliveries decided, by destination and kind",
    ),
    figure("sonder_outbox_pending", Gauge, &["destination"], "deliveries that wait"),
    figure("sonder_outbox_oldest_seconds", Gauge, &["destination"], "age of the oldest delivery that waits"),
    figure("sonder_destination_paused", Gauge, &["destination"], "1 while calls are held back because too many failed"),
    figure(
        "sonder_destination_unauthorized",
        Gauge,
        &["destination"],
        "1 while the destination refuses its credentials",
    ),
    figure("sonder_delivery_attempts_total", Counter, &["destination", "outcome"], "attempts, by how they ended"),
    figure("sonder_delivery_seconds", Seconds, &["destination"], "time from the decision to the end of a delivery"),
    figure("sonder_reloads_total", Counter, &["outcome"], "changes of the project"),
    figure(
        "sonder_project_rejected",
        Gauge,
        &[],
        "1 while the files on disk have errors and the version before runs on",
    ),
    figure("sonder_writable", Gauge, &[], "1 while the log can be written"),
    figure("sonder_file_bytes", Gauge, &["file"], "bytes of the data files and of their write-ahead logs"),
    figure("sonder_resident_bytes", Gauge, &[], "memory that the process takes"),
    figure("sonder_api_seconds", Seconds, &["path", "status"], "time of requests to the API"),
    figure("sonder_audit_failures_total", Counter, &[], "deeds that could not be put into the audit log"),
    figure("sonder_feeds_total", Counter, &[], "pages that asked for what is told about their visitor"),
    figure("sonder_match_runs_total", Counter, &["outcome"], "times that people were matched, by how it ended"),
    figure("sonder_match_seconds", Seconds, &[], "time that matching people took"),
    figure(
        "sonder_match_pairs_total",
        Counter,
        &["outcome"],
        "pairs that matching found likely to be one person: linked, or queued for a decision",
    ),
    figure("sonder_match_queue", Gauge, &[], "pairs of people that wait for a decision"),
    figure("sonder_privacy_requests_open", Gauge, &[], "requests of people that are to be dealt with"),
    figure("sonder_privacy_requests_due_soon", Gauge, &[], "of those, how many are due within a few days"),
    figure("sonder_privacy_requests_overdue", Gauge, &[], "of those, how many should have been done"),
    figure(
        "sonder_keys_copy_behind_seconds",
        Gauge,
        &[],
        "for how long the copy of the keys of personal data could not be put where backups are; 0 where it is up to date",
    ),
    figure("sonder_tap_skipped_total", Counter, &[], "things that slow watchers of `sonder tap` did not get"),
    figure("sonder_spans_dropped_total", Counter, &[], "spans of traces that the collector did not take"),
];

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
    use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram};
    for Figure { name, kind, labels, about } in FIGURES {
        match kind {
            Counter => {
                describe_counter!(name, about);
                if labels.is_empty() {
                    // A rise from nothing is a rise: without a zero before, whoever watches does not see the first.
                    counter!(name).increment(0);
                }
            }
            Gauge => describe_gauge!(name, about),
            Seconds => describe_histogram!(name, about),
        }
    }
}

/// All metrics as a page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "# Metrics\n\n`GET /metrics` gives them in Prometheus' text format.\n\n| metric | kind | labels | is |\n|---|---|---|---|\n".to_owned();
    for Figure { name, kind, labels, about } in FIGURES {
        let kind = match kind {
            Counter => "counter",
            Gauge => "gauge",
            Seconds => "histogram of seconds",
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        page += &format!("| `{name}` | {kind} | {} | {about} |\n", labels.join(", "));
    }
    page
}
