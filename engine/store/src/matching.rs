//! Pairs of people that matching found likely to be one: what was proposed, with where its weight comes from, and when it was
//! looked for.
//!
//! Nothing here says what became of a pair: whether it was linked, accepted or rejected the state says, which is made of the log.
//! So a row is never behind a decision, and what people decided of earlier pairs is found by holding the rows against the state.

use crate::append::append;
use crate::append::effects::{batch, text, time};
use crate::database::{LOG, quoted};
use crate::erasure::{Suppression, Target};
use crate::{Reader, Store, StoreError, limits};
use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field};
use duckdb::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use sonder_dsl::time::Moment;
use std::sync::Arc;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS match_pairs(
    id VARCHAR, proposed_at TIMESTAMP, one_kind VARCHAR, one_value VARCHAR, other_kind VARCHAR, other_value VARCHAR,
    weight INTEGER, linked BOOLEAN, steps VARCHAR, fingerprint UBIGINT);
COMMENT ON TABLE match_pairs IS 'people who are likely one: linked by matching, or for somebody to review; sonder review list tells what became of them';
COMMENT ON COLUMN match_pairs.weight IS 'log2 of the odds that they are one, in thousandths';
COMMENT ON COLUMN match_pairs.linked IS 'whether it was likely enough to be linked';
COMMENT ON COLUMN match_pairs.steps IS 'where the weight comes from, as JSON; no value of theirs is in it';
COMMENT ON COLUMN match_pairs.fingerprint IS 'of who they were and what was compared: where that is another by now, the pair is for review no longer';
CREATE TABLE IF NOT EXISTS match_runs(
    id VARCHAR, began_at TIMESTAMP, ended_at TIMESTAMP, counts VARCHAR);
COMMENT ON TABLE match_runs IS 'when people were matched, and what was found, as JSON';
";

/// An identifier: kind and value.
pub type Named = (String, String);

/// A pair that matching proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchPair {
    /// Names it.
    pub id: String,
    /// When, by the run that saw it last.
    pub proposed_at: Moment,
    /// The identifiers that stand for the two people.
    pub ends: [Named; 2],
    /// log2 of the odds that they are one, in thousandths.
    pub weight: i32,
    /// Whether it was likely enough to be linked, and nothing was against it.
    pub is_link: bool,
    /// Where the weight comes from.
    pub steps: MatchSteps,
    /// Of who they were, and what was compared.
    pub fingerprint: u64,
}

/// Where a weight comes from: steps that add up to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatchSteps {
    /// Before anything is compared.
    pub prior: f64,
    /// What each field came to, in their order.
    pub fields: Vec<MatchStep>,
    /// Taken off because two people of one household or name would agree as much.
    pub alike: f64,
}

/// What one field came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchStep {
    /// Its name.
    pub field: String,
    /// How the two values compare: `equal`, `sounds alike` …
    pub level: String,
    /// What that is worth.
    pub weight: f64,
}

/// When people were matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchRun {
    /// Names it.
    pub id: String,
    /// When it began: what it says is as of then.
    pub began_at: Moment,
    /// When it was done.
    pub ended_at: Moment,
    /// What it found.
    pub counts: MatchCounts,
}

/// What matching found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MatchCounts {
    /// People who were looked at.
    pub people: u64,
    /// Pairs that were compared.
    pub compared: u64,
    /// Earlier decisions that it learnt from.
    pub labels: u64,
    /// Pairs that were linked.
    pub linked: u64,
    /// Pairs that are new to the queue of reviews.
    pub queued: u64,
    /// Pairs that left the queue.
    pub left: u64,
}

/// Which of the pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairFilter {
    /// Only those that were linked, or only the others.
    pub is_link: Option<bool>,
}

impl Reader {
    /// Pairs, from the likeliest on: up to `limit`, after so many.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn match_pairs(&self, filter: PairFilter, after: usize, limit: usize) -> Result<Vec<MatchPair>, StoreError> {
        let which = filter.is_link.map_or_else(|| "true".to_owned(), |is_link| format!("linked = {is_link}"));
        self.pairs(&format!("{which} ORDER BY weight DESC, id LIMIT {limit} OFFSET {after}"))
    }

    /// A pair by its id.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn match_pair(&self, id: &str) -> Result<Option<MatchPair>, StoreError> {
        Ok(self.pairs(&format!("id = {}", quoted(id)))?.pop())
    }

    fn pairs(&self, which: &str) -> Result<Vec<MatchPair>, StoreError> {
        let sql = format!(
            "SELECT id, epoch_us(proposed_at), one_kind, one_value, other_kind, other_value, weight, linked, steps, fingerprint
             FROM match_pairs WHERE {which}"
        );
        self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| Ok(pair(row)))?;
            let pairs: Result<Vec<MatchPair>, StoreError> = rows.map(|row| row?).collect();
            pairs
        })
    }

    /// Runs, the latest first.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn match_runs(&self, limit: usize) -> Result<Vec<MatchRun>, StoreError> {
        let sql = format!(
            "SELECT id, epoch_us(began_at), epoch_us(ended_at), counts FROM match_runs ORDER BY began_at DESC, id LIMIT {limit}"
        );
        self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| {
                let counts: String = row.get(3)?;
                Ok(MatchRun {
                    id: row.get(0)?,
                    began_at: Moment(row.get(1)?),
                    ended_at: Moment(row.get(2)?),
                    counts: serde_json::from_str(&counts).unwrap_or_default(),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

impl Store {
    /// Writes pairs, in place of those of the same ids, and removes others; of nobody who was erased since `as_of`, when people
    /// were looked at. Appends wait meanwhile: it is done some at a time. The caller sees to it that nobody is erased meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; [`StoreError::InDoubt`].
    pub fn propose_matches(
        &self,
        pairs: &[MatchPair],
        gone: &[String],
        suppression: &Suppression,
        as_of: Moment,
    ) -> Result<(), StoreError> {
        let is_erased = |pair: &&MatchPair| {
            suppression.covers(pair.ends.iter().map(|(kind, value)| (kind.as_str(), value.as_str())), as_of)
        };
        let kept: Vec<&MatchPair> = pairs.iter().filter(|pair| !is_erased(pair)).collect();
        for some in gone.chunks(limits::MATCH_PAIRS) {
            self.with_counters(|connection| remove(connection, some.iter().map(String::as_str)))?;
        }
        for some in kept.chunks(limits::MATCH_PAIRS) {
            let rows = rows(some)?;
            self.with_counters(|connection| {
                connection.execute_batch("BEGIN TRANSACTION")?;
                remove(connection, some.iter().map(|pair| pair.id.as_str()))?;
                append(connection, LOG, "match_pairs", rows)?;
                connection.execute_batch("COMMIT")?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Notes a run that is done.
    ///
    /// # Errors
    /// As [`propose_matches`](Self::propose_matches).
    pub fn note_match_run(&self, run: &MatchRun) -> Result<(), StoreError> {
        let counts = serde_json::to_string(&run.counts)
            .map_err(|error| StoreError::Damaged(format!("a run of matching cannot be noted: {error}")))?;
        self.with_counters(|connection| {
            connection.execute(
                "INSERT INTO match_runs VALUES (?, make_timestamp(?), make_timestamp(?), ?)",
                params![run.id, run.began_at.0, run.ended_at.0, counts],
            )?;
            // Runs of long ago are nobody's business.
            connection.execute_batch(&format!(
                "DELETE FROM match_runs WHERE id NOT IN (SELECT id FROM match_runs ORDER BY began_at DESC LIMIT {})",
                limits::MATCH_RUNS
            ))?;
            Ok(())
        })
    }
}

/// Removes the pairs that somebody is in.
pub(crate) fn strike(connection: &Connection, target: &Target) -> Result<(), StoreError> {
    for (kind, value) in &target.identifiers {
        connection.execute(
            "DELETE FROM match_pairs WHERE (one_kind = ? AND one_value = ?) OR (other_kind = ? AND other_value = ?)",
            params![kind, value, kind, value],
        )?;
    }
    Ok(())
}

fn remove<'a>(connection: &Connection, ids: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    let ids = ids.map(quoted).collect::<Vec<_>>().join(", ");
    connection.execute_batch(&format!("DELETE FROM match_pairs WHERE id IN ({ids})"))?;
    Ok(())
}

fn pair(row: &Row<'_>) -> Result<MatchPair, StoreError> {
    let steps: String = row.get(8)?;
    let steps = serde_json::from_str(&steps)
        .map_err(|error| StoreError::Damaged(format!("a pair of matching cannot be read: {error}")))?;
    Ok(MatchPair {
        id: row.get(0)?,
        proposed_at: Moment(row.get(1)?),
        ends: [(row.get(2)?, row.get(3)?), (row.get(4)?, row.get(5)?)],
        weight: row.get(6)?,
        is_link: row.get(7)?,
        steps,
        fingerprint: row.get(9)?,
    })
}

fn rows(pairs: &[&MatchPair]) -> Result<RecordBatch, StoreError> {
    let column = |of: &dyn Fn(&MatchPair) -> String| -> ArrayRef {
        Arc::new(pairs.iter().map(|pair| Some(of(pair))).collect::<StringArray>())
    };
    let steps: Result<Vec<String>, serde_json::Error> =
        pairs.iter().map(|pair| serde_json::to_string(&pair.steps)).collect();
    let steps = steps.map_err(|error| StoreError::Damaged(format!("a pair of matching cannot be written: {error}")))?;
    let (number, flag) = (|name, kind| Field::new(name, kind, true), Field::new("linked", DataType::Boolean, true));
    let proposed_at = pairs.iter().map(|pair| Some(pair.proposed_at.0)).collect::<TimestampMicrosecondArray>();
    batch(vec![
        (text("id"), column(&|pair| pair.id.clone())),
        (time("proposed_at"), Arc::new(proposed_at)),
        (text("one_kind"), column(&|pair| pair.ends[0].0.clone())),
        (text("one_value"), column(&|pair| pair.ends[0].1.clone())),
        (text("other_kind"), column(&|pair| pair.ends[1].0.clone())),
        (text("other_value"), column(&|pair| pair.ends[1].1.clone())),
        (
            number("weight", DataType::Int32),
            Arc::new(pairs.iter().map(|pair| Some(pair.weight)).collect::<Int32Array>()),
        ),
        (flag, Arc::new(pairs.iter().map(|pair| Some(pair.is_link)).collect::<BooleanArray>())),
        (text("steps"), Arc::new(steps.iter().map(|it| Some(it.as_str())).collect::<StringArray>())),
        (
            number("fingerprint", DataType::UInt64),
            Arc::new(pairs.iter().map(|pair| Some(pair.fingerprint)).collect::<UInt64Array>()),
        ),
    ])
}
