//! The consent ledger in columns: the next links of the chain.
//!
//! SDKs repeat with every message what a banner was told once. Only what differs from what the same identifier said before is
//! a new entry, as far as that is remembered; a message that reports a change always is one.

use crate::StoreError;
use crate::batch::LogRow;
use crate::limits;
use crate::node::{kind_name, node};
use crate::pseudonym::Pseudonyms;
use arrow::array::{ArrayRef, BooleanBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use duckdb::Connection;
use rustc_hash::FxHashMap;
use sonder_core::consent::ledger::{self, Hash, Link, ORIGIN, hex, unhex};
use sonder_core::consent::{ANYTHING, Purposes, Said, only};
use sonder_core::record::Fact;
use sonder_dsl::ir::{Program, PurposeId};
use std::sync::Arc;

/// What identifiers said last. What a batch adds counts when the batch is written.
#[derive(Debug)]
pub(crate) struct Answered {
    pseudonyms: Pseudonyms,
    /// What the purposes are called whose bits these are: another version of the project may have others.
    purposes: Vec<String>,
    known: FxHashMap<u64, Said>,
    new: Vec<(u64, Said)>,
}

impl Answered {
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self { pseudonyms, purposes: Vec::new(), known: FxHashMap::default(), new: Vec::new() }
    }

    /// What was said before, by the purposes of this version of the project. To those that are no more nothing was said.
    fn settle_purposes(&mut self, program: &Program) {
        let now = &program.consent.purposes;
        if self.purposes.iter().eq(now.iter().map(|it| &it.name)) {
            return;
        }
        let places: Vec<Option<PurposeId>> = self.purposes.iter().map(|name| program.consent.purpose(name)).collect();
        let moved = |set: Purposes| {
            let of = (0..).map(PurposeId).zip(&places).filter(|(before, _)| set & only(*before) != 0);
            of.filter_map(|(_, now)| *now).fold(set & ANYTHING, |set, now| set | only(now))
        };
        #[expect(clippy::iter_over_hash_type, reason = "each is moved on its own")]
        for said in self.known.values_mut() {
            *said = Said { to: moved(said.to), yes: moved(said.yes), ..*said };
        }
        self.purposes = now.iter().map(|it| it.name.clone()).collect();
    }

    /// The batch is written, or not.
    pub fn settle(&mut self, is_written: bool) {
        let new = std::mem::take(&mut self.new);
        if !is_written {
            return;
        }
        if self.known.len() + new.len() > limits::ANSWERS_REMEMBERED {
            self.known.clear();
        }
        self.known.extend(new);
    }

    /// Whether it is news; remembers it.
    fn is_news(&mut self, who: u64, said: Said) -> bool {
        // In how many words it is said is no news.
        let said = Said { express: 0, ..said };
        let before = self.new.iter().rev().find(|(it, _)| *it == who).map(|(_, said)| *said);
        let before = before.or_else(|| self.known.get(&who).copied());
        if before == Some(said) {
            return false;
        }
        self.new.push((who, said));
        true
    }
}

/// The last link: its number and its hash.
pub(super) fn head(connection: &Connection) -> Result<(u64, Hash), StoreError> {
    let sql = "SELECT number, hash FROM consent_ledger ORDER BY number DESC LIMIT 1";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok((0, ORIGIN)) };
    let (number, hash): (u64, String) = (row.get(0)?, row.get(1)?);
    let damaged = || StoreError::Damaged("the last hash of the consent ledger cannot be read".to_owned());
    Ok((number, unhex(&hash).ok_or_else(damaged)?))
}

/// The links that rows add to the chain, which then ends with the last of them.
pub(super) fn links(
    program: &Program,
    rows: &[LogRow],
    head: &mut (u64, Hash),
    answered: &mut Answered,
) -> Result<RecordBatch, StoreError> {
    answered.new.clear();
    answered.settle_purposes(program);
    let mut columns = Columns::default();
    for row in rows {
        let Fact::Event(event) = &row.record.fact;
        let Some(first) = event.identifiers.first().filter(|_| !event.said.is_nothing()) else { continue };
        let who = (kind_name(program, first), &*first.value);
        let is_news = answered.is_news(node(who.0, who.1), event.said);
        if !is_news && !ledger::is_change(&row.message) {
            continue;
        }
        let subject = answered.pseudonyms.hash(who.0, who.1);
        for mut entry in ledger::entries(program, &row.message, row.record.seq.0, event.said, &subject) {
            entry.number = head.0 + 1;
            let link = entry.after(head.1);
            *head = (link.entry.number, link.hash);
            columns.push(&link);
        }
    }
    columns.finish()
}

#[derive(Debug, Default)]
struct Columns {
    number: UInt64Builder,
    seq: UInt64Builder,
    said_at: TimestampMicrosecondBuilder,
    granted: BooleanBuilder,
    subject: StringBuilder,
    purpose: StringBuilder,
    source: StringBuilder,
    message_id: StringBuilder,
    method: StringBuilder,
    notice: StringBuilder,
    previous: StringBuilder,
    hash: StringBuilder,
}

impl Columns {
    fn push(&mut self, link: &Link) {
        let entry = &link.entry;
        self.number.append_value(entry.number);
        self.seq.append_value(entry.seq);
        self.said_at.append_value(entry.at.0);
        self.subject.append_value(&entry.subject);
        self.purpose.append_value(&entry.purpose);
        self.granted.append_value(entry.granted);
        self.source.append_value(&entry.source);
        self.message_id.append_value(&entry.message_id);
        self.method.append_value(&entry.method);
        self.notice.append_option(entry.notice.as_deref());
        self.previous.append_value(hex(&link.previous));
        self.hash.append_value(hex(&link.hash));
    }

    fn finish(mut self) -> Result<RecordBatch, StoreError> {
        let field = |name: &str, kind: DataType| Field::new(name, kind, true);
        let text = |name: &str| field(name, DataType::Utf8);
        let schema = Schema::new(vec![
            field("number", DataType::UInt64),
            field("seq", DataType::UInt64),
            field("said_at", DataType::Timestamp(TimeUnit::Microsecond, None)),
            text("subject"),
            text("purpose"),
            field("granted", DataType::Boolean),
            text("source"),
            text("message_id"),
            text("method"),
            text("notice"),
            text("previous"),
            text("hash"),
        ]);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.number.finish()),
            Arc::new(self.seq.finish()),
            Arc::new(self.said_at.finish()),
            Arc::new(self.subject.finish()),
            Arc::new(self.purpose.finish()),
            Arc::new(self.granted.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.message_id.finish()),
            Arc::new(self.method.finish()),
            Arc::new(self.notice.finish()),
            Arc::new(self.previous.finish()),
            Arc::new(self.hash.finish()),
        ];
        Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
    }
}
