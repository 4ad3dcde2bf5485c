//! Checkpoints of the fold: people's state as of a place in the log, as versions that are appended.
//!
//! A checkpoint writes the people that changed since the last one, never all of them. Superseded versions lie about until
//! there are more of them than people; then they are deleted in bulk, in the same transaction.
//!
//! INVARIANT: a checkpoint is there entirely or not at all: the row in `checkpoints` and the people's versions are one
//! transaction, however many slices it is written in. It goes to a file of its own, so that appends never wait for it.

use crate::append::{append, effects};
use crate::database::{Role, STATE, says};
use crate::recovery::uuid;
use crate::seal::{Keyring, Place, Places, StateKey};
use crate::{Reader, Store, StoreError, limits};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, ListBuilder, StringBuilder, StructBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Fields, UInt64Type};
use duckdb::{Connection, params};
use parking_lot::MutexGuard;
use rustc_hash::FxHashMap;
use sonder_core::effect::{Delivery, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::Fingerprint;
use sonder_dsl::time::Moment;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a checkpoint is as of, and what is of no person.
#[derive(Clone, Copy, Debug)]
pub struct StateCheckpoint<'a> {
    /// The last record that the state has taken in.
    pub seq: Seq,
    /// The moment that its timers were fired up to.
    pub now: Moment,
    /// What is not about one person.
    pub meta: &'a [u8],
    /// How many people there are.
    pub people: u64,
    /// Deliveries that were decided and have not ended.
    pub pending: &'a [Delivery],
}

/// What SQL may know of a person: a row of the view `people`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Who.
    pub person: PersonId,
    /// When their earliest event happened.
    pub first_seen: Moment,
    /// When their latest event happened.
    pub last_seen: Moment,
    /// (kind, value), by priority.
    pub identifiers: Vec<(String, String)>,
    /// (segment, since), in the order of the rules.
    pub segments: Vec<(String, Moment)>,
    /// Golden record and computed traits as one JSON object.
    pub traits: String,
}

/// A checkpoint that is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedCheckpoint {
    /// Counts up.
    pub version: u64,
    /// The last record that it has taken in.
    pub seq: Seq,
    /// The moment that its timers were fired up to.
    pub now: Moment,
    /// Of the program that the state belongs to. Under another one the state means nothing, and the log is refolded.
    pub fingerprint: Fingerprint,
    /// How many people it has.
    pub people: u64,
}

/// A checkpoint, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedCheckpoint {
    /// Which one.
    pub saved: SavedCheckpoint,
    /// What is not about one person.
    pub meta: Vec<u8>,
    /// Deliveries that were decided and had not ended.
    pub pending: Vec<Delivery>,
}

/// Where the versions stand.
#[derive(Debug)]
pub(crate) struct Keeper {
    version: u64,
    /// Rows of the people.
    rows: u64,
    /// Not known after a failure that may have been none: read again then.
    doubtful: bool,
}

impl Keeper {
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let version =
            connection.query_row("SELECT coalesce(max(version), 0) FROM state.checkpoints", [], |row| row.get(0))?;
        let rows = connection.query_row("SELECT count(*) FROM state.people", [], |row| row.get(0))?;
        Ok(Self { version, rows, doubtful: false })
    }
}

impl SavedCheckpoint {
    pub(crate) fn last(connection: &Connection) -> Result<Option<Self>, StoreError> {
        let mut statement = connection.prepare(
            "SELECT version, seq, epoch_us(now), fingerprint, people FROM state.checkpoints
             ORDER BY version DESC LIMIT 1",
        )?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Self {
            version: row.get(0)?,
            seq: Seq(row.get(1)?),
            now: Moment(row.get(2)?),
            fingerprint: Fingerprint(row.get(3)?),
            people: row.get(4)?,
        }))
    }
}

impl LoadedCheckpoint {
    fn last(connection: &Connection, keyring: &Keyring) -> Result<Option<Self>, StoreError> {
        let Some(saved) = SavedCheckpoint::last(connection)? else { return Ok(None) };
        let (mut meta, pending, key): (Vec<u8>, String, Option<u64>) = connection.query_row(
            &format!("SELECT meta, pending, {} FROM state.checkpoints WHERE version = ?", key_column(keyring)),
            params![saved.version],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        if let Some(key) = key {
            meta = keyring.open_state(connection, (key, saved.version), Place::Meta, &meta)?;
        }
        let pending = serde_json::from_str(&pending)
            .map_err(|error| StoreError::Damaged(format!("the pending deliveries cannot be read: {error}")))?;
        Ok(Some(Self { saved, meta, pending }))
    }
}

impl Reader {
    /// The last checkpoint without its people, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<LoadedCheckpoint>, StoreError> {
        self.read(|connection| LoadedCheckpoint::last(connection, self.keyring()))
    }

    /// Hands every person of the last checkpoint to `visit`, with their state, a chunk of some thousand at a time.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn each_person(&self, mut visit: impl FnMut(Vec<(PersonId, Vec<u8>)>)) -> Result<(), StoreError> {
        self.read(|connection| people(connection, self.keyring(), "", &mut visit))
    }

    /// Whether another version of the project ever took over while an engine ran.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn has_takeovers(&self) -> Result<bool, StoreError> {
        self.read(|connection| Ok(connection.query_row("SELECT count(*) > 0 FROM takeovers", [], |row| row.get(0))?))
    }
}

/// A checkpoint that is being written. Dropped before [`finish`](Self::finish), it never was.
#[derive(Debug)]
pub struct Saving<'a> {
    store: &'a Store,
    keeper: MutexGuard<'a, Keeper>,
    /// Of the database that the transaction is in.
    generation: u64,
    fingerprint: Fingerprint,
    is_anew: bool,
    /// What states are sealed with, where they are, and where that hides traits from SQL.
    key: Option<StateKey>,
    places: Arc<Places>,
    added: u64,
    open: bool,
}

impl Saving<'_> {
    /// Adds people who changed since the last checkpoint, `None` for those who are gone, each once; and what SQL may know
    /// of those who are there.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; the checkpoint is lost then.
    pub fn add(&mut self, people: &[(PersonId, Option<Vec<u8>>)], rows: &[PersonRow]) -> Result<(), StoreError> {
        let version = self.keeper.version + 1;
        let veil = self.key.is_some().then_some(&*self.places);
        let state = state_columns(people, version, self.key.as_mut())?;
        let rows = people_columns(people, rows, version, veil)?;
        self.added += people.len() as u64;
        self.run(|connection| {
            append(connection, STATE, "people", state)?;
            append(connection, STATE, "people_rows", rows)?;
            Ok(())
        })
    }

    /// Makes it the last checkpoint; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; the checkpoint before it stands.
    pub fn finish(mut self, checkpoint: &StateCheckpoint<'_>) -> Result<SavedCheckpoint, StoreError> {
        let version = self.keeper.version + 1;
        let pending = serde_json::to_string(checkpoint.pending)
            .map_err(|error| StoreError::Damaged(format!("a delivery cannot be written: {error}")))?;
        let mut total = if self.is_anew { self.added } else { self.keeper.rows + self.added };
        let surplus = total > checkpoint.people.saturating_mul(2) + limits::STALE_VERSIONS;
        let fingerprint = self.fingerprint;
        let (meta, key) = match &mut self.key {
            Some(key) => (key.seal(Place::Meta, checkpoint.meta)?, Some(key.id)),
            None => (checkpoint.meta.to_vec(), None),
        };
        let done = self.run(|connection| {
            if surplus {
                connection.execute_batch(DELETE_SUPERSEDED)?;
            }
            connection.execute(
                "INSERT INTO state.checkpoints VALUES (?, ?, make_timestamp(?), ?, ?, ?, ?, ?)",
                params![
                    version,
                    checkpoint.seq.0,
                    checkpoint.now.0,
                    fingerprint.0,
                    checkpoint.people,
                    meta,
                    pending,
                    key
                ],
            )?;
            connection.execute("DELETE FROM state.checkpoints WHERE version < ?", params![version])?;
            Ok(())
        });
        done?;
        // From here on it may be there even if DuckDB says otherwise.
        self.keeper.doubtful = true;
        self.run(|connection| Ok(connection.execute_batch("COMMIT")?))?;
        self.open = false;
        // People, what SQL knows of them, and the checkpoint.
        [self.added, self.added, 1].into_iter().for_each(|rows| self.store.database.held().note(rows));
        if surplus {
            total = checkpoint.people;
        }
        *self.keeper = Keeper { version, rows: total, doubtful: false };
        if self.is_anew {
            self.store.forgets.store(false, Ordering::Release);
        }
        let StateCheckpoint { seq, now, people, .. } = *checkpoint;
        Ok(SavedCheckpoint { version, seq, now, fingerprint, people })
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.store.database.run(Role::Keeper, |connection| {
            if self.store.database.generation() != self.generation {
                return Err(StoreError::Damaged("the database was opened again while a checkpoint was saved".into()));
            }
            work(connection)
        })
    }
}

impl Drop for Saving<'_> {
    fn drop(&mut self) {
        if self.open {
            // The transaction may be gone already.
            let _ = self.run(|connection| Ok(connection.execute_batch("ROLLBACK")?));
        }
    }
}

impl Store {
    /// Begins to write a checkpoint of the program with this fingerprint. The first one of a program replaces what was
    /// kept for another. Appends go on meanwhile; another checkpoint waits.
    ///
    /// # Errors
    /// Whatever the database may say; the checkpoint before it stands.
    pub fn begin_checkpoint(&self, fingerprint: Fingerprint) -> Result<Saving<'_>, StoreError> {
        let places = self.places();
        let mut keeper = self.keeper.lock();
        let generation = self.database.generation();
        let is_anew = self.database.run(Role::Keeper, |connection| {
            if keeper.doubtful {
                *keeper = Keeper::load(connection)?;
            }
            connection.execute_batch("BEGIN TRANSACTION")?;
            let begun = || -> Result<bool, StoreError> {
                // The state of another program began with nobody, so this is all of it: whom the old one knew is no more.
                let forgets = self.forgets.load(Ordering::Acquire);
                let is_other = |last: SavedCheckpoint| last.fingerprint != fingerprint;
                let is_anew = forgets || SavedCheckpoint::last(connection)?.is_some_and(is_other);
                if is_anew {
                    connection.execute_batch("DELETE FROM state.people; DELETE FROM state.people_rows")?;
                }
                Ok(is_anew)
            };
            begun().inspect_err(|_| {
                let _ = connection.execute_batch("ROLLBACK");
            })
        })?;
        let mut saving =
            Saving { store: self, keeper, generation, fingerprint, is_anew, key: None, places, added: 0, open: true };
        // Dropped with an error, the checkpoint never was.
        let forgets = self.forgets.load(Ordering::Acquire);
        saving.key = self.state_key(saving.keeper.version + 1, forgets)?;
        Ok(saving)
    }

    /// Whether the write-ahead log of people's state should be folded into its file.
    #[must_use]
    pub fn wants_state_checkpoint(&self) -> bool {
        self.database.wal_bytes(STATE) >= limits::STATE_WAL_BYTES
    }

    /// Folds the write-ahead log of people's state into its file. No append waits for that. Returns false when a
    /// checkpoint is being saved.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room for it; nothing is lost.
    pub fn checkpoint_state_wal(&self) -> Result<bool, StoreError> {
        let Some(_moving) = self.still.try_write() else { return Ok(false) };
        let Some(_keeper) = self.keeper.try_lock() else { return Ok(false) };
        self.database.run(Role::Keeper, |connection| match connection.execute_batch("CHECKPOINT state") {
            Ok(()) => Ok(true),
            Err(error) if says(&error, &["other write transactions active"]) => Ok(false),
            Err(error) => Err(error.into()),
        })
    }

    /// The last checkpoint without its people, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it cannot be read.
    pub fn load_checkpoint(&self) -> Result<Option<LoadedCheckpoint>, StoreError> {
        let keyring = self.database.keyring();
        self.database.run(Role::Reader, |connection| LoadedCheckpoint::last(connection, keyring))
    }

    /// Hands every person of the last checkpoint to `visit`, with their state, a chunk of some thousand at a time.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn each_person(&self, mut visit: impl FnMut(Vec<(PersonId, Vec<u8>)>)) -> Result<(), StoreError> {
        let keyring = self.database.keyring();
        self.database.run(Role::Reader, |connection| people(connection, keyring, "", &mut visit))
    }

    /// The state of these people as of the last checkpoint. Those who are not in it are left out.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn load_people(&self, ids: &[PersonId]) -> Result<Vec<(PersonId, Vec<u8>)>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        if ids.is_empty() {
            return Ok(found);
        }
        let list: Vec<String> = ids.iter().map(|id| format!("'{:032x}'::UUID", id.0)).collect();
        let wanted = format!("WHERE person IN ({})", list.join(", "));
        let keyring = self.database.keyring();
        self.database.run(Role::Reader, |connection| {
            people(connection, keyring, &wanted, &mut |chunk: Vec<_>| found.extend(chunk))
        })?;
        Ok(found)
    }

    /// Removes the changes, deliveries and recalls that the fold decided after a checkpoint: after `seq`, or by the clock after
    /// `now` while it stood at `seq`. Refolding the tail decides them again, and they are written again.
    ///
    /// Call it once when the engine starts, before the first append: with the checkpoint that is loaded, or with
    /// (`Seq(0)`, `Moment::MIN`) when the whole log is refolded. Outcomes of deliveries stay: they did happen. Gives the last
    /// moment at which anything of it was decided: the clock had come that far.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn discard_effects_after(&self, seq: Seq, now: Moment) -> Result<Moment, StoreError> {
        let mut last = Moment::MIN;
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            // What tells of an erasure was not decided by the fold, and is not decided again.
            let tables = [
                ("changes", "changed_at", "true"),
                ("deliveries", "decided_at", "kind <> 'erase'"),
                ("recalls", "recalled_at", "true"),
            ];
            for (table, time, is_decided) in tables {
                let later = format!(
                    "FROM {table} WHERE {is_decided} AND (as_of_seq > ? OR (as_of_seq = ? AND epoch_us({time}) > ?))"
                );
                let place = params![seq.0, seq.0, now.0];
                let found: Option<i64> =
                    connection.query_row(&format!("SELECT epoch_us(max({time})) {later}"), place, |row| row.get(0))?;
                last = last.max(found.map_or(Moment::MIN, Moment));
                connection.execute(&format!("DELETE {later}"), place)?;
            }
            connection.execute_batch("COMMIT")?;
            Ok(())
        })?;
        Ok(last)
    }

    /// Cancels the deliveries that were called back and have not ended: an engine that was killed had no time for it. To be
    /// called when the tail has been folded again, before anything is sent.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn cancel_recalled(&self) -> Result<(), StoreError> {
        self.with_counters(|connection| Ok(connection.execute_batch(CANCEL_RECALLED)?))
    }
}

/// What has ended, was never decided, or was decided again since, is not called back. It comes after the attempts that there
/// were, whose number stays.
const CANCEL_RECALLED: &str = "
    BEGIN TRANSACTION;
    INSERT INTO delivery_outcomes
        WITH recalled AS (
            SELECT id, max(recalled_at) AS called_at, any_value(reason) AS reason
            FROM deliveries JOIN recalls ON delivery = id GROUP BY id HAVING max(recalled_at) >= max(decided_at)),
        tried AS (
            SELECT delivery AS id, max(ended_at) + INTERVAL 1 MICROSECOND AS tried_at, max(attempt) AS attempts,
                bool_or(state <> 'retry') AS has_ended
            FROM delivery_outcomes SEMI JOIN recalls USING (delivery) GROUP BY delivery)
        SELECT id, (SELECT coalesce(max(seq), 0) FROM log), greatest(called_at, coalesce(tried_at, called_at)), 'cancelled',
            coalesce(attempts, 0), NULL, reason
        FROM recalled LEFT JOIN tried USING (id) WHERE NOT coalesce(has_ended, false);
    DELETE FROM recalls;
    COMMIT;";

/// Leaves nothing but the latest version of each person who is there.
const DELETE_SUPERSEDED: &str = "
    DELETE FROM state.people WHERE gone OR rowid NOT IN (SELECT arg_max(rowid, version) FROM state.people GROUP BY person);
    DELETE FROM state.people_rows
        WHERE gone OR rowid NOT IN (SELECT arg_max(rowid, version) FROM state.people_rows GROUP BY person);";

/// In a statement over a table of the state: which key seals it.
fn key_column(keyring: &Keyring) -> &'static str {
    if keyring.has_columns() { "sealed_by" } else { "NULL::UBIGINT AS sealed_by" }
}

fn people(
    connection: &Connection,
    keyring: &Keyring,
    wanted: &str,
    visit: &mut dyn FnMut(Vec<(PersonId, Vec<u8>)>),
) -> Result<(), StoreError> {
    // Of one moment: between the two a checkpoint may be saved.
    connection.execute_batch("BEGIN TRANSACTION")?;
    let latest = latest(connection, wanted)?;
    let mut opener = keyring.states(connection)?;
    // A mere scan: joining and sorting what people take would want it all in memory.
    let mut statement = connection.prepare(&format!(
        "SELECT person::VARCHAR, bytes, {}, version, gone FROM state.people {wanted}",
        key_column(keyring)
    ))?;
    drop(statement.stream_arrow([])?);
    while let Some(chunk) = statement.step()? {
        let ids = chunk.column(0).as_string::<i32>();
        let states = chunk.column(1).as_binary::<i32>();
        let (keys, versions) =
            (chunk.column(2).as_primitive::<UInt64Type>(), chunk.column(3).as_primitive::<UInt64Type>());
        let mut people = Vec::with_capacity(chunk.len());
        let are_gone = chunk.column(4).as_boolean();
        for row in 0..chunk.len() {
            let (id, bytes) = (PersonId(uuid(ids.value(row))?), states.value(row));
            if are_gone.value(row) || latest.get(&id) != Some(&versions.value(row)) {
                continue;
            }
            let bytes = match keys.is_valid(row) {
                false => bytes.to_vec(),
                true => opener.open((keys.value(row), versions.value(row)), Place::Person(id.0), bytes)?,
            };
            people.push((id, bytes));
        }
        visit(people);
    }
    drop(statement);
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// The last version of each person.
fn latest(connection: &Connection, wanted: &str) -> Result<FxHashMap<PersonId, u64>, StoreError> {
    let mut statement = connection
        .prepare(&format!("SELECT person::VARCHAR, max(version) FROM state.people {wanted} GROUP BY person"))?;
    let mut rows = statement.query([])?;
    let mut latest = FxHashMap::default();
    while let Some(row) = rows.next()? {
        let person: String = row.get(0)?;
        latest.insert(PersonId(uuid(&person)?), row.get(1)?);
    }
    Ok(latest)
}

pub(crate) fn state_columns(
    people: &[(PersonId, Option<Vec<u8>>)],
    version: u64,
    mut key: Option<&mut StateKey>,
) -> Result<arrow::record_batch::RecordBatch, StoreError> {
    let mut sealed_by = UInt64Builder::new();
    let mut person = effects::Uuids::default();
    let mut versions = UInt64Builder::new();
    let mut gone = BooleanBuilder::new();
    let mut state = BinaryBuilder::new();
    for (id, bytes) in people {
        person.push(id.0)?;
        versions.append_value(version);
        gone.append_value(bytes.is_none());
        match (&mut key, bytes) {
            (Some(key), Some(bytes)) => {
                state.append_value(key.seal(Place::Person(id.0), bytes)?);
                sealed_by.append_value(key.id);
            }
            (_, bytes) => {
                state.append_option(bytes.as_deref());
                sealed_by.append_null();
            }
        }
    }
    effects::batch(vec![
        person.finish("person"),
        (Field::new("version", DataType::UInt64, true), Arc::new(versions.finish())),
        (Field::new("gone", DataType::Boolean, true), Arc::new(gone.finish())),
        (Field::new("bytes", DataType::Binary, true), Arc::new(state.finish())),
        (Field::new("sealed_by", DataType::UInt64, true), Arc::new(sealed_by.finish())),
    ])
}

pub(crate) fn people_columns(
    people: &[(PersonId, Option<Vec<u8>>)],
    rows: &[PersonRow],
    version: u64,
    veil: Option<&Places>,
) -> Result<arrow::record_batch::RecordBatch, StoreError> {
    let mut columns = PeopleColumns::new();
    for row in rows {
        columns.push(row, version, veil)?;
    }
    for (id, state) in people {
        if state.is_none() {
            columns.push_gone(*id, version)?;
        }
    }
    columns.finish()
}

struct PeopleColumns {
    person: effects::Uuids,
    version: UInt64Builder,
    gone: BooleanBuilder,
    first_seen: TimestampMicrosecondBuilder,
    last_seen: TimestampMicrosecondBuilder,
    identifiers: ListBuilder<StructBuilder>,
    segments: ListBuilder<StructBuilder>,
    traits: StringBuilder,
}

impl PeopleColumns {
    fn new() -> Self {
        let pair = |fields: [Field; 2]| ListBuilder::new(StructBuilder::from_fields(Fields::from(fields.to_vec()), 0));
        Self {
            person: effects::Uuids::default(),
            version: UInt64Builder::new(),
            gone: BooleanBuilder::new(),
            first_seen: TimestampMicrosecondBuilder::new(),
            last_seen: TimestampMicrosecondBuilder::new(),
            identifiers: pair([effects::text("kind"), effects::text("value")]),
            segments: pair([effects::text("segment"), effects::time("since")]),
            traits: StringBuilder::new(),
        }
    }

    fn push(&mut self, row: &PersonRow, version: u64, veil: Option<&Places>) -> Result<(), StoreError> {
        self.person.push(row.person.0)?;
        self.version.append_value(version);
        self.gone.append_value(false);
        self.first_seen.append_value(row.first_seen.0);
        self.last_seen.append_value(row.last_seen.0);
        for (kind, value) in &row.identifiers {
            let pair = self.identifiers.values();
            put_text(pair, 0, kind);
            put_text(pair, 1, value);
            pair.append(true);
        }
        self.identifiers.append(true);
        for (segment, since) in &row.segments {
            let pair = self.segments.values();
            put_text(pair, 0, segment);
            if let Some(times) = pair.field_builder::<TimestampMicrosecondBuilder>(1) {
                times.append_value(since.0);
            }
            pair.append(true);
        }
        self.segments.append(true);
        match veil {
            Some(places) => self.traits.append_value(places.veiled(&row.traits)),
            None => self.traits.append_value(&row.traits),
        }
        Ok(())
    }

    fn push_gone(&mut self, person: PersonId, version: u64) -> Result<(), StoreError> {
        self.person.push(person.0)?;
        self.version.append_value(version);
        self.gone.append_value(true);
        self.first_seen.append_null();
        self.last_seen.append_null();
        self.identifiers.append(false);
        self.segments.append(false);
        self.traits.append_null();
        Ok(())
    }

    fn finish(mut self) -> Result<arrow::record_batch::RecordBatch, StoreError> {
        let list = |name: &str, array: ArrayRef| (Field::new(name, array.data_type().clone(), true), array);
        effects::batch(vec![
            self.person.finish("person"),
            (Field::new("version", DataType::UInt64, true), Arc::new(self.version.finish())),
            (Field::new("gone", DataType::Boolean, true), Arc::new(self.gone.finish())),
            (effects::time("first_seen"), Arc::new(self.first_seen.finish())),
            (effects::time("last_seen"), Arc::new(self.last_seen.finish())),
            list("identifiers", Arc::new(self.identifiers.finish())),
            list("segments", Arc::new(self.segments.finish())),
            (effects::text("traits"), Arc::new(self.traits.finish())),
        ])
    }
}

/// The fields of both structs were made in `new`, with these types.
fn put_text(pair: &mut StructBuilder, field: usize, text: &str) {
    if let Some(texts) = pair.field_builder::<StringBuilder>(field) {
        texts.append_value(text);
    }
}
