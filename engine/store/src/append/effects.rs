//! Everything but accepted messages in columns: quarantine, changes, deliveries, recalls, outcomes.

use super::journeys;
use crate::StoreError;
use crate::batch::{DeliveryOutcome, RecordedChange, RecordedDelivery, RecordedRecall};
use crate::node::kind_name;
use crate::seal::{Place, Places, Sealed, Sealing, WORD, of_person, of_row};
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use serde_json::{Value as Json, json};
use sonder_core::effect::{Cause, Change, ChangeKind, PersonId};
use sonder_core::message::Quarantined;
use sonder_dsl::ir::{Program, RuleId, RuleKind, Type, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What was kept aside. Nobody knows what of it is personal: where anything is sealed, all of it is, and what is said of values.
pub(super) fn quarantine(
    program: &Program,
    rows: &[Quarantined],
    id: &mut u64,
    sealing: &mut Sealing<'_>,
) -> Result<RecordBatch, StoreError> {
    let mut ids = UInt64Builder::new();
    let mut received_at = TimestampMicrosecondBuilder::new();
    let mut source = StringBuilder::new();
    let mut message_id = StringBuilder::new();
    let mut name = StringBuilder::new();
    let mut codes = ListBuilder::new(StringBuilder::new());
    let mut reasons = StringBuilder::new();
    let mut payload = StringBuilder::new();
    let mut resolved_at = TimestampMicrosecondBuilder::new();
    let mut resolution = StringBuilder::new();
    let mut occurred_at = TimestampMicrosecondBuilder::new();
    let mut historical = BooleanBuilder::new();
    let mut cells = SealedCells::default();
    for row in rows {
        *id += 1;
        ids.append_value(*id);
        received_at.append_value(row.received_at.0);
        source.append_option(program.sources.get(row.source.index()).map(|source| source.name.as_str()));
        message_id.append_option(row.message_id.as_deref());
        name.append_option(row.name.as_deref());
        let mut known: Vec<&str> = row.reasons.iter().map(|reason| reason.code.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        for code in known {
            codes.values().append_value(code);
        }
        codes.append(true);
        let list: Json = row
            .reasons
            .iter()
            .map(|reason| json!({"code": reason.code, "path": reason.path, "message": reason.message}))
            .collect();
        let list = list.to_string();
        let (kind, number) = of_row(*id);
        match sealing.whole(Place::Quarantine(*id), (kind, &number), &aside(&row.payload, &list))? {
            None => {
                reasons.append_value(list);
                payload.append_value(&row.payload);
                cells.push(None);
            }
            Some(sealed) => {
                let places = row.reasons.iter().map(|it| json!({"code": it.code, "path": it.path, "message": WORD}));
                reasons.append_value(places.collect::<Json>().to_string());
                payload.append_value(&sealed.text);
                cells.push(Some(&sealed));
            }
        }
        resolved_at.append_null();
        resolution.append_null();
        occurred_at.append_option(row.occurred_at.map(|at| at.0));
        historical.append_value(row.historical);
    }
    let [sealed_by, sealed] = cells.finish();
    batch(vec![
        (Field::new("id", DataType::UInt64, true), Arc::new(ids.finish())),
        (time("received_at"), Arc::new(received_at.finish())),
        (text("source"), Arc::new(source.finish())),
        (text("message_id"), Arc::new(message_id.finish())),
        (text("name"), Arc::new(name.finish())),
        (Field::new_list("codes", Field::new("item", DataType::Utf8, true), true), Arc::new(codes.finish())),
        (text("reasons"), Arc::new(reasons.finish())),
        (text("payload"), Arc::new(payload.finish())),
        (time("resolved_at"), Arc::new(resolved_at.finish())),
        (text("resolution"), Arc::new(resolution.finish())),
        (time("occurred_at"), Arc::new(occurred_at.finish())),
        (Field::new("historical", DataType::Boolean, true), Arc::new(historical.finish())),
        sealed_by,
        sealed,
    ])
}

/// What changed. The value of a trait that hands on personal data is sealed.
pub(super) fn changes(
    (program, places): (&Program, &Places),
    rows: &[RecordedChange],
    id: &mut u64,
    sealing: &mut Sealing<'_>,
) -> Result<RecordBatch, StoreError> {
    let mut cells = SealedCells::default();
    let mut ids = UInt64Builder::new();
    let mut as_of = UInt64Builder::new();
    let mut changed_at = TimestampMicrosecondBuilder::new();
    let mut person = Uuids::default();
    let mut kind = StringBuilder::new();
    let mut name = StringBuilder::new();
    let mut value = StringBuilder::new();
    let mut cause = Causes::default();
    for row in rows {
        *id += 1;
        ids.append_value(*id);
        as_of.append_value(row.as_of.0);
        changed_at.append_value(row.change.at.0);
        person.push(row.change.person.0)?;
        let (kind_text, rule, detail) = told(program, &row.change);
        kind.append_value(kind_text);
        name.append_option(rule);
        let detail = detail.map(|detail| detail.to_string());
        let is_personal =
            matches!(&row.change.what, ChangeKind::TraitChanged { rule, .. } if places.is_personal(*rule));
        let sealed = match &detail {
            Some(detail) if is_personal => {
                let (kind, id_of) = of_person(row.change.person);
                sealing.whole(Place::Change(*id), (kind, &id_of), detail)?
            }
            _ => None,
        };
        value.append_option(sealed.as_ref().map(|it| &*it.text).or(detail.as_deref()));
        cells.push(sealed.as_ref());
        cause.push(row.change.cause);
    }
    let [cause_seq, cause_time] = cause.finish();
    let [sealed_by, sealed] = cells.finish();
    batch(vec![
        (Field::new("id", DataType::UInt64, true), Arc::new(ids.finish())),
        (Field::new("as_of_seq", DataType::UInt64, true), Arc::new(as_of.finish())),
        (time("changed_at"), Arc::new(changed_at.finish())),
        person.finish("person"),
        (text("kind"), Arc::new(kind.finish())),
        (text("name"), Arc::new(name.finish())),
        (text("value"), Arc::new(value.finish())),
        cause_seq,
        cause_time,
        sealed_by,
        sealed,
    ])
}

/// What destinations are to be told. It is for their eyes, so all of it is sealed where anything is.
pub(super) fn deliveries(
    program: &Program,
    rows: &[RecordedDelivery],
    number: &mut u64,
    sealing: &mut Sealing<'_>,
) -> Result<RecordBatch, StoreError> {
    let mut cells = SealedCells::default();
    let mut numbers = UInt64Builder::new();
    let mut id = Uuids::default();
    let mut as_of = UInt64Builder::new();
    let mut decided_at = TimestampMicrosecondBuilder::new();
    let mut destination = StringBuilder::new();
    let mut person = Uuids::default();
    let mut kind = StringBuilder::new();
    let mut name = StringBuilder::new();
    let mut identifiers = StringBuilder::new();
    let mut payload = StringBuilder::new();
    let mut cause = Causes::default();
    for RecordedDelivery { as_of: seq, delivery } in rows {
        *number += 1;
        numbers.append_value(*number);
        id.push(delivery.id.0)?;
        as_of.append_value(seq.0);
        decided_at.append_value(delivery.at.0);
        destination
            .append_option(program.destinations.get(delivery.destination.index()).map(|known| known.name.as_str()));
        person.push(delivery.person.0)?;
        kind.append_value(delivery.kind.name());
        name.append_value(&delivery.name);
        identifiers.append_value(json!(delivery.identifiers).to_string());
        let (kind, id_of) = of_person(delivery.person);
        let sealed = sealing.whole(Place::Delivery(*number), (kind, &id_of), &delivery.payload)?;
        payload.append_value(sealed.as_ref().map_or(&*delivery.payload, |it| &*it.text));
        cells.push(sealed.as_ref());
        cause.push(delivery.cause);
    }
    let [cause_seq, cause_time] = cause.finish();
    let [sealed_by, sealed] = cells.finish();
    batch(vec![
        (Field::new("number", DataType::UInt64, true), Arc::new(numbers.finish())),
        id.finish("id"),
        (Field::new("as_of_seq", DataType::UInt64, true), Arc::new(as_of.finish())),
        (time("decided_at"), Arc::new(decided_at.finish())),
        (text("destination"), Arc::new(destination.finish())),
        person.finish("person"),
        (text("kind"), Arc::new(kind.finish())),
        (text("name"), Arc::new(name.finish())),
        (text("identifiers"), Arc::new(identifiers.finish())),
        (text("payload"), Arc::new(payload.finish())),
        cause_seq,
        cause_time,
        sealed_by,
        sealed,
    ])
}

pub(super) fn recalls(rows: &[RecordedRecall]) -> Result<RecordBatch, StoreError> {
    let mut delivery = Uuids::default();
    let mut as_of = UInt64Builder::new();
    let mut recalled_at = TimestampMicrosecondBuilder::new();
    let mut reason = StringBuilder::new();
    for RecordedRecall { as_of: seq, recall } in rows {
        delivery.push(recall.id.0)?;
        as_of.append_value(seq.0);
        recalled_at.append_value(recall.at.0);
        reason.append_value(&recall.reason);
    }
    batch(vec![
        delivery.finish("delivery"),
        (Field::new("as_of_seq", DataType::UInt64, true), Arc::new(as_of.finish())),
        (time("recalled_at"), Arc::new(recalled_at.finish())),
        (text("reason"), Arc::new(reason.finish())),
    ])
}

pub(super) fn outcomes(rows: &[DeliveryOutcome], last_seq: u64) -> Result<RecordBatch, StoreError> {
    let mut delivery = Uuids::default();
    let mut as_of = UInt64Builder::new();
    let mut ended_at = TimestampMicrosecondBuilder::new();
    let mut state = StringBuilder::new();
    let mut attempt = UInt32Builder::new();
    let mut status = UInt16Builder::new();
    let mut detail = StringBuilder::new();
    for row in rows {
        delivery.push(row.delivery.0)?;
        as_of.append_value(last_seq);
        ended_at.append_value(row.at.0);
        state.append_value(row.state.name());
        attempt.append_value(row.attempt);
        status.append_option(row.status);
        detail.append_option(row.detail.as_deref());
    }
    batch(vec![
        delivery.finish("delivery"),
        (Field::new("as_of_seq", DataType::UInt64, true), Arc::new(as_of.finish())),
        (time("ended_at"), Arc::new(ended_at.finish())),
        (text("state"), Arc::new(state.finish())),
        (Field::new("attempt", DataType::UInt32, true), Arc::new(attempt.finish())),
        (Field::new("status", DataType::UInt16, true), Arc::new(status.finish())),
        (text("detail"), Arc::new(detail.finish())),
    ])
}

/// A message that was kept aside and why, as one text: [`not_aside`] takes it apart again.
pub(crate) fn aside(payload: &str, reasons: &str) -> String {
    json!([payload, reasons]).to_string()
}

/// The payload, and the reasons as JSON.
pub(crate) fn not_aside(text: &str) -> Option<(String, String)> {
    serde_json::from_str(text).ok()
}

/// What is sealed of rows.
#[derive(Debug, Default)]
struct SealedCells {
    key: UInt64Builder,
    sealed: BinaryBuilder,
}

impl SealedCells {
    fn push(&mut self, sealed: Option<&Sealed>) {
        self.key.append_option(sealed.map(|it| it.key));
        self.sealed.append_option(sealed.map(|it| &*it.sealed));
    }

    fn finish(mut self) -> [(Field, ArrayRef); 2] {
        [
            (Field::new("sealed_by", DataType::UInt64, true), Arc::new(self.key.finish())),
            (Field::new("sealed", DataType::Binary, true), Arc::new(self.sealed.finish())),
        ]
    }
}

/// A change as its kind, the rule it is about, and what else there is to say.
fn told<'a>(program: &'a Program, change: &Change) -> (&'static str, Option<&'a str>, Option<Json>) {
    let rule = |id: &RuleId| program.rules.get(id.index()).map(|rule| rule.name.as_str());
    let is_of_project = matches!(change.cause, Cause::Takeover(_));
    let cause = if is_of_project { "project" } else { "message" };
    let id = |person: &PersonId| format!("{:032x}", person.0);
    match &change.what {
        // Nearly everybody is there because of a message.
        ChangeKind::Created => ("created", None, is_of_project.then(|| json!({"cause": cause}))),
        ChangeKind::Merged { absorbed } => ("merged", None, Some(json!({"absorbed": id(absorbed), "cause": cause}))),
        ChangeKind::Split { parted } => ("split", None, Some(json!({"parted": id(parted), "cause": cause}))),
        ChangeKind::IdentifierMoved { identifier, from, to } => {
            let (kind, value) = (kind_name(program, identifier), &*identifier.value);
            let told = json!({"kind": kind, "value": value, "from": id(from), "to": id(to), "cause": cause});
            ("identifier_moved", None, Some(told))
        }
        ChangeKind::LinkRefused { identifier, reason } => {
            let kind = kind_name(program, identifier);
            ("link_refused", None, Some(json!({"kind": kind, "value": &*identifier.value, "reason": reason})))
        }
        ChangeKind::Entered(id) => ("entered", rule(id), None),
        ChangeKind::Left(id) => ("left", rule(id), None),
        ChangeKind::TraitChanged { rule: id, value } => {
            let kind = program.rules.get(id.index()).map(|rule| &rule.kind);
            let kind = match kind {
                Some(RuleKind::Trait(kind)) => Some(kind),
                _ => None,
            };
            let value = value.as_ref().map_or(Json::Null, |value| value_json(value, kind));
            ("trait_changed", rule(id), Some(value))
        }
        ChangeKind::Journey(change) => {
            let journey = program.journeys.get(change.journey.index());
            let told = journey.map(|journey| journeys::told(program, journey, change));
            ("journey", journey.map(|it| it.name.as_str()), told)
        }
    }
}

/// A value as the API shows it: decimals are text in the scale of their type, moments and durations are text.
fn value_json(value: &Value, kind: Option<&Type>) -> Json {
    match value {
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Decimal(number) => {
            let mut number = *number;
            if let Some(Type::Decimal { scale }) = kind {
                number.rescale(u32::from(*scale));
            }
            json!(number.to_string())
        }
        Value::Float(number) => json!(number),
        Value::String(text) => json!(&**text),
        Value::Time(moment) => json!(moment.to_string()),
        Value::Duration(duration) => json!(duration.to_string()),
        Value::List(items) => {
            let item = match kind {
                Some(Type::List(item)) => Some(&**item),
                _ => None,
            };
            items.iter().map(|value| value_json(value, item)).collect()
        }
    }
}

#[derive(Debug, Default)]
struct Causes {
    seq: UInt64Builder,
    time: TimestampMicrosecondBuilder,
}

impl Causes {
    fn push(&mut self, cause: Cause) {
        match cause {
            Cause::Record(seq) => {
                self.seq.append_value(seq.0);
                self.time.append_null();
            }
            Cause::Timer(moment) | Cause::Takeover(moment) => {
                self.seq.append_null();
                self.time.append_value(moment.0);
            }
        }
    }

    fn finish(mut self) -> [(Field, ArrayRef); 2] {
        [
            (Field::new("cause_seq", DataType::UInt64, true), Arc::new(self.seq.finish())),
            (time("cause_time"), Arc::new(self.time.finish())),
        ]
    }
}

/// A column of 128-bit ids, which SQL knows as UUIDs.
#[derive(Debug)]
pub(crate) struct Uuids {
    values: FixedSizeBinaryBuilder,
}

impl Default for Uuids {
    fn default() -> Self {
        Self { values: FixedSizeBinaryBuilder::new(16) }
    }
}

impl Uuids {
    pub fn push(&mut self, id: u128) -> Result<(), StoreError> {
        Ok(self.values.append_value(id.to_be_bytes())?)
    }

    pub fn finish(mut self, name: &str) -> (Field, ArrayRef) {
        let extension = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())]);
        let field = Field::new(name, DataType::FixedSizeBinary(16), true).with_metadata(extension);
        (field, Arc::new(self.values.finish()))
    }
}

pub(crate) fn batch(columns: Vec<(Field, ArrayRef)>) -> Result<RecordBatch, StoreError> {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

pub(crate) fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

pub(crate) fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, None), true)
}
