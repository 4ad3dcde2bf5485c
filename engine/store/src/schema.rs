//! The tables that every store has, and the version of their format.
//!
//! Names of columns are the public face of the store: people write SQL against them.

use crate::{StoreError, erasure, matching, opendsr, privacy, pseudonym_keys, seal, typed};
use duckdb::Connection;
use std::path::Path;

/// The format that this version writes. Raised when a table's meaning changes; older ones are then migrated here.
pub(crate) const FORMAT: u32 = 5;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS sonder_format(version UINTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS log(
    seq UBIGINT, received_at TIMESTAMP, occurred_at TIMESTAMP, call VARCHAR, event VARCHAR, message_id VARCHAR,
    source VARCHAR, anonymous_id VARCHAR, user_id VARCHAR, identifiers VARCHAR[], historical BOOLEAN,
    labels VARCHAR[], payload VARCHAR, sealed_by UBIGINT, sealed BLOB);
COMMENT ON TABLE log IS 'every accepted message, in order of seq';
COMMENT ON COLUMN log.identifiers IS 'kind:value, by priority of the kind';
COMMENT ON COLUMN log.payload IS 'the message as it came, as JSON; with the word sealed in the places of personal data that is encrypted';
COMMENT ON COLUMN log.sealed IS 'what is sealed of the payload; sealed_by is the number of the key';

CREATE TABLE IF NOT EXISTS log_identifiers(node UBIGINT, seq UBIGINT, occurred_at TIMESTAMP);
COMMENT ON TABLE log_identifiers IS 'hashes of the identifiers of each message';

CREATE TABLE IF NOT EXISTS quarantine(
    id UBIGINT, received_at TIMESTAMP, source VARCHAR, message_id VARCHAR, name VARCHAR, codes VARCHAR[],
    reasons VARCHAR, payload VARCHAR, resolved_at TIMESTAMP, resolution VARCHAR, occurred_at TIMESTAMP,
    historical BOOLEAN, sealed_by UBIGINT, sealed BLOB);
COMMENT ON TABLE quarantine IS 'messages that were kept aside, and why';
COMMENT ON COLUMN quarantine.resolution IS 'what became of it: replayed, duplicate, erased, dismissed; empty while it is kept aside';

CREATE TABLE IF NOT EXISTS changes(
    id UBIGINT, as_of_seq UBIGINT, changed_at TIMESTAMP, person UUID, kind VARCHAR, name VARCHAR, value VARCHAR,
    cause_seq UBIGINT, cause_time TIMESTAMP, sealed_by UBIGINT, sealed BLOB);
COMMENT ON TABLE changes IS 'what came true about people: created, merged, split, identifier_moved, link_refused, entered, left, trait_changed, journey';
COMMENT ON COLUMN changes.name IS 'the segment, the trait or the journey';
COMMENT ON COLUMN changes.value IS 'as JSON: a trait''s value, the person that was absorbed or parted, the identifier that moved, whether a message or the project was the cause, the link that was refused, what happened on the journey';
COMMENT ON COLUMN changes.cause_time IS 'set where time or another version of the project brought it about, not a message';

CREATE TABLE IF NOT EXISTS deliveries(
    number UBIGINT, id UUID, as_of_seq UBIGINT, decided_at TIMESTAMP, destination VARCHAR, person UUID, kind VARCHAR,
    name VARCHAR, identifiers VARCHAR, payload VARCHAR, cause_seq UBIGINT, cause_time TIMESTAMP, sealed_by UBIGINT,
    sealed BLOB);
COMMENT ON TABLE deliveries IS 'what destinations are to be told';

CREATE TABLE IF NOT EXISTS delivery_outcomes(
    delivery UUID, as_of_seq UBIGINT, ended_at TIMESTAMP, state VARCHAR, attempt UINTEGER, status USMALLINT,
    detail VARCHAR);
COMMENT ON TABLE delivery_outcomes IS 'attempts at deliveries: delivered, retry, dead, cancelled';

CREATE TABLE IF NOT EXISTS recalls(delivery UUID, as_of_seq UBIGINT, recalled_at TIMESTAMP, reason VARCHAR);
COMMENT ON TABLE recalls IS 'deliveries that were called back while they waited; the next start cancels those that still do';

CREATE TABLE IF NOT EXISTS consent_ledger(
    number UBIGINT, seq UBIGINT, said_at TIMESTAMP, subject VARCHAR, purpose VARCHAR, granted BOOLEAN, source VARCHAR,
    message_id VARCHAR, method VARCHAR, notice VARCHAR, previous VARCHAR, hash VARCHAR);
COMMENT ON TABLE consent_ledger IS 'who said what to which purpose, as a chain of hashes; sonder audit verify checks it';
COMMENT ON COLUMN consent_ledger.subject IS 'HMAC-SHA-256, under the key of this directory, of the identifier that the message names first';

CREATE TABLE IF NOT EXISTS takeovers(as_of_seq UBIGINT, now TIMESTAMP, fingerprint UBIGINT);
COMMENT ON TABLE takeovers IS 'where in the log another version of the project took over while the engine ran';

CREATE TABLE IF NOT EXISTS person_ids(kind VARCHAR, id UUID, person UUID);
COMMENT ON TABLE person_ids IS 'by which ids people are known, where the running version of the project would call them otherwise';
COMMENT ON COLUMN person_ids.kind IS 'name: who would be called person is called id; alias: id means person';

CREATE TABLE IF NOT EXISTS versions(fingerprint UBIGINT, files VARCHAR);
COMMENT ON TABLE versions IS 'versions of the project that ran lately, the last one last';
COMMENT ON COLUMN versions.files IS 'as JSON: paths, and what is in them';

CREATE TABLE IF NOT EXISTS region(name VARCHAR);
COMMENT ON TABLE region IS 'the region that this data stays in; no row where the project has no regions';

CREATE VIEW IF NOT EXISTS people AS
    SELECT person, first_seen, last_seen, identifiers, segments, traits FROM state.main.people_rows
    SEMI JOIN (SELECT person, max(version) AS version FROM state.main.people_rows GROUP BY person)
        USING (person, version)
    WHERE NOT gone;
COMMENT ON VIEW people IS 'people as of the last checkpoint; traits as JSON';
CREATE VIEW IF NOT EXISTS identifiers AS
    SELECT i.kind, i.\"value\", person FROM (SELECT person, unnest(identifiers) AS i FROM people);
CREATE VIEW IF NOT EXISTS memberships AS
    SELECT s.segment, person, s.since FROM (SELECT person, unnest(segments) AS s FROM people);
";

/// Deliveries with their last outcome.
pub(crate) const DELIVERY_STATES: &str = "SELECT d.*, coalesce(o.state, 'pending') AS state, coalesce(o.attempt, 0) AS attempts, o.ended_at, o.status, o.detail
    FROM deliveries d LEFT JOIN (
        SELECT delivery, arg_max(state, (ended_at, attempt)) AS state, max(attempt) AS attempt, max(ended_at) AS ended_at,
            arg_max(status, (ended_at, attempt)) AS status, arg_max(detail, (ended_at, attempt)) AS detail
        FROM delivery_outcomes GROUP BY delivery) o ON o.delivery = d.id";

/// In the file of people's state.
const STATE_TABLES: &str = "
CREATE TABLE IF NOT EXISTS state.checkpoints(
    version UBIGINT, seq UBIGINT, now TIMESTAMP, fingerprint UBIGINT, people UBIGINT, meta BLOB, pending VARCHAR,
    sealed_by UBIGINT);
CREATE TABLE IF NOT EXISTS state.people(person UUID, version UBIGINT, gone BOOLEAN, bytes BLOB, sealed_by UBIGINT);
CREATE TABLE IF NOT EXISTS state.people_rows(
    person UUID, version UBIGINT, gone BOOLEAN, first_seen TIMESTAMP, last_seen TIMESTAMP,
    identifiers STRUCT(kind VARCHAR, \"value\" VARCHAR)[], segments STRUCT(segment VARCHAR, since TIMESTAMP)[],
    traits VARCHAR);
ALTER TABLE state.people ADD COLUMN IF NOT EXISTS sealed_by UBIGINT;
ALTER TABLE state.checkpoints ADD COLUMN IF NOT EXISTS sealed_by UBIGINT;
";

/// Format 1 had people's state in the file of the log. A transaction changes one file only: first it is copied, then left.
const COPY_FROM_1: &str = "
DELETE FROM state.checkpoints; DELETE FROM state.people; DELETE FROM state.people_rows;
INSERT INTO state.checkpoints BY NAME FROM sonder.checkpoints;
INSERT INTO state.people(person, version, gone, bytes) SELECT person, version, state IS NULL, state FROM sonder.state_people;
INSERT INTO state.people_rows FROM sonder.people_rows;
";
const LEAVE_1: &str = "
DROP VIEW IF EXISTS memberships; DROP VIEW IF EXISTS identifiers; DROP VIEW IF EXISTS people;
DROP TABLE IF EXISTS checkpoints; DROP TABLE IF EXISTS state_people; DROP TABLE IF EXISTS people_rows;
UPDATE sonder_format SET version = 2;
";

/// Format 2 did not know what became of what was kept aside.
const FROM_2: &str = "
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS resolution VARCHAR;
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS occurred_at TIMESTAMP;
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS historical BOOLEAN;
UPDATE sonder_format SET version = 3;
";

/// Format 3 had all payloads as they came.
const FROM_3: &str = "
ALTER TABLE log ADD COLUMN IF NOT EXISTS sealed_by UBIGINT;
ALTER TABLE log ADD COLUMN IF NOT EXISTS sealed BLOB;
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS sealed_by UBIGINT;
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS sealed BLOB;
ALTER TABLE changes ADD COLUMN IF NOT EXISTS sealed_by UBIGINT;
ALTER TABLE changes ADD COLUMN IF NOT EXISTS sealed BLOB;
DROP VIEW IF EXISTS delivery_states;
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS sealed_by UBIGINT;
ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS sealed BLOB;
UPDATE sonder_format SET version = 4;
";

/// Makes what is missing; refuses what a newer version wrote. Returns false where keys of personal data have left the file of the
/// log just now: its free blocks may still have them.
pub(crate) fn prepare(connection: &Connection, dir: &Path) -> Result<bool, StoreError> {
    let found = check_format(connection, dir)?;
    let mut are_keys_apart = true;
    transaction(connection, &[STATE_TABLES])?;
    transaction(connection, &[seal::TABLES])?;
    if let Some(found) = found.filter(|found| *found < FORMAT) {
        tracing::info!(
            found,
            present = FORMAT,
            "the data has the format of an older version of sonder; it gets the present one"
        );
        if found == 1 {
            transaction(connection, &[COPY_FROM_1])?;
            transaction(connection, &[LEAVE_1])?;
        }
        if found < 3 {
            transaction(connection, &[FROM_2])?;
        }
        transaction(connection, &[FROM_3])?;
        are_keys_apart = leave_4(connection)?;
    }
    let format = format!("INSERT INTO sonder_format SELECT {FORMAT} WHERE NOT EXISTS (FROM sonder_format)");
    let states = format!(
        "CREATE VIEW IF NOT EXISTS delivery_states AS {DELIVERY_STATES};
         COMMENT ON VIEW delivery_states IS 'deliveries with their last outcome';"
    );
    transaction(
        connection,
        &[
            TABLES,
            &states,
            typed::TABLES,
            erasure::TABLES,
            privacy::TABLES,
            opendsr::TABLES,
            matching::TABLES,
            pseudonym_keys::TABLES,
            &format,
        ],
    )?;
    Ok(are_keys_apart)
}

/// From format 4. Returns whether there were no keys.
fn leave_4(connection: &Connection) -> Result<bool, StoreError> {
    let had_keys: bool = connection.query_row(
        "SELECT count(*) > 0 FROM duckdb_tables() WHERE database_name = 'sonder' AND table_name = 'subject_keys'",
        [],
        |row| row.get(0),
    )?;
    let mut has_rows = false;
    if had_keys {
        has_rows = connection.query_row("SELECT EXISTS(FROM sonder.subject_keys)", [], |row| row.get(0))?;
        transaction(connection, &[seal::COPY_FROM_4])?;
        transaction(connection, &[seal::LEAVE_4])?;
    }
    transaction(connection, &["UPDATE sonder_format SET version = 5"])?;
    Ok(!has_rows)
}

fn transaction(connection: &Connection, statements: &[&str]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN TRANSACTION")?;
    let done = statements.iter().try_for_each(|sql| connection.execute_batch(sql));
    if let Err(error) = done.and_then(|()| connection.execute_batch("COMMIT")) {
        // The transaction may be gone already; what counts is the first error.
        let _ = connection.execute_batch("ROLLBACK");
        return Err(error.into());
    }
    Ok(())
}

/// The format of the file, where it has one; refuses what a newer version wrote.
pub(crate) fn check_format(connection: &Connection, dir: &Path) -> Result<Option<u32>, StoreError> {
    let known: u64 = connection.query_row(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'sonder' AND table_name = 'sonder_format'",
        [],
        |row| row.get(0),
    )?;
    if known == 0 {
        return Ok(None);
    }
    let found: Option<u32> = connection.query_row("SELECT max(version) FROM sonder_format", [], |row| row.get(0))?;
    match found {
        Some(found) if found > FORMAT => {
            Err(StoreError::NewerFormat { path: dir.to_owned(), found, supported: FORMAT })
        }
        _ => Ok(found),
    }
}
