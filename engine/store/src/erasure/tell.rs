//! Whom an erasure is told: every destination that may have got something about the person, with the identifiers that it got.
//!
//! Deliveries of the kind `erase` wait in the store like all others. They need the identifiers, and are the last rows that
//! have them: what came of each is noted, and then they go, too.
//!
//! One that is no more cannot be told, which is on record. What it left in the data directory is gone through all the same.
//!
//! A destination that keeps files is told whatever it got: what it was told of others may name the person. To find that it is told
//! all that they are known by, and how they wrote it. It is part of the engine, so that nothing of it leaves.

use super::Target;
use crate::database::quoted;
use crate::reader::identifiers_of;
use crate::{OutcomeState, StoreError};
use duckdb::{Connection, params};
use serde_json::json;
use sonder_core::effect::{Cause, Delivery, EffectId, ItemKind};
use sonder_core::erasure::{Names, redact};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, Program};
use sonder_dsl::model::Destination;
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::Xxh3;

/// A destination that is told of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldErasure {
    /// Its name.
    pub destination: String,
    /// `pending`, `retry`, `delivered`, `dead`, `cancelled`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub detail: Option<String>,
    /// When the last attempt ended.
    pub ended_at: Option<Moment>,
}

impl ToldErasure {
    /// Whether nothing more will be tried.
    #[must_use]
    pub fn is_final(&self) -> bool {
        OutcomeState::from_name(&self.state).is_some_and(OutcomeState::is_final)
    }
}

/// Identifiers as (kind, value), each once.
type Identifiers = BTreeSet<(String, String)>;

/// The destinations that may have got something about somebody, and the identifiers that they got.
fn receivers(connection: &Connection, people: &str) -> Result<BTreeMap<String, Identifiers>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "{} UNION SELECT person, destination, identifiers FROM told_before WHERE person IN ({people})",
        sent(&format!("d.person IN ({people})"))
    ))?;
    let mut rows = statement.query([])?;
    let mut receivers: BTreeMap<String, Identifiers> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (destination, identifiers): (String, String) = (row.get(1)?, row.get(2)?);
        receivers.entry(destination).or_default().extend(identifiers_of(&identifiers)?);
    }
    Ok(receivers)
}

/// What destinations may have got, of those deliveries: person, destination, identifiers. What was cancelled at its first attempt
/// never left.
fn sent(which: &str) -> String {
    format!(
        "SELECT DISTINCT d.person, d.destination, d.identifiers FROM deliveries d LEFT JOIN (
             SELECT delivery, arg_max(state, (ended_at, attempt)) AS state, max(attempt) AS attempt
             FROM delivery_outcomes GROUP BY delivery) o ON o.delivery = d.id
         WHERE {which} AND d.kind <> 'erase' AND d.destination IS NOT NULL
             AND NOT coalesce(o.state = 'cancelled' AND o.attempt <= 1, false)"
    )
}

/// Keeps who was told of whom before deliveries go that nobody erased. `which` selects these.
pub(crate) fn keep(connection: &Connection, which: &str) -> Result<(), StoreError> {
    let sent = sent(&format!("d.id IN (SELECT id FROM deliveries WHERE {which})"));
    connection.execute_batch(&format!("INSERT INTO told_before {sent} EXCEPT SELECT * FROM told_before"))?;
    Ok(())
}

/// The same of what is removed up to a place in the log as somebody's who is `back` since: by what they are known by now.
pub(super) fn keep_of(
    connection: &Connection,
    (target, up_to): (&Target, Seq),
    back: &Target,
) -> Result<(), StoreError> {
    let people = super::strike::people(target);
    keep(connection, &format!("person IN ({people}) AND as_of_seq <= {}", up_to.0))?;
    let identifiers = quoted(&json!(back.identifiers).to_string());
    connection
        .execute_batch(&format!("UPDATE told_before SET identifiers = {identifiers} WHERE person IN ({people})"))?;
    Ok(())
}

/// Who was told of somebody goes with them, and so does an identifier of theirs that somebody else was told by.
pub(crate) fn forget(connection: &Connection, target: &Target) -> Result<(), StoreError> {
    let people = super::strike::people(target);
    connection.execute_batch(&format!("DELETE FROM told_before WHERE person IN ({people})"))?;
    for (kind, value) in &target.identifiers {
        let pair = quoted(&json!([kind, value]).to_string());
        let without = format!("list_filter(CAST(identifiers AS JSON[]), lambda it: CAST(it AS VARCHAR) <> {pair})");
        connection.execute_batch(&format!(
            "UPDATE told_before SET identifiers = CAST(to_json({without}) AS VARCHAR) WHERE contains(identifiers, {pair})"
        ))?;
    }
    Ok(())
}

/// Notes, in the transaction that strikes somebody, whom that is to be told. Gives the deliveries by the names of destinations;
/// which number these have is the caller's to say.
pub(super) fn note(
    connection: &Connection,
    (erasure, at): (&str, Moment),
    target: &Target,
    names: &Names<'_>,
) -> Result<Vec<(String, Delivery)>, StoreError> {
    let Some(person) = target.people.first() else { return Ok(Vec::new()) };
    let mut receivers = receivers(connection, &super::strike::people(target))?;
    let program = names.program();
    let is_told =
        |it: &&Destination| it.keeps_files() && program.region.as_ref().is_none_or(|region| it.serves(region));
    let keep_files: Vec<&str> = program.destinations.iter().filter(is_told).map(|it| it.name.as_str()).collect();
    for name in &keep_files {
        receivers.entry((*name).to_owned()).or_default().extend(target.identifiers.iter().cloned());
    }
    let mut deliveries = Vec::new();
    for (destination, identifiers) in receivers {
        if !program.destinations.iter().any(|it| it.name == destination) {
            connection.execute(
                "INSERT INTO erasure_deliveries(erasure, destination, delivery, state, attempts, detail, ended_at)
                 VALUES (?, ?, ?::UUID, ?, 0, ?, make_timestamp(?))",
                params![
                    erasure,
                    destination,
                    hex(id(erasure, &destination).0),
                    OutcomeState::Cancelled.name(),
                    "the destination is no more",
                    at.0
                ],
            )?;
            continue;
        }
        let mut payload = json!({"at": at.to_string()});
        if keep_files.contains(&destination.as_str()) {
            payload["known_by"] = json!({"identifiers": target.identifiers, "written": target.written});
        }
        let delivery = Delivery {
            id: id(erasure, &destination),
            destination: DestinationId(u32::MAX),
            person: *person,
            at,
            cause: Cause::Timer(at),
            kind: ItemKind::Erase,
            name: String::new(),
            identifiers: identifiers.into_iter().collect(),
            payload: payload.to_string(),
        };
        deliveries.push((destination, delivery));
    }
    let last: u64 = connection.query_row("SELECT coalesce(max(number), 0) FROM deliveries", [], |row| row.get(0))?;
    let as_of: u64 = connection.query_row("SELECT coalesce(max(seq), 0) FROM log", [], |row| row.get(0))?;
    for ((destination, it), number) in deliveries.iter().zip(last + 1..) {
        let (id, person) = (hex(it.id.0), hex(it.person.0));
        connection.execute(
            "INSERT INTO deliveries(number, id, as_of_seq, decided_at, destination, person, kind, name, identifiers,
                 payload, cause_time)
             VALUES (?, ?::UUID, ?, make_timestamp(?), ?, ?::UUID, ?, '', ?, ?, make_timestamp(?))",
            params![
                number,
                id,
                as_of,
                at.0,
                destination,
                person,
                it.kind.name(),
                json!(it.identifiers).to_string(),
                it.payload,
                at.0
            ],
        )?;
        connection.execute(
            "INSERT INTO erasure_deliveries(erasure, destination, delivery) VALUES (?, ?, ?::UUID)",
            params![erasure, destination, id],
        )?;
    }
    Ok(deliveries)
}

/// Whom an erasure is told, and what came of it so far.
pub(super) fn told(connection: &Connection, erasure: &str) -> Result<Vec<ToldErasure>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT e.destination, coalesce(e.state, d.state, 'pending'), coalesce(e.attempts, d.attempts, 0),
             CASE WHEN e.state IS NULL THEN d.detail ELSE e.detail END,
             epoch_us(CASE WHEN e.state IS NULL THEN d.ended_at ELSE e.ended_at END)
         FROM erasure_deliveries e LEFT JOIN delivery_states d ON d.id = e.delivery
         WHERE e.erasure = ? ORDER BY e.destination",
    )?;
    let rows = statement.query_map(params![erasure], |row| {
        Ok(ToldErasure {
            destination: row.get(0)?,
            state: row.get(1)?,
            attempts: row.get(2)?,
            detail: row.get(3)?,
            ended_at: row.get::<_, Option<i64>>(4)?.map(Moment),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes what came of deliveries that have ended, without identifiers in it, and removes these. Gives the identifiers that they
/// had.
pub(super) fn settle(connection: &Connection, program: &Program) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT e.delivery::VARCHAR, d.state, d.attempts, d.detail, epoch_us(d.ended_at), d.identifiers
         FROM erasure_deliveries e JOIN delivery_states d ON d.id = e.delivery
         WHERE e.state IS NULL AND d.state NOT IN ('pending', 'retry')",
    )?;
    type Ended = (String, String, u32, Option<String>, Option<i64>, String);
    let rows = statement.query_map([], |row| -> Result<Ended, _> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    })?;
    let ended: Vec<Ended> = rows.collect::<Result<_, _>>()?;
    drop(statement);
    let mut gone = Vec::new();
    for (delivery, state, attempts, detail, ended_at, identifiers) in ended {
        let target = Target { identifiers: identifiers_of(&identifiers)?, ..Target::default() };
        let names = Names::new(program, &target.identifiers);
        let detail = detail.map(|detail| redact::text(&detail, &names));
        drop(names);
        gone.extend(target.identifiers);
        connection.execute(
            "UPDATE erasure_deliveries SET state = ?, attempts = ?, detail = ?, ended_at = make_timestamp(?)
             WHERE delivery = ?::UUID",
            params![state, attempts, detail, ended_at, delivery],
        )?;
        let delivery = quoted(&delivery);
        connection.execute_batch(&format!(
            "DELETE FROM delivery_outcomes WHERE delivery = {delivery}::UUID;
             DELETE FROM deliveries WHERE id = {delivery}::UUID;"
        ))?;
    }
    Ok(gone)
}

/// The delivery that tells a destination of an erasure.
fn id(erasure: &str, destination: &str) -> EffectId {
    let mut hash = Xxh3::new();
    for text in ["erase", erasure, destination] {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    EffectId(hash.digest128())
}

fn hex(id: u128) -> String {
    format!("{id:032x}")
}
