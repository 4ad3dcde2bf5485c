//! Writing a batch: one transaction over the log, the typed tables, quarantine, changes, deliveries, recalls and outcomes.
//!
//! Each table's rows become one Arrow record batch, which DuckDB's appender takes column by column. All of it is laid out
//! before the transaction begins, so that the transaction is nothing but copying and one flush to the disk.

mod consent;
pub(crate) mod effects;
mod journeys;
mod log;

use crate::StoreError;
use crate::batch::{LogBatch, Resolved, Takeover};
use crate::database::LOG;
use crate::person_ids;
use crate::seal::{Places, Sealing};
use crate::typed::{Catalog, Layout};
use arrow::record_batch::RecordBatch;
pub(crate) use consent::Answered;
use duckdb::{Connection, params};
pub(crate) use effects::{aside, not_aside};
use sonder_core::consent::ledger::Hash;
use sonder_dsl::ir::Program;
use std::collections::BTreeMap;

/// Where the counters of the tables stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Last `seq` of the log.
    pub seq: u64,
    /// Last `id` of quarantine.
    pub quarantine: u64,
    /// Last `id` of changes.
    pub change: u64,
    /// Last `number` of deliveries.
    pub delivery: u64,
    /// Last `number` of the consent ledger, and its hash.
    pub consent: (u64, Hash),
}

impl Counters {
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let last = |table: &str, column: &str| -> Result<u64, StoreError> {
            let sql = format!("SELECT coalesce(max({column}), 0) FROM {table}");
            Ok(connection.query_row(&sql, [], |row| row.get(0))?)
        };
        Ok(Self {
            seq: last("log", "seq")?,
            quarantine: last("quarantine", "id")?,
            change: last("changes", "id")?,
            delivery: last("deliveries", "number")?,
            consent: consent::head(connection)?,
        })
    }
}

/// A batch in columns, ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    tables: Vec<(String, RecordBatch)>,
    resolved: Vec<Resolved>,
    takeover: Option<Takeover>,
    /// Where the counters will stand.
    pub counters: Counters,
}

impl Prepared {
    /// Lays out `batch`, whose ids are those of `program`.
    pub fn new(
        program: &Program,
        catalog: &Catalog,
        layout: &Layout,
        counters: Counters,
        batch: &LogBatch,
        answered: &mut Answered,
        sealing: &mut Sealing<'_>,
    ) -> Result<Self, StoreError> {
        let mut tables = Vec::new();
        let mut after = counters;
        let mut add = |name: &str, rows: RecordBatch| {
            if rows.num_rows() > 0 {
                tables.push((name.to_owned(), rows));
            }
        };
        for (name, rows) in log::columns(program, catalog, layout, &batch.rows, &mut after.seq, sealing)? {
            add(&name, rows);
        }
        add("consent_ledger", consent::links(program, &batch.rows, &mut after.consent, answered)?);
        add("quarantine", effects::quarantine(program, &batch.quarantined, &mut after.quarantine, sealing)?);
        let places = layout.places();
        add("changes", effects::changes((program, places), &batch.changes, &mut after.change, sealing)?);
        add("deliveries", effects::deliveries(program, &batch.deliveries, &mut after.delivery, sealing)?);
        if let Some(it) = &batch.succession {
            let places = Places::new(&it.program);
            add("changes", effects::changes((&it.program, &places), &it.changes, &mut after.change, sealing)?);
            add("deliveries", effects::deliveries(&it.program, &it.deliveries, &mut after.delivery, sealing)?);
            add("person_ids", person_ids::rows(&it.ids)?);
        }
        add("recalls", effects::recalls(&batch.recalls)?);
        add("delivery_outcomes", effects::outcomes(&batch.outcomes, after.seq)?);
        Ok(Self { tables, resolved: batch.resolved.clone(), takeover: batch.takeover(), counters: after })
    }

    /// How many rows each table gets.
    pub fn pieces(&self) -> impl Iterator<Item = u64> {
        self.tables.iter().map(|(_, rows)| rows.num_rows() as u64)
    }

    /// Writes it all, or nothing.
    pub fn write(self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch("BEGIN TRANSACTION")?;
        if self.takeover.is_some() {
            connection.execute_batch("DELETE FROM person_ids")?;
        }
        let written = self.tables.into_iter().try_for_each(|(table, rows)| append(connection, LOG, &table, rows));
        let resolved = written.and_then(|()| resolve(connection, &self.resolved));
        let noted = resolved.and_then(|()| match self.takeover {
            None => Ok(()),
            Some(Takeover { as_of, now, fingerprint }) => connection
                .execute(
                    "INSERT INTO takeovers VALUES (?, make_timestamp(?), ?)",
                    params![as_of.0, now.0, fingerprint.0],
                )
                .map(drop),
        });
        let done = noted.and_then(|()| connection.execute_batch("COMMIT"));
        if let Err(error) = done {
            // The transaction may be gone already; what counts is the first error.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(error.into());
        }
        Ok(())
    }
}

/// Notes what became of messages that were kept aside: all of one resolution and moment in one statement.
fn resolve(connection: &Connection, resolved: &[Resolved]) -> Result<(), duckdb::Error> {
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for it in resolved {
        groups.entry((it.resolution, it.at)).or_default().push(it.id.to_string());
    }
    groups.into_iter().try_for_each(|((resolution, at), ids)| {
        connection.execute_batch(&format!(
            "UPDATE quarantine SET resolution = '{}', resolved_at = make_timestamp({}) WHERE id IN ({})",
            resolution.name(),
            at.0,
            ids.join(", ")
        ))
    })
}

/// Appends rows to a table of a catalog, inside whatever transaction there is.
pub(crate) fn append(
    connection: &Connection,
    catalog: &str,
    table: &str,
    rows: RecordBatch,
) -> Result<(), duckdb::Error> {
    let mut appender = connection.appender_to_catalog_and_db(table, catalog, "main")?;
    appender.append_record_batch(rows)?;
    appender.flush()
}
