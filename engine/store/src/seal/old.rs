//! What was written before it was to be sealed: messages from before a project named a key, or marked a property `pii`.

use super::{NOBODY, Place, Places, Sealed, Sealing, StateKey, WORD, of_person, of_row};
use crate::append::{append, aside, effects};
use crate::checkpoint::Keeper;
use crate::database::{Role, STATE, quoted};
use crate::recovery::uuid;
use crate::{Reader, Store, StoreError, limits};
use arrow::array::{BinaryBuilder, StringBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field};
use duckdb::{Connection, params};
use sonder_core::effect::PersonId;
use sonder_core::record::Seq;
use sonder_dsl::ir::Program;
use std::sync::Arc;

/// A batch of rows: how many were sealed, and the number of the last that was looked at; `None` after the last batch.
type Batch = Option<(u64, u64)>;

impl Store {
    /// Seals what is personal and is not sealed: in messages, in what was kept aside and decided, in people's state. Gives how many
    /// messages of the log that were. Appends wait meanwhile, for some thousand rows at a time. The bytes from before go with
    /// [`rewrite`](Store::rewrite).
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; what was done by then is kept, and the next call goes on.
    pub fn seal_old(&self, program: &Program) -> Result<u64, StoreError> {
        if !self.database.keyring().seals() {
            return Ok(0);
        }
        let places = Places::new(program);
        let count = self.each_batch(|connection, sealing, after| messages(connection, sealing, &places, after))?;
        self.each_batch(quarantine)?;
        self.each_batch(|connection, sealing, after| changes(connection, sealing, &places, after))?;
        self.each_batch(deliveries)?;
        self.seal_old_states(&places)?;
        Ok(count)
    }

    /// Goes through a table: each batch is one transaction, and the keys that it makes are there before it.
    fn each_batch(
        &self,
        mut seal: impl FnMut(&Connection, &mut Sealing<'_>, u64) -> Result<Batch, StoreError>,
    ) -> Result<u64, StoreError> {
        let keyring = self.database.keyring();
        let (mut after, mut count) = (0, 0);
        loop {
            let mut batch = None;
            self.with_counters(|connection| {
                let mut sealing = Sealing::new(keyring, &self.pseudonyms);
                connection.execute_batch("BEGIN TRANSACTION")?;
                batch = seal(connection, &mut sealing, after)?;
                sealing.keep(&self.database)?;
                connection.execute_batch("COMMIT")?;
                Ok(())
            })?;
            let Some((sealed, last)) = batch else { return Ok(count) };
            (after, count) = (last, count + sealed);
        }
    }

    /// People's states of the last checkpoint, what is nobody's, and what SQL may know of people.
    fn seal_old_states(&self, places: &Places) -> Result<(), StoreError> {
        let mut keeper = self.keeper.lock();
        let read = |sql: &str| -> Result<Vec<u64>, StoreError> {
            self.database.run(Role::Keeper, |connection| {
                let mut statement = connection.prepare(sql)?;
                let found = statement.query_map([], |row| row.get(0))?;
                Ok(found.collect::<Result<_, _>>()?)
            })
        };
        // A version has a key of its own.
        let mut versions = read("SELECT DISTINCT version FROM state.people WHERE sealed_by IS NULL AND NOT gone")?;
        versions.extend(read("SELECT version FROM state.checkpoints WHERE sealed_by IS NULL")?);
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            let Some(mut key) = self.state_key(version, false)? else { return Ok(()) };
            self.database.run(Role::Keeper, |connection| {
                connection.execute_batch("BEGIN TRANSACTION")?;
                let done = states(connection, version, &mut key).and_then(|()| views(connection, version, places));
                if let Err(error) = done.and_then(|()| Ok(connection.execute_batch("COMMIT")?)) {
                    // The transaction may be gone already; what counts is the first error.
                    let _ = connection.execute_batch("ROLLBACK");
                    return Err(error);
                }
                Ok(())
            })?;
        }
        *keeper = self.database.run(Role::Keeper, Keeper::load)?;
        Ok(())
    }
}

fn messages(
    connection: &Connection,
    sealing: &mut Sealing<'_>,
    places: &Places,
    after: u64,
) -> Result<Batch, StoreError> {
    let rows = unsealed(connection, Seq(after))?;
    let Some(last) = rows.last() else { return Ok(None) };
    let mut columns = Columns::default();
    for row in &rows {
        let subject = row.subject.as_deref().and_then(|it| it.split_once(':')).unwrap_or(NOBODY);
        if let Some(it) = sealing.message((places, row.event.as_deref()), row.seq.0, subject, &row.payload)? {
            columns.push(row.seq.0, &it);
        }
    }
    let batch = Some((columns.count, last.seq.0));
    columns.put(connection, "log", "seq", "payload")?;
    Ok(batch)
}

fn quarantine(connection: &Connection, sealing: &mut Sealing<'_>, after: u64) -> Result<Batch, StoreError> {
    let rows = whole(connection, ("quarantine", "id"), "payload, reasons", "true", after)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let mut columns = Columns::default();
    for Whole { number, first: payload, second: reasons } in &rows {
        let (kind, id) = of_row(*number);
        if let Some(it) = sealing.whole(Place::Quarantine(*number), (kind, &id), &aside(payload, reasons))? {
            columns.push(*number, &it);
        }
    }
    let (batch, ids) = (Some((columns.count, last.number)), (after, last.number));
    columns.put(connection, "quarantine", "id", "payload")?;
    // What is said of values goes, where it is and what kind of thing stays.
    connection.execute_batch(&format!(
        "UPDATE quarantine SET reasons = to_json(list_transform(
             from_json(reasons, '[{{\"code\": \"VARCHAR\", \"path\": \"VARCHAR\", \"message\": \"VARCHAR\"}}]'),
             lambda it: {{code: it.code, path: it.path, message: '{WORD}'}}))
         WHERE sealed_by IS NOT NULL AND id > {} AND id <= {}",
        ids.0, ids.1
    ))?;
    Ok(batch)
}

fn changes(
    connection: &Connection,
    sealing: &mut Sealing<'_>,
    places: &Places,
    after: u64,
) -> Result<Batch, StoreError> {
    let names = places.personal_traits().map(quoted).chain(["NULL".to_owned()]).collect::<Vec<_>>().join(", ");
    let which = format!("kind = 'trait_changed' AND name IN ({names}) AND \"value\" IS NOT NULL");
    let rows = whole(connection, ("changes", "id"), "\"value\", person::VARCHAR", &which, after)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let mut columns = Columns::default();
    for Whole { number, first: value, second: id } in &rows {
        let (kind, id) = of_person(PersonId(uuid(id)?));
        if let Some(it) = sealing.whole(Place::Change(*number), (kind, &id), value)? {
            columns.push(*number, &it);
        }
    }
    let batch = Some((columns.count, last.number));
    columns.put(connection, "changes", "id", "\"value\"")?;
    Ok(batch)
}

fn deliveries(connection: &Connection, sealing: &mut Sealing<'_>, after: u64) -> Result<Batch, StoreError> {
    let rows = whole(connection, ("deliveries", "number"), "payload, person::VARCHAR", "true", after)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let mut columns = Columns::default();
    for Whole { number, first: payload, second: id } in &rows {
        let (kind, id) = of_person(PersonId(uuid(id)?));
        if let Some(it) = sealing.whole(Place::Delivery(*number), (kind, &id), payload)? {
            columns.push(*number, &it);
        }
    }
    let batch = Some((columns.count, last.number));
    columns.put(connection, "deliveries", "number", "payload")?;
    Ok(batch)
}

/// A row of which all of a text is sealed.
struct Whole {
    number: u64,
    first: String,
    second: String,
}

fn whole(
    connection: &Connection,
    (table, number): (&str, &str),
    texts: &str,
    which: &str,
    after: u64,
) -> Result<Vec<Whole>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT {number}, {texts} FROM {table} WHERE sealed_by IS NULL AND {number} > {after} AND {which}
         ORDER BY {number} LIMIT {}",
        limits::ROWS_SEALED
    ))?;
    let rows =
        statement.query_map([], |row| Ok(Whole { number: row.get(0)?, first: row.get(1)?, second: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Seals the states of one version of a checkpoint, inside a transaction.
fn states(connection: &Connection, version: u64, key: &mut StateKey) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT person::VARCHAR, bytes FROM state.people WHERE version = {version} AND sealed_by IS NULL AND NOT gone"
    ))?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let rows: Vec<(String, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
    let mut people = Vec::with_capacity(rows.len());
    for (id, bytes) in rows {
        people.push((PersonId(uuid(&id)?), Some(bytes)));
    }
    let sealed = crate::checkpoint::state_columns(&people, version, Some(key))?;
    connection.execute_batch(&format!(
        "DELETE FROM state.people WHERE version = {version} AND sealed_by IS NULL AND NOT gone"
    ))?;
    append(connection, STATE, "people", sealed)?;
    let mut statement = connection
        .prepare(&format!("SELECT meta FROM state.checkpoints WHERE version = {version} AND sealed_by IS NULL"))?;
    let metas = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()?;
    for meta in metas {
        connection.execute(
            "UPDATE state.checkpoints SET meta = ?, sealed_by = ? WHERE version = ?",
            params![key.seal(Place::Meta, &meta)?, key.id, version],
        )?;
    }
    Ok(())
}

/// Hides personal traits of one version from SQL, inside a transaction.
fn views(connection: &Connection, version: u64, places: &Places) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT person::VARCHAR, traits FROM state.people_rows WHERE version = {version} AND traits IS NOT NULL"
    ))?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let (mut ids, mut traits) = (StringBuilder::new(), StringBuilder::new());
    for row in rows {
        let (id, text) = row?;
        ids.append_value(id);
        traits.append_value(places.veiled(&text));
    }
    let rows = effects::batch(vec![
        (effects::text("person"), Arc::new(ids.finish())),
        (effects::text("traits"), Arc::new(traits.finish())),
    ])?;
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE sonder_veiled(person VARCHAR, traits VARCHAR)")?;
    append(connection, "temp", "sonder_veiled", rows)?;
    connection.execute_batch(&format!(
        "UPDATE state.people_rows SET traits = v.traits FROM temp.main.sonder_veiled v
         WHERE people_rows.version = {version} AND people_rows.person = v.person::UUID;
         DROP TABLE temp.main.sonder_veiled"
    ))?;
    Ok(())
}

impl Reader {
    /// How many rows have personal data that is not sealed, and how many messages are sealed.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn unsealed(&self, program: &Program) -> Result<(u64, u64), StoreError> {
        let places = Places::new(program);
        let (mut after, mut count) = (Seq(0), 0);
        let sealed = self.read(|connection| {
            if !self.keyring().has_columns() {
                return Ok(0);
            }
            Ok(connection.query_row("SELECT count(*) FROM log WHERE sealed_by IS NOT NULL", [], |row| row.get(0))?)
        })?;
        loop {
            let rows = self.read(|connection| unsealed(connection, after))?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            let is_open = |row: &&Unsealed| !places.find(row.event.as_deref(), &row.payload).is_empty();
            count += rows.iter().filter(is_open).count() as u64;
        }
        let names = places.personal_traits().map(quoted).chain(["NULL".to_owned()]).collect::<Vec<_>>().join(", ");
        let others = format!(
            "SELECT (SELECT count(*) FROM quarantine WHERE sealed_by IS NULL)
                 + (SELECT count(*) FROM deliveries WHERE sealed_by IS NULL AND kind <> 'erase')
                 + (SELECT count(*) FROM changes WHERE sealed_by IS NULL AND kind = 'trait_changed' AND name IN ({names}))
                 + (SELECT count(*) FROM state.people WHERE sealed_by IS NULL AND NOT gone)"
        );
        let others: u64 = self.read(|connection| match self.keyring().has_columns() {
            true => Ok(connection.query_row(&others, [], |row| row.get(0))?),
            false => Ok(0),
        })?;
        Ok((count + others, sealed))
    }
}

/// A message that is not sealed.
struct Unsealed {
    seq: Seq,
    event: Option<String>,
    /// `kind:value` of the identifier that it is first known by.
    subject: Option<String>,
    payload: String,
}

fn unsealed(connection: &Connection, after: Seq) -> Result<Vec<Unsealed>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT seq, event, identifiers[1], payload FROM log WHERE seq > {} AND sealed_by IS NULL AND payload <> ''
         ORDER BY seq LIMIT {}",
        after.0,
        limits::ROWS_SEALED
    ))?;
    let rows = statement.query_map([], |row| {
        Ok(Unsealed { seq: Seq(row.get(0)?), event: row.get(1)?, subject: row.get(2)?, payload: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Rows that get another text.
#[derive(Debug, Default)]
struct Columns {
    number: UInt64Builder,
    text: StringBuilder,
    key: UInt64Builder,
    sealed: BinaryBuilder,
    count: u64,
}

impl Columns {
    fn push(&mut self, number: u64, sealed: &Sealed) {
        self.number.append_value(number);
        self.text.append_value(&sealed.text);
        self.key.append_value(sealed.key);
        self.sealed.append_value(&sealed.sealed);
        self.count += 1;
    }

    /// Writes them into a table, inside a transaction.
    fn put(mut self, connection: &Connection, table: &str, number: &str, text: &str) -> Result<(), StoreError> {
        if self.count == 0 {
            return Ok(());
        }
        let rows = effects::batch(vec![
            (Field::new("number", DataType::UInt64, true), Arc::new(self.number.finish())),
            (effects::text("text"), Arc::new(self.text.finish())),
            (Field::new("sealed_by", DataType::UInt64, true), Arc::new(self.key.finish())),
            (Field::new("sealed", DataType::Binary, true), Arc::new(self.sealed.finish())),
        ])?;
        connection.execute_batch(
            "CREATE OR REPLACE TEMP TABLE sonder_sealed(number UBIGINT, text VARCHAR, sealed_by UBIGINT, sealed BLOB)",
        )?;
        append(connection, "temp", "sonder_sealed", rows)?;
        connection.execute_batch(&format!(
            "UPDATE {table} SET {text} = s.text, sealed_by = s.sealed_by, sealed = s.sealed
             FROM temp.main.sonder_sealed s WHERE {table}.{number} = s.number;
             DROP TABLE temp.main.sonder_sealed"
        ))?;
        Ok(())
    }
}
