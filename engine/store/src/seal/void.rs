//! What is sealed with keys that are no more: a backup that is restored with keys of a later moment has it. Of messages the values
//! go and the rest stays, for whoever they are of is not always who was erased: retention destroys keys, too. What is sealed as
//! a whole goes, as it has gone where the keys were destroyed. State is made of the log again.

use super::WORD;
use super::keys::used;
use super::places::Places;
use crate::append::{append, effects};
use crate::keys_copy::later_keys;
use crate::{StoreError, limits};
use arrow::array::{StringBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field};
use duckdb::{Connection, params};
use sonder_dsl::ir::Program;
use std::path::Path;
use std::sync::Arc;

/// The numbers of keys that are destroyed.
const DESTROYED: &str = "SELECT id FROM keys.main.subject_keys WHERE wrapped IS NULL";

/// Takes out of a data directory what its keys do not open any more, where they are of a later moment than the rest. Whatever stops
/// it, the next call goes on.
///
/// # Errors
/// [`StoreError::NoKeys`] where the keys are of an earlier moment; whatever the database may say.
pub(crate) fn void(connection: &Connection, dir: &Path, program: &Program) -> Result<(), StoreError> {
    if !later_keys(dir) {
        return Ok(());
    }
    let are_missing =
        format!("SELECT EXISTS(FROM ({}) WHERE sealed_by NOT IN (SELECT id FROM keys.main.subject_keys))", used());
    if connection.query_row(&are_missing, [], |row| row.get(0))? {
        return Err(StoreError::NoKeys { path: dir.to_owned() });
    }
    // Whoever was erased since is in it.
    connection.execute_batch(
        "BEGIN TRANSACTION;
         DELETE FROM state.main.people; DELETE FROM state.main.people_rows; DELETE FROM state.main.checkpoints;
         COMMIT",
    )?;
    connection.execute_batch(&format!(
        "BEGIN TRANSACTION;
         DELETE FROM quarantine WHERE sealed_by IN ({DESTROYED});
         DELETE FROM changes WHERE sealed_by IN ({DESTROYED});
         DELETE FROM delivery_outcomes WHERE delivery IN (SELECT id FROM deliveries WHERE sealed_by IN ({DESTROYED}));
         DELETE FROM deliveries WHERE sealed_by IN ({DESTROYED});
         COMMIT"
    ))?;
    let places = Places::new(program);
    while messages(connection, &places)? {}
    Ok(())
}

/// Some thousand messages; false where there are no more.
fn messages(connection: &Connection, places: &Places) -> Result<bool, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT seq, event, payload FROM log WHERE sealed_by IN ({DESTROYED}) ORDER BY seq LIMIT {}",
        limits::ROWS_SEALED
    ))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(u64, Option<String>, String)> = rows.collect::<Result<_, _>>()?;
    let Some((last, ..)) = rows.last() else { return Ok(false) };
    let (mut seqs, mut texts) = (UInt64Builder::new(), StringBuilder::new());
    for (seq, event, payload) in &rows {
        seqs.append_value(*seq);
        texts.append_value(without(places, event.as_deref(), payload));
    }
    let batch = effects::batch(vec![
        (Field::new("seq", DataType::UInt64, true), Arc::new(seqs.finish())),
        (effects::text("payload"), Arc::new(texts.finish())),
    ])?;
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE sonder_void(seq UBIGINT, payload VARCHAR)")?;
    append(connection, "temp", "sonder_void", batch)?;
    connection.execute(
        "UPDATE log SET payload = v.payload, sealed_by = NULL, sealed = NULL
         FROM temp.main.sonder_void v WHERE log.seq = v.seq AND log.seq <= ?",
        params![last],
    )?;
    connection.execute_batch("DROP TABLE temp.main.sonder_void")?;
    Ok(true)
}

/// A message with nothing in the places of what was sealed.
fn without(places: &Places, event: Option<&str>, payload: &str) -> String {
    let word = format!("\"{WORD}\"");
    let (mut text, mut from) = (String::with_capacity(payload.len()), 0);
    for place in places.find(event, payload) {
        if payload.get(place.clone()) == Some(&*word) {
            text.push_str(payload.get(from..place.start).unwrap_or_default());
            text.push_str("null");
            from = place.end;
        }
    }
    text.push_str(payload.get(from..).unwrap_or_default());
    text
}
