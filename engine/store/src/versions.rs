//! Versions of the project that ran lately, as files: a start under another one knows what the one before made of people.

use crate::{Store, StoreError};
use duckdb::{OptionalExt, params};
use sonder_dsl::ir::Fingerprint;
use std::collections::BTreeMap;

/// How many are kept: the one that the last checkpoint is of may have been followed by others since.
const KEPT: u32 = 8;

impl Store {
    /// Keeps a version that is about to run: paths, and what is in them.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room.
    pub fn keep_version(&self, version: Fingerprint, files: &BTreeMap<String, String>) -> Result<(), StoreError> {
        let files = serde_json::to_string(files).map_err(|error| StoreError::Damaged(error.to_string()))?;
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            connection.execute("DELETE FROM versions WHERE fingerprint = ?", params![version.0])?;
            connection.execute("INSERT INTO versions VALUES (?, ?)", params![version.0, files])?;
            connection.execute_batch(&format!(
                "DELETE FROM versions WHERE rowid NOT IN (SELECT rowid FROM versions ORDER BY rowid DESC LIMIT {KEPT}); COMMIT"
            ))?;
            Ok(())
        })
    }

    /// The files of a version that ran lately.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn version(&self, version: Fingerprint) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let files: Option<String> = self.reader().read(|connection| {
            let mut statement = connection.prepare("SELECT files FROM versions WHERE fingerprint = ?")?;
            Ok(statement.query_row(params![version.0], |row| row.get(0)).optional()?)
        })?;
        let files = files.map(|files| serde_json::from_str(&files));
        files.transpose().map_err(|error| StoreError::Damaged(error.to_string()))
    }
}
