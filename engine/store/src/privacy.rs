//! Requests of people about their data, as a register: what was asked, by when it is to be dealt with, and each step.
//!
//! Whom a request is about goes from it when they are erased; that there was one, and what came of it, stays. An erasure says
//! itself when it is completed, in `erasures`: the two share their id.

use crate::database::{Role, quoted};
use crate::recovery::uuid;
use crate::{Store, StoreError, limits};
use duckdb::{Connection, Row, params};
use serde_json::json;
use sonder_core::effect::PersonId;
use sonder_dsl::time::Moment;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS privacy_requests(
    id VARCHAR, kind VARCHAR, state VARCHAR, person UUID, subject VARCHAR, regime VARCHAR, purposes VARCHAR,
    received_at TIMESTAMP, confirm_by TIMESTAMP, due_at TIMESTAMP, extended BOOLEAN, closed_at TIMESTAMP, origin VARCHAR);
COMMENT ON TABLE privacy_requests IS 'what people asked about their data: pending, in_progress, completed, cancelled, lifted';
COMMENT ON COLUMN privacy_requests.subject IS 'whom it is about, as that was named; empty when they are erased';
CREATE TABLE IF NOT EXISTS privacy_steps(request VARCHAR, done_at TIMESTAMP, step VARCHAR, who VARCHAR, note VARCHAR);
COMMENT ON TABLE privacy_steps IS 'what was done about requests, in order';
";

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Somebody has to approve it: of whoever asks it may not be sure who they are.
    Pending,
    /// It is dealt with.
    InProgress,
    /// It was dealt with.
    Completed,
    /// It was withdrawn, or refused.
    Cancelled,
    /// A restriction or an objection that has ended.
    Lifted,
}

impl RequestState {
    const ALL: [Self; 5] = [Self::Pending, Self::InProgress, Self::Completed, Self::Cancelled, Self::Lifted];

    /// As stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Lifted => "lifted",
        }
    }

    /// Whether something is still to be done.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::InProgress)
    }
}

/// What somebody asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names it.
    pub id: String,
    /// `access`, `portability`, `erasure`, `restriction`, `objection`, `opt_out`.
    pub kind: String,
    /// How far it is.
    pub state: RequestState,
    /// Whom it is about, by their id then; `None` when they were erased.
    pub person: Option<PersonId>,
    /// The same as they were named: `email:ann@shop.example`.
    pub subject: Option<String>,
    /// The law that it is dealt with by.
    pub regime: Option<String>,
    /// The purposes that it is about.
    pub purposes: Vec<String>,
    /// When they asked.
    pub received_at: Moment,
    /// By when it is to be confirmed that it has come, where that has a time.
    pub confirm_by: Option<Moment>,
    /// By when it is to be dealt with.
    pub due_at: Moment,
    /// Whether that was put off.
    pub extended: bool,
    /// When it was dealt with or withdrawn.
    pub closed_at: Option<Moment>,
    /// Where it came from: `api`, `opendsr`.
    pub origin: String,
    /// What was done about it, in order.
    pub steps: Vec<RequestStep>,
}

/// Something that was done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestStep {
    /// When.
    pub at: Moment,
    /// What: `received`, `approved`, `extended`, `completed` …
    pub step: String,
    /// By whom.
    pub by: Option<String>,
    /// Why, or whatever else there is to say.
    pub note: Option<String>,
}

/// What a step changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestChange {
    /// How far it is then.
    pub state: Option<RequestState>,
    /// By when it is to be dealt with, put off once.
    pub due_at: Option<Moment>,
}

impl Store {
    /// Enters a request with its first step.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn open_request(&self, request: &Request) -> Result<(), StoreError> {
        let time = |moment: Option<Moment>| moment.map(|it| it.0);
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            connection.execute(
                "INSERT INTO privacy_requests VALUES (?, ?, ?, ?::UUID, ?, ?, ?, make_timestamp(?), make_timestamp(?),
                     make_timestamp(?), ?, make_timestamp(?), ?)",
                params![
                    request.id,
                    request.kind,
                    request.state.name(),
                    request.person.map(|it| format!("{:032x}", it.0)),
                    request.subject,
                    request.regime,
                    json!(request.purposes).to_string(),
                    request.received_at.0,
                    time(request.confirm_by),
                    request.due_at.0,
                    request.extended,
                    time(request.closed_at),
                    request.origin
                ],
            )?;
            for step in &request.steps {
                note(connection, &request.id, step)?;
            }
            connection.execute_batch("COMMIT")?;
            Ok(())
        })
    }

    /// Notes what was done about a request, and what that changes.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room to note it.
    pub fn step_request(&self, id: &str, step: &RequestStep, change: RequestChange) -> Result<(), StoreError> {
        self.with_counters(|connection| {
            connection.execute_batch("BEGIN TRANSACTION")?;
            if let Some(state) = change.state {
                let closed = (!state.is_open()).then_some(step.at.0);
                connection.execute(
                    "UPDATE privacy_requests SET state = ?, closed_at = make_timestamp(?) WHERE id = ?",
                    params![state.name(), closed, id],
                )?;
            }
            if let Some(due_at) = change.due_at {
                connection.execute(
                    "UPDATE privacy_requests SET due_at = make_timestamp(?), extended = true WHERE id = ?",
                    params![due_at.0, id],
                )?;
            }
            note(connection, id, step)?;
            connection.execute_batch("COMMIT")?;
            Ok(())
        })
    }

    /// A request by its id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn request(&self, id: &str) -> Result<Option<Request>, StoreError> {
        let is_it = format!("r.id = {}", quoted(id));
        Ok(self.database.run(Role::Reader, |connection| requests(connection, &is_it))?.pop())
    }

    /// Requests, those that are due first; open ones only, or all of which the latest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn requests(&self, only_open: bool) -> Result<Vec<Request>, StoreError> {
        let which = if only_open { "r.state IN ('pending', 'in_progress') AND e.completed_at IS NULL" } else { "true" };
        self.database.run(Role::Reader, |connection| requests(connection, which))
    }
}

fn note(connection: &Connection, request: &str, step: &RequestStep) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO privacy_steps VALUES (?, make_timestamp(?), ?, ?, ?)",
        params![request, step.at.0, step.step, step.by, step.note],
    )?;
    Ok(())
}

/// Other requests for the erasure of the same people that wait for approval: they are dealt with by this one. Gives their ids.
pub(crate) fn waiting_erasures(
    connection: &Connection,
    (id, at): (&str, Moment),
    people: &str,
) -> Result<Vec<String>, StoreError> {
    let sql = format!(
        "SELECT id FROM privacy_requests
         WHERE kind = 'erasure' AND state = 'pending' AND person IN ({people}) AND id <> ? ORDER BY id"
    );
    let mut statement = connection.prepare(&sql)?;
    let others: Vec<String> = statement.query_map(params![id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for other in &others {
        connection.execute("UPDATE privacy_requests SET state = 'in_progress' WHERE id = ?", params![other])?;
        let step =
            RequestStep { at, step: "approved".to_owned(), by: None, note: Some(format!("with the request {id}")) };
        note(connection, other, &step)?;
    }
    Ok(others)
}

/// Takes somebody out of what was asked about them; that something was asked stays, and so does what others did about it. `named`
/// gives the rows of a table of which a column names them, as a list of SQL.
pub(crate) fn strike(
    connection: &Connection,
    people: &str,
    named: &dyn Fn(&str, &str) -> Result<String, StoreError>,
) -> Result<(), StoreError> {
    let (subjects, notes) = (named("privacy_requests", "subject")?, named("privacy_steps", "note")?);
    let by = named("privacy_steps", "who")?;
    connection.execute_batch(&format!(
        "UPDATE privacy_requests SET subject = NULL, person = NULL WHERE person IN ({people}) OR rowid IN ({subjects});
         UPDATE privacy_steps SET note = CASE WHEN rowid IN ({notes}) THEN NULL ELSE note END,
             who = CASE WHEN rowid IN ({by}) THEN NULL ELSE who END
         WHERE rowid IN ({notes}) OR rowid IN ({by});"
    ))?;
    Ok(())
}

fn requests(connection: &Connection, which: &str) -> Result<Vec<Request>, StoreError> {
    let sql = format!(
        "SELECT r.id, r.kind, CASE WHEN e.completed_at IS NOT NULL THEN 'completed' ELSE r.state END, r.person::VARCHAR,
             r.subject, r.regime, r.purposes, epoch_us(r.received_at), epoch_us(r.confirm_by), epoch_us(r.due_at),
             r.extended, epoch_us(coalesce(r.closed_at, e.completed_at)), r.origin
         FROM privacy_requests r LEFT JOIN erasures e ON e.id = r.id WHERE {which}
         ORDER BY r.closed_at IS NOT NULL OR e.completed_at IS NOT NULL, r.due_at, r.id LIMIT {}",
        limits::MAX_PAGE
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut requests = Vec::new();
    while let Some(row) = rows.next()? {
        requests.push(request(row)?);
    }
    for request in &mut requests {
        request.steps = steps(connection, &request.id)?;
    }
    Ok(requests)
}

fn request(row: &Row<'_>) -> Result<Request, StoreError> {
    let time = |place: usize| row.get::<_, Option<i64>>(place).map(|it| it.map(Moment));
    let state: String = row.get(2)?;
    let known = RequestState::ALL.into_iter().find(|it| it.name() == state);
    let purposes: String = row.get(6)?;
    let person: Option<String> = row.get(3)?;
    Ok(Request {
        id: row.get(0)?,
        kind: row.get(1)?,
        state: known.ok_or_else(|| StoreError::Damaged(format!("a request has the state `{state}`")))?,
        person: person.map(|text| uuid(&text).map(PersonId)).transpose()?,
        subject: row.get(4)?,
        regime: row.get(5)?,
        purposes: serde_json::from_str(&purposes)
            .map_err(|error| StoreError::Damaged(format!("the purposes of a request: {error}")))?,
        received_at: Moment(row.get(7)?),
        confirm_by: time(8)?,
        due_at: Moment(row.get(9)?),
        extended: row.get(10)?,
        closed_at: time(11)?,
        origin: row.get(12)?,
        steps: Vec::new(),
    })
}

fn steps(connection: &Connection, request: &str) -> Result<Vec<RequestStep>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT epoch_us(done_at), step, who, note FROM privacy_steps WHERE request = ? ORDER BY done_at, rowid",
    )?;
    let rows = statement.query_map(params![request], |row| {
        Ok(RequestStep { at: Moment(row.get(0)?), step: row.get(1)?, by: row.get(2)?, note: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
