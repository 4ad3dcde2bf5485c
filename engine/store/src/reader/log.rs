//! The log, in order: what refolding and replaying read.

use super::Reader;
use crate::seal::{Keyring, Place, Unsealed};
use crate::{StoreError, limits};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use duckdb::Connection;
use sonder_core::record::Seq;
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// A logged message, from which `sonder_core::message::from_log` makes the message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedMessage {
    /// Its place.
    pub seq: Seq,
    /// When it was logged.
    pub received_at: Moment,
    /// When it happened.
    pub occurred_at: Moment,
    /// The name of the source that it came from; the same allocation for messages of one source in a row.
    pub source: Arc<str>,
    /// Its id.
    pub message_id: String,
    /// Whether it is imported history.
    pub historical: bool,
    /// What the client sent, as JSON.
    pub payload: Box<str>,
}

impl Reader {
    /// Up to `limit` messages after `seq`, in order; fewer only at the end of the log.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn log_after(&self, seq: Seq, limit: usize) -> Result<Vec<LoggedMessage>, StoreError> {
        let limit = limit.min(limits::MAX_LOG_ROWS);
        self.read(|connection| {
            // The log is dense, so a range of `seq` holds as many rows as it is long, and zone maps find it.
            let last = seq.0.saturating_add(limit as u64);
            messages(connection, self.keyring(), &format!("WHERE seq > {} AND seq <= {last} ORDER BY seq", seq.0))
        })
    }
}

/// Messages of the log as they came, with what is sealed of them opened: the door through which they leave the store. `which` is
/// what stands behind `FROM log`.
pub(crate) fn messages(
    connection: &Connection,
    keyring: &Keyring,
    which: &str,
) -> Result<Vec<LoggedMessage>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT seq, received_at, occurred_at, source, message_id, historical, payload, {} FROM log {which}",
        keyring.columns()
    ))?;
    drop(statement.stream_arrow([])?);
    let mut messages = Vec::new();
    let (mut sealed, mut places) = (Vec::new(), Vec::new());
    let mut source: Arc<str> = Arc::from("");
    while let Some(chunk) = statement.step()? {
        let seqs = chunk.column(0).as_primitive::<UInt64Type>();
        let received = chunk.column(1).as_primitive::<TimestampMicrosecondType>();
        let occurred = chunk.column(2).as_primitive::<TimestampMicrosecondType>();
        let sources = chunk.column(3).as_string::<i32>();
        let ids = chunk.column(4).as_string::<i32>();
        let historical = chunk.column(5).as_boolean();
        let payloads = chunk.column(6).as_string::<i32>();
        let (keys, values) = (chunk.column(7).as_primitive::<UInt64Type>(), chunk.column(8).as_binary::<i32>());
        for row in 0..chunk.len() {
            if *source != *sources.value(row) {
                source = Arc::from(sources.value(row));
            }
            if keys.is_valid(row) {
                let place = Place::Log(seqs.value(row));
                let (text, sealed_text) = (payloads.value(row).to_owned(), values.value(row).to_vec());
                sealed.push(Unsealed { text, place, key: keys.value(row), sealed: sealed_text });
                places.push(messages.len());
            }
            messages.push(LoggedMessage {
                seq: Seq(seqs.value(row)),
                received_at: Moment(received.value(row)),
                occurred_at: Moment(occurred.value(row)),
                source: Arc::clone(&source),
                message_id: ids.value(row).to_owned(),
                historical: historical.value(row),
                payload: Box::from(payloads.value(row)),
            });
        }
    }
    drop(statement);
    for (place, whole) in places.into_iter().zip(keyring.open(connection, &sealed)?) {
        messages[place].payload = whole.into();
    }
    Ok(messages)
}
