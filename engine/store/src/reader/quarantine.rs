//! Messages that were kept aside, and why.

use super::Reader;
use crate::append::not_aside;
use crate::database::quoted;
use crate::seal::{Keyring, Place, Unsealed, WORD};
use crate::{StoreError, limits};
use duckdb::Connection;
use sonder_core::message::Reason;
use sonder_dsl::time::Moment;
use std::collections::BTreeSet;

/// Which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// With this reason code.
    pub reason: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// With this name, as sent.
    pub name: Option<String>,
    /// With one of these ids; all where there are none.
    pub ids: Vec<u64>,
    /// With a smaller id: the page after that one.
    pub before: Option<u64>,
    /// No more than this.
    pub limit: usize,
}

/// Some of them, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuarantinePage {
    /// How many match, on all pages.
    pub total: u64,
    /// How many of those have each reason, most first; one with two reasons counts in both.
    pub reasons: Vec<(String, u64)>,
    /// What is wrong, where and with what, most first.
    pub groups: Vec<QuarantineGroup>,
    /// This page.
    pub messages: Vec<QuarantinedMessage>,
    /// Whether there are more after it.
    pub more: bool,
}

/// Messages of one name and source that have the same thing wrong at the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineGroup {
    /// The reason.
    pub code: String,
    /// Where in the message.
    pub path: Option<String>,
    /// The event's name as sent, or the call.
    pub name: Option<String>,
    /// Where they came from.
    pub source: Option<String>,
    /// How many.
    pub count: u64,
    /// When the first of them arrived.
    pub first_at: Moment,
    /// When the last of them arrived.
    pub last_at: Moment,
    /// What is said of the last.
    pub message: String,
    /// The id of the last.
    pub last: u64,
}

/// A message that was kept aside.
#[derive(Clone, Debug, PartialEq)]
pub struct QuarantinedMessage {
    /// Rises with time.
    pub id: u64,
    /// When it arrived.
    pub received_at: Moment,
    /// When it happened, where that is known.
    pub occurred_at: Option<Moment>,
    /// Whether it is imported history.
    pub historical: bool,
    /// Where it came from.
    pub source: Option<String>,
    /// Its id, where one could be read.
    pub message_id: Option<String>,
    /// The event's name as sent, or the call.
    pub name: Option<String>,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// The original.
    pub payload: String,
}

impl QuarantineFilter {
    /// What it finds, as the end of a statement.
    fn matching(&self) -> String {
        let mut matching = "FROM quarantine WHERE resolved_at IS NULL".to_owned();
        let equal = [("source", &self.source), ("name", &self.name)];
        for (column, value) in equal.into_iter().filter_map(|(column, value)| Some((column, value.as_ref()?))) {
            matching += &format!(" AND {column} = {}", quoted(value));
        }
        if let Some(reason) = &self.reason {
            matching += &format!(" AND list_contains(codes, {})", quoted(reason));
        }
        if !self.ids.is_empty() {
            let ids: Vec<String> = self.ids.iter().map(u64::to_string).collect();
            matching += &format!(" AND id IN ({})", ids.join(", "));
        }
        matching
    }
}

impl Reader {
    /// A page of what was kept aside and is not resolved.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn quarantine(&self, filter: &QuarantineFilter) -> Result<QuarantinePage, StoreError> {
        let limit = filter.limit.min(limits::MAX_PAGE);
        let matching = filter.matching();
        self.read(|connection| {
            let total = connection.query_row(&format!("SELECT count(*) {matching}"), [], |row| row.get(0))?;
            let mut counts = connection.prepare(&format!(
                "SELECT code, count(*) FROM (SELECT unnest(codes) AS code {matching})
                 GROUP BY code ORDER BY count(*) DESC, code"
            ))?;
            let reasons = counts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()?;
            let before = filter.before.map_or_else(String::new, |id| format!(" AND id < {id}"));
            let mut messages = messages(
                connection,
                self.keyring(),
                &format!(
                    // Not everything is there in a file of an older version that is only read.
                    "SELECT {COLUMNS}, NULL::BIGINT, false, {} {matching}{before} ORDER BY id DESC LIMIT {}",
                    self.keyring().columns(),
                    limit + 1
                ),
            )?;
            let more = messages.len() > limit;
            messages.truncate(limit);
            let mut groups = groups(connection, &matching)?;
            say(connection, self.keyring(), &mut groups)?;
            Ok(QuarantinePage { total, reasons, groups, messages, more })
        })
    }

    /// Messages that were kept aside and are not resolved, oldest first, with ids after `after`.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn kept_aside(&self, filter: &QuarantineFilter, after: u64) -> Result<Vec<QuarantinedMessage>, StoreError> {
        let limit = filter.limit.min(limits::MAX_PAGE);
        let sql = format!(
            "SELECT {COLUMNS}, epoch_us(occurred_at), coalesce(historical, false), {} {} AND id > {after}
             ORDER BY id LIMIT {limit}",
            self.keyring().columns(),
            filter.matching()
        );
        self.read(|connection| messages(connection, self.keyring(), &sql))
    }

    /// Which of these ids messages of the log have.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn logged_ids(&self, ids: &[&str]) -> Result<BTreeSet<String>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let list: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
        self.read(|connection| {
            let sql = format!("SELECT DISTINCT message_id FROM log WHERE message_id IN ({})", list.join(", "));
            let mut statement = connection.prepare(&sql)?;
            let found = statement.query_map([], |row| row.get(0))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }
}

const COLUMNS: &str = "id, epoch_us(received_at), source, message_id, name, reasons, payload";

/// The messages of a statement over [`COLUMNS`], when they happened, whether they are history, and what is sealed of them.
fn messages(connection: &Connection, keyring: &Keyring, sql: &str) -> Result<Vec<QuarantinedMessage>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut messages = Vec::new();
    let (mut sealed, mut places) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let reasons: String = row.get(5)?;
        if let Some(key) = row.get(9)? {
            let place = Place::Quarantine(row.get(0)?);
            sealed.push(Unsealed { place, text: row.get(6)?, key, sealed: row.get(10)? });
            places.push(messages.len());
        }
        messages.push(QuarantinedMessage {
            id: row.get(0)?,
            received_at: Moment(row.get(1)?),
            occurred_at: row.get::<_, Option<i64>>(7)?.map(Moment),
            historical: row.get(8)?,
            source: row.get(2)?,
            message_id: row.get(3)?,
            name: row.get(4)?,
            reasons: read_reasons(&reasons)?,
            payload: row.get(6)?,
        });
    }
    drop(rows);
    for (place, whole) in places.into_iter().zip(keyring.open(connection, &sealed)?) {
        let damaged = || StoreError::Damaged("a message that was kept aside cannot be read".to_owned());
        let (payload, reasons) = not_aside(&whole).ok_or_else(damaged)?;
        let message: &mut QuarantinedMessage = &mut messages[place];
        (message.payload, message.reasons) = (payload, read_reasons(&reasons)?);
    }
    Ok(messages)
}

fn read_reasons(text: &str) -> Result<Vec<Reason>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("the reasons of a message: {error}")))
}

/// What is said of the last of each group, where that is sealed.
fn say(connection: &Connection, keyring: &Keyring, groups: &mut [QuarantineGroup]) -> Result<(), StoreError> {
    let ids: Vec<String> = groups.iter().filter(|it| it.message == WORD).map(|it| it.last.to_string()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT {COLUMNS}, NULL::BIGINT, false, {} FROM quarantine WHERE id IN ({})",
        keyring.columns(),
        ids.join(", ")
    );
    let last = messages(connection, keyring, &sql)?;
    for group in groups.iter_mut() {
        let of_group = |reason: &&Reason| reason.code == group.code && reason.path == group.path;
        let said = last.iter().find(|it| it.id == group.last).and_then(|it| it.reasons.iter().find(of_group));
        if let Some(said) = said {
            group.message.clone_from(&said.message);
        }
    }
    Ok(())
}

fn groups(connection: &Connection, matching: &str) -> Result<Vec<QuarantineGroup>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT reason.code, reason.path, name, source, count(DISTINCT id), epoch_us(min(received_at)),
             epoch_us(max(received_at)), arg_max(reason.message, id), max(id)
         FROM (SELECT id, received_at, source, name,
                   unnest(from_json(reasons, '[{{\"code\": \"VARCHAR\", \"path\": \"VARCHAR\", \"message\": \"VARCHAR\"}}]')) AS reason
               {matching})
         GROUP BY ALL ORDER BY count(DISTINCT id) DESC, max(id) DESC LIMIT {}",
        limits::MAX_GROUPS
    ))?;
    let groups = statement.query_map([], |row| {
        Ok(QuarantineGroup {
            code: row.get(0)?,
            path: row.get(1)?,
            name: row.get(2)?,
            source: row.get(3)?,
            count: row.get(4)?,
            first_at: Moment(row.get(5)?),
            last_at: Moment(row.get(6)?),
            message: row.get(7)?,
            last: row.get(8)?,
        })
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}
