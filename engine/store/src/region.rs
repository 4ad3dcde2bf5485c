//! The region that data stays in: what a data directory says of itself, so that no engine of another region opens it.

use crate::{Stands, StoreError};
use duckdb::{Connection, params};
use std::path::Path;

/// The region of data that is opened; data without one gets the one that it is opened in.
pub(crate) fn settle(connection: &Connection, dir: &Path, stands: &Stands) -> Result<Option<String>, StoreError> {
    let found: Option<String> = connection.query_row("SELECT max(name) FROM region", [], |row| row.get(0))?;
    match (found, stands) {
        (found, Stands::Anywhere) => Ok(found),
        (Some(found), Stands::In(asked)) if asked.as_ref() != Some(&found) => {
            Err(StoreError::OtherRegion { path: dir.to_owned(), found, asked: asked.clone() })
        }
        (None, Stands::In(Some(asked))) => {
            connection.execute("INSERT INTO region VALUES (?)", params![asked])?;
            Ok(Some(asked.clone()))
        }
        (found, Stands::In(_)) => Ok(found),
    }
}
