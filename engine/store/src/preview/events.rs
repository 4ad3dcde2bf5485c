//! The events as the lowered rules read them: whose each is, and its columns.

use super::Request;
use crate::database::{identifier, quoted};
use crate::evaluation::{append, text, typed_column};
use crate::seal::Keyring;
use crate::{StoreError, limits};
use duckdb::{Connection, params};
use sonder_core::govern::Governor;
use sonder_core::message::from_log;
use sonder_core::record::Event;
use sonder_dsl::ir::sql::{Dialect, DuckDb};
use sonder_dsl::ir::{
    Aggregate, ContextSlot, EventId, EventSelector, Expression, Function, IdentifierKindId, Pattern, ProfileTraitId,
    Program, PropertySlot, RuleId, SourceId, Type, Window,
};
use sonder_dsl::model::EventSchema;
use sonder_dsl::time::Moment;
use sonder_dsl::types::context::CLIENT_SESSION_IDS;
use std::collections::{BTreeMap, BTreeSet};

/// What some rules read, also through other rules.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// With the moment from which on its events matter.
    events: BTreeMap<EventId, Moment>,
    properties: BTreeSet<(EventId, PropertySlot)>,
    context: BTreeSet<ContextSlot>,
    pub traits: BTreeSet<ProfileTraitId>,
}

impl Wanted {
    pub fn by(program: &Program, rules: &[RuleId], at: Moment) -> Self {
        let mut wanted = Self::default();
        for rule in rules.iter().filter_map(|id| program.rules.get(id.index())) {
            wanted.traits.extend(&rule.profile_traits);
            for aggregate in rule.aggregates.iter().filter_map(|id| program.aggregates.get(id.index())) {
                wanted.aggregate(program, aggregate, at);
            }
        }
        wanted
    }

    /// The event types with their schemas.
    pub fn events<'p>(&self, program: &'p Program) -> impl Iterator<Item = (EventId, &'p EventSchema)> {
        self.events.keys().filter_map(|id| Some((*id, program.events.get(id.index())?)))
    }

    /// The moment from which on events of a type matter.
    fn from(&self, event: EventId) -> Moment {
        self.events.get(&event).copied().unwrap_or(Moment::MIN)
    }

    fn event(&mut self, event: EventId, from: Moment) {
        let known = self.events.entry(event).or_insert(from);
        *known = from.min(*known);
    }

    fn every_event(&mut self, program: &Program, from: Moment) {
        (0..program.events.len()).for_each(|id| self.event(EventId(id as u32), from));
    }

    fn aggregate(&mut self, program: &Program, aggregate: &Aggregate, at: Moment) {
        // What is in no window says nothing. Steps may lie before the window of their sequence.
        let from = match (aggregate.window, &aggregate.function) {
            (_, Function::Sequence(_)) => Moment::MIN,
            (Window::Last(length), _) => at.minus(length),
            (Window::Since(start), _) => start,
            (Window::Always | Window::Session(_) | Window::Next(_), _) => Moment::MIN,
        };
        let mut steps = vec![&aggregate.pattern];
        let mut absence = None;
        if let Function::Sequence(sequence) = &aggregate.function {
            steps.extend(sequence.then.iter().map(|step| &step.pattern));
            absence = sequence.absence.as_ref().map(|absence| &absence.pattern);
        }
        for pattern in steps.iter().copied().chain(absence) {
            match pattern.event {
                EventSelector::One(id) => self.event(id, from),
                EventSelector::Any => self.every_event(program, from),
            }
            self.filter(pattern, &steps);
        }
        if matches!(aggregate.window, Window::Session(_)) {
            self.sessions(program);
        }
        for slot in [aggregate.value, aggregate.per].into_iter().flatten() {
            self.property(aggregate.pattern.event, slot);
        }
    }

    /// Everything that a person does makes their sessions, and what the client says of them.
    fn sessions(&mut self, program: &Program) {
        self.every_event(program, Moment::MIN);
        let numbered = (0..).map(ContextSlot).zip(&program.context_slots);
        let client = numbered.filter(|(_, field)| CLIENT_SESSION_IDS.contains(&field.path.join(".").as_str()));
        self.context.extend(client.map(|(slot, _)| slot));
    }

    fn filter(&mut self, pattern: &Pattern, steps: &[&Pattern]) {
        let Some(filter) = &pattern.filter else { return };
        filter.walk(&mut |leaf| match leaf {
            Expression::Property(slot) => self.property(pattern.event, *slot),
            Expression::Context(slot) => _ = self.context.insert(*slot),
            Expression::Step { step, slot } => {
                if let Some(of) = steps.get(usize::from(*step)) {
                    self.property(of.event, *slot);
                }
            }
            _ => {}
        });
    }

    fn property(&mut self, event: EventSelector, slot: PropertySlot) {
        if let EventSelector::One(id) = event {
            self.properties.insert((id, slot));
        }
    }
}

/// Makes a view for each event type that is wanted.
pub(super) fn lay_out(
    connection: &Connection,
    keyring: &Keyring,
    request: &Request<'_>,
    wanted: &Wanted,
) -> Result<(), StoreError> {
    whose(connection, request, wanted)?;
    let governor = Governor::new(request.program);
    for (id, schema) in wanted.events(request.program) {
        let columns = Columns::of(connection, request.program, wanted, id, schema)?;
        if !columns.beside.is_empty() {
            fill_beside(connection, request, (&governor, keyring), schema, &columns.beside)?;
        }
        connection.execute_batch(&columns.view(request, schema))?;
    }
    Ok(())
}

/// For each event, the person who has the identifier that decides.
fn whose(connection: &Connection, request: &Request<'_>, wanted: &Wanted) -> Result<(), StoreError> {
    let last = request.last.0;
    let seqs: Vec<String> = wanted
        .events(request.program)
        .map(|(id, schema)| {
            let table = identifier(&format!("ev_{}", schema.name));
            match wanted.from(id) {
                Moment::MIN => format!("SELECT seq FROM sonder.main.{table}"),
                Moment(from) => {
                    format!("SELECT seq FROM sonder.main.{table} WHERE occurred_at >= make_timestamp({from})")
                }
            }
        })
        .collect();
    if seqs.is_empty() {
        connection.execute_batch("CREATE TEMP TABLE sonder_whose(seq UBIGINT, person BIGINT)")?;
        return Ok(());
    }
    let distrust = distrust(request.program);
    let (source, penalty) = match distrust.as_str() {
        "" => ("", String::new()),
        cases => (" JOIN sonder.main.log AS l USING (seq)", format!(" + CASE {cases} ELSE 0 END")),
    };
    // In the order in which the fold asks: trusted and specific, trusted, any; of each the kind of the highest priority.
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE sonder_whose AS
         SELECT seq, arg_min(o.person, o.kind + CASE WHEN o.generic THEN 100000 ELSE 0 END{penalty}) AS person
         FROM sonder.main.log_identifiers AS i JOIN temp.sonder_owners AS o ON i.node = o.node{source}
         WHERE seq <= {last} AND seq IN ({}) GROUP BY seq",
        seqs.join(" UNION ALL ")
    ))?;
    Ok(())
}

/// `WHEN` branches for the kinds that sources are not trusted with; nothing where all are.
fn distrust(program: &Program) -> String {
    let identity = &program.identity;
    let mut cases = String::new();
    for source in &program.sources {
        let kinds = (0..identity.identifiers.len()).map(|index| IdentifierKindId(index as u16));
        let others: Vec<String> =
            kinds.filter(|kind| !identity.may_link(source.kind, *kind)).map(|kind| kind.0.to_string()).collect();
        if !others.is_empty() {
            let (name, kinds) = (quoted(&source.name), others.join(", "));
            cases.push_str(&format!("WHEN l.source = {name} AND o.kind IN ({kinds}) THEN 1000000 "));
        }
    }
    cases
}

/// Where the columns of an event type come from.
struct Columns<'p> {
    /// As SQL over the typed table `e` and what is beside it, `b`.
    selected: Vec<String>,
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

/// The table of what is read from payloads.
pub(super) fn beside_name(event: &str) -> String {
    format!("sonder_beside_{event}")
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
        let mut columns = Self { selected: Vec::new(), beside: Vec::new() };
        for (slot, it) in (0..).map(PropertySlot).zip(&schema.slots) {
            let name = DuckDb.quote(&it.path.join("."));
            let kind = DuckDb.type_name(&it.kind);
            let column = typed.iter().find(|(property, _)| it.path == [property.as_str()]).map(|(_, column)| column);
            let selected = match column {
                _ if !wanted.properties.contains(&(id, slot)) => format!("NULL::{kind} AS {name}"),
                Some(column) => format!("e.{}::{kind} AS {name}", identifier(column)),
                None => columns.beside(Slot::Property(slot), &it.kind, &name),
            };
            columns.selected.push(selected);
        }
        for (slot, it) in (0..).map(ContextSlot).zip(&program.context_slots) {
            let name = DuckDb.quote(&format!("context.{}", it.path.join(".")));
            let selected = match wanted.context.contains(&slot) {
                true => columns.beside(Slot::Context(slot), &it.kind, &name),
                false => format!("NULL::{} AS {name}", DuckDb.type_name(&it.kind)),
            };
            columns.selected.push(selected);
        }
        Ok(columns)
    }

    fn beside(&mut self, slot: Slot, kind: &'p Type, name: &str) -> String {
        self.beside.push((slot, kind));
        format!("b.c{} AS {name}", self.beside.len() - 1)
    }

    fn view(&self, request: &Request<'_>, schema: &EventSchema) -> String {
        let table = identifier(&format!("ev_{}", schema.name));
        let view = DuckDb.quote(&format!("ev_{}", schema.name));
        let columns: String = self.selected.iter().map(|column| format!(", {column}")).collect();
        let beside = match self.beside.is_empty() {
            true => String::new(),
            false => format!(" LEFT JOIN temp.{} AS b ON b.seq = e.seq", DuckDb.quote(&beside_name(&schema.name))),
        };
        format!(
            "CREATE TEMP VIEW {view} AS SELECT w.person, e.seq, e.occurred_at{columns}
             FROM sonder.main.{table} AS e JOIN temp.sonder_whose AS w ON w.seq = e.seq{beside} WHERE e.seq <= {};",
            request.last.0
        )
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
    let beside = DuckDb.quote(&beside_name(&schema.name));
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE {beside} AS SELECT seq{typed} FROM temp.sonder_texts; DROP TABLE temp.sonder_texts;"
    ))?;
    Ok(())
}
