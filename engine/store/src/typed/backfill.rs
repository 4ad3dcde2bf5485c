//! Filling typed tables from payloads that are in the log already.
//!
//! The payloads are governed and go through the same [`ColumnBuilder`] as those of new rows, so that old and new rows agree
//! to the digit, and both with what the fold makes of them.
//! It works in ranges of `seq`, each a transaction; filling a range twice does no harm, so a crash may come at any time.

use super::rows::Header;
use super::{ColumnBuilder, TypedRows, TypedTable, Wanted};
use crate::database::{identifier, quoted};
use crate::seal::Keyring;
use crate::{StoreError, limits};
use arrow::array::UInt64Builder;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use duckdb::{Connection, params};
use serde_json::{Map, Value as Json};
use sonder_core::govern::Governor;
use sonder_core::message;
use sonder_dsl::ir::SourceId;
use sonder_dsl::model::EventSchema;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What payloads are read with.
pub(crate) struct Source<'a> {
    pub governor: &'a Governor,
    pub keyring: &'a Keyring,
}

/// Fills the columns of `table` that are not.
pub(crate) fn columns(
    connection: &Connection,
    table: &TypedTable,
    schema: Option<&EventSchema>,
    source: &Source<'_>,
) -> Result<(), StoreError> {
    let open: Vec<_> = table.columns.iter().filter(|column| !column.filled).collect();
    let wanted: Vec<_> = open.iter().map(|column| Wanted::in_column(column, schema)).collect();
    let column_list: Vec<_> = open.iter().map(|c| format!("{} {}", identifier(&c.name), c.kind.sql())).collect();
    let set: Vec<_> = open.iter().map(|c| format!("{0} = f.{0}", identifier(&c.name))).collect();
    let fields = open.iter().map(|c| Field::new(&c.name, c.kind.arrow(), true));
    let fill = Arc::new(Schema::new(
        std::iter::once(Field::new("seq", DataType::UInt64, false)).chain(fields).collect::<Vec<_>>(),
    ));
    ranges(connection, &table.event, |first, last| {
        let mut seqs = UInt64Builder::new();
        let mut builders: Vec<_> = open.iter().map(|c| ColumnBuilder::new(&c.kind)).collect();
        each_row(connection, &table.event, source, first, last, |row| {
            seqs.append_value(row.seq);
            for (builder, wanted) in builders.iter_mut().zip(&wanted) {
                builder.push(wanted.of(&row.properties, &[]).as_deref());
            }
        })?;
        let mut arrays: Vec<arrow::array::ArrayRef> = vec![Arc::new(seqs.finish())];
        for builder in builders {
            arrays.push(builder.finish()?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&fill), arrays)?;
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE sonder_fill(seq UBIGINT, {});",
            column_list.join(", ")
        ))?;
        let mut appender = connection.appender_to_catalog_and_db("sonder_fill", "temp", "main")?;
        appender.append_record_batch(batch)?;
        appender.flush()?;
        drop(appender);
        connection.execute_batch(&format!(
            "UPDATE {} AS t SET {} FROM temp.sonder_fill f WHERE t.seq = f.seq; DROP TABLE temp.sonder_fill;",
            identifier(&table.name),
            set.join(", ")
        ))?;
        Ok(())
    })
}

/// Fills a new table with the rows of its event that are in the log already and not in the table.
pub(crate) fn rows(
    connection: &Connection,
    table: &TypedTable,
    schema: Option<&EventSchema>,
    source: &Source<'_>,
) -> Result<(), StoreError> {
    let wanted: Vec<_> = table.columns.iter().map(|column| Some(Wanted::in_column(column, schema))).collect();
    ranges(connection, &table.event, |first, last| {
        let mut rows = TypedRows::new(table);
        each_row(connection, &table.event, source, first, last, |row| {
            let header = Header {
                seq: row.seq,
                occurred_at: row.occurred_at,
                received_at: row.received_at,
                source: &row.source,
                message_id: &row.message_id,
                anonymous_id: row.anonymous_id.as_deref(),
                user_id: row.user_id.as_deref(),
            };
            rows.push(&header, &wanted, &row.properties, &[]);
        })?;
        connection.execute_batch("BEGIN TRANSACTION")?;
        connection.execute(
            &format!("DELETE FROM {} WHERE seq BETWEEN ? AND ?", identifier(&table.name)),
            params![first, last],
        )?;
        let mut appender = connection.appender_to_catalog_and_db(&table.name, crate::database::LOG, "main")?;
        appender.append_record_batch(rows.finish(table)?)?;
        appender.flush()?;
        drop(appender);
        connection.execute_batch("COMMIT")?;
        Ok(())
    })
}

/// Fills rows anew of messages that have other payloads now: by place, inside whatever transaction there is. What is not accepted
/// any more has no row. Columns that the schema does not have stay.
pub(crate) fn again(
    connection: &Connection,
    table: &TypedTable,
    schema: Option<&EventSchema>,
    governor: &Governor,
    payloads: &BTreeMap<u64, String>,
) -> Result<(), StoreError> {
    let seqs = payloads.keys().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if seqs.is_empty() {
        return Ok(());
    }
    let name = identifier(&table.name);
    let mut statement = connection.prepare(&format!("SELECT seq FROM {name} WHERE seq IN ({seqs}) ORDER BY seq"))?;
    let rows: Vec<u64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    drop(statement);
    let present: Vec<_> = table.columns.iter().filter(|column| !column.is_earlier()).collect();
    let wanted: Vec<_> = present.iter().map(|column| Wanted::in_column(column, schema)).collect();
    let mut builders: Vec<_> = present.iter().map(|column| ColumnBuilder::new(&column.kind)).collect();
    let (mut filled, mut refused) = (UInt64Builder::new(), vec!["NULL".to_owned()]);
    let mut count = 0_u64;
    for seq in rows {
        let at = Moment(0);
        let payload = payloads.get(&seq).map_or("", String::as_str);
        let message = message::from_log(payload, SourceId(0), at, at, true).ok();
        let governed = message.and_then(|message| Some((governor.govern(&message).ok()?, message)));
        let Some((event, mut message)) = governed else {
            refused.push(seq.to_string());
            continue;
        };
        message.properties.retain(|name, _| !event.stripped.contains(name));
        filled.append_value(seq);
        count += 1;
        for (builder, wanted) in builders.iter_mut().zip(&wanted) {
            builder.push(wanted.of(&message.properties, &[]).as_deref());
        }
    }
    connection.execute_batch(&format!(
        "DELETE FROM {name} WHERE seq IN ({});
         UPDATE {name} AS t SET anonymous_id = l.anonymous_id, user_id = l.user_id FROM log l
         WHERE t.seq = l.seq AND t.seq IN ({seqs});",
        refused.join(", ")
    ))?;
    if count == 0 || present.is_empty() {
        return Ok(());
    }
    let mut fields = vec![Field::new("seq", DataType::UInt64, true)];
    let mut arrays: Vec<arrow::array::ArrayRef> = vec![Arc::new(filled.finish())];
    for (column, builder) in present.iter().zip(builders) {
        fields.push(Field::new(&column.name, column.kind.arrow(), true));
        arrays.push(builder.finish()?);
    }
    let list: Vec<_> = present.iter().map(|c| format!("{} {}", identifier(&c.name), c.kind.sql())).collect();
    let set: Vec<_> = present.iter().map(|c| format!("{0} = f.{0}", identifier(&c.name))).collect();
    connection
        .execute_batch(&format!("CREATE OR REPLACE TEMP TABLE sonder_fill(seq UBIGINT, {});", list.join(", ")))?;
    let mut appender = connection.appender_to_catalog_and_db("sonder_fill", "temp", "main")?;
    appender.append_record_batch(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)?;
    appender.flush()?;
    drop(appender);
    connection.execute_batch(&format!(
        "UPDATE {name} AS t SET {} FROM temp.sonder_fill f WHERE t.seq = f.seq; DROP TABLE temp.sonder_fill;",
        set.join(", ")
    ))?;
    Ok(())
}

/// Calls `fill` for ranges of `seq` that together hold all rows of `event`.
fn ranges(
    connection: &Connection,
    event: &str,
    mut fill: impl FnMut(u64, u64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let found: (Option<u64>, Option<u64>) = connection.query_row(
        &format!("SELECT min(seq), max(seq) FROM log WHERE event = {}", quoted(event)),
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (Some(mut first), Some(end)) = found else { return Ok(()) };
    while first <= end {
        let last = end.min(first.saturating_add(limits::BACKFILL_ROWS - 1));
        if let Err(error) = fill(first, last) {
            // The transaction may be gone already; what counts is the first error.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(error);
        }
        first = last.saturating_add(1);
    }
    Ok(())
}

struct LoggedEvent {
    seq: u64,
    occurred_at: Moment,
    received_at: Moment,
    source: String,
    message_id: String,
    anonymous_id: Option<String>,
    user_id: Option<String>,
    properties: Map<String, Json>,
}

fn each_row(
    connection: &Connection,
    event: &str,
    from: &Source<'_>,
    first: u64,
    last: u64,
    mut visit: impl FnMut(LoggedEvent),
) -> Result<(), StoreError> {
    let opener =
        from.keyring.opener(connection, &format!("event = {} AND seq BETWEEN {first} AND {last}", quoted(event)))?;
    let mut statement = connection.prepare(&format!(
        "SELECT seq, epoch_us(occurred_at), epoch_us(received_at), source, message_id, anonymous_id, user_id, payload, {}
         FROM log WHERE event = ? AND seq BETWEEN ? AND ? ORDER BY seq",
        from.keyring.columns()
    ))?;
    let mut rows = statement.query(params![event, first, last])?;
    while let Some(row) = rows.next()? {
        let payload = opener.whole(row.get(0)?, row.get(7)?, row.get(8)?, row.get(9)?)?;
        visit(LoggedEvent {
            seq: row.get(0)?,
            occurred_at: Moment(row.get(1)?),
            received_at: Moment(row.get(2)?),
            source: row.get(3)?,
            message_id: row.get(4)?,
            anonymous_id: row.get(5)?,
            user_id: row.get(6)?,
            properties: properties(&payload, from.governor),
        });
    }
    Ok(())
}

/// The properties of a logged message, read the way they were when it came, without those that are stripped. What is no
/// longer accepted keeps them all: its row is there because it was.
fn properties(payload: &str, governor: &Governor) -> Map<String, Json> {
    let at = Moment(0);
    let Ok(mut message) = message::from_log(payload, SourceId(0), at, at, true) else { return Map::new() };
    if let Ok(event) = governor.govern(&message) {
        message.properties.retain(|name, _| !event.stripped.contains(name));
    }
    message.properties
}
