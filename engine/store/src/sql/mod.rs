//! Read-only SQL for users, over everything, while the engine runs.
//!
//! What keeps it harmless, from the outside in:
//! 1. [`guard`] lets one statement pass, and only one that DuckDB's own parser takes for a query, with table functions
//!    from a list.
//! 2. It runs inside a transaction that is read-only.
//! 3. The database itself was told, for good, to reach no file, no network and no extension ([`crate::database`]).
//! 4. Rows, bytes and time are bounded; a watchdog interrupts what takes too long.

mod csv;
mod guard;
mod json;
mod then;

pub(crate) use json::cell;

use crate::database::says;
use crate::{Reader, StoreError, limits};
use arrow::array::Array;
use duckdb::Connection;
use parking_lot::{Condvar, Mutex};
use serde_json::Value as Json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A statement and how far it may go. Limits above those of [`limits`] are lowered to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// One statement.
    pub sql: String,
    /// No more rows than this are returned.
    pub max_rows: usize,
    /// No more bytes than about this are returned.
    pub max_bytes: usize,
    /// It is interrupted after this long.
    pub timeout: Duration,
}

impl Query {
    /// With the limits of the store.
    #[must_use]
    pub fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            max_rows: limits::MAX_QUERY_ROWS,
            max_bytes: limits::MAX_QUERY_BYTES,
            timeout: limits::MAX_QUERY_TIME,
        }
    }
}

/// What a statement returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In order.
    pub columns: Vec<Column>,
    /// Each with a value for every column. Decimals, times and integers beyond 64 bits are strings; ids are 32
    /// hexadecimal digits.
    pub rows: Vec<Vec<Json>>,
    /// Whether there was more than the limits let through.
    pub truncated: bool,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its SQL type: `BIGINT`, `DECIMAL(38,2)`, `VARCHAR` …
    pub kind: String,
}

impl Reader {
    /// Runs one read-only statement.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with what is wrong, where the statement is wrong or not allowed; [`StoreError::TimedOut`].
    pub fn query(&self, query: &Query) -> Result<Answer, StoreError> {
        let timeout = query.timeout.min(limits::MAX_QUERY_TIME);
        self.read_for_user(Instant::now() + timeout, |connection| {
            let guarded = guard::check(connection, &query.sql)?;
            let outcome = in_time(connection, timeout, None, || run(connection, &guarded, query)).map_err(explain);
            connection.execute_batch("ROLLBACK")?;
            outcome
        })
    }
}

/// Does work on a connection that is interrupted after a while, or when nobody waits for it any more.
pub(crate) fn in_time<T>(
    connection: &Connection,
    timeout: Duration,
    cancelled: Option<&AtomicBool>,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let deadline = Deadline { done: Mutex::new(false), wake: Condvar::new() };
    let handle = connection.interrupt_handle();
    std::thread::scope(|scope| {
        let deadline = &deadline;
        // The scope ends when the watchdog has, so it never interrupts the next user of this connection.
        scope.spawn(move || deadline.watch(timeout, cancelled, || handle.interrupt()));
        let started = Instant::now();
        let outcome = work();
        deadline.finish();
        let is_cancelled = cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Acquire));
        let late = started.elapsed() >= timeout || is_cancelled;
        outcome.map_err(|error| match error {
            StoreError::Database(duckdb) if late && says(&duckdb, &["Interrupted", "INTERRUPT"]) => {
                StoreError::TimedOut
            }
            other => other,
        })
    })
}

fn run(connection: &Connection, guarded: &guard::Guarded, query: &Query) -> Result<Answer, StoreError> {
    connection.execute_batch("BEGIN TRANSACTION READ ONLY")?;
    let kinds = if guarded.describable { kinds(connection, &query.sql)? } else { Vec::new() };
    let mut statement = connection.prepare(&query.sql)?;
    drop(statement.stream_arrow([])?);
    let schema = statement.schema();
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| Column {
            name: field.name().clone(),
            kind: kinds.get(index).cloned().unwrap_or_else(|| json::kind_of(field.data_type())),
        })
        .collect();
    let mut answer = Answer { columns, ..Answer::default() };
    let (max_rows, max_bytes) =
        (query.max_rows.min(limits::MAX_QUERY_ROWS), query.max_bytes.min(limits::MAX_QUERY_BYTES));
    let mut bytes = 0;
    while let Some(chunk) = statement.step()? {
        for row in 0..chunk.len() {
            if answer.rows.len() >= max_rows || bytes >= max_bytes {
                answer.truncated = true;
                return Ok(answer);
            }
            let mut cells = Vec::with_capacity(answer.columns.len());
            for (array, column) in chunk.columns().iter().zip(&answer.columns) {
                let cell = cell(array, row, &column.kind)?;
                bytes += json::bytes(&cell);
                cells.push(cell);
            }
            answer.rows.push(cells);
        }
    }
    Ok(answer)
}

/// The SQL types of a query's columns, which Arrow's do not tell in full.
fn kinds(connection: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    let text = sql.trim().trim_end_matches(';');
    let mut statement = connection.prepare(&format!("SELECT column_type FROM (DESCRIBE {text}\n)"))?;
    let kinds = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(kinds)
}

/// DuckDB's objections are the user's to read; its failures are not.
fn explain(error: StoreError) -> StoreError {
    let StoreError::Database(duckdb) = error else { return error };
    let duckdb::Error::DuckDBFailure(_, Some(message)) = &duckdb else { return duckdb.into() };
    if says(&duckdb, &["FATAL", "INTERNAL", "IO Error"]) {
        return duckdb.into();
    }
    StoreError::Refused {
        message: message.trim().to_owned(),
        help: "`DESCRIBE` and `SHOW TABLES` list what there is".to_owned(),
    }
}

/// How often the watchdog looks whether anybody still waits.
const LOOK: Duration = Duration::from_millis(50);

/// Interrupts what is not done in time.
struct Deadline {
    done: Mutex<bool>,
    wake: Condvar,
}

impl Deadline {
    fn watch(&self, timeout: Duration, cancelled: Option<&AtomicBool>, interrupt: impl Fn()) {
        let end = Instant::now() + timeout;
        let mut done = self.done.lock();
        while !*done {
            // Who might be cancelled is asked now and then.
            let look = if cancelled.is_some() { end.min(Instant::now() + LOOK) } else { end };
            let waited = self.wake.wait_until(&mut done, look).timed_out();
            let is_cancelled = cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Acquire));
            if !waited || (Instant::now() < end && !is_cancelled) {
                continue;
            }
            // An interrupt that comes between two steps is forgotten by DuckDB: so again, until the work has ended.
            while !*done {
                interrupt();
                self.wake.wait_for(&mut done, Duration::from_millis(10));
            }
        }
    }

    fn finish(&self) {
        *self.done.lock() = true;
        self.wake.notify_all();
    }
}
