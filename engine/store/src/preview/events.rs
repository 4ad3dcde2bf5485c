//! The events as the lowered rules read them: whose each is, and its columns.

use super::Request;
use super::wanted::Wanted;
use super::whose::Whose;
use crate::database::{identifier, quoted};
use crate::evaluation::{append, text, typed_column};
use crate::seal::Keyring;
use crate::{StoreError, limits};
use duckdb::{Connection, params};
use sonder_core::govern::Governor;
use sonder_core::message::from_log;
use sonder_core::record::Event;
use sonder_dsl::ir::sql::{Dialect, DuckDb};
use sonder_dsl::ir::{ContextSlot, EventId, Program, PropertySlot, SourceId, Type};
use sonder_dsl::model::EventSchema;
use sonder_dsl::time::Moment;

/// Makes a view for each event type that is wanted: over a table of its own, some rows of the log at a time, so that
/// neither whose they are nor what is beside them has to be joined again for each rule, or to be in memory at once.
pub(super) fn lay_out(
    connection: &Connection,
    keyring: &Keyring,
    request: &Request<'_>,
    wanted: &Wanted,
) -> Result<(), StoreError> {
    let governor = Governor::new(request.program);
    let mut tables = Vec::new();
    for (id, schema) in wanted.events(request.program) {
        let columns = Columns::of(connection, request.program, wanted, id, schema)?;
        if !columns.beside.is_empty() {
            fill_beside(connection, request, (&governor, keyring), schema, &columns.beside)?;
        }
        let table = Table { schema, from: wanted.from(id), columns };
        connection.execute_batch(&table.make())?;
        tables.push(table);
    }
    let whose = Whose::new(request.program);
    for first in (0..=request.last.0).step_by(request.slice) {
        let slice = (first, request.last.0.min(first + request.slice as u64 - 1));
        let rows: Vec<String> = tables.iter().map(|table| table.rows(slice)).collect();
        if rows.is_empty() {
            break;
        }
        connection.execute_batch(&whose.table(slice, &rows))?;
        for table in &tables {
            connection.execute_batch(&table.fill(slice))?;
        }
    }
    let beside: String = tables.iter().map(Table::drop_beside).collect();
    connection.execute_batch(&format!("{beside} DROP TABLE IF EXISTS temp.sonder_whose;"))?;
    Ok(())
}

/// Drops what was laid out.
pub(super) fn clear(program: &Program, wanted: &Wanted) -> String {
    let drop = |(_, schema): (EventId, &EventSchema)| {
        let (view, table) = (view_name(schema), laid_out_name(schema));
        format!("DROP VIEW temp.{view}; DROP TABLE temp.{table};")
    };
    wanted.events(program).map(drop).collect()
}

fn view_name(schema: &EventSchema) -> String {
    DuckDb.quote(&format!("ev_{}", schema.name))
}

fn laid_out_name(schema: &EventSchema) -> String {
    DuckDb.quote(&format!("sonder_rows_{}", schema.name))
}

fn beside_name(schema: &EventSchema) -> String {
    DuckDb.quote(&format!("sonder_beside_{}", schema.name))
}

/// The events of a type that rules read.
struct Table<'p> {
    schema: &'p EventSchema,
    /// Those before say nothing.
    from: Moment,
    columns: Columns<'p>,
}

impl Table<'_> {
    /// Makes the table, empty, and the view over it.
    fn make(&self) -> String {
        let (view, table) = (view_name(self.schema), laid_out_name(self.schema));
        let kept: String = self.columns.kept.iter().map(|it| format!(", {it}")).collect();
        let shown: String = self.columns.shown.iter().map(|it| format!(", {it}")).collect();
        format!(
            "CREATE TEMP TABLE {table} AS SELECT 0::UINTEGER AS person, e.seq, e.occurred_at{kept} FROM {} WHERE false;
             CREATE TEMP VIEW {view} AS SELECT person::BIGINT AS person, seq, occurred_at{shown} FROM temp.{table};",
            self.source()
        )
    }

    fn stored(&self) -> String {
        format!("sonder.main.{}", identifier(&format!("ev_{}", self.schema.name)))
    }

    /// The typed table with what is read from payloads.
    fn source(&self) -> String {
        let beside = match self.columns.beside.is_empty() {
            true => String::new(),
            false => format!(" LEFT JOIN temp.{} AS b ON b.seq = e.seq", beside_name(self.schema)),
        };
        format!("{} AS e{beside}", self.stored())
    }

    /// The numbers of those within a slice of the log, as SQL.
    fn rows(&self, (first, last): (u64, u64)) -> String {
        let since = match self.from {
            Moment::MIN => String::new(),
            Moment(from) => format!(" AND occurred_at >= make_timestamp({from})"),
        };
        format!("SELECT seq FROM {} WHERE seq BETWEEN {first} AND {last}{since}", self.stored())
    }

    /// Fills in those of a slice of the log.
    fn fill(&self, (first, last): (u64, u64)) -> String {
        let kept: String = self.columns.kept.iter().map(|it| format!(", {it}")).collect();
        format!(
            "INSERT INTO temp.{} SELECT w.person, e.seq, e.occurred_at{kept} FROM {}
             JOIN temp.sonder_whose AS w ON w.seq = e.seq WHERE e.seq BETWEEN {first} AND {last}",
            laid_out_name(self.schema),
            self.source()
        )
    }

    fn drop_beside(&self) -> String {
        format!("DROP TABLE IF EXISTS temp.{};", beside_name(self.schema))
    }
}

/// Where the columns of an event type come from.
struct Columns<'p> {
    /// What is laid out, as SQL over the typed table `e` and what is beside it, `b`.
    kept: Vec<String>,
    /// All columns, as SQL over that.
    shown: Vec<String>,
    /// What is read from payloads: the slot, and its type.
    beside: Vec<(Slot, &'p Type)>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Property(PropertySlot),
    Context(ContextSlot),
}

impl Slot {
    fn of(self, event: &Event) -> Option<String> {
        let value = match self {
            Self::Property(slot) => event.properties.get(slot.index())?,
            Self::Context(slot) => event.context.get(slot.index())?,
        };
        value.as_ref().map(text)
    }
}

impl<'p> Columns<'p> {
    fn of(
        connection: &Connection,
        program: &'p Program,
        wanted: &Wanted,
        id: EventId,
        schema: &'p EventSchema,
    ) -> Result<Self, StoreError> {
        let typed = typed_columns(connection, &schema.name)?;
        let mut columns = Self { kept: Vec::new(), shown: Vec::new(), beside: Vec::new() };
        for (slot, it) in (0..).map(PropertySlot).zip(&schema.slots) {
            let name = DuckDb.quote(&it.path.join("."));
            let column = typed.iter().find(|(property, _)| it.path == [property.as_str()]).map(|(_, column)| column);
            match column {
                _ if !wanted.properties.contains(&(id, slot)) => columns.nothing(&it.kind, &name),
                Some(column) => columns.typed(&identifier(column), &it.kind, &name),
                None => columns.beside(Slot::Property(slot), &it.kind, &name),
            }
        }
        for (slot, it) in (0..).map(ContextSlot).zip(&program.context_slots) {
            let name = DuckDb.quote(&format!("context.{}", it.path.join(".")));
            match wanted.context.contains(&slot) {
                true => columns.beside(Slot::Context(slot), &it.kind, &name),
                false => columns.nothing(&it.kind, &name),
            }
        }
        Ok(columns)
    }

    /// One that no rule asks for.
    fn nothing(&mut self, kind: &Type, name: &str) {
        self.shown.push(format!("NULL::{} AS {name}", DuckDb.type_name(kind)));
    }

    fn typed(&mut self, column: &str, kind: &Type, name: &str) {
        self.kept.push(format!("e.{column}::{} AS {name}", DuckDb.type_name(kind)));
        self.shown.push(name.to_owned());
    }

    fn beside(&mut self, slot: Slot, kind: &'p Type, name: &str) {
        self.kept.push(format!("b.c{} AS {name}", self.beside.len()));
        self.shown.push(name.to_owned());
        self.beside.push((slot, kind));
    }
}

/// The properties of an event type that have a column with their values, and its name.
fn typed_columns(connection: &Connection, event: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT property, column_name FROM sonder.main.typed_columns
         WHERE event = ? AND state = 'current' AND filled AND kind <> 'JSON' AND NOT starts_with(kind, 'SEALED') ORDER BY position",
    )?;
    let found = statement.query_map(params![event], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Reads from the payloads what has no column, as the fold reads it.
fn fill_beside(
    connection: &Connection,
    request: &Request<'_>,
    (governor, keyring): (&Governor, &Keyring),
    schema: &EventSchema,
    slots: &[(Slot, &Type)],
) -> Result<(), StoreError> {
    let texts: String = (0..slots.len()).map(|place| format!(", c{place} VARCHAR")).collect();
    connection.execute_batch(&format!("CREATE TEMP TABLE sonder_texts(seq BIGINT{texts})"))?;
    let mut rows = connection.appender_to_catalog_and_db("sonder_texts", "temp", "main")?;
    let at = Moment(0);
    for first in (0..=request.last.0).step_by(limits::BACKFILL_ROWS as usize) {
        let last = request.last.0.min(first + limits::BACKFILL_ROWS - 1);
        let which = format!("event = {} AND seq BETWEEN {first} AND {last}", quoted(&schema.name));
        let opener = keyring.opener(connection, &which)?;
        let mut statement = connection.prepare(&format!(
            "SELECT seq, payload, {} FROM sonder.main.log WHERE {which} ORDER BY seq",
            keyring.columns()
        ))?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let seq: u64 = row.get(0)?;
            let payload = opener.whole(seq, row.get(1)?, row.get(2)?, row.get(3)?)?;
            let Ok(message) = from_log(&payload, SourceId(0), at, at, true) else { continue };
            let Ok(event) = governor.govern(&message) else { continue };
            append(&mut rows, &[seq.cast_signed()], slots.iter().map(|(slot, _)| slot.of(&event)))?;
        }
    }
    rows.flush()?;
    drop(rows);
    let typed: String = slots
        .iter()
        .enumerate()
        .map(|(place, (_, kind))| format!(", {}", typed_column(&format!("c{place}"), kind)))
        .collect();
    let beside = beside_name(schema);
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE {beside} AS SELECT seq{typed} FROM temp.sonder_texts; DROP TABLE temp.sonder_texts;"
    ))?;
    Ok(())
}
