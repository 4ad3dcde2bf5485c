//! What the rules came to: sizes, samples, overlaps; how the values of a trait are spread.

use super::Request;
use crate::evaluation::shown;
use crate::sql::cell;
use crate::{StoreError, limits};
use duckdb::Connection;
use serde_json::Value as Json;
use sonder_dsl::ir::sql::{Dialect, DuckDb};
use sonder_dsl::ir::{Rule, RuleKind, Type};

/// What one rule would be.
#[derive(Clone, Debug, PartialEq)]
pub enum RulePreview {
    /// A segment.
    Segment {
        /// How many people would be in it.
        size: u64,
        /// Some of them.
        sample: Vec<u64>,
        /// The segments that somebody is in.
        overlap: Vec<Overlap>,
        /// Who would come and go, if it took the place of the segment that it replaces.
        moves: Option<Moves>,
    },
    /// A computed trait.
    Trait {
        /// How many people would have a value.
        known: u64,
        /// How many different values there would be.
        distinct: u64,
        /// The smallest, where values have an order.
        min: Json,
        /// The largest.
        max: Json,
        /// The most frequent values and how many people have them.
        top: Vec<(Json, u64)>,
        /// Some people and their values.
        sample: Vec<(u64, Json)>,
    },
}

/// How a previewed segment lies to one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Its number.
    pub segment: u32,
    /// How many people are in it.
    pub size: u64,
    /// How many of them would be in the previewed one, too.
    pub both: u64,
}

/// Who would come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// How many people would enter.
    pub entering: u64,
    /// How many would leave.
    pub leaving: u64,
    /// Some of those who would enter.
    pub enter: Vec<u64>,
    /// Some of those who would leave.
    pub leave: Vec<u64>,
}

pub(super) struct Answers<'a> {
    pub connection: &'a Connection,
    pub request: &'a Request<'a>,
}

impl Answers<'_> {
    pub fn all(&self) -> Result<Vec<RulePreview>, StoreError> {
        let program = self.request.program;
        let replaced = self.request.replaced.iter().copied().chain(std::iter::repeat(None));
        let rules = self.request.rules.iter().zip(replaced);
        let rules = rules.filter_map(|(id, replaced)| Some((program.rules.get(id.index())?, replaced)));
        rules
            .map(|(rule, replaced)| match &rule.kind {
                RuleKind::Segment => self.segment(rule, replaced),
                RuleKind::Trait(kind) => self.computed(rule, kind),
            })
            .collect()
    }

    fn segment(&self, rule: &Rule, replaced: Option<u32>) -> Result<RulePreview, StoreError> {
        let column = DuckDb.quote(&rule.name);
        let size = self.number(&format!("SELECT count(*) FROM temp.sonder_preview WHERE {column}"))?;
        // The same people each time, and not only the oldest.
        let sample = self.rows(&format!(
            "SELECT person FROM temp.sonder_preview AS p JOIN temp.sonder_observed USING (person) WHERE p.{column}
             ORDER BY sonder_place, person LIMIT {}",
            self.request.sample
        ))?;
        let overlap = self.rows(&format!(
            "SELECT segment, count(*), count(*) FILTER (WHERE {column}) FROM temp.sonder_held
             JOIN temp.sonder_preview USING (person) GROUP BY segment ORDER BY segment"
        ))?;
        let overlap = overlap.iter().filter_map(|row| {
            let whole = |place: usize| row.get(place).and_then(Json::as_u64);
            Some(Overlap { segment: u32::try_from(whole(0)?).ok()?, size: whole(1)?, both: whole(2)? })
        });
        Ok(RulePreview::Segment {
            size,
            sample: sample.iter().filter_map(|row| row.first()?.as_u64()).collect(),
            overlap: overlap.collect(),
            moves: replaced.map(|replaced| self.moves(&column, replaced)).transpose()?,
        })
    }

    fn moves(&self, column: &str, replaced: u32) -> Result<Moves, StoreError> {
        let held = format!("(SELECT person FROM temp.sonder_held WHERE segment = {replaced})");
        let side = |condition: &str| -> Result<(u64, Vec<u64>), StoreError> {
            let whole =
                format!("FROM temp.sonder_preview AS p JOIN temp.sonder_observed USING (person) WHERE {condition}");
            let count = self.number(&format!("SELECT count(*) {whole}"))?;
            let sample = self
                .rows(&format!("SELECT person {whole} ORDER BY sonder_place, person LIMIT {}", self.request.sample))?;
            Ok((count, sample.iter().filter_map(|row| row.first()?.as_u64()).collect()))
        };
        let (entering, enter) = side(&format!("p.{column} AND person NOT IN {held}"))?;
        let (leaving, leave) = side(&format!("p.{column} IS NOT TRUE AND person IN {held}"))?;
        Ok(Moves { entering, leaving, enter, leave })
    }

    fn computed(&self, rule: &Rule, kind: &Type) -> Result<RulePreview, StoreError> {
        let column = DuckDb.quote(&rule.name);
        let has_order = !matches!(kind, Type::List(_));
        let ends = if has_order { format!("min({column}), max({column})") } else { "NULL, NULL".to_owned() };
        let found =
            self.rows(&format!("SELECT count({column}), count(DISTINCT {column}), {ends} FROM temp.sonder_preview"))?;
        let row = found.into_iter().next().unwrap_or_default();
        let part = |place: usize| row.get(place).cloned().unwrap_or_default();
        let top = self.rows(&format!(
            "SELECT {column}, count(*) FROM temp.sonder_preview WHERE {column} IS NOT NULL
             GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {}",
            limits::PREVIEW_TOP
        ))?;
        let sample = self.rows(&format!(
            "SELECT person, p.{column} FROM temp.sonder_preview AS p JOIN temp.sonder_observed USING (person)
             WHERE p.{column} IS NOT NULL ORDER BY sonder_place, person LIMIT {}",
            self.request.sample
        ))?;
        let pair = |row: Vec<Json>| <[Json; 2]>::try_from(row).ok();
        Ok(RulePreview::Trait {
            known: part(0).as_u64().unwrap_or(0),
            distinct: part(1).as_u64().unwrap_or(0),
            min: shown(part(2), kind),
            max: shown(part(3), kind),
            top: top
                .into_iter()
                .filter_map(pair)
                .filter_map(|[value, count]| Some((shown(value, kind), count.as_u64()?)))
                .collect(),
            sample: sample
                .into_iter()
                .filter_map(pair)
                .filter_map(|[person, value]| Some((person.as_u64()?, shown(value, kind))))
                .collect(),
        })
    }

    fn number(&self, sql: &str) -> Result<u64, StoreError> {
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    fn rows(&self, sql: &str) -> Result<Vec<Vec<Json>>, StoreError> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = Vec::new();
        for batch in statement.query_arrow([])? {
            for row in 0..batch.num_rows() {
                let cells: Result<Vec<Json>, StoreError> =
                    batch.columns().iter().map(|column| cell(column, row, "")).collect();
                rows.push(cells?);
            }
        }
        Ok(rows)
    }
}
