//! Rows on their way into a typed table.

use super::{ColumnBuilder, TypedTable, Wanted};
use arrow::array::{ArrayRef, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value as Json};
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// Collects rows of one table.
#[derive(Debug)]
pub(crate) struct TypedRows {
    seq: UInt64Builder,
    occurred_at: TimestampMicrosecondBuilder,
    received_at: TimestampMicrosecondBuilder,
    source: StringBuilder,
    message_id: StringBuilder,
    anonymous_id: StringBuilder,
    user_id: StringBuilder,
    columns: Vec<ColumnBuilder>,
}

/// What the header of a row says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    pub seq: u64,
    pub occurred_at: Moment,
    pub received_at: Moment,
    pub source: &'a str,
    pub message_id: &'a str,
    pub anonymous_id: Option<&'a str>,
    pub user_id: Option<&'a str>,
}

impl TypedRows {
    pub fn new(table: &TypedTable) -> Self {
        Self {
            seq: UInt64Builder::new(),
            occurred_at: TimestampMicrosecondBuilder::new(),
            received_at: TimestampMicrosecondBuilder::new(),
            source: StringBuilder::new(),
            message_id: StringBuilder::new(),
            anonymous_id: StringBuilder::new(),
            user_id: StringBuilder::new(),
            columns: table.columns.iter().map(|column| ColumnBuilder::new(&column.kind)).collect(),
        }
    }

    /// Adds a row; `wanted` says for each column which property goes there. What governing stripped goes nowhere: SQL sees
    /// what rules see.
    pub fn push(
        &mut self,
        header: &Header<'_>,
        wanted: &[Option<Wanted>],
        properties: &Map<String, Json>,
        stripped: &[String],
    ) {
        self.seq.append_value(header.seq);
        self.occurred_at.append_value(header.occurred_at.0);
        self.received_at.append_value(header.received_at.0);
        self.source.append_value(header.source);
        self.message_id.append_value(header.message_id);
        self.anonymous_id.append_option(header.anonymous_id);
        self.user_id.append_option(header.user_id);
        for (column, property) in self.columns.iter_mut().zip(wanted) {
            let value = property.as_ref().and_then(|property| property.of(properties, stripped));
            column.push(value.as_deref());
        }
    }

    pub fn finish(mut self, table: &TypedTable) -> Result<RecordBatch, arrow::error::ArrowError> {
        let header: [ArrayRef; 7] = [
            Arc::new(self.seq.finish()),
            Arc::new(self.occurred_at.finish()),
            Arc::new(self.received_at.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.message_id.finish()),
            Arc::new(self.anonymous_id.finish()),
            Arc::new(self.user_id.finish()),
        ];
        let mut arrays = Vec::from(header);
        for column in self.columns {
            arrays.push(column.finish()?);
        }
        RecordBatch::try_new(Arc::clone(&table.schema), arrays)
    }
}
