//! Another key of the project: all keys of subjects are unwrapped and wrapped anew. What they seal stays as it is.
//!
//! It goes a batch at a time, each a transaction: whatever stops it leaves some keys under the old version and some under the
//! new one, both of which are read, and the next rotation goes on.

use super::cipher::Chance;
use crate::append::{append, effects};
use crate::database::Role;
use crate::{Store, StoreError, limits};
use arrow::array::{BinaryBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field};
use duckdb::{Connection, params};
use std::sync::Arc;

impl Store {
    /// The version of the project key that wraps keys, and the fingerprint of that key; `None` where the project names none.
    #[must_use]
    pub fn project_key(&self) -> Option<(u32, String)> {
        let (version, key) = self.database.keyring().current()?;
        Some((version, key.fingerprint().to_owned()))
    }

    /// Wraps some thousand keys of subjects, which another project key wrapped, with the present one. Gives how many: where it
    /// is 0, no earlier key is needed any more.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; what earlier calls did is kept.
    pub fn rotate_keys(&self) -> Result<u64, StoreError> {
        let keyring = self.database.keyring();
        let Some((version, project)) = keyring.current() else { return Ok(0) };
        let mut chance = Chance::new();
        let mut count = 0;
        self.database.run(Role::Locksmith, |connection| {
            let old = old(connection, version)?;
            count = old.len() as u64;
            if old.is_empty() {
                return Ok(());
            }
            let (mut ids, mut wrapped) = (UInt64Builder::new(), BinaryBuilder::new());
            for (id, version, bytes) in &old {
                let damaged = || StoreError::Damaged(format!("key {id} of a subject cannot be unwrapped"));
                let secret = keyring.unwrap(*id, *version, bytes).ok_or_else(damaged)?;
                ids.append_value(*id);
                wrapped.append_value(project.wrap(&mut chance, *id, secret)?);
            }
            let rows = effects::batch(vec![
                (Field::new("id", DataType::UInt64, true), Arc::new(ids.finish())),
                (Field::new("wrapped", DataType::Binary, true), Arc::new(wrapped.finish())),
            ])?;
            connection.execute_batch("CREATE OR REPLACE TEMP TABLE sonder_wrapped(id UBIGINT, wrapped BLOB)")?;
            append(connection, "temp", "sonder_wrapped", rows)?;
            connection.execute(
                "UPDATE keys.main.subject_keys SET wrapped = w.wrapped, version = ? FROM temp.main.sonder_wrapped w
                 WHERE subject_keys.id = w.id AND subject_keys.wrapped IS NOT NULL",
                params![version],
            )?;
            connection.execute_batch("DROP TABLE temp.main.sonder_wrapped")?;
            Ok(())
        })?;
        Ok(count)
    }
}

/// Some keys that another version wrapped: number, version, bytes.
fn old(connection: &Connection, version: u32) -> Result<Vec<(u64, u32, Vec<u8>)>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT id, version, wrapped FROM keys.main.subject_keys WHERE wrapped IS NOT NULL AND version <> ? ORDER BY id LIMIT {}",
        limits::KEYS_ROTATED
    ))?;
    let rows = statement.query_map(params![version], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
