//! Counts of what is in a transaction, for monitors.

use metrics::counter;
use sonder_core::effect::ChangeKind;
use sonder_core::record::Fact;
use sonder_dsl::ir::{EventId, Program, RuleId, SourceId};
use sonder_store::{LogBatch, LogRow, RecordedChange, RecordedDelivery};
use std::collections::BTreeMap;

/// Counts it by event, reason, rule and destination.
pub(super) fn count(program: &Program, batch: &LogBatch) {
    let source = |id: SourceId| program.sources.get(id.index()).map_or_else(String::new, |it| it.name.clone());
    let mut events: BTreeMap<(Option<EventId>, &str, SourceId), u64> = BTreeMap::new();
    for LogRow { record, .. } in &batch.rows {
        let Fact::Event(event) = &record.fact;
        *events.entry((event.event, event.call.name(), event.source)).or_default() += 1;
    }
    for ((event, call, from), times) in events {
        let declared = event.and_then(|id| program.events.get(id.index()));
        let name = declared.map_or_else(|| call.to_owned(), |event| event.name.clone());
        counter!("sonder_events_total", "event" => name, "source" => source(from)).increment(times);
    }
    for quarantined in &batch.quarantined {
        let reason = quarantined.reasons.first().map(|reason| reason.code.clone()).unwrap_or_default();
        let labels = [("source", source(quarantined.source)), ("reason", reason)];
        counter!("sonder_quarantined_total", &labels).increment(1);
    }
    decided(program, &batch.changes, &batch.deliveries);
    if let Some(it) = &batch.succession {
        decided(&it.program, &it.changes, &it.deliveries);
    }
}

/// Counts what a version of the project decided.
fn decided(program: &Program, changes: &[RecordedChange], deliveries: &[RecordedDelivery]) {
    let mut rules: BTreeMap<(RuleId, &'static str), u64> = BTreeMap::new();
    for RecordedChange { change, .. } in changes {
        let (rule, what) = match &change.what {
            ChangeKind::Entered(rule) => (*rule, "entered"),
            ChangeKind::Left(rule) => (*rule, "left"),
            ChangeKind::TraitChanged { rule, .. } => (*rule, "changed"),
            _ => continue,
        };
        *rules.entry((rule, what)).or_default() += 1;
    }
    for ((rule, what), times) in rules {
        let name = program.rules.get(rule.index()).map_or_else(String::new, |rule| rule.name.clone());
        counter!("sonder_rule_changes_total", "rule" => name, "change" => what).increment(times);
    }
    for RecordedDelivery { delivery, .. } in deliveries {
        let destination = program.destinations.get(delivery.destination.index()).map(|it| it.name.clone());
        let labels = [("destination", destination.unwrap_or_default()), ("kind", delivery.kind.name().to_owned())];
        counter!("sonder_delivery_decisions_total", &labels).increment(1);
    }
}
