//! The tables that every store has, and the version of their format.
//!
//! Names of columns are the public face of the store: people write SQL against them.

use crate::{StoreError, typed};
use duckdb::Connection;
use std::path::Path;

/// The format that this version writes. Raised when a table's meaning changes; older ones are then migrated here.
pub(crate) const FORMAT: u32 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS sonder_format(version UINTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS log(
    seq UBIGINT, received_at TIMESTAMP, occurred_at TIMESTAMP, call VARCHAR, event VARCHAR, message_id VARCHAR,
    source VARCHAR, anonymous_id VARCHAR, user_id VARCHAR, identifiers VARCHAR[], historical BOOLEAN,
    labels VARCHAR[], payload VARCHAR);
COMMENT ON TABLE log IS 'every accepted message, in order of seq';
COMMENT ON COLUMN log.identifiers IS 'kind:value, by priority of the kind';
COMMENT ON COLUMN log.payload IS 'the message as it came, as JSON';

CREATE TABLE IF NOT EXISTS log_identifiers(node UBIGINT, seq UBIGINT, occurred_at TIMESTAMP);
COMMENT ON TABLE log_identifiers IS 'hashes of the identifiers of each message';

CREATE TABLE IF NOT EXISTS quarantine(
    id UBIGINT, received_at TIMESTAMP, source VARCHAR, message_id VARCHAR, name VARCHAR, codes VARCHAR[],
    reasons VARCHAR, payload VARCHAR, resolved_at TIMESTAMP);
COMMENT ON TABLE quarantine IS 'messages that were kept aside, and why';

CREATE TABLE IF NOT EXISTS changes(
    id UBIGINT, as_of_seq UBIGINT, changed_at TIMESTAMP, person UUID, kind VARCHAR, name VARCHAR, value VARCHAR,
    cause_seq UBIGINT, cause_time TIMESTAMP);
COMMENT ON TABLE changes IS 'what came true about people: created, merged, link_refused, entered, left, trait_changed';
COMMENT ON COLUMN changes.name IS 'the segment or the trait';
COMMENT ON COLUMN changes.value IS 'as JSON: a trait''s value, the person that was absorbed, the link that was refused';
COMMENT ON COLUMN changes.cause_time IS 'set where time brought it about, not a message';

CREATE TABLE IF NOT EXISTS deliveries(
    number UBIGINT, id UUID, as_of_seq UBIGINT, decided_at TIMESTAMP, destination VARCHAR, person UUID, kind VARCHAR,
    name VARCHAR, identifiers VARCHAR, payload VARCHAR, cause_seq UBIGINT, cause_time TIMESTAMP);
COMMENT ON TABLE deliveries IS 'what destinations are to be told';

CREATE TABLE IF NOT EXISTS delivery_outcomes(
    delivery UUID, as_of_seq UBIGINT, ended_at TIMESTAMP, state VARCHAR, attempt UINTEGER, status USMALLINT,
    detail VARCHAR);
COMMENT ON TABLE delivery_outcomes IS 'attempts at deliveries: delivered, retry, dead, cancelled';

CREATE TABLE IF NOT EXISTS checkpoints(
    version UBIGINT, seq UBIGINT, now TIMESTAMP, fingerprint UBIGINT, people UBIGINT, meta BLOB, pending VARCHAR);
CREATE TABLE IF NOT EXISTS state_people(person UUID, version UBIGINT, state BLOB);
CREATE TABLE IF NOT EXISTS people_rows(
    person UUID, version UBIGINT, gone BOOLEAN, first_seen TIMESTAMP, last_seen TIMESTAMP,
    identifiers STRUCT(kind VARCHAR, \"value\" VARCHAR)[], segments STRUCT(segment VARCHAR, since TIMESTAMP)[],
    traits VARCHAR);

CREATE VIEW IF NOT EXISTS people AS
    SELECT person, first_seen, last_seen, identifiers, segments, traits FROM people_rows
    SEMI JOIN (SELECT person, max(version) AS version FROM people_rows GROUP BY person) USING (person, version)
    WHERE NOT gone;
COMMENT ON VIEW people IS 'people as of the last checkpoint; traits as JSON';
CREATE VIEW IF NOT EXISTS identifiers AS
    SELECT i.kind, i.\"value\", person FROM (SELECT person, unnest(identifiers) AS i FROM people);
CREATE VIEW IF NOT EXISTS memberships AS
    SELECT s.segment, person, s.since FROM (SELECT person, unnest(segments) AS s FROM people);
CREATE VIEW IF NOT EXISTS delivery_states AS
    SELECT d.*, coalesce(o.state, 'pending') AS state, coalesce(o.attempt, 0) AS attempts, o.ended_at, o.status, o.detail
    FROM deliveries d LEFT JOIN (
        SELECT delivery, arg_max(state, (ended_at, attempt)) AS state, max(attempt) AS attempt, max(ended_at) AS ended_at,
            arg_max(status, (ended_at, attempt)) AS status, arg_max(detail, (ended_at, attempt)) AS detail
        FROM delivery_outcomes GROUP BY delivery) o ON o.delivery = d.id;
COMMENT ON VIEW delivery_states IS 'deliveries with their last outcome';
";

/// Makes what is missing; refuses what a newer version wrote.
pub(crate) fn prepare(connection: &Connection, dir: &Path) -> Result<(), StoreError> {
    check_format(connection, dir)?;
    connection.execute_batch("BEGIN TRANSACTION")?;
    let made = connection
        .execute_batch(TABLES)
        .and_then(|()| connection.execute_batch(typed::TABLES))
        .and_then(|()| {
            connection.execute_batch(&format!(
                "INSERT INTO sonder_format SELECT {FORMAT} WHERE NOT EXISTS (FROM sonder_format)"
            ))
        })
        .and_then(|()| connection.execute_batch("COMMIT"));
    if let Err(error) = made {
        // The transaction may be gone already; what counts is the first error.
        let _ = connection.execute_batch("ROLLBACK");
        return Err(error.into());
    }
    Ok(())
}

/// Refuses a file that a newer version wrote.
pub(crate) fn check_format(connection: &Connection, dir: &Path) -> Result<(), StoreError> {
    let known: u64 = connection.query_row(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'sonder' AND table_name = 'sonder_format'",
        [],
        |row| row.get(0),
    )?;
    if known == 0 {
        return Ok(());
    }
    let found: Option<u32> = connection.query_row("SELECT max(version) FROM sonder_format", [], |row| row.get(0))?;
    match found {
        Some(found) if found > FORMAT => {
            Err(StoreError::NewerFormat { path: dir.to_owned(), found, supported: FORMAT })
        }
        _ => Ok(()),
    }
}
