//! Messages that were kept aside, and why.

use super::Reader;
use crate::database::quoted;
use crate::{StoreError, limits};
use sonder_core::message::Reason;
use sonder_dsl::time::Moment;

/// Which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// With this reason code.
    pub reason: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// With this name, as sent.
    pub name: Option<String>,
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
    /// This page.
    pub messages: Vec<QuarantinedMessage>,
    /// Whether there are more after it.
    pub more: bool,
}

/// A message that was kept aside.
#[derive(Clone, Debug, PartialEq)]
pub struct QuarantinedMessage {
    /// Rises with time.
    pub id: u64,
    /// When it arrived.
    pub received_at: Moment,
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

impl Reader {
    /// A page of what was kept aside and is not resolved.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn quarantine(&self, filter: &QuarantineFilter) -> Result<QuarantinePage, StoreError> {
        let limit = filter.limit.min(limits::MAX_PAGE);
        let mut matching = "FROM quarantine WHERE resolved_at IS NULL".to_owned();
        let equal = [("source", &filter.source), ("name", &filter.name)];
        for (column, value) in equal.into_iter().filter_map(|(column, value)| Some((column, value.as_ref()?))) {
            matching += &format!(" AND {column} = {}", quoted(value));
        }
        if let Some(reason) = &filter.reason {
            matching += &format!(" AND list_contains(codes, {})", quoted(reason));
        }
        self.read(|connection| {
            let total = connection.query_row(&format!("SELECT count(*) {matching}"), [], |row| row.get(0))?;
            let mut counts = connection.prepare(&format!(
                "SELECT code, count(*) FROM (SELECT unnest(codes) AS code {matching})
                 GROUP BY code ORDER BY count(*) DESC, code"
            ))?;
            let reasons = counts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()?;
            let before = filter.before.map_or_else(String::new, |id| format!(" AND id < {id}"));
            let mut page = connection.prepare(&format!(
                "SELECT id, epoch_us(received_at), source, message_id, name, reasons, payload {matching}{before}
                 ORDER BY id DESC LIMIT {}",
                limit + 1
            ))?;
            let mut rows = page.query([])?;
            let mut messages = Vec::new();
            while let Some(row) = rows.next()? {
                let reasons: String = row.get(5)?;
                messages.push(QuarantinedMessage {
                    id: row.get(0)?,
                    received_at: Moment(row.get(1)?),
                    source: row.get(2)?,
                    message_id: row.get(3)?,
                    name: row.get(4)?,
                    reasons: serde_json::from_str(&reasons)
                        .map_err(|error| StoreError::Damaged(format!("the reasons of a message: {error}")))?,
                    payload: row.get(6)?,
                });
            }
            let more = messages.len() > limit;
            messages.truncate(limit);
            Ok(QuarantinePage { total, reasons, messages, more })
        })
    }
}
