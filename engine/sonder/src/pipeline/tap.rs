//! What goes through, for whoever looks on while it happens: everything of a transaction, once it is durable.
//!
//! Nobody who looks on holds anything up: who is too slow misses some. While nobody does, it costs one comparison.

use serde_json::{Value as Json, json};
use sonder_core::effect::ChangeKind;
use sonder_core::message::Quarantined;
use sonder_core::record::Fact;
use sonder_dsl::ir::{Program, RuleId, SourceId};
use sonder_store::{DeliveryOutcome, LogBatch, LogRow, RecordedChange, RecordedDelivery};
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Things that wait for somebody slow.
const AHEAD: usize = 4_096;

/// Where in the pipeline something is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A message is in the log.
    Log,
    /// A message is kept aside.
    Quarantine,
    /// Something came true about a person.
    Change,
    /// A delivery was decided.
    Delivery,
    /// An attempt at a delivery ended.
    Outcome,
}

impl Stage {
    /// As it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Quarantine => "quarantine",
            Self::Change => "change",
            Self::Delivery => "delivery",
            Self::Outcome => "outcome",
        }
    }
}

/// One thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Where.
    pub stage: Stage,
    /// The event, rule or destination that it is about.
    pub name: String,
    /// What a sample is drawn by: the same for all that is about one message, person or delivery.
    pub key: u64,
    /// All of it.
    pub what: Json,
}

/// Shows what goes through.
#[derive(Debug)]
pub struct Tap(Sender<Arc<Seen>>);

impl Default for Tap {
    fn default() -> Self {
        Self(channel(AHEAD).0)
    }
}

impl Tap {
    /// Looks on from now on.
    #[must_use]
    pub fn open(&self) -> Receiver<Arc<Seen>> {
        self.0.subscribe()
    }

    /// Shows a transaction.
    pub(super) fn show(&self, program: &Program, batch: &LogBatch) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let logged = batch.rows.iter().map(|row| logged(program, row));
        let aside = batch.quarantined.iter().map(|it| aside(program, it));
        let changes = batch.changes.iter().map(|it| change(program, it));
        let deliveries = batch.deliveries.iter().map(|it| delivery(program, it));
        let outcomes = batch.outcomes.iter().map(outcome);
        let succession = batch.succession.iter();
        let anew = succession.flat_map(|it| {
            let changes = it.changes.iter().map(|change_anew| change(&it.program, change_anew));
            changes.chain(it.deliveries.iter().map(|delivery_anew| delivery(&it.program, delivery_anew)))
        });
        for seen in logged.chain(aside).chain(changes).chain(deliveries).chain(anew).chain(outcomes) {
            // Whoever looked on may have left meanwhile.
            drop(self.0.send(Arc::new(seen)));
        }
    }
}

fn source(program: &Program, id: SourceId) -> &str {
    program.sources.get(id.index()).map_or("", |source| source.name.as_str())
}

fn logged(program: &Program, LogRow { record, message }: &LogRow) -> Seen {
    let Fact::Event(event) = &record.fact;
    let declared = event.event.and_then(|id| program.events.get(id.index()));
    let name = declared.map_or_else(|| event.call.name().to_owned(), |event| event.name.clone());
    let labels: Vec<&str> = event.labels.iter().map(|label| label.name()).collect();
    let payload: Json = serde_json::from_str(&message.payload).unwrap_or_default();
    let what = json!({
        "stage": "log", "at": record.received_at.to_string(), "seq": record.seq.0, "event": name,
        "source": source(program, event.source), "message_id": message.message_id, "labels": labels,
        "occurred_at": event.occurred_at.to_string(), "payload": payload,
    });
    Seen { stage: Stage::Log, name, key: key(message.message_id.as_bytes()), what }
}

fn aside(program: &Program, it: &Quarantined) -> Seen {
    let reasons: Vec<Json> = it
        .reasons
        .iter()
        .map(|reason| json!({"code": reason.code, "path": reason.path, "message": reason.message}))
        .collect();
    let payload = serde_json::from_str(&it.payload).unwrap_or_else(|_| Json::from(&*it.payload));
    let name = it.name.clone().unwrap_or_default();
    let what = json!({
        "stage": "quarantine", "at": it.received_at.to_string(), "event": name, "source": source(program, it.source),
        "message_id": it.message_id, "reasons": reasons, "payload": payload,
    });
    Seen { stage: Stage::Quarantine, name, key: key(it.message_id.as_deref().unwrap_or_default().as_bytes()), what }
}

fn change(program: &Program, RecordedChange { as_of, change }: &RecordedChange) -> Seen {
    let rule = |id: &RuleId| program.rules.get(id.index()).map_or("", |rule| rule.name.as_str());
    let (kind, name) = match &change.what {
        ChangeKind::Created => ("created", ""),
        ChangeKind::Merged { .. } => ("merged", ""),
        ChangeKind::Split { .. } => ("split", ""),
        ChangeKind::IdentifierMoved { .. } => ("identifier_moved", ""),
        ChangeKind::LinkRefused { .. } => ("link_refused", ""),
        ChangeKind::Entered(id) => ("entered", rule(id)),
        ChangeKind::Left(id) => ("left", rule(id)),
        ChangeKind::TraitChanged { rule: id, .. } => ("trait_changed", rule(id)),
        ChangeKind::Journey(step) => {
            let journey = program.journeys.get(step.journey.index());
            ("journey", journey.map_or("", |journey| journey.name.as_str()))
        }
    };
    let what = json!({
        "stage": "change", "at": change.at.to_string(), "seq": as_of.0, "person": format!("{:032x}", change.person.0),
        "kind": kind, "name": name,
    });
    Seen { stage: Stage::Change, name: name.to_owned(), key: key(&change.person.0.to_le_bytes()), what }
}

fn delivery(program: &Program, RecordedDelivery { as_of, delivery }: &RecordedDelivery) -> Seen {
    let destination = program.destinations.get(delivery.destination.index()).map(|it| it.name.clone());
    let name = destination.unwrap_or_default();
    let what = json!({
        "stage": "delivery", "at": delivery.at.to_string(), "seq": as_of.0, "delivery": format!("{:032x}", delivery.id.0),
        "destination": name, "person": format!("{:032x}", delivery.person.0), "kind": delivery.kind.name(),
        "name": delivery.name,
    });
    Seen { stage: Stage::Delivery, name, key: key(&delivery.id.0.to_le_bytes()), what }
}

fn outcome(it: &DeliveryOutcome) -> Seen {
    let what = json!({
        "stage": "outcome", "at": it.at.to_string(), "delivery": format!("{:032x}", it.delivery.0),
        "state": it.state.name(), "attempt": it.attempt, "detail": it.detail,
    });
    Seen { stage: Stage::Outcome, name: it.state.name().to_owned(), key: key(&it.delivery.0.to_le_bytes()), what }
}

fn key(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
