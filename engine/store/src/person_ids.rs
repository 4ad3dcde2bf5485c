//! By which ids people are known: what the log and the program alone don't say. Written where a version of the project takes
//! over, in the transaction that says so.

use crate::append::effects::{Uuids, batch, text};
use crate::recovery::uuid;
use crate::{Reader, StoreError};
use arrow::array::StringBuilder;
use arrow::record_batch::RecordBatch;
use duckdb::Connection;
use sonder_core::effect::PersonId;
use sonder_core::state::{IdRow, Ids};
use std::sync::Arc;

const NAME: &str = "name";
const ALIAS: &str = "alias";

/// All of them, for an empty table.
pub(crate) fn rows(ids: &Ids) -> Result<RecordBatch, StoreError> {
    let (mut kind, mut id, mut person) = (StringBuilder::new(), Uuids::default(), Uuids::default());
    for row in ids.rows() {
        let (word, one, other) = match row {
            IdRow::Name { natural, id } => (NAME, id, natural),
            IdRow::Alias { id, person } => (ALIAS, id, person),
        };
        kind.append_value(word);
        id.push(one.0)?;
        person.push(other.0)?;
    }
    batch(vec![(text("kind"), Arc::new(kind.finish())), id.finish("id"), person.finish("person")])
}

fn load(connection: &Connection) -> Result<Ids, StoreError> {
    // A backup may be older than the table.
    let is_there = "SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = 'person_ids'";
    if !connection.query_row(is_there, [], |row| row.get::<_, bool>(0))? {
        return Ok(Ids::default());
    }
    let mut statement = connection.prepare("SELECT kind, id::VARCHAR, person::VARCHAR FROM person_ids")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, id, person): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (id, person) = (PersonId(uuid(&id)?), PersonId(uuid(&person)?));
        all.push(match kind.as_str() {
            NAME => IdRow::Name { natural: person, id },
            ALIAS => IdRow::Alias { id, person },
            other => return Err(StoreError::Damaged(format!("an id of a person is of the kind `{other}`"))),
        });
    }
    Ok(Ids::of_rows(all))
}

impl Reader {
    /// By which ids people are known.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they cannot be read.
    pub fn person_ids(&self) -> Result<Arc<Ids>, StoreError> {
        self.read(load).map(Arc::new)
    }
}
