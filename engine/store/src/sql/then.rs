//! SQL of users over what was there at a moment.
//!
//! The tables that only grow are cut off at a place of the log; people, who change, are given by whoever folded the log up to
//! there. The statement stands behind a `WITH` that gives their names to both.

use super::{Answer, Query, explain, guard, in_time, run};
use crate::append::append;
use crate::checkpoint::people_columns;
use crate::database::identifier;
use crate::schema::DELIVERY_STATES;
use crate::seal::Places;
use crate::{PersonRow, Reader, StoreError, limits};
use duckdb::{Connection, params};
use sonder_core::record::Seq;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use std::time::Instant;

/// People as they were, for as long as the statement runs; of this connection alone.
const PEOPLE: &str = "
CREATE OR REPLACE TEMP TABLE people_then(
    person UUID, version UBIGINT, gone BOOLEAN, first_seen TIMESTAMP, last_seen TIMESTAMP,
    identifiers STRUCT(kind VARCHAR, \"value\" VARCHAR)[], segments STRUCT(segment VARCHAR, since TIMESTAMP)[],
    traits VARCHAR)";

impl Reader {
    /// The last place of the log that was there at a moment.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn place_at(&self, at: Moment) -> Result<Seq, StoreError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM log WHERE received_at <= make_timestamp(?)";
        self.read(|connection| Ok(Seq(connection.query_row(sql, params![at.0], |row| row.get(0))?)))
    }

    /// Runs one read-only statement over what was there at a moment, whose last record is at `place`. Where personal data is
    /// encrypted, traits that are personal are hidden as the program marks them.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    pub fn query_then(
        &self,
        query: &Query,
        place: Seq,
        at: Moment,
        (program, people): (&Program, &[PersonRow]),
    ) -> Result<Answer, StoreError> {
        let timeout = query.timeout.min(limits::MAX_QUERY_TIME);
        let veil = self.keyring().has_keys().then(|| Places::new(program));
        self.read_for_user(Instant::now() + timeout, |connection| {
            let guarded = guard::check(connection, &query.sql)?;
            if !guarded.describable {
                return Err(StoreError::Refused {
                    message: "only a query can be asked of the past".to_owned(),
                    help: "tables are what they are; leave the moment out to see them".to_owned(),
                });
            }
            connection.execute_batch(PEOPLE)?;
            append(connection, "temp", "people_then", people_columns(&[], people, 1, veil.as_ref())?)?;
            let sql = format!(
                "{} SELECT * FROM ({}\n) AS asked",
                shadows(connection, place, at)?,
                query.sql.trim().trim_end_matches(';')
            );
            let query = Query { sql, ..query.clone() };
            let outcome = in_time(connection, timeout, None, || run(connection, &guarded, &query)).map_err(explain);
            connection.execute_batch("ROLLBACK; DROP TABLE temp.people_then")?;
            outcome
        })
    }
}

/// What the names of tables mean.
fn shadows(connection: &Connection, place: Seq, at: Moment) -> Result<String, StoreError> {
    let mut statement = connection.prepare(
        "SELECT table_name FROM duckdb_columns() WHERE database_name = 'sonder' AND starts_with(table_name, 'ev_')
         AND column_name = 'seq' ORDER BY table_name",
    )?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (seq, then) = (place.0, format!("make_timestamp({})", at.0));
    let of_log =
        tables.into_iter().chain(["log".to_owned(), "log_identifiers".to_owned(), "consent_ledger".to_owned()]);
    let cut = |table: &str, condition: &str| {
        let name = identifier(table);
        format!("{name} AS (SELECT * FROM sonder.main.{name} WHERE {condition})")
    };
    let mut all: Vec<String> = of_log.map(|table| cut(&table, &format!("seq <= {seq}"))).collect();
    all.push(cut("changes", &format!("as_of_seq <= {seq} AND changed_at <= {then}")));
    all.push(cut("deliveries", &format!("as_of_seq <= {seq} AND decided_at <= {then}")));
    all.push(cut("delivery_outcomes", &format!("ended_at <= {then}")));
    all.push(cut("takeovers", &format!("as_of_seq <= {seq} AND now <= {then}")));
    all.push(format!("delivery_states AS ({DELIVERY_STATES})"));
    all.push(format!(
        "quarantine AS (SELECT * REPLACE (CASE WHEN resolved_at <= {then} THEN resolved_at END AS resolved_at,
             CASE WHEN resolved_at <= {then} THEN resolution END AS resolution)
         FROM sonder.main.quarantine WHERE received_at <= {then})"
    ));
    all.push("people AS (SELECT * EXCLUDE (version, gone) FROM temp.main.people_then)".to_owned());
    all.push("identifiers AS (SELECT i.kind, i.\"value\", person FROM (SELECT person, unnest(identifiers) AS i FROM people))".to_owned());
    all.push(
        "memberships AS (SELECT s.segment, person, s.since FROM (SELECT person, unnest(segments) AS s FROM people))"
            .to_owned(),
    );
    Ok(format!("WITH {}", all.join(",\n")))
}
