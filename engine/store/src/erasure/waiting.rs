//! Deliveries about others that name somebody who is erased. Nobody else loses what they are to be told of, or the record that it
//! was: the mention goes, as in their messages, and the rest stays.

use super::Target;
use crate::reader::{identifiers_of, item_named};
use crate::recovery::uuid;
use crate::seal::{Keyring, Place, Sealing, Unsealed, of_person};
use crate::{StoreError, limits};
use duckdb::{Connection, params};
use sonder_core::effect::{EffectId, PersonId};
use sonder_core::erasure::redact::Told;
use std::collections::BTreeSet;

/// What is different about deliveries that had not ended when somebody was struck: whoever has them in memory is to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Those that are no more: about them.
    pub gone: BTreeSet<EffectId>,
    /// Those about others that named them, as they are now.
    pub amended: Vec<Amended>,
}

/// A delivery without the mention of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// Which.
    pub id: EffectId,
    /// (kind, value) of whom it is about.
    pub identifiers: Vec<(String, String)>,
    /// What is told.
    pub payload: String,
}

/// Takes somebody out of deliveries about others. Gives those that had not ended, and the numbers of those that name nobody else:
/// these can be told to nobody.
pub(super) fn amend(
    connection: &Connection,
    (keyring, sealing): (&Keyring, &mut Sealing<'_>),
    target: &Target,
    told: &Told<'_>,
    before: &str,
) -> Result<(Vec<Amended>, Vec<u64>), StoreError> {
    let people = super::strike::people(target);
    let (mut after, mut waiting, mut nameless) = (0, Vec::new(), Vec::new());
    loop {
        let rows = page(connection, keyring, &format!("{before} AND coalesce(person NOT IN ({people}), true)"), after)?;
        let Some(last) = rows.last() else { return Ok((waiting, nameless)) };
        after = last.number;
        for row in rows {
            let left = item_named(&row.kind).and_then(|kind| told.left(kind, &row.name, &row.payload));
            let mut identifiers = row.identifiers;
            let count = identifiers.len();
            identifiers.retain(|it| !target.identifiers.contains(it));
            if left.is_none() && identifiers.len() == count {
                continue;
            }
            if identifiers.is_empty() && count > 0 {
                nameless.push(row.number);
                continue;
            }
            let payload = left.unwrap_or(row.payload);
            let (kind, id) = of_person(row.person);
            let sealed = match row.is_sealed {
                true => sealing.whole(Place::Delivery(row.number), (kind, &id), &payload)?,
                false => None,
            };
            let (text, key, cell) = match &sealed {
                Some(it) => (&*it.text, Some(it.key), Some(&*it.sealed)),
                None => (&*payload, None, None),
            };
            connection.execute(
                "UPDATE deliveries SET payload = ?, sealed_by = ?, sealed = ?, identifiers = ? WHERE number = ?",
                params![text, key, cell, serde_json::json!(identifiers).to_string(), row.number],
            )?;
            if !has_ended(connection, row.id)? {
                waiting.push(Amended { id: row.id, identifiers, payload });
            }
        }
    }
}

/// The deliveries about somebody that have not ended.
pub(super) fn gone(connection: &Connection, which: &str) -> Result<BTreeSet<EffectId>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT id::VARCHAR FROM deliveries WHERE {which}
         AND id NOT IN (SELECT delivery FROM delivery_outcomes WHERE {ENDED})"
    ))?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut gone = BTreeSet::new();
    for row in rows {
        gone.insert(EffectId(uuid(&row?)?));
    }
    Ok(gone)
}

const ENDED: &str = "state <> 'retry'";

fn has_ended(connection: &Connection, id: EffectId) -> Result<bool, StoreError> {
    let sql = format!("SELECT EXISTS(FROM delivery_outcomes WHERE {ENDED} AND delivery = ?::UUID)");
    Ok(connection.query_row(&sql, params![format!("{:032x}", id.0)], |row| row.get(0))?)
}

/// A delivery about somebody else.
struct Row {
    number: u64,
    id: EffectId,
    kind: String,
    name: String,
    person: PersonId,
    identifiers: Vec<(String, String)>,
    payload: String,
    is_sealed: bool,
}

fn page(connection: &Connection, keyring: &Keyring, which: &str, after: u64) -> Result<Vec<Row>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT number, id::VARCHAR, kind, name, person::VARCHAR, identifiers, payload, sealed_by, sealed FROM deliveries
         WHERE {which} AND kind <> 'erase' AND number > {after} ORDER BY number LIMIT {}",
        limits::ROWS_SEALED
    ))?;
    let mut found = statement.query([])?;
    let (mut rows, mut places, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(row) = found.next()? {
        let (number, payload): (u64, String) = (row.get(0)?, row.get(6)?);
        if let Some(key) = row.get(7)? {
            places.push(rows.len());
            sealed.push(Unsealed { text: payload.clone(), place: Place::Delivery(number), key, sealed: row.get(8)? });
        }
        rows.push(Row {
            number,
            id: EffectId(uuid(&row.get::<_, String>(1)?)?),
            kind: row.get(2)?,
            name: row.get(3)?,
            person: PersonId(uuid(&row.get::<_, String>(4)?)?),
            identifiers: identifiers_of(&row.get::<_, String>(5)?)?,
            payload,
            is_sealed: false,
        });
    }
    for (place, payload) in places.into_iter().zip(keyring.open(connection, &sealed)?) {
        if let Some(row) = rows.get_mut(place) {
            (row.payload, row.is_sealed) = (payload, true);
        }
    }
    Ok(rows)
}
