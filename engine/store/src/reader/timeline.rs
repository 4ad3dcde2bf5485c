//! What happened to one person, newest first.
//!
//! Messages carry identifiers, never people, so a person's messages are those with one of their identifiers. They are
//! found in `log_identifiers`, a narrow table of numbers that is scanned in a few milliseconds for each million messages;
//! only the messages of one page are then read from the log itself, where zone maps on `seq` find them.

use super::Reader;
use crate::node::node;
use crate::recovery::uuid;
use crate::seal::{Keyring, Place, Unsealed};
use crate::{StoreError, limits};
use arrow::array::{Array, AsArray};
use duckdb::{Connection, Row};
use serde_json::Value as Json;
use sonder_core::effect::{EffectId, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::time::Moment;
use std::collections::BTreeSet;

/// A place in a timeline. Entries are ordered by it, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimelinePlace {
    /// When: for a message when it happened, for all else when it came true.
    pub at: Moment,
    /// Tells entries of one moment apart.
    pub place: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// Where it stands.
    pub place: TimelinePlace,
    /// What it was.
    pub what: Happening,
}

/// Kinds of entries.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A message was accepted.
    Message {
        /// Its place in the log.
        seq: Seq,
        /// `track`, `identify` …
        call: String,
        /// The event's name; `None` for the calls that are no events.
        event: Option<String>,
        /// Where it came from.
        source: String,
        /// When it was logged.
        received_at: Moment,
        /// Its id.
        message_id: String,
        /// What the client sent, as JSON.
        payload: String,
    },
    /// Something came true about the person.
    Change {
        /// About whom: the person, or somebody who was merged into them.
        person: PersonId,
        /// `created`, `merged`, `link_refused`, `entered`, `left`, `trait_changed`.
        kind: String,
        /// The segment or the trait.
        name: Option<String>,
        /// A trait's value, `{"absorbed"}` of a merge, `{"kind", "value", "reason"}` of a refused link; else null.
        value: Json,
    },
    /// Something was decided to be delivered.
    Delivery {
        /// Its id.
        id: EffectId,
        /// To whom.
        destination: String,
        /// `segment_entered` …
        kind: String,
        /// Segment, trait or event name.
        name: String,
        /// How far it has come: `pending`, `retry`, `delivered`, `dead`, `cancelled`.
        state: String,
    },
}

/// Whose timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// All their identifiers, as (kind, value).
    pub identifiers: Vec<(String, String)>,
    /// Their id, and those that were merged into it.
    pub people: Vec<PersonId>,
}

/// What `place` is made of: the kind of entry above, its number in its table below.
const KIND_SHIFT: u32 = 62;
const MESSAGE: u64 = 0;
const CHANGE: u64 = 1;
const DELIVERY: u64 = 2;

impl Reader {
    /// Up to `limit` entries strictly before `before` (from the newest on, where there is none), newest first.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn timeline(
        &self,
        whose: &Whose,
        before: Option<TimelinePlace>,
        limit: usize,
    ) -> Result<Vec<TimelineEntry>, StoreError> {
        let limit = limit.min(limits::MAX_PAGE);
        self.read(|connection| {
            let mut entries = messages(connection, self.keyring(), whose, before, limit)?;
            if !whose.people.is_empty() {
                entries.extend(changes(connection, self.keyring(), whose, before, limit)?);
                entries.extend(deliveries(connection, whose, before, limit)?);
            }
            entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.place));
            entries.truncate(limit);
            Ok(entries)
        })
    }
}

fn messages(
    connection: &Connection,
    keyring: &Keyring,
    whose: &Whose,
    before: Option<TimelinePlace>,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let known = &whose.identifiers[..whose.identifiers.len().min(limits::MAX_TIMELINE_IDENTIFIERS)];
    if known.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let nodes: Vec<String> = known.iter().map(|(kind, value)| node(kind, value).to_string()).collect();
    let texts: BTreeSet<String> = known.iter().map(|(kind, value)| format!("{kind}:{value}")).collect();
    let condition = earlier("occurred_at", "seq", MESSAGE, before);
    let mut statement = connection.prepare(&format!(
        "SELECT DISTINCT occurred_at, seq FROM log_identifiers WHERE node IN ({}) AND {condition}
         ORDER BY occurred_at DESC, seq DESC LIMIT {limit}",
        nodes.join(", ")
    ))?;
    let seqs: Vec<u64> = statement.query_map([], |row| row.get(1))?.collect::<Result<_, _>>()?;
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = seqs.iter().map(u64::to_string).collect();
    let mut statement = connection.prepare(&format!(
        "SELECT identifiers, seq, epoch_us(occurred_at), epoch_us(received_at), call, event, source, message_id, payload,
             {} FROM log WHERE seq IN ({})",
        keyring.columns(),
        list.join(", ")
    ))?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::with_capacity(seqs.len());
    let (mut sealed, mut places) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        if !shares_one(row, &texts)? {
            continue;
        }
        if let Some(key) = row.get(9)? {
            sealed.push(Unsealed { place: Place::Log(row.get(1)?), text: row.get(8)?, key, sealed: row.get(10)? });
            places.push(entries.len());
        }
        entries.push(message(row)?);
    }
    drop(rows);
    for (place, whole) in places.into_iter().zip(keyring.open(connection, &sealed)?) {
        if let Happening::Message { payload, .. } = &mut entries[place].what {
            *payload = whole;
        }
    }
    Ok(entries)
}

/// Whether a message has one of these identifiers itself, and not only one with the same hash.
fn shares_one(row: &Row<'_>, texts: &BTreeSet<String>) -> Result<bool, StoreError> {
    let duckdb::types::ValueRef::List(list, index) = row.get_ref(0)? else { return Ok(false) };
    let duckdb::types::ListType::Regular(list) = list else { return Ok(false) };
    let identifiers = list.value(index);
    let identifiers = identifiers.as_string::<i32>();
    Ok((0..identifiers.len()).any(|place| texts.contains(identifiers.value(place))))
}

fn message(row: &Row<'_>) -> Result<TimelineEntry, StoreError> {
    let seq: u64 = row.get(1)?;
    Ok(TimelineEntry {
        place: place(row.get(2)?, MESSAGE, seq),
        what: Happening::Message {
            seq: Seq(seq),
            received_at: Moment(row.get(3)?),
            call: row.get(4)?,
            event: row.get(5)?,
            source: row.get(6)?,
            message_id: row.get(7)?,
            payload: row.get(8)?,
        },
    })
}

fn changes(
    connection: &Connection,
    keyring: &Keyring,
    whose: &Whose,
    before: Option<TimelinePlace>,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT epoch_us(changed_at), id, person::VARCHAR, kind, name, value, {} FROM changes
         WHERE person IN ({}) AND {} ORDER BY changed_at DESC, id DESC LIMIT {limit}",
        keyring.columns(),
        people(&whose.people),
        earlier("changed_at", "id", CHANGE, before)
    ))?;
    let mut rows = statement.query([])?;
    let mut entries: Vec<TimelineEntry> = Vec::new();
    let (mut sealed, mut places) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let value: Option<String> = row.get(5)?;
        if let (Some(key), Some(text)) = (row.get(6)?, &value) {
            let place = Place::Change(row.get(1)?);
            sealed.push(Unsealed { place, text: text.clone(), key, sealed: row.get(7)? });
            places.push(entries.len());
        }
        entries.push(TimelineEntry {
            place: place(row.get(0)?, CHANGE, row.get(1)?),
            what: Happening::Change {
                person: PersonId(uuid(&row.get::<_, String>(2)?)?),
                kind: row.get(3)?,
                name: row.get(4)?,
                value: value.map_or(Ok(Json::Null), |text| json(&text))?,
            },
        });
    }
    drop(rows);
    for (place, whole) in places.into_iter().zip(keyring.open(connection, &sealed)?) {
        if let Happening::Change { value, .. } = &mut entries[place].what {
            *value = json(&whole)?;
        }
    }
    Ok(entries)
}

fn json(text: &str) -> Result<Json, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("the value of a change: {error}")))
}

fn deliveries(
    connection: &Connection,
    whose: &Whose,
    before: Option<TimelinePlace>,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "WITH page AS (
            SELECT decided_at, number, id, destination, kind, name FROM deliveries
            WHERE person IN ({}) AND {} ORDER BY decided_at DESC, number DESC LIMIT {limit})
         SELECT epoch_us(decided_at), number, id::VARCHAR, destination, kind, name, coalesce(
            (SELECT arg_max(state, (ended_at, attempt)) FROM delivery_outcomes WHERE delivery = page.id), 'pending')
         FROM page",
        people(&whose.people),
        earlier("decided_at", "number", DELIVERY, before)
    ))?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(TimelineEntry {
            place: place(row.get(0)?, DELIVERY, row.get(1)?),
            what: Happening::Delivery {
                id: EffectId(uuid(&row.get::<_, String>(2)?)?),
                destination: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                kind: row.get(4)?,
                name: row.get(5)?,
                state: row.get(6)?,
            },
        });
    }
    Ok(entries)
}

fn place(at: i64, kind: u64, number: u64) -> TimelinePlace {
    TimelinePlace { at: Moment(at), place: kind << KIND_SHIFT | number }
}

/// A condition that holds for the entries of `kind` strictly before `before`.
fn earlier(time: &str, number: &str, kind: u64, before: Option<TimelinePlace>) -> String {
    let Some(before) = before else { return "true".to_owned() };
    let at = format!("make_timestamp({}::BIGINT)", before.at.0);
    let bound = before.place & !(u64::MAX << KIND_SHIFT);
    match kind.cmp(&(before.place >> KIND_SHIFT)) {
        std::cmp::Ordering::Less => format!("{time} <= {at}"),
        std::cmp::Ordering::Equal => format!("({time} < {at} OR ({time} = {at} AND {number} < {bound}))"),
        std::cmp::Ordering::Greater => format!("{time} < {at}"),
    }
}

/// People's ids as a list in SQL.
pub(super) fn people(ids: &[PersonId]) -> String {
    let list: Vec<String> = ids.iter().map(|id| format!("'{:032x}'::UUID", id.0)).collect();
    list.join(", ")
}
