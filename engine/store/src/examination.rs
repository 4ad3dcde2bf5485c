//! What is looked at when somebody asks whether a store is in order: each check is a question to the tables, and says how many
//! rows are not as they should be.

use crate::database::{LOG, STATE, identifier};
use crate::erasure::ERASED;
use crate::keys_copy::later_keys;
use crate::reader::Reader;
use crate::seal::Keyring;
use crate::{StoreError, schema};
use duckdb::Connection;

/// The answer to one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a few words.
    pub check: &'static str,
    /// What is wrong; `None` where nothing is.
    pub wrong: Option<String>,
    /// What was found, where it is worth saying.
    pub note: String,
}

impl Finding {
    fn of(check: &'static str, wrong: u64, words: &str, note: String) -> Self {
        Self { check, wrong: (wrong > 0).then(|| format!("{wrong} {words}")), note }
    }
}

/// A check: its name, a query that counts what is wrong, and the words for that.
type Check = (&'static str, &'static str, &'static str);

const CHECKS: [Check; 10] = [
    (
        "received_at never goes back",
        "SELECT count(*) FROM (SELECT received_at, lag(received_at) OVER (ORDER BY seq) AS before FROM log)
         WHERE received_at < before",
        "records are earlier than the one before them",
    ),
    (
        "nothing happens after it was received",
        "SELECT count(*) FROM log WHERE occurred_at > received_at",
        "records happened after they were received",
    ),
    (
        "identifiers are of records",
        "SELECT count(*) FROM log_identifiers ANTI JOIN log USING (seq)",
        "identifiers are of no record",
    ),
    (
        "changes have a place in the log",
        "SELECT count(*) FROM changes WHERE as_of_seq > (SELECT coalesce(max(seq), 0) FROM log)",
        "changes are of a later log",
    ),
    (
        "deliveries have a place in the log",
        "SELECT count(*) FROM deliveries WHERE as_of_seq > (SELECT coalesce(max(seq), 0) FROM log)",
        "deliveries are of a later log",
    ),
    (
        "people are proposed as one once",
        "SELECT count(*) - count(DISTINCT id) FROM match_pairs",
        "pairs of matching are there twice",
    ),
    (
        "deliveries are decided once",
        "SELECT count(*) - count(DISTINCT id) FROM deliveries",
        "deliveries are there twice",
    ),
    (
        "outcomes are of deliveries",
        // What was decided after the last checkpoint is decided again, and until then an outcome may be without it.
        "SELECT count(*) FROM delivery_outcomes o ANTI JOIN deliveries d ON d.id = o.delivery
         WHERE o.as_of_seq <= (SELECT coalesce(max(seq), 0) FROM state.checkpoints)",
        "outcomes are of no delivery",
    ),
    (
        "what was replayed is in the log",
        "SELECT count(*) FROM quarantine q ANTI JOIN log l ON l.message_id = q.message_id
         WHERE resolution = 'replayed' AND message_id IS NOT NULL
             AND NOT EXISTS (FROM log WHERE call = 'erased')",
        "messages of quarantine are said to be in the log and are not",
    ),
    (
        "people are of the last checkpoint",
        "SELECT count(*) FROM state.people WHERE version > (SELECT coalesce(max(version), 0) FROM state.checkpoints)",
        "people's states are of no checkpoint",
    ),
];

impl Reader {
    /// Looks at everything that can be checked without the project.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn examine(&self) -> Result<Vec<Finding>, StoreError> {
        self.read(|connection| {
            let mut findings = vec![format(connection, self)?, log(connection)?];
            for (check, sql, words) in CHECKS {
                let known = connection.query_row(sql, [], |row| row.get(0));
                findings.push(Finding::of(check, known?, words, String::new()));
            }
            findings.push(typed(connection)?);
            if let Some(home) = self.keyring().home() {
                findings.extend(keys(connection, self.keyring(), home)?);
                findings.extend(sealed(connection, home, later_keys(self.dir()))?);
            }
            findings.push(checkpoint(connection)?);
            findings.push(write_ahead(self));
            Ok(findings)
        })
    }
}

fn format(connection: &Connection, reader: &Reader) -> Result<Finding, StoreError> {
    let found = schema::check_format(connection, reader.dir())?;
    let note = found.map_or_else(
        || "none yet".to_owned(),
        |found| format!("format {found}, this version writes {}", schema::FORMAT),
    );
    Ok(Finding { check: "the format is known", wrong: None, note })
}

/// The log is dense: each place from 1 to the last has one record.
fn log(connection: &Connection) -> Result<Finding, StoreError> {
    let (rows, places, first, last): (u64, u64, u64, u64) = connection.query_row(
        "SELECT count(*), count(DISTINCT seq), coalesce(min(seq), 1), coalesce(max(seq), 0) FROM log",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let wrong = rows.abs_diff(places) + last.abs_diff(places) + first.abs_diff(1);
    Ok(Finding::of(
        "the log has every place once",
        wrong,
        "places are missing or there twice",
        format!("{rows} records"),
    ))
}

/// Each row of an event's own table is of a record of that event.
fn typed(connection: &Connection) -> Result<Finding, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT table_name FROM duckdb_columns() WHERE database_name = '{LOG}' AND starts_with(table_name, 'ev_')
         AND column_name = 'seq' ORDER BY table_name"
    ))?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut orphans = 0;
    for table in &tables {
        orphans += connection.query_row(
            &format!(
                "SELECT count(*) FROM {} ANTI JOIN (FROM log WHERE call <> '{ERASED}') USING (seq)",
                identifier(table)
            ),
            [],
            |row| row.get::<_, u64>(0),
        )?;
    }
    Ok(Finding::of(
        "typed rows are of records",
        orphans,
        "typed rows are of no record",
        format!("{} tables", tables.len()),
    ))
}

/// The last checkpoint is of a place that the log has.
fn checkpoint(connection: &Connection) -> Result<Finding, StoreError> {
    let check = "the checkpoint is of this log";
    let known: u64 = connection.query_row(
        &format!("SELECT count(*) FROM duckdb_tables() WHERE database_name = '{STATE}' AND table_name = 'checkpoints'"),
        [],
        |row| row.get(0),
    )?;
    if known == 0 {
        return Ok(Finding { check, wrong: None, note: "none yet".to_owned() });
    }
    let (place, last, checkpoints): (u64, u64, u64) = connection.query_row(
        "SELECT coalesce((SELECT max(seq) FROM state.checkpoints), 0), coalesce((SELECT max(seq) FROM log), 0),
             (SELECT count(*) FROM state.checkpoints)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let note = match checkpoints {
        0 => "none yet".to_owned(),
        _ => format!("at {place} of {last}"),
    };
    Ok(Finding::of(check, place.saturating_sub(last), "records that it has are not in the log", note))
}

/// Each key that personal data is sealed with unwraps.
fn keys(connection: &Connection, keyring: &Keyring, home: &str) -> Result<Option<Finding>, StoreError> {
    let check = "keys of personal data unwrap";
    let mut statement = connection.prepare(&format!(
        "SELECT id, version, wrapped FROM {home}.subject_keys WHERE wrapped IS NOT NULL ORDER BY id"
    ))?;
    let mut rows = statement.query([])?;
    let (mut count, mut wrong) = (0_u64, 0_u64);
    while let Some(row) = rows.next()? {
        count += 1;
        if keyring.has_keys() {
            let wrapped: Vec<u8> = row.get(2)?;
            wrong += u64::from(!keyring.unwraps(row.get(0)?, row.get(1)?, &wrapped));
        }
    }
    let versions = format!("SELECT count(DISTINCT version) FROM {home}.subject_keys WHERE wrapped IS NOT NULL");
    let versions: u64 = connection.query_row(&versions, [], |row| row.get(0))?;
    let note = match (count, versions) {
        (0, _) => return Ok(None),
        _ if !keyring.has_keys() => format!("{count} keys, not tried: the project key is not at hand"),
        (_, 1) => format!("{count} keys"),
        _ => format!("{count} keys, under {versions} project keys: `sonder key rotate` brings them under one"),
    };
    Ok(Some(Finding::of(check, wrong, "keys do not unwrap", note)))
}

/// What is sealed has its key; where keys are of a later moment, some may have been destroyed since.
fn sealed(connection: &Connection, home: &str, are_later: bool) -> Result<Option<Finding>, StoreError> {
    let (lost, destroyed, count): (u64, u64, u64) = connection.query_row(
        &format!(
            "SELECT count(*) FILTER (WHERE k.id IS NULL), count(*) FILTER (WHERE k.id IS NOT NULL AND wrapped IS NULL), count(*)
             FROM log LEFT JOIN {home}.subject_keys k ON k.id = sealed_by WHERE sealed_by IS NOT NULL"
        ),
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let (check, words) = ("what is sealed has its key", "messages are sealed with keys that are no more");
    let (wrong, note) = match (are_later, destroyed) {
        (true, 1..) => (
            lost,
            format!("{count} messages, {destroyed} of people who were erased since: the next start strikes them"),
        ),
        _ => (lost + destroyed, format!("{count} messages")),
    };
    Ok((count > 0).then(|| Finding::of(check, wrong, words, note)))
}

/// Large write-ahead logs make the next start slow; they are no damage.
fn write_ahead(reader: &Reader) -> Finding {
    let bytes = reader.wal_bytes();
    Finding { check: "write-ahead logs", wrong: None, note: format!("{} KiB", bytes >> 10) }
}
