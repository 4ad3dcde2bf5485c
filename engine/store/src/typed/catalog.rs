//! Which typed tables and columns there are, and how they follow the project's schemas.

use super::backfill::{self, Source};
use super::{ColumnKind, HEADER};
use crate::StoreError;
use crate::database::{identifier, quoted};
use crate::seal::{Keyring, Places, is_personal};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use duckdb::{Connection, params};
use serde_json::{Map, Value as Json};
use sonder_core::govern::Governor;
use sonder_dsl::ir::{EventId, Program};
use sonder_dsl::model::{Derivation, EventSchema, Property};
use std::borrow::Cow;
use std::sync::Arc;

/// The record of what is typed how, which users may read.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS typed_tables(event VARCHAR, table_name VARCHAR, filled BOOLEAN);
CREATE TABLE IF NOT EXISTS typed_columns(
    event VARCHAR, position UINTEGER, property VARCHAR, column_name VARCHAR, kind VARCHAR, state VARCHAR, filled BOOLEAN);
COMMENT ON TABLE typed_columns IS 'which column of which typed table holds which property';
COMMENT ON COLUMN typed_columns.state IS 'current; undeclared: the schema no longer has it; retired: it had another type';
";

/// All typed tables.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    tables: Vec<TypedTable>,
}

/// One typed table.
#[derive(Debug)]
pub(crate) struct TypedTable {
    /// The event's name.
    pub event: String,
    /// The table's name.
    pub name: String,
    /// Behind the header, in the order of the table.
    pub columns: Vec<TypedColumn>,
    /// Whether it has the rows that its event had in the log before there was a table.
    filled: bool,
    /// Of a batch to append: header and columns.
    pub schema: Arc<Schema>,
}

/// One column of a typed table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypedColumn {
    pub property: String,
    pub name: String,
    pub kind: ColumnKind,
    pub state: ColumnState,
    /// Whether rows from before the column was made have been filled.
    pub filled: bool,
}

impl TypedColumn {
    /// Whether the schema does not have it any more as it is.
    pub fn is_earlier(&self) -> bool {
        self.state != ColumnState::Current
    }
}

/// What a column is to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnState {
    /// The property's own.
    Current,
    /// The schema no longer has the property.
    Undeclared,
    /// The property has another type by now.
    Retired,
}

impl ColumnState {
    const ALL: [Self; 3] = [Self::Current, Self::Undeclared, Self::Retired];

    const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Undeclared => "undeclared",
            Self::Retired => "retired",
        }
    }
}

/// Where the events of one program go: by `EventId`.
#[derive(Debug)]
pub(crate) struct Layout {
    events: Vec<Option<EventLayout>>,
    places: Arc<Places>,
}

/// Where one event type goes.
#[derive(Debug)]
pub(crate) struct EventLayout {
    /// Index of the table in the catalog.
    pub table: usize,
    /// For each column behind the header, the property that this program declares for it.
    pub properties: Vec<Option<Wanted>>,
}

/// A property that goes into a column.
#[derive(Debug)]
pub(crate) struct Wanted {
    name: String,
    derivation: Option<Derivation>,
}

impl Wanted {
    fn new(property: &Property) -> Self {
        Self { name: property.name.clone(), derivation: property.derivation.clone() }
    }

    /// What goes into a column of a table that is filled, also where the schema does not have it any more.
    pub fn in_column(column: &TypedColumn, schema: Option<&EventSchema>) -> Self {
        let declared = schema.and_then(|schema| schema.properties.iter().find(|it| it.name == column.property));
        declared.map_or_else(|| Self { name: column.property.clone(), derivation: None }, Self::new)
    }

    /// Its value, of the properties of a message.
    pub fn of<'a>(&self, properties: &'a Map<String, Json>, stripped: &[String]) -> Option<Cow<'a, Json>> {
        let sent = self.derivation.as_ref().map_or(&self.name, |made| &made.from);
        if stripped.contains(sent) {
            return None;
        }
        match &self.derivation {
            Some(made) => made.value(properties).map(Cow::Owned),
            None => properties.get(&self.name).map(Cow::Borrowed),
        }
    }
}

impl Layout {
    pub fn event(&self, id: EventId) -> Option<&EventLayout> {
        self.events.get(id.index())?.as_ref()
    }

    /// Where personal data stands in its messages.
    pub const fn places(&self) -> &Arc<Places> {
        &self.places
    }
}

impl Catalog {
    /// Reads the record.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut statement = connection.prepare("SELECT event, table_name, filled FROM typed_tables ORDER BY event")?;
        let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut catalog = Self::default();
        for table in tables {
            let (event, name, filled): (String, String, bool) = table?;
            let columns = columns_of(connection, &event)?;
            catalog.tables.push(TypedTable::new(event, name, columns, filled));
        }
        Ok(catalog)
    }

    pub fn tables(&self) -> &[TypedTable] {
        &self.tables
    }

    /// Where the events of `program` go, as far as there are tables for them.
    pub fn layout(&self, program: &Program) -> Layout {
        let events = program.events.iter().map(|schema| {
            let table = self.tables.iter().position(|table| table.event == schema.name)?;
            let declared = |column: &TypedColumn| {
                let is_current = column.state == ColumnState::Current;
                let declared = schema.properties.iter().find(|property| property.name == column.property);
                declared.filter(|_| is_current).map(Wanted::new)
            };
            Some(EventLayout { table, properties: self.tables[table].columns.iter().map(declared).collect() })
        });
        Layout { events: events.collect(), places: Arc::new(Places::new(program)) }
    }

    /// Makes the tables and columns that `program` declares and that are not there, and fills them from the log.
    /// Every step is a transaction of its own, and what a crash left undone is done by the next call.
    ///
    /// Where personal data is sealed, a column of it says only that there is a value: one that says more is dropped.
    pub fn evolve(&mut self, connection: &Connection, program: &Program, keyring: &Keyring) -> Result<(), StoreError> {
        let seals = keyring.seals();
        for schema in &program.events {
            match self.tables.iter().position(|table| table.event == schema.name) {
                None => self.create(connection, schema, seals)?,
                Some(index) => self.tables[index].follow(connection, schema, seals)?,
            }
        }
        if self.tables.iter().any(|table| !table.is_filled()) {
            let governor = Governor::new(program);
            for table in &mut self.tables {
                let schema = program.events.iter().find(|schema| schema.name == table.event);
                table.fill(connection, schema, &Source { governor: &governor, keyring })?;
            }
        }
        Ok(())
    }

    fn create(&mut self, connection: &Connection, schema: &EventSchema, seals: bool) -> Result<(), StoreError> {
        let mut columns: Vec<TypedColumn> = Vec::with_capacity(schema.properties.len());
        for property in &schema.properties {
            let name = free_name(&property.name, &columns);
            let kind = kind_of(schema, property, seals);
            let property = property.name.clone();
            columns.push(TypedColumn { property, name, kind, state: ColumnState::Current, filled: true });
        }
        let table = TypedTable::new(schema.name.clone(), format!("ev_{}", schema.name), columns, false);
        let header = HEADER.iter().map(|(name, kind)| format!("{name} {kind}"));
        let own = table.columns.iter().map(|column| format!("{} {}", identifier(&column.name), column.kind.sql()));
        let all: Vec<String> = header.chain(own).collect();
        let mut script = format!("CREATE TABLE {}({});", identifier(&table.name), all.join(", "));
        script +=
            &format!("INSERT INTO typed_tables VALUES ({}, {}, false);", quoted(&table.event), quoted(&table.name));
        for position in 0..table.columns.len() {
            script += &table.record(position);
        }
        transaction(connection, &script)?;
        self.tables.push(table);
        Ok(())
    }
}

impl TypedTable {
    fn new(event: String, name: String, columns: Vec<TypedColumn>, filled: bool) -> Self {
        let schema = schema_of(&columns);
        Self { event, name, columns, filled, schema }
    }

    /// Alters the table so that it has a current column for each property of `schema`.
    fn follow(&mut self, connection: &Connection, schema: &EventSchema, seals: bool) -> Result<(), StoreError> {
        let mut columns = self.columns.clone();
        let mut script = String::new();
        let table = identifier(&self.name);
        for column in columns.iter_mut().filter(|column| column.state == ColumnState::Current) {
            if !schema.properties.iter().any(|property| property.name == column.property) {
                column.state = ColumnState::Undeclared;
            }
        }
        for property in &schema.properties {
            let kind = kind_of(schema, property, seals);
            if kind.is_sealed() {
                // What says more than that it is known goes, that of earlier types, too.
                columns.retain(|column| {
                    let goes = column.property == property.name && !column.kind.is_sealed();
                    if goes {
                        script += &format!("ALTER TABLE {table} DROP COLUMN {};", identifier(&column.name));
                    }
                    !goes
                });
            }
            let present = columns
                .iter()
                .position(|column| column.property == property.name && column.state != ColumnState::Retired);
            if let Some(index) = present {
                if columns[index].kind == kind {
                    if columns[index].state == ColumnState::Undeclared {
                        columns[index].state = ColumnState::Current;
                        columns[index].filled = false;
                    }
                    continue;
                }
                let old = retired_name(&columns[index].name, &columns);
                let from = identifier(&columns[index].name);
                script += &format!("ALTER TABLE {table} RENAME COLUMN {from} TO {};", identifier(&old));
                columns[index].name = old;
                columns[index].state = ColumnState::Retired;
            }
            let name = free_name(&property.name, &columns);
            script += &format!("ALTER TABLE {table} ADD COLUMN {} {};", identifier(&name), kind.sql());
            let property = property.name.clone();
            columns.push(TypedColumn { property, name, kind, state: ColumnState::Current, filled: false });
        }
        if columns == self.columns {
            return Ok(());
        }
        let changed = Self::new(self.event.clone(), self.name.clone(), columns, self.filled);
        script += &format!("DELETE FROM typed_columns WHERE event = {};", quoted(&self.event));
        for position in 0..changed.columns.len() {
            script += &changed.record(position);
        }
        transaction(connection, &script)?;
        *self = changed;
        Ok(())
    }

    fn is_filled(&self) -> bool {
        self.filled && self.columns.iter().all(|column| column.filled)
    }

    /// Fills what was made after rows were in the log: an event that was accepted before it was declared has some.
    fn fill(
        &mut self,
        connection: &Connection,
        schema: Option<&EventSchema>,
        source: &Source<'_>,
    ) -> Result<(), StoreError> {
        if !self.filled {
            backfill::rows(connection, self, schema, source)?;
            let event = quoted(&self.event);
            transaction(connection, &format!("UPDATE typed_tables SET filled = true WHERE event = {event};"))?;
            self.filled = true;
        }
        if self.columns.iter().all(|column| column.filled) {
            return Ok(());
        }
        backfill::columns(connection, self, schema, source)?;
        transaction(
            connection,
            &format!("UPDATE typed_columns SET filled = true WHERE event = {} AND NOT filled;", quoted(&self.event)),
        )?;
        for column in &mut self.columns {
            column.filled = true;
        }
        Ok(())
    }

    fn record(&self, position: usize) -> String {
        let column = &self.columns[position];
        format!(
            "INSERT INTO typed_columns VALUES ({}, {position}, {}, {}, {}, {}, {});",
            quoted(&self.event),
            quoted(&column.property),
            quoted(&column.name),
            quoted(&column.kind.name()),
            quoted(column.state.name()),
            column.filled,
        )
    }
}

/// The column for a property.
fn kind_of(schema: &EventSchema, property: &Property, seals: bool) -> ColumnKind {
    let kind = ColumnKind::of(property.kind.as_ref());
    if seals && is_personal(schema, property) { ColumnKind::Sealed(Box::new(kind)) } else { kind }
}

fn columns_of(connection: &Connection, event: &str) -> Result<Vec<TypedColumn>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT property, column_name, kind, state, filled FROM typed_columns WHERE event = ? ORDER BY position",
    )?;
    let mut rows = statement.query(params![event])?;
    let mut columns = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(2)?;
        let state: String = row.get(3)?;
        columns.push(TypedColumn {
            property: row.get(0)?,
            name: row.get(1)?,
            kind: ColumnKind::from_name(&kind)
                .ok_or_else(|| StoreError::Damaged(format!("a column of event `{event}` has the kind `{kind}`")))?,
            state: ColumnState::ALL
                .into_iter()
                .find(|known| known.name() == state)
                .ok_or_else(|| StoreError::Damaged(format!("a column of event `{event}` has the state `{state}`")))?,
            filled: row.get(4)?,
        });
    }
    Ok(columns)
}

fn schema_of(columns: &[TypedColumn]) -> Arc<Schema> {
    let header = HEADER.iter().map(|&(name, kind)| {
        let arrow = match kind {
            "UBIGINT" => DataType::UInt64,
            "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => DataType::Utf8,
        };
        Field::new(name, arrow, true)
    });
    let own = columns.iter().map(|column| Field::new(&column.name, column.kind.arrow(), true));
    Arc::new(Schema::new(header.chain(own).collect::<Vec<_>>()))
}

/// The name of a new column for `property`: its own, unless that is taken.
fn free_name(property: &str, columns: &[TypedColumn]) -> String {
    let prefixed = format!("property_{property}");
    let numbered = (2_u64..).map(|number| format!("{prefixed}_{number}"));
    let mut candidates = [property.to_owned(), prefixed.clone()].into_iter().chain(numbered);
    candidates.find(|name| !name.is_empty() && is_free(name, columns)).unwrap_or(prefixed)
}

/// The name of a column that keeps values of an earlier type.
fn retired_name(name: &str, columns: &[TypedColumn]) -> String {
    let mut candidates = (1_u64..).map(|number| format!("{name}__v{number}"));
    candidates.find(|name| is_free(name, columns)).unwrap_or_default()
}

fn is_free(name: &str, columns: &[TypedColumn]) -> bool {
    let folded = name.to_lowercase();
    // DuckDB gives every table a `rowid`; a column of that name would hide it.
    folded != "rowid"
        && HEADER.iter().all(|(header, _)| *header != folded)
        && columns.iter().all(|column| column.name.to_lowercase() != folded)
}

fn transaction(connection: &Connection, script: &str) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN TRANSACTION")?;
    let done = connection.execute_batch(script).and_then(|()| connection.execute_batch("COMMIT"));
    if let Err(error) = done {
        // The transaction may be gone already; what counts is the first error.
        let _ = connection.execute_batch("ROLLBACK");
        return Err(error.into());
    }
    Ok(())
}
