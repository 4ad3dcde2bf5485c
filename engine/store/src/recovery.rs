//! What a store knows when it is opened: all that the pipeline needs to go on where it stopped.

use crate::checkpoint::SavedCheckpoint;
use crate::dedup::DedupSet;
use crate::{OutcomeState, StoreError, StoreOptions, Takeover};
use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use duckdb::{Connection, params};
use sonder_core::effect::EffectId;
use sonder_core::record::Seq;
use sonder_dsl::ir::{Fingerprint, Program};
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Where the log ends, and what is known as of its last checkpoint.
#[derive(Debug)]
pub struct Recovered {
    /// The last place in the log; 0 when it is empty.
    pub last_seq: Seq,
    /// The `received_at` of the last record; later ones must not be earlier.
    pub last_received_at: Moment,
    /// The message ids of the deduplication window, of quarantined messages, too.
    pub dedup: DedupSet,
    /// The last checkpoint of the fold. [`Store::load_checkpoint`](crate::Store::load_checkpoint) reads it.
    pub checkpoint: Option<SavedCheckpoint>,
    /// Where a version of the project last took over while an engine ran.
    pub takeover: Option<Takeover>,
    /// Deliveries that ended since that checkpoint (or ever, where there is none): refolding the tail decides them again,
    /// and they must not be sent again.
    pub ended: BTreeMap<EffectId, OutcomeState>,
}

impl Recovered {
    /// The version of the project that decided last, as far as is known.
    #[must_use]
    pub fn last_version(&self) -> Option<Fingerprint> {
        let saved = self.checkpoint.as_ref().map(|it| (it.seq, it.now, it.fingerprint));
        let takeover = self.takeover.map(|it| (it.as_of, it.now, it.fingerprint));
        let later = |it: &(Seq, Moment, Fingerprint)| (it.0, it.1);
        saved.into_iter().chain(takeover).max_by_key(later).map(|(.., fingerprint)| fingerprint)
    }

    pub(crate) fn load(connection: &Connection, program: &Program, options: &StoreOptions) -> Result<Self, StoreError> {
        let (last_seq, last): (u64, Option<i64>) =
            connection.query_row("SELECT coalesce(max(seq), 0), epoch_us(max(received_at)) FROM log", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let checkpoint = SavedCheckpoint::last(connection)?;
        Ok(Self {
            last_seq: Seq(last_seq),
            last_received_at: Moment(last.unwrap_or(0)),
            dedup: message_ids(connection, program, options)?,
            ended: ended(connection, checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.seq.0))?,
            takeover: takeover(connection)?,
            checkpoint,
        })
    }
}

/// Reads the ids of the window before the last message that was received. The log is in order already and is streamed;
/// the quarantined ones, which are few, are merged into it.
fn message_ids(connection: &Connection, program: &Program, options: &StoreOptions) -> Result<DedupSet, StoreError> {
    let window = program.settings.dedup;
    let mut set = DedupSet::new(window, options.dedup_ids);
    let last: Option<i64> = connection.query_row(
        "SELECT epoch_us(max(t)) FROM (SELECT max(received_at) AS t FROM log UNION ALL SELECT max(received_at) FROM quarantine)",
        [],
        |row| row.get(0),
    )?;
    let Some(last) = last else { return Ok(set) };
    let from = Moment(last).minus(window).0;
    let mut aside = Vec::new();
    ids(connection, "quarantine", from, |at, hash| aside.push((at, hash)))?;
    aside.sort_unstable();
    let mut aside = aside.into_iter().peekable();
    ids(connection, "log", from, |at, hash| {
        while let Some((earlier, quarantined)) = aside.next_if(|(earlier, _)| *earlier <= at) {
            set.insert_hash(quarantined, Moment(earlier));
        }
        set.insert_hash(hash, Moment(at));
    })?;
    for (at, hash) in aside {
        set.insert_hash(hash, Moment(at));
    }
    Ok(set)
}

fn ids(connection: &Connection, table: &str, from: i64, mut visit: impl FnMut(i64, u64)) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT received_at, message_id FROM {table} WHERE received_at > make_timestamp(?) AND message_id IS NOT NULL"
    ))?;
    drop(statement.stream_arrow(params![from])?);
    while let Some(chunk) = statement.step()? {
        let times = chunk.column(0).as_primitive::<TimestampMicrosecondType>();
        let ids = chunk.column(1).as_string::<i32>();
        for row in 0..chunk.len() {
            visit(times.value(row), xxh3_64(ids.value(row).as_bytes()));
        }
    }
    Ok(())
}

/// Where a version of the project last took over.
pub(crate) fn takeover(connection: &Connection) -> Result<Option<Takeover>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT as_of_seq, epoch_us(now), fingerprint FROM takeovers ORDER BY as_of_seq DESC, now DESC, rowid DESC LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (as_of, now) = (Seq(row.get(0)?), Moment(row.get(1)?));
    Ok(Some(Takeover { as_of, now, fingerprint: Fingerprint(row.get(2)?) }))
}

fn ended(connection: &Connection, since: u64) -> Result<BTreeMap<EffectId, OutcomeState>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT delivery::VARCHAR, state FROM delivery_outcomes WHERE as_of_seq >= ? AND state <> 'retry'
         ORDER BY ended_at, attempt",
    )?;
    let mut rows = statement.query(params![since])?;
    let mut ended = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (id, state): (String, String) = (row.get(0)?, row.get(1)?);
        let state = OutcomeState::from_name(&state)
            .ok_or_else(|| StoreError::Damaged(format!("a delivery has the state `{state}`")))?;
        ended.insert(EffectId(uuid(&id)?), state);
    }
    Ok(ended)
}

/// Reads a UUID as DuckDB writes it.
pub(crate) fn uuid(text: &str) -> Result<u128, StoreError> {
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    u128::from_str_radix(&digits, 16).map_err(|_| StoreError::Damaged(format!("`{text}` is not an id")))
}
