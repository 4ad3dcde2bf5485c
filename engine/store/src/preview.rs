//! Rules that nobody deployed, evaluated on the data that is there: as SQL, over the typed tables, on a reading connection.
//!
//! Who is who is not in the tables: the caller hands over everybody, as the engine knows them, and an event is that
//! person's who has the identifier that decides (the first that its source is trusted with). An identifier that expired
//! or turned out to be shared counts, with all that it ever did, for whoever has it now; only the fold knows better.
//!
//! What rules read of events is in typed columns, but for what lies inside objects and for the context: that is read from
//! the payloads, the way the fold reads it, where a rule asks for it.
//!
//! All that is made is temporary and the connection's own; the file is only read.

mod answer;
mod events;
mod wanted;
mod whose;

pub use answer::{Moves, Overlap, RulePreview};

use crate::evaluation::{append, json_text, typed_column};
use crate::node::node;
use crate::sql::in_time;
use crate::{Reader, StoreError, limits};
use answer::Answers;
use duckdb::{Connection, ToSql};
use events::lay_out;
use serde_json::{Map, Value as Json};
use sonder_core::record::Seq;
use sonder_dsl::ir::sql::{Clock, Dialect, DuckDb, lower};
use sonder_dsl::ir::{Program, RuleId};
use sonder_dsl::time::Moment;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use wanted::Wanted;
use whose::Claim;

/// What to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The project with the rules.
    pub program: &'a Program,
    /// Which.
    pub rules: &'a [RuleId],
    /// The moment.
    pub at: Moment,
    /// Events after this place do not count.
    pub last: Seq,
    /// Of each rule, the segment that it takes the place of: a number of [`Resident::segments`].
    pub replaced: &'a [Option<u32>],
    /// People listed for each rule.
    pub sample: usize,
    /// Rows of the log that are laid out at a time.
    pub slice: usize,
    /// It is interrupted after this long.
    pub timeout: Duration,
    /// Set when nobody waits for the answer any more.
    pub cancelled: &'a AtomicBool,
}

/// Somebody, as the engine knows them.
#[derive(Clone, Debug, Default)]
pub struct Resident {
    /// Who: samples are drawn in the order of ids, which are hashes.
    pub id: u128,
    /// What they are found by.
    pub identifiers: Vec<ResidentIdentifier>,
    /// The golden record, by name, as views show it; what the rules read of it.
    pub profile: Map<String, Json>,
    /// What they said about consent: the purpose, whether they said yes, when, and where the log has it.
    pub answers: Vec<(String, bool, Moment, Seq)>,
    /// The segments that they are in: numbers that come back in [`Overlap::segment`].
    pub segments: Vec<u32>,
}

/// An identifier of somebody.
#[derive(Clone, Debug)]
pub struct ResidentIdentifier {
    /// The name of its kind.
    pub kind: String,
    /// Its value.
    pub value: String,
    /// It is shared by too many to say whose an event is, if there is another.
    pub generic: bool,
}

/// What rules would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    /// How many people there are.
    pub people: u64,
    /// For each rule asked for.
    pub rules: Vec<RulePreview>,
}

impl Reader {
    /// Evaluates rules over everybody. `next` hands people over, some at a time, until there are no more; somebody's number
    /// is their place in that order.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`]; what `next` says.
    pub fn preview(
        &self,
        request: Request<'_>,
        next: &mut dyn FnMut() -> Result<Vec<Resident>, StoreError>,
    ) -> Result<Previewed, StoreError> {
        let wanted = Wanted::by(request.program, request.rules, request.at);
        self.read(|connection| {
            in_time(connection, request.timeout, Some(request.cancelled), || {
                // What an earlier preview left behind when it failed went with its connection.
                let people = settle(connection, &request, &wanted, next)?;
                lay_out(connection, self.keyring(), &request, &wanted)?;
                let rules = evaluate(connection, &request)?;
                connection.execute_batch(&clear(request.program, &wanted))?;
                Ok(Previewed { people, rules })
            })
        })
    }
}

/// Evaluates the rules on what was laid out, some at a time: each takes memory for its groups.
fn evaluate(connection: &Connection, request: &Request<'_>) -> Result<Vec<RulePreview>, StoreError> {
    let mut previews = Vec::with_capacity(request.rules.len());
    for (place, rules) in request.rules.chunks(limits::PREVIEW_RULES).enumerate() {
        let replaced = request.replaced.chunks(limits::PREVIEW_RULES).nth(place).unwrap_or_default();
        let query = lower(request.program, rules, Clock::At(request.at), &DuckDb);
        connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE sonder_preview AS {query}"))?;
        let some = Request { rules, replaced, ..*request };
        previews.extend(Answers { connection, request: &some }.all()?);
    }
    Ok(previews)
}

/// Takes in everybody; returns how many.
fn settle(
    connection: &Connection,
    request: &Request<'_>,
    wanted: &Wanted,
    next: &mut dyn FnMut() -> Result<Vec<Resident>, StoreError>,
) -> Result<u64, StoreError> {
    let traits: Vec<_> = wanted.traits.iter().filter_map(|id| request.program.profile.get(id.index())).collect();
    let columns: String = traits.iter().map(|it| format!(", {} VARCHAR", DuckDb.quote(&it.name))).collect();
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE sonder_owners(node UBIGINT, claim BIGINT);
         CREATE TEMP TABLE sonder_held(person BIGINT, segment UINTEGER);
         CREATE TEMP TABLE sonder_said(person BIGINT, purpose VARCHAR, granted BOOLEAN, micros BIGINT, seq UBIGINT);
         CREATE TEMP TABLE sonder_observed(person BIGINT, sonder_place BIGINT, sonder_early BIGINT{columns});"
    ))?;
    let appender = |table: &str| connection.appender_to_catalog_and_db(table, "temp", "main");
    let (mut owners, mut held, mut said, mut observed) =
        (appender("sonder_owners")?, appender("sonder_held")?, appender("sonder_said")?, appender("sonder_observed")?);
    let kinds = &request.program.identity.identifiers;
    let mut person: u32 = 0;
    loop {
        let residents = next()?;
        if residents.is_empty() {
            break;
        }
        for resident in &residents {
            for it in &resident.identifiers {
                let Some(kind) = kinds.iter().position(|kind| kind.name == it.kind) else { continue };
                let claim = Claim::of(person, kind as u16, it.generic);
                let row: [&dyn ToSql; 2] = [&node(&it.kind, &it.value), &claim];
                owners.append_row(row)?;
            }
            for (purpose, granted, at, seq) in &resident.answers {
                let row: [&dyn ToSql; 5] = [&person, purpose, granted, &at.0, &seq.0];
                said.append_row(row)?;
            }
            for segment in &resident.segments {
                let row: [&dyn ToSql; 2] = [&person, segment];
                held.append_row(row)?;
            }
            let values = traits.iter().map(|it| resident.profile.get(&it.name).map(|value| json_text(value, &it.kind)));
            let is_early = request.program.rollout.is_some_and(|rollout| rollout.is_early(resident.id));
            append(&mut observed, &[person.into(), (resident.id >> 65) as i64, is_early.into()], values)?;
            person += 1;
        }
    }
    for appender in [&mut owners, &mut held, &mut said, &mut observed] {
        appender.flush()?;
    }
    let typed: String = traits.iter().map(|it| format!(", {}", typed_column(&it.name, &it.kind))).collect();
    connection.execute_batch(&format!(
        "CREATE TEMP VIEW people AS SELECT person, sonder_early = 1 AS early FROM temp.sonder_observed;
         CREATE TEMP VIEW consent AS
           SELECT person, purpose, granted, make_timestamp(micros) AS occurred_at, seq FROM temp.sonder_said;
         CREATE TEMP VIEW profile AS SELECT person{typed} FROM temp.sonder_observed;"
    ))?;
    Ok(person.into())
}

/// Drops all that was made.
fn clear(program: &Program, wanted: &Wanted) -> String {
    format!(
        "DROP TABLE temp.sonder_preview; {} DROP VIEW temp.people; DROP VIEW temp.profile; DROP VIEW temp.consent;
         DROP TABLE temp.sonder_owners; DROP TABLE temp.sonder_held; DROP TABLE temp.sonder_said;
         DROP TABLE temp.sonder_observed;",
        events::clear(program, wanted)
    )
}
