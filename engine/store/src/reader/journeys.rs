//! What happened on a journey, counted.

use super::Reader;
use crate::StoreError;
use duckdb::Connection;

/// Counts of one journey since it was first deployed. Steps are named by their keys: 16 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JourneyFigures {
    /// How many passages began.
    pub entered: u64,
    /// (outcome, passages), by the last outcome of each.
    pub left: Vec<(String, u64)>,
    /// By step.
    pub steps: Vec<StepFigures>,
    /// (from, to, passages): from one step to the next, or to the end, which is `None`; by step.
    pub ways: Vec<(String, Option<String>, u64)>,
    /// By split and branch.
    pub branches: Vec<BranchFigures>,
}

/// Counts of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFigures {
    /// Its key.
    pub node: String,
    /// How many passages came to it.
    pub came: u64,
    /// How often something was sent from it.
    pub sent: u64,
    /// How often it was not.
    pub unsent: u64,
}

/// Counts of one branch of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchFigures {
    /// The split's key.
    pub node: String,
    /// What the branch is called.
    pub branch: String,
    /// How many passages took it.
    pub passages: u64,
    /// How many of them converted by now.
    pub converted: u64,
}

/// What happened on a journey under its names, in order. These are the statement's only parameter, as a JSON list.
const HAPPENED: &str = "WITH happened AS MATERIALIZED (
    SELECT id, json_extract_string(value, '$.passage') AS passage, json_extract_string(value, '$.what') AS what,
        json_extract_string(value, '$.node') AS node, json_extract_string(value, '$.branch') AS branch,
        json_extract_string(value, '$.outcome') AS outcome
    FROM changes WHERE kind = 'journey' AND name IN (SELECT unnest(from_json(?, '[\"VARCHAR\"]'))))";

/// The deliveries that a journey sent; the parameter is that of [`HAPPENED`].
const SENT: &str = "WITH sent AS (
    SELECT json_extract_string(value, '$.delivery')::UUID AS id
    FROM changes WHERE kind = 'journey' AND name IN (SELECT unnest(from_json(?, '[\"VARCHAR\"]')))
        AND json_extract_string(value, '$.what') = 'sent')";

impl Reader {
    /// How many people came how far on the journey that has, or had, these names.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn journey(&self, names: &[&str]) -> Result<JourneyFigures, StoreError> {
        let names = serde_json::to_string(names).unwrap_or_default();
        let name = names.as_str();
        self.read(|connection| {
            let mut figures = JourneyFigures { ways: ways(connection, name)?, ..JourneyFigures::default() };
            figures.branches = branches(connection, name)?;
            let sql = format!(
                "{HAPPENED} SELECT node, count(*) FILTER (what = 'came'), count(*) FILTER (what = 'sent'),
                    count(*) FILTER (what = 'unsent') FROM happened WHERE node IS NOT NULL GROUP BY node ORDER BY node"
            );
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query([name])?;
            while let Some(row) = rows.next()? {
                let (came, sent, unsent) = (row.get(1)?, row.get(2)?, row.get(3)?);
                figures.steps.push(StepFigures { node: row.get(0)?, came, sent, unsent });
            }
            // A goal may come after the end: then that is how it ended.
            let sql = format!(
                "{HAPPENED} SELECT NULL AS outcome, count(*) FROM happened WHERE what = 'entered'
                 UNION ALL FROM (SELECT outcome, count(*) FROM (
                    SELECT arg_max(outcome, id) AS outcome FROM happened WHERE what = 'left' GROUP BY passage)
                 GROUP BY outcome ORDER BY outcome)"
            );
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query([name])?;
            while let Some(row) = rows.next()? {
                match row.get::<_, Option<String>>(0)? {
                    None => figures.entered = row.get(1)?,
                    Some(outcome) => figures.left.push((outcome, row.get(1)?)),
                }
            }
            Ok(figures)
        })
    }
}

impl Reader {
    /// How many messages wait that the journey of these names sent.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn waiting_messages(&self, names: &[&str]) -> Result<u64, StoreError> {
        let names = serde_json::to_string(names).unwrap_or_default();
        let sql = format!(
            "{SENT} SELECT count(DISTINCT id) FROM deliveries SEMI JOIN sent USING (id)
             ANTI JOIN (SELECT delivery AS id FROM delivery_outcomes WHERE state <> 'retry') USING (id)"
        );
        self.read(|connection| Ok(connection.query_row(&sql, [names], |row| row.get(0))?))
    }
}

fn ways(connection: &Connection, name: &str) -> Result<Vec<(String, Option<String>, u64)>, StoreError> {
    let sql = format!(
        "{HAPPENED} SELECT node, next, count(*) FROM (
            SELECT node, what, lead(node) OVER way AS next, lead(outcome) OVER way AS outcome FROM happened
            WHERE what IN ('came', 'left') WINDOW way AS (PARTITION BY passage ORDER BY id))
         WHERE what = 'came' AND (next IS NOT NULL OR outcome = 'finished') GROUP BY node, next ORDER BY node, next"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn branches(connection: &Connection, name: &str) -> Result<Vec<BranchFigures>, StoreError> {
    let sql = format!(
        "{HAPPENED} SELECT node, branch, count(*), count(*) FILTER (passage IN (
            SELECT passage FROM happened WHERE outcome = 'converted')) FROM happened
         WHERE what = 'branched' GROUP BY node, branch ORDER BY node, branch"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([name], |row| {
        Ok(BranchFigures { node: row.get(0)?, branch: row.get(1)?, passages: row.get(2)?, converted: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
