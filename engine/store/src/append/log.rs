//! Accepted messages in columns: `log`, `log_identifiers` and the typed tables.

use crate::StoreError;
use crate::batch::LogRow;
use crate::node::{kind_name, node};
use crate::seal::{NOBODY, Sealed, Sealing};
use crate::typed::{Catalog, Header, Layout, TypedRows};
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use sonder_core::record::{Event, Fact};
use sonder_dsl::ir::Program;
use sonder_dsl::model::fold_event_name;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

/// The tables that `rows` go to. They must continue the log after `seq`, which then stands at the last of them.
pub(super) fn columns(
    program: &Program,
    catalog: &Catalog,
    layout: &Layout,
    rows: &[LogRow],
    seq: &mut u64,
    sealing: &mut Sealing<'_>,
) -> Result<Vec<(String, RecordBatch)>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut log = LogColumns::default();
    let mut nodes = NodeColumns::default();
    let mut typed: Vec<Option<TypedRows>> = catalog.tables().iter().map(|_| None).collect();
    for row in rows {
        let (found, expected) = (row.record.seq.0, *seq + 1);
        if found != expected {
            return Err(StoreError::OutOfOrder { expected, found });
        }
        *seq = found;
        let Fact::Event(event) = &row.record.fact;
        log.push(program, row, event, sealed(program, layout, row, event, sealing)?);
        nodes.push(program, found, event);
        let Some(place) = event.event.and_then(|id| layout.event(id)) else { continue };
        let table = typed[place.table].get_or_insert_with(|| TypedRows::new(&catalog.tables()[place.table]));
        let header = Header {
            seq: found,
            occurred_at: event.occurred_at,
            received_at: row.record.received_at,
            source: source_name(program, event),
            message_id: &row.message.message_id,
            anonymous_id: row.message.anonymous_id.as_deref(),
            user_id: row.message.user_id.as_deref(),
        };
        table.push(&header, &place.properties, &row.message.properties, &event.stripped);
    }
    let mut tables = vec![("log".to_owned(), log.finish()?), ("log_identifiers".to_owned(), nodes.finish()?)];
    for (rows, table) in typed.into_iter().zip(catalog.tables()) {
        if let Some(rows) = rows {
            tables.push((table.name.clone(), rows.finish(table)?));
        }
    }
    Ok(tables)
}

/// What of a message is written sealed.
fn sealed(
    program: &Program,
    layout: &Layout,
    row: &LogRow,
    event: &Event,
    sealing: &mut Sealing<'_>,
) -> Result<Option<Sealed>, StoreError> {
    if !sealing.seals() || !layout.places().are_in(event.event, &row.message) {
        return Ok(None);
    }
    let first = event.identifiers.first();
    let subject = first.map_or(NOBODY, |first| (kind_name(program, first), &*first.value));
    let name = event.event.and_then(|id| program.events.get(id.index())).map(|schema| schema.name.as_str());
    sealing.message((layout.places(), name), row.record.seq.0, subject, &row.message.payload)
}

#[derive(Debug, Default)]
struct LogColumns {
    seq: UInt64Builder,
    received_at: TimestampMicrosecondBuilder,
    occurred_at: TimestampMicrosecondBuilder,
    call: StringBuilder,
    event: StringBuilder,
    message_id: StringBuilder,
    source: StringBuilder,
    anonymous_id: StringBuilder,
    user_id: StringBuilder,
    identifiers: ListBuilder<StringBuilder>,
    historical: BooleanBuilder,
    labels: ListBuilder<StringBuilder>,
    payload: StringBuilder,
    sealed_by: UInt64Builder,
    sealed: BinaryBuilder,
}

impl LogColumns {
    fn push(&mut self, program: &Program, row: &LogRow, event: &Event, sealed: Option<Sealed>) {
        let message = &row.message;
        self.seq.append_value(row.record.seq.0);
        self.received_at.append_value(row.record.received_at.0);
        self.occurred_at.append_value(event.occurred_at.0);
        self.call.append_value(event.call.name());
        self.event.append_option(event_name(program, row, event));
        self.message_id.append_value(&message.message_id);
        self.source.append_value(source_name(program, event));
        self.anonymous_id.append_option(message.anonymous_id.as_deref());
        self.user_id.append_option(message.user_id.as_deref());
        for identifier in &event.identifiers {
            let cell = self.identifiers.values();
            // Writing to a builder cannot fail; the cell ends with `append_value`.
            let _ = write!(cell, "{}:{}", kind_name(program, identifier), identifier.value);
            cell.append_value("");
        }
        self.identifiers.append(true);
        self.historical.append_value(event.historical);
        for label in &event.labels {
            self.labels.values().append_value(label.name());
        }
        self.labels.append(true);
        self.payload.append_value(sealed.as_ref().map_or(&*message.payload, |it| &*it.text));
        self.sealed_by.append_option(sealed.as_ref().map(|it| it.key));
        self.sealed.append_option(sealed.as_ref().map(|it| &*it.sealed));
    }

    fn finish(mut self) -> Result<RecordBatch, StoreError> {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, None), true);
        let texts = |name: &str| Field::new_list(name, Field::new("item", DataType::Utf8, true), true);
        let schema = Schema::new(vec![
            Field::new("seq", DataType::UInt64, true),
            time("received_at"),
            time("occurred_at"),
            text("call"),
            text("event"),
            text("message_id"),
            text("source"),
            text("anonymous_id"),
            text("user_id"),
            texts("identifiers"),
            Field::new("historical", DataType::Boolean, true),
            texts("labels"),
            text("payload"),
            Field::new("sealed_by", DataType::UInt64, true),
            Field::new("sealed", DataType::Binary, true),
        ]);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.seq.finish()),
            Arc::new(self.received_at.finish()),
            Arc::new(self.occurred_at.finish()),
            Arc::new(self.call.finish()),
            Arc::new(self.event.finish()),
            Arc::new(self.message_id.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.anonymous_id.finish()),
            Arc::new(self.user_id.finish()),
            Arc::new(self.identifiers.finish()),
            Arc::new(self.historical.finish()),
            Arc::new(self.labels.finish()),
            Arc::new(self.payload.finish()),
            Arc::new(self.sealed_by.finish()),
            Arc::new(self.sealed.finish()),
        ];
        Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
    }
}

#[derive(Debug, Default)]
struct NodeColumns {
    node: UInt64Builder,
    seq: UInt64Builder,
    occurred_at: TimestampMicrosecondBuilder,
}

impl NodeColumns {
    fn push(&mut self, program: &Program, seq: u64, event: &Event) {
        for identifier in &event.identifiers {
            self.node.append_value(node(kind_name(program, identifier), &identifier.value));
            self.seq.append_value(seq);
            self.occurred_at.append_value(event.occurred_at.0);
        }
    }

    fn finish(mut self) -> Result<RecordBatch, StoreError> {
        let schema = Schema::new(vec![
            Field::new("node", DataType::UInt64, true),
            Field::new("seq", DataType::UInt64, true),
            Field::new("occurred_at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ]);
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(self.node.finish()), Arc::new(self.seq.finish()), Arc::new(self.occurred_at.finish())];
        Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
    }
}

/// The declared name of the event; the folded name of one that is accepted without a schema; nothing for the calls that
/// are no events.
fn event_name<'a>(program: &'a Program, row: &'a LogRow, event: &Event) -> Option<Cow<'a, str>> {
    let declared = event.event.and_then(|id| program.events.get(id.index()));
    if let Some(schema) = declared {
        return Some(Cow::Borrowed(&schema.name));
    }
    row.message.event_name().map(|name| Cow::Owned(fold_event_name(name)))
}

fn source_name<'a>(program: &'a Program, event: &Event) -> &'a str {
    program.sources.get(event.source.index()).map_or("", |source| source.name.as_str())
}
