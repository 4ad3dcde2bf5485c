//! What is kept for a time only, and goes when that is over: events, observations of traits, what was kept aside, what was decided.
//!
//! What is left of a message is judged outside; here its row is written anew, or emptied like that of somebody who was erased. A
//! run of it stands among the erasures ([`crate::erasure`]), so that a crash goes on with it: the state is made anew of what is
//! left. INVARIANT: after a run, state is a function of the log, as before.

use crate::database::{identifier, quoted};
use crate::erasure::ERASED;
use crate::reader::log::messages;
use crate::seal::{Places, Sealing, destroy_unused};
use crate::{LoggedMessage, Reader, Store, StoreError, limits};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use duckdb::{Connection, params};
use serde::{Deserialize, Serialize};
use sonder_core::effect::PersonId;
use sonder_core::record::Seq;
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What a run looks through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiring {
    /// Names of events, and since when they are kept.
    pub events: Vec<(String, Moment)>,
    /// Since when events of other names are kept.
    pub others: Option<Moment>,
    /// Keys that observations of traits stand under, and since when those are kept.
    pub traits: Vec<(String, Moment)>,
}

/// What is left of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its place.
    pub seq: Seq,
    /// The message as it is from now on; `None` where nothing is left.
    pub payload: Option<String>,
    /// Whether it is no event any more.
    pub is_over: bool,
}

/// What went as its time was over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// By name of the event, how many.
    pub events: BTreeMap<String, u64>,
    /// How many messages lost a trait.
    pub traits: u64,
    /// How many people nothing is known of any more.
    pub people: u64,
    /// How many messages that were kept aside.
    pub quarantined: u64,
    /// How many changes of people, and deliveries.
    pub decisions: u64,
}

impl Expired {
    /// Whether nothing went.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the log is not what it was.
    #[must_use]
    pub fn changes_log(&self) -> bool {
        !self.events.is_empty() || self.traits > 0 || self.people > 0
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRun {
    /// Names it.
    pub id: String,
    /// When it began.
    pub at: Moment,
    /// When the state was made of what is left.
    pub done_at: Option<Moment>,
    /// What went.
    pub expired: Expired,
}

impl Expiring {
    /// Whether all of it is kept for ever.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.others.is_none() && self.traits.is_empty()
    }

    fn events(&self) -> String {
        let named =
            self.events.iter().map(|(name, since)| format!("(event = {} AND {})", quoted(name), before(*since)));
        let names = self.events.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ");
        let others = self.others.map(|since| match names.as_str() {
            "" => format!("({})", before(since)),
            _ => format!("((event IS NULL OR event NOT IN ({names})) AND {})", before(since)),
        });
        let latest = self.events.iter().map(|(_, since)| *since).chain(self.others).max();
        let Some(latest) = latest else { return "false".to_owned() };
        let conditions = named.chain(others).collect::<Vec<_>>().join(" OR ");
        format!("((call IN ('track', 'page', 'screen') AND ({conditions})) OR (call = 'seen' AND {}))", before(latest))
    }

    fn traits(&self) -> String {
        let one = |(key, since): &(String, Moment)| {
            format!(
                "({} AND contains(payload, {}))",
                before(*since),
                quoted(&serde_json::Value::from(key.as_str()).to_string())
            )
        };
        let conditions = self.traits.iter().map(one).collect::<Vec<_>>().join(" OR ");
        if conditions.is_empty() { "false".to_owned() } else { format!("(call <> '{ERASED}' AND ({conditions}))") }
    }
}

fn before(since: Moment) -> String {
    format!("occurred_at < make_timestamp({})", since.0)
}

impl Reader {
    /// Up to `limit` messages after `seq` of which something may be over, in order; fewer only at the end of the log. Messages
    /// of which only whose they were is left are among them.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn expiring(&self, what: &Expiring, seq: Seq, limit: usize) -> Result<Vec<LoggedMessage>, StoreError> {
        let limit = limit.min(limits::MAX_LOG_ROWS);
        let which =
            format!("WHERE seq > {} AND ({} OR {}) ORDER BY seq LIMIT {limit}", seq.0, what.events(), what.traits());
        self.read(|connection| messages(connection, self.keyring(), &which))
    }

    /// Places of events that may be over, and have an identifier that a message has which is none of them.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn expiring_of_known(&self, what: &Expiring) -> Result<HashSet<Seq>, StoreError> {
        let sql = format!(
            "WITH due AS (SELECT seq FROM log WHERE {}),
                 nodes AS (SELECT node, seq, seq IN (FROM due) AS is_due FROM log_identifiers)
             SELECT DISTINCT seq FROM nodes WHERE is_due AND node IN (SELECT node FROM nodes WHERE NOT is_due)",
            what.events()
        );
        self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| Ok(Seq(row.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many messages were kept aside, and how many changes and deliveries that have ended were decided, before these moments.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn old_records(&self, (quarantine, decisions): (Moment, Option<Moment>)) -> Result<(u64, u64), StoreError> {
        let decided = decisions.map_or_else(
            || "0".to_owned(),
            |since| {
                format!(
                    "(SELECT count(*) FROM changes WHERE {}) + (SELECT count(*) FROM ({}))",
                    old_changes(since),
                    old_deliveries(since)
                )
            },
        );
        let sql = format!("SELECT (SELECT count(*) FROM quarantine WHERE {}), {decided}", old_quarantine(quarantine));
        self.read(|connection| Ok(connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?))
    }

    /// Runs of retention, the latest first.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn retention_runs(&self, limit: usize) -> Result<Vec<RetentionRun>, StoreError> {
        let sql = format!(
            "SELECT id, epoch_us(requested_at), epoch_us(completed_at), counts FROM erasures WHERE cause = 'retention'
             ORDER BY requested_at DESC, id LIMIT {limit}"
        );
        self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| {
                let done: Option<i64> = row.get(2)?;
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, done, row.get::<_, Option<String>>(3)?))
            })?;
            let mut runs = Vec::new();
            for row in rows {
                let (id, at, done, counts) = row?;
                let expired = serde_json::from_str(counts.as_deref().unwrap_or("{}")).unwrap_or_default();
                runs.push(RetentionRun { id, at: Moment(at), done_at: done.map(Moment), expired });
            }
            Ok(runs)
        })
    }
}

impl Store {
    /// Writes what is left of messages, in one transaction that notes the run and what went so far. Of `gone` nothing is known
    /// any more. Appends wait meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; [`StoreError::InDoubt`]. Nothing is changed then.
    pub fn expire(&self, run: &RetentionRun, gone: &[PersonId], left: &[Left]) -> Result<(), StoreError> {
        let tables = self.catalog_tables();
        let places = self.places();
        let keyring = self.database.keyring();
        self.with_counters(|connection| {
            connection.execute_batch(
                "CREATE OR REPLACE TEMP TABLE sonder_left(
                     seq UBIGINT, payload VARCHAR, is_over BOOLEAN, sealed_by UBIGINT, sealed BLOB)",
            )?;
            let mut sealing = Sealing::new(keyring, &self.pseudonyms);
            let batch = rows(connection, &mut sealing, &places, left)?;
            let mut appender = connection.appender_to_catalog_and_db("sonder_left", "temp", "main")?;
            appender.append_record_batch(batch)?;
            appender.flush()?;
            drop(appender);
            connection.execute_batch("BEGIN TRANSACTION")?;
            write(connection, &tables)?;
            note(connection, run, gone)?;
            connection.execute_batch("COMMIT; DROP TABLE temp.main.sonder_left")?;
            destroy_unused(&self.database, &self.pseudonyms)
        })
    }

    /// Removes what was kept aside or decided before these moments, and notes that with the run. Deliveries that are under way
    /// stay.
    ///
    /// # Errors
    /// As [`expire`](Self::expire).
    pub fn expire_records(
        &self,
        run: &mut RetentionRun,
        gone: &[PersonId],
        (quarantine, decisions): (Moment, Option<Moment>),
    ) -> Result<(), StoreError> {
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            let old =
                connection.execute(&format!("DELETE FROM quarantine WHERE {}", old_quarantine(quarantine)), [])?;
            run.expired.quarantined = old as u64;
            if let Some(since) = decisions {
                run.expired.decisions = forget_decisions(connection, since)?;
            }
            note(connection, run, gone)?;
            connection.execute_batch("COMMIT")?;
            destroy_unused(&self.database, &self.pseudonyms)
        })
    }

    /// Notes that the state is made of what is left, and destroys what the state before was sealed with. The bytes go as their
    /// blocks are used again, or with the next erasure.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn settle_expired(&self, runs: &[String], now: Moment) -> Result<(), StoreError> {
        self.with_counters(|connection| {
            for id in runs {
                connection.execute(
                    "UPDATE erasures SET state = 'erased', erased_at = make_timestamp(?), completed_at = make_timestamp(?), target = NULL
                     WHERE id = ? AND cause = 'retention'",
                    params![now.0, now.0, id],
                )?;
            }
            destroy_unused(&self.database, &self.pseudonyms)
        })
    }
}

/// What is left, sealed under the keys that the whole was sealed under.
fn rows(
    connection: &Connection,
    sealing: &mut Sealing<'_>,
    places: &Places,
    left: &[Left],
) -> Result<RecordBatch, StoreError> {
    let payloads = left.iter().filter_map(|it| Some((it.seq, it.payload.as_deref()?, it.is_over)));
    let sealed = sealing.again(connection, places, payloads.collect())?;
    let payload = |it: &Left| match sealed.get(&it.seq) {
        Some(sealed) => Some(sealed.text.clone()),
        None => it.payload.clone(),
    };
    let schema = Schema::new(vec![
        Field::new("seq", DataType::UInt64, true),
        Field::new("payload", DataType::Utf8, true),
        Field::new("is_over", DataType::Boolean, true),
        Field::new("sealed_by", DataType::UInt64, true),
        Field::new("sealed", DataType::Binary, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(left.iter().map(|it| Some(it.seq.0)).collect::<UInt64Array>()),
        Arc::new(left.iter().map(payload).collect::<StringArray>()),
        Arc::new(left.iter().map(|it| Some(it.is_over)).collect::<BooleanArray>()),
        Arc::new(left.iter().map(|it| Some(sealed.get(&it.seq)?.key)).collect::<UInt64Array>()),
        Arc::new(left.iter().map(|it| Some(&*sealed.get(&it.seq)?.sealed)).collect::<BinaryArray>()),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

fn write(connection: &Connection, tables: &[String]) -> Result<(), StoreError> {
    connection.execute_batch(
        "UPDATE log SET payload = l.payload, sealed_by = l.sealed_by, sealed = l.sealed, call = CASE WHEN l.is_over THEN 'seen' ELSE log.call END,
             event = CASE WHEN l.is_over THEN NULL ELSE log.event END,
             labels = CASE WHEN l.is_over THEN [] ELSE log.labels END
         FROM temp.main.sonder_left l WHERE log.seq = l.seq AND l.payload IS NOT NULL",
    )?;
    crate::erasure::empty(connection, "SELECT seq FROM temp.main.sonder_left WHERE payload IS NULL")?;
    for table in tables {
        connection.execute_batch(&format!(
            "DELETE FROM {} WHERE seq IN (SELECT seq FROM temp.main.sonder_left WHERE is_over OR payload IS NULL)",
            identifier(table)
        ))?;
    }
    Ok(())
}

/// The run, as far as it is. One that changed the log is not done before the state is made anew.
fn note(connection: &Connection, run: &RetentionRun, gone: &[PersonId]) -> Result<(), StoreError> {
    let target = crate::Target { people: gone.to_vec(), ..crate::Target::default() };
    crate::erasure::forget_told(connection, &target)?;
    let json = |error: serde_json::Error| StoreError::Damaged(format!("a run of retention cannot be noted: {error}"));
    let target = serde_json::to_string(&target).map_err(json)?;
    let counts = serde_json::to_string(&run.expired).map_err(json)?;
    let messages: u64 = run.expired.events.values().sum();
    connection.execute("DELETE FROM erasures WHERE id = ?", params![run.id])?;
    // Nothing is made anew where only records went that no state is made of.
    let (state, done) = if run.expired.changes_log() { ("struck", None) } else { ("erased", Some(run.at.0)) };
    connection.execute(
        "INSERT INTO erasures(id, requested_at, state, messages, redacted, target, cause, counts, erased_at, completed_at)
         VALUES (?, make_timestamp(?), ?, ?, ?, ?, 'retention', ?, make_timestamp(?), make_timestamp(?))",
        params![run.id, run.at.0, state, messages, run.expired.traits, target, counts, done, done],
    )?;
    Ok(())
}

fn old_quarantine(since: Moment) -> String {
    format!("received_at < make_timestamp({})", since.0)
}

fn old_changes(since: Moment) -> String {
    format!("changed_at < make_timestamp({})", since.0)
}

/// Deliveries that are not under way any more.
fn old_deliveries(since: Moment) -> String {
    format!(
        "SELECT id FROM deliveries WHERE decided_at < make_timestamp({}) AND kind <> 'erase'
         AND id IN (SELECT delivery FROM delivery_outcomes WHERE state IN ('delivered', 'dead', 'cancelled'))",
        since.0
    )
}

fn forget_decisions(connection: &Connection, since: Moment) -> Result<u64, StoreError> {
    connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE sonder_old AS {}", old_deliveries(since)))?;
    let changes = connection.execute(&format!("DELETE FROM changes WHERE {}", old_changes(since)), [])?;
    // Who is erased later has them told all the same.
    crate::erasure::keep_told(connection, "id IN (FROM temp.main.sonder_old)")?;
    let gone = connection.execute("DELETE FROM deliveries WHERE id IN (FROM temp.main.sonder_old)", [])?;
    connection.execute_batch(
        "DELETE FROM delivery_outcomes WHERE delivery IN (FROM temp.main.sonder_old);
         DELETE FROM recalls WHERE delivery IN (FROM temp.main.sonder_old);
         DROP TABLE temp.main.sonder_old",
    )?;
    Ok((changes + gone) as u64)
}
