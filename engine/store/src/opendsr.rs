//! Requests that came as OpenDSR has them: which entries of the register each became, and who is to be told how far it is.
//!
//! Whom a request is about is not here: the register has that, until they are erased.

use crate::database::{Role, quoted};
use crate::{Store, StoreError, limits};
use duckdb::{Connection, params};
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS opendsr_requests(
    id VARCHAR, requests VARCHAR, received_at TIMESTAMP, expected_at TIMESTAMP, callbacks VARCHAR, is_open BOOLEAN);
ALTER TABLE opendsr_requests ADD COLUMN IF NOT EXISTS body VARCHAR;
COMMENT ON COLUMN opendsr_requests.body IS 'HMAC-SHA-256 of the request as it came: another under the same id is refused';
COMMENT ON TABLE opendsr_requests IS 'requests that came by OpenDSR, and who is told how far they are';
";

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDsrRequest {
    /// The id that whoever sent it gave it.
    pub id: String,
    /// The ids of its entries in the register: one for each person whom it is about.
    pub requests: Vec<String>,
    /// When it came.
    pub received_at: Moment,
    /// By when it is to be dealt with.
    pub expected_at: Moment,
    /// Who is told.
    pub callbacks: Vec<OpenDsrCallback>,
    /// A pseudonym of what was sent; of requests of older versions it is not known.
    pub body: Option<String>,
}

/// Somebody who is told how far a request is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDsrCallback {
    /// Where.
    pub url: String,
    /// What they were told last.
    pub told: Option<String>,
    /// How often telling the next has failed.
    pub failed: u32,
    /// When it is tried again, in microseconds since the epoch.
    pub again_at: i64,
}

impl Store {
    /// Notes a request that came.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn note_opendsr(&self, request: &OpenDsrRequest) -> Result<(), StoreError> {
        self.with_counters(|connection| {
            connection.execute(
                "INSERT INTO opendsr_requests(id, requests, received_at, expected_at, callbacks, is_open, body)
                 VALUES (?, ?, make_timestamp(?), make_timestamp(?), ?, true, ?)",
                params![
                    request.id,
                    json(&request.requests)?,
                    request.received_at.0,
                    request.expected_at.0,
                    json(&request.callbacks)?,
                    request.body
                ],
            )?;
            Ok(())
        })
    }

    /// Notes who was told what; one that is not open any more is told to nobody again, and where that was is not kept: an address may
    /// name whom it is about.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn note_opendsr_told(&self, id: &str, callbacks: &[OpenDsrCallback], is_open: bool) -> Result<(), StoreError> {
        let callbacks = if is_open { callbacks } else { &[] };
        self.with_counters(|connection| {
            connection.execute(
                "UPDATE opendsr_requests SET callbacks = ?, is_open = ? WHERE id = ?",
                params![json(callbacks)?, is_open, id],
            )?;
            Ok(())
        })
    }

    /// A request by the id that it came with.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn opendsr(&self, id: &str) -> Result<Option<OpenDsrRequest>, StoreError> {
        let is_it = format!("id = {}", quoted(id));
        Ok(self.database.run(Role::Reader, |connection| requests(connection, &is_it))?.pop())
    }

    /// Requests of which somebody may still have to be told something.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open_opendsr(&self) -> Result<Vec<OpenDsrRequest>, StoreError> {
        self.database.run(Role::Reader, |connection| requests(connection, "is_open"))
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(format!("a request by OpenDSR: {error}")))
}

fn requests(connection: &Connection, which: &str) -> Result<Vec<OpenDsrRequest>, StoreError> {
    let sql = format!(
        "SELECT id, requests, epoch_us(received_at), epoch_us(expected_at), callbacks, body FROM opendsr_requests
         WHERE {which} ORDER BY received_at, id LIMIT {}",
        limits::MAX_PAGE
    );
    let damaged = |error: serde_json::Error| StoreError::Damaged(format!("a request by OpenDSR: {error}"));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (requests, callbacks): (String, String) = (row.get(1)?, row.get(4)?);
        found.push(OpenDsrRequest {
            id: row.get(0)?,
            requests: serde_json::from_str(&requests).map_err(damaged)?,
            received_at: Moment(row.get(2)?),
            expected_at: Moment(row.get(3)?),
            callbacks: serde_json::from_str(&callbacks).map_err(damaged)?,
            body: row.get(5)?,
        });
    }
    Ok(found)
}
