//! The second evaluator at work: a history as tables of an in-memory DuckDB, and the rules' SQL over them.
//!
//! The lowering (`sonder_dsl::ir::sql`) says which relations its statements read; this makes them. The incremental fold
//! must agree with it for every rule, history and moment.

use crate::StoreError;
use crate::sql::cell;
use duckdb::{Connection, ToSql};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};
use sonder_core::consent::{Answers, Purposes, Statement, only};
use sonder_core::eval::History;
use sonder_core::funnel::FunnelGroup;
use sonder_dsl::ir::sql::{Clock, Dialect, DuckDb, lower, lower_funnel};
use sonder_dsl::ir::{EventId, Funnel, Program, PurposeId, RuleId, RuleKind, Type, Value};
use sonder_dsl::model::consent::place;
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeMap;

/// A history in tables.
pub struct SqlEvaluation<'p> {
    program: &'p Program,
    connection: Connection,
}

impl<'p> SqlEvaluation<'p> {
    /// Lays a history out in tables.
    ///
    /// # Errors
    /// When the database fails.
    pub fn new(program: &'p Program, history: &History) -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory()?;
        let evaluation = Self { program, connection };
        evaluation.people(history)?;
        evaluation.consent(history)?;
        for index in 0..program.events.len() {
            evaluation.events(EventId(index as u32), history)?;
        }
        Ok(evaluation)
    }

    /// The value of each rule at a moment, for each person of the history, in its order; `null` is unknown.
    ///
    /// # Errors
    /// When the database fails.
    pub fn values(&self, rules: &[RuleId], at: Moment) -> Result<Vec<Vec<Json>>, StoreError> {
        let query = lower(self.program, rules, Clock::At(at), &DuckDb);
        let sql = format!("SELECT * FROM (\n{query}\n) ORDER BY person");
        let mut statement = self.connection.prepare(&sql)?;
        let batches = statement.query_arrow([])?;
        let kinds: Vec<Type> = rules
            .iter()
            .map(|id| match self.program.rules.get(id.index()).map(|rule| &rule.kind) {
                Some(RuleKind::Trait(kind)) => kind.clone(),
                _ => Type::Bool,
            })
            .collect();
        let mut rows = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().skip(1).zip(&kinds);
                let values: Result<Vec<Json>, StoreError> =
                    values.map(|(column, kind)| Ok(shown(cell(column, row, "")?, kind))).collect();
                rows.push(values?);
            }
        }
        Ok(rows)
    }

    /// How many people came how far through a funnel as of a moment.
    ///
    /// # Errors
    /// When the database fails.
    pub fn funnel(&self, funnel: &Funnel, at: Moment) -> Result<Vec<FunnelGroup>, StoreError> {
        let query = lower_funnel(self.program, funnel, Clock::At(at), &DuckDb).to_string();
        let mut statement = self.connection.prepare(&query)?;
        let mut groups: Vec<FunnelGroup> = Vec::new();
        for batch in statement.query_arrow([])? {
            let column = |index: usize, row: usize| cell(batch.column(index), row, "");
            for row in 0..batch.num_rows() {
                let values = funnel.breakdowns.iter().enumerate();
                let by: Result<Vec<Json>, StoreError> =
                    values.map(|(index, it)| Ok(shown(column(index, row)?, &it.kind))).collect();
                let (by, figures) = (by?, funnel.breakdowns.len() + 2);
                let count = |index: usize| Ok::<u64, StoreError>(column(index, row)?.as_u64().unwrap_or_default());
                let step = (count(figures)?, count(figures + 1)?);
                // Rows come sorted: those of one group stand together, its steps in their order.
                match groups.last_mut().filter(|group| group.by == by) {
                    Some(group) => group.steps.push(step),
                    None => groups.push(FunnelGroup { by, steps: vec![step] }),
                }
            }
        }
        Ok(groups)
    }

    fn people(&self, history: &History) -> Result<(), StoreError> {
        let traits = &self.program.profile;
        let columns: String = traits.iter().map(|it| format!(", {} VARCHAR", DuckDb.quote(&it.name))).collect();
        self.connection
            .execute_batch(&format!("CREATE TABLE observed (person BIGINT, sonder_early BIGINT{columns})"))?;
        let mut rows = self.connection.appender("observed")?;
        for (person, it) in history.people.iter().enumerate() {
            let values = traits
                .iter()
                .map(|declared| it.profile.get(&declared.name).map(|value| json_text(value, &declared.kind)));
            append(&mut rows, &[person as i64, it.is_early.into()], values)?;
        }
        rows.flush()?;
        drop(rows);
        let typed: String = traits.iter().map(|it| format!(", {}", typed_column(&it.name, &it.kind))).collect();
        self.connection.execute_batch(&format!(
            "CREATE TABLE people AS SELECT person, sonder_early = 1 AS early FROM observed;\n\
             CREATE TABLE profile AS SELECT person{typed} FROM observed;\n\
             DROP TABLE observed;"
        ))?;
        Ok(())
    }

    fn consent(&self, history: &History) -> Result<(), StoreError> {
        self.connection.execute_batch(
            "CREATE TABLE said (person BIGINT, seq BIGINT, micros BIGINT, purpose VARCHAR, granted VARCHAR)",
        )?;
        let mut rows = self.connection.appender("said")?;
        // Each as it counted: while a no binds, a yes that comes is none.
        let mut statements: BTreeMap<usize, Vec<Statement>> = BTreeMap::new();
        for it in history.events.iter().filter(|it| !it.event.said.is_nothing()) {
            let (at, said) = (it.event.occurred_at, it.event.said);
            statements.entry(it.person).or_default().push(Statement { at, seq: it.seq, said });
        }
        for (person, statements) in statements {
            let answers: Answers = statements.iter().copied().collect();
            let unasked = history.people.get(person).map_or(0, |it| self.unasked(&it.profile));
            for statement in statements {
                let key = [person as i64, statement.seq.0 as i64, statement.at.0];
                let counted = answers.as_of(statement.at, statement.seq);
                for (purpose, id) in self.program.consent.purposes.iter().zip(0..).map(|(it, id)| (it, PurposeId(id))) {
                    if statement.said.to(id).is_some() {
                        let granted = counted.to(id).unwrap_or(unasked & only(id) != 0);
                        append(&mut rows, &key, [Some(purpose.name.clone()), Some(granted.to_string())].into_iter())?;
                    }
                }
            }
        }
        rows.flush()?;
        drop(rows);
        self.connection.execute_batch(
            "CREATE TABLE consent AS SELECT person, purpose, CAST(granted AS BOOLEAN) AS granted,\n\
             make_timestamp(micros) AS occurred_at, seq FROM said;\n\
             DROP TABLE said;",
        )?;
        Ok(())
    }

    /// What somebody allows who said nothing, by where they live.
    fn unasked(&self, profile: &Map<String, Json>) -> Purposes {
        let residence = self.program.consent.residence.iter().filter_map(|id| self.program.profile.get(id.index()));
        let place = residence.filter_map(|it| place::read(profile.get(&it.name)?.as_str()?)).next();
        self.program.consent.terms(place.as_deref()).unasked
    }

    fn events(&self, event: EventId, history: &History) -> Result<(), StoreError> {
        let Some(schema) = self.program.events.get(event.index()) else { return Ok(()) };
        let properties = schema.slots.iter().map(|slot| (slot.path.join("."), &slot.kind));
        let context =
            self.program.context_slots.iter().map(|slot| (format!("context.{}", slot.path.join(".")), &slot.kind));
        let columns: Vec<(String, &Type)> = properties.chain(context).collect();
        let texts: String = columns.iter().map(|(name, _)| format!(", {} VARCHAR", DuckDb.quote(name))).collect();
        self.connection
            .execute_batch(&format!("CREATE TABLE raw (person BIGINT, seq BIGINT, micros BIGINT{texts})"))?;
        let mut rows = self.connection.appender("raw")?;
        for it in history.events.iter().filter(|it| it.event.event == Some(event)) {
            let values = it.event.properties.iter().chain(it.event.context.iter());
            let key = [it.person as i64, it.seq.0 as i64, it.event.occurred_at.0];
            append(&mut rows, &key, values.map(|value| value.as_ref().map(text)))?;
        }
        rows.flush()?;
        drop(rows);
        let typed: String = columns.iter().map(|(name, kind)| format!(", {}", typed_column(name, kind))).collect();
        let table = DuckDb.quote(&format!("ev_{}", schema.name));
        self.connection.execute_batch(&format!(
            "CREATE TABLE {table} AS SELECT person, seq, make_timestamp(micros) AS occurred_at{typed} FROM raw;\nDROP TABLE raw;"
        ))?;
        Ok(())
    }
}

pub(crate) fn append(
    rows: &mut duckdb::Appender<'_>,
    key: &[i64],
    values: impl Iterator<Item = Option<String>>,
) -> Result<(), StoreError> {
    let values: Vec<Option<String>> = values.collect();
    let row: Vec<&dyn ToSql> =
        key.iter().map(|part| part as &dyn ToSql).chain(values.iter().map(|value| value as &dyn ToSql)).collect();
    Ok(rows.append_row(row.as_slice())?)
}

/// `column`, which is text, as its type.
pub(crate) fn typed_column(name: &str, kind: &Type) -> String {
    let column = DuckDb.quote(name);
    let value = match kind {
        Type::Time => format!("make_timestamp(CAST({column} AS BIGINT))"),
        Type::List(_) => format!("CAST(CAST({column} AS JSON) AS {})", DuckDb.type_name(kind)),
        _ => format!("CAST({column} AS {})", DuckDb.type_name(kind)),
    };
    format!("{value} AS {column}")
}

/// A value as the text that [`typed_column`] reads.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Bool(it) => it.to_string(),
        Value::Int(it) => it.to_string(),
        Value::Decimal(it) => it.to_string(),
        Value::Float(it) => format!("{it:?}"),
        Value::String(it) => it.to_string(),
        Value::Time(it) => it.0.to_string(),
        Value::Duration(it) => it.0.to_string(),
        Value::List(items) => Json::from(items.iter().map(text).collect::<Vec<_>>()).to_string(),
    }
}

/// A shown value of the golden record as the text that [`typed_column`] reads.
pub(crate) fn json_text(value: &Json, kind: &Type) -> String {
    match (value, kind) {
        (Json::String(it), Type::Time) => Moment::parse(it).map_or_else(|| it.clone(), |moment| moment.0.to_string()),
        (Json::String(it), _) => it.clone(),
        _ => value.to_string(),
    }
}

/// A value of the database as `eval` prints it.
pub(crate) fn shown(value: Json, kind: &Type) -> Json {
    match (kind, &value) {
        (Type::Duration, Json::Number(micros)) => {
            micros.as_i64().map_or(Json::Null, |micros| Duration(micros).to_string().into())
        }
        (Type::Decimal { scale }, Json::String(digits)) => {
            let Ok(mut decimal) = digits.parse::<Decimal>() else { return value };
            decimal.rescale(u32::from(*scale));
            decimal.to_string().into()
        }
        (Type::Decimal { scale }, Json::Number(number)) => {
            let Ok(mut decimal) = number.to_string().parse::<Decimal>() else { return value };
            decimal.rescale(u32::from(*scale));
            decimal.to_string().into()
        }
        (Type::Float, Json::Number(number)) => number.as_f64().map_or(Json::Null, Json::from),
        _ => value,
    }
}
