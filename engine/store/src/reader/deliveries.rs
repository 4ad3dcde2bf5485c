//! What destinations were told, and what is still to be told.

use super::Reader;
use super::timeline::people;
use crate::database::quoted;
use crate::recovery::uuid;
use crate::seal::{Keyring, Place, Unsealed};
use crate::{StoreError, limits};
use duckdb::{Connection, Row, Statement};
use sonder_core::effect::{Cause, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::DestinationId;
use sonder_dsl::time::Moment;

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this destination, by name.
    pub destination: Option<String>,
    /// In one of these states: `pending`, `retry`, `delivered`, `dead`, `cancelled`; empty for all.
    pub states: Vec<String>,
    /// About one of these; empty for all. A person's ids are their own and those that were merged into it.
    pub people: Vec<PersonId>,
    /// Strictly before the one with this (`at`, id): the page after it.
    pub before: Option<(Moment, EffectId)>,
    /// No more than this.
    pub limit: usize,
}

/// Some of them, newest first by (`at`, id).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryPage {
    /// How many match, on all pages.
    pub total: u64,
    /// This page.
    pub deliveries: Vec<StoredDelivery>,
    /// Whether there are more after it.
    pub more: bool,
}

/// A delivery and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Its idempotency key.
    pub id: EffectId,
    /// To whom.
    pub destination: String,
    /// About whom.
    pub person: PersonId,
    /// `message`, `segment_entered`, `segment_left`, `trait_changed`, `event`, `erase`.
    pub kind: String,
    /// Segment, trait or event name.
    pub name: String,
    /// When it was decided.
    pub at: Moment,
    /// `pending`, `retry`, `delivered`, `dead`, `cancelled`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the last attempt ended.
    pub ended_at: Option<Moment>,
    /// What the last answer's status was.
    pub status: Option<u16>,
    /// Why the last attempt failed.
    pub detail: Option<String>,
    /// What the plugin is told.
    pub payload: String,
}

impl Reader {
    /// A page of deliveries.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, StoreError> {
        let limit = filter.limit.min(limits::MAX_PAGE);
        let mut matching = "WHERE true".to_owned();
        if let Some(destination) = &filter.destination {
            matching += &format!(" AND destination = {}", quoted(destination));
        }
        if !filter.people.is_empty() {
            matching += &format!(" AND person IN ({})", people(&filter.people));
        }
        // Without a condition on the state, the total needs no outcomes.
        let mut counted = "deliveries";
        if !filter.states.is_empty() {
            let states: Vec<String> = filter.states.iter().map(|state| quoted(state)).collect();
            matching += &format!(" AND state IN ({})", states.join(", "));
            counted = "delivery_states";
        }
        let before = filter.before.map_or_else(String::new, |(at, id)| {
            let at = format!("make_timestamp({}::BIGINT)", at.0);
            format!(" AND (decided_at < {at} OR (decided_at = {at} AND id < '{:032x}'::UUID))", id.0)
        });
        self.read(|connection| {
            let total =
                connection.query_row(&format!("SELECT count(*) FROM {counted} {matching}"), [], |row| row.get(0))?;
            let mut statement = connection.prepare(&format!(
                "SELECT id::VARCHAR, destination, person::VARCHAR, kind, name, epoch_us(decided_at), state, attempts,
                    epoch_us(ended_at), status, detail, payload, number, {}
                 FROM delivery_states {matching}{before} ORDER BY decided_at DESC, id DESC LIMIT {}",
                self.keyring().columns(),
                limit + 1
            ))?;
            let mut rows = statement.query([])?;
            let mut deliveries = Vec::new();
            let mut sealed = SealedPayloads::default();
            while let Some(row) = rows.next()? {
                sealed.note(row, deliveries.len(), [11, 12, 13, 14])?;
                deliveries.push(stored(row)?);
            }
            drop(rows);
            sealed.open(connection, self.keyring(), |place, whole| deliveries[place].payload = whole)?;
            let more = deliveries.len() > limit;
            deliveries.truncate(limit);
            Ok(DeliveryPage { total, deliveries, more })
        })
    }

    /// Deliveries to `destination` that have not ended, in the order in which they were decided: those after the delivery
    /// `after`, or from the first, and no more than `limit`. They carry the id `as_destination`: ids are those of a
    /// program, and the store keeps names.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn backlog(
        &self,
        destination: &str,
        as_destination: DestinationId,
        after: Option<EffectId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let after = after.map_or_else(String::new, |id| {
            format!(" AND number > coalesce((SELECT max(number) FROM deliveries WHERE id = '{:032x}'::UUID), 0)", id.0)
        });
        self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT id::VARCHAR, person::VARCHAR, epoch_us(decided_at), cause_seq, epoch_us(cause_time), kind, name,
                    identifiers, payload, number, {}
                 FROM deliveries ANTI JOIN (SELECT delivery AS id FROM delivery_outcomes WHERE state <> 'retry') USING (id)
                 WHERE destination = {}{after} ORDER BY number LIMIT {}",
                self.keyring().columns(),
                quoted(destination),
                limit.min(limits::MAX_PAGE)
            ))?;
            all_pending(connection, self.keyring(), &mut statement, as_destination)
        })
    }

    /// The names of the destinations that have deliveries that have not ended, in order.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn waiting_destinations(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT DISTINCT destination
                 FROM deliveries ANTI JOIN (SELECT delivery AS id FROM delivery_outcomes WHERE state <> 'retry') USING (id)
                 WHERE destination IS NOT NULL ORDER BY destination",
            )?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    /// Who got something from `destination` after `since`, and when, in order of time.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn delivered(&self, destination: &str, since: Moment) -> Result<Vec<(PersonId, Moment)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT person::VARCHAR, epoch_us(ended_at) FROM deliveries
                 JOIN delivery_outcomes ON delivery = id
                 WHERE destination = {} AND state = 'delivered' AND epoch_us(ended_at) > {} ORDER BY ended_at, number",
                quoted(destination),
                since.0
            ))?;
            let mut rows = statement.query([])?;
            let mut delivered = Vec::new();
            while let Some(row) = rows.next()? {
                delivered.push((PersonId(uuid(&row.get::<_, String>(0)?)?), Moment(row.get(1)?)));
            }
            Ok(delivered)
        })
    }
}

impl Reader {
    /// What of the deliveries to `destination` is of use still, in the order in which they were decided: messages that were
    /// delivered and decided after `since`, and the last that was said of each segment and each trait of somebody. No more than
    /// the latest `limit`.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn told(&self, destination: &str, since: Moment, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT id, person, decided_at, cause_seq, cause_time, kind, name, identifiers, payload, number, sealed_by, sealed
                 FROM (
                    SELECT number, {}, id::VARCHAR AS id, person::VARCHAR AS person, epoch_us(decided_at) AS decided_at, cause_seq,
                        epoch_us(cause_time) AS cause_time, kind, name, identifiers, payload
                    FROM deliveries SEMI JOIN (SELECT delivery AS id FROM delivery_outcomes WHERE state = 'delivered') USING (id)
                    WHERE destination = {}
                    QUALIFY CASE kind WHEN 'message' THEN epoch_us(deliveries.decided_at) > {} ELSE
                        number = max(number) OVER (PARTITION BY person, name, kind IN ('segment_entered', 'segment_left')) END
                    ORDER BY number DESC LIMIT {limit}) ORDER BY number",
                self.keyring().columns(),
                quoted(destination),
                since.0,
            ))?;
            all_pending(connection, self.keyring(), &mut statement, DestinationId(0))
        })
    }
}

/// Deliveries that were given up, open again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reopened {
    /// In the order in which they were decided.
    pub deliveries: Vec<Delivery>,
    /// How many more there are that fit.
    pub left: u64,
}

impl crate::Store {
    /// Opens deliveries to `destination` again that were given up, the oldest first and no more than `limit`; about these
    /// people, or about anybody where there are none. They have not ended any more.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn reopen(
        &self,
        (destination, as_destination): (&str, DestinationId),
        about: &[PersonId],
        limit: usize,
    ) -> Result<Reopened, StoreError> {
        let mut dead = format!("FROM delivery_states WHERE state = 'dead' AND destination = {}", quoted(destination));
        if !about.is_empty() {
            dead += &format!(" AND person IN ({})", people(about));
        }
        let mut reopened = Reopened::default();
        let keyring = self.database.keyring();
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            let total: u64 = connection.query_row(&format!("SELECT count(*) {dead}"), [], |row| row.get(0))?;
            let mut statement = connection.prepare(&format!(
                "SELECT id::VARCHAR, person::VARCHAR, epoch_us(decided_at), cause_seq, epoch_us(cause_time), kind, name,
                    identifiers, payload, number, {} {dead} ORDER BY number LIMIT {limit}",
                keyring.columns()
            ))?;
            reopened.deliveries = all_pending(connection, keyring, &mut statement, as_destination)?;
            let ids: Vec<String> = reopened.deliveries.iter().map(|it| format!("'{:032x}'::UUID", it.id.0)).collect();
            if !ids.is_empty() {
                connection.execute_batch(&format!(
                    "UPDATE delivery_outcomes SET state = 'retry' WHERE state = 'dead' AND delivery IN ({})",
                    ids.join(", ")
                ))?;
            }
            connection.execute_batch("COMMIT")?;
            reopened.left = total.saturating_sub(reopened.deliveries.len() as u64);
            Ok(())
        })?;
        Ok(reopened)
    }
}

/// Payloads that are sealed, and the places of their deliveries in a list.
#[derive(Default)]
struct SealedPayloads {
    places: Vec<usize>,
    sealed: Vec<Unsealed>,
}

impl SealedPayloads {
    /// Notes the payload of a row, if it is sealed: these columns are the payload, the number, the key, and what is sealed.
    fn note(
        &mut self,
        row: &Row<'_>,
        place: usize,
        [payload, number, key, sealed]: [usize; 4],
    ) -> Result<(), StoreError> {
        if let Some(key) = row.get(key)? {
            let (of, text) = (Place::Delivery(row.get(number)?), row.get(payload)?);
            self.sealed.push(Unsealed { place: of, text, key, sealed: row.get(sealed)? });
            self.places.push(place);
        }
        Ok(())
    }

    fn open(
        self,
        connection: &Connection,
        keyring: &Keyring,
        mut put: impl FnMut(usize, String),
    ) -> Result<(), StoreError> {
        let whole = keyring.open(connection, &self.sealed)?;
        self.places.into_iter().zip(whole).for_each(|(place, whole)| put(place, whole));
        Ok(())
    }
}

/// The deliveries of a statement.
fn all_pending(
    connection: &Connection,
    keyring: &Keyring,
    statement: &mut Statement<'_>,
    destination: DestinationId,
) -> Result<Vec<Delivery>, StoreError> {
    let mut rows = statement.query([])?;
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut sealed = SealedPayloads::default();
    while let Some(row) = rows.next()? {
        sealed.note(row, deliveries.len(), [8, 9, 10, 11])?;
        deliveries.push(pending(row, destination)?);
    }
    drop(rows);
    sealed.open(connection, keyring, |place, whole| deliveries[place].payload = whole)?;
    Ok(deliveries)
}

fn stored(row: &Row<'_>) -> Result<StoredDelivery, StoreError> {
    Ok(StoredDelivery {
        id: EffectId(uuid(&row.get::<_, String>(0)?)?),
        destination: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
        person: PersonId(uuid(&row.get::<_, String>(2)?)?),
        kind: row.get(3)?,
        name: row.get(4)?,
        at: Moment(row.get(5)?),
        state: row.get(6)?,
        attempts: row.get(7)?,
        ended_at: row.get::<_, Option<i64>>(8)?.map(Moment),
        status: row.get(9)?,
        detail: row.get(10)?,
        payload: row.get(11)?,
    })
}

fn pending(row: &Row<'_>, destination: DestinationId) -> Result<Delivery, StoreError> {
    let cause = match (row.get::<_, Option<u64>>(3)?, row.get::<_, Option<i64>>(4)?) {
        (Some(seq), _) => Cause::Record(Seq(seq)),
        (None, Some(time)) => Cause::Timer(Moment(time)),
        (None, None) => return Err(StoreError::Damaged("a delivery has no cause".to_owned())),
    };
    let kind: String = row.get(5)?;
    let identifiers: String = row.get(7)?;
    Ok(Delivery {
        id: EffectId(uuid(&row.get::<_, String>(0)?)?),
        destination,
        person: PersonId(uuid(&row.get::<_, String>(1)?)?),
        at: Moment(row.get(2)?),
        cause,
        kind: item_named(&kind).ok_or_else(|| StoreError::Damaged(format!("a delivery has the kind `{kind}`")))?,
        name: row.get(6)?,
        identifiers: identifiers_of(&identifiers)?,
        payload: row.get(8)?,
    })
}

/// Reads identifiers as deliveries have them: (kind, value).
pub(crate) fn identifiers_of(text: &str) -> Result<Vec<(String, String)>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("the identifiers of a delivery: {error}")))
}

pub(crate) fn item_named(name: &str) -> Option<ItemKind> {
    use ItemKind::{Erase, Event, Message, SegmentEntered, SegmentLeft, TraitChanged};
    [Message, SegmentEntered, SegmentLeft, TraitChanged, Event, Erase].into_iter().find(|kind| kind.name() == name)
}
