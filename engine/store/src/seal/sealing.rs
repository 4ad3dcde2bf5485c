//! Seals what is written in one transaction. Keys that are made for it are written before it, see [`Sealing::keep`].

use super::cipher::{Chance, Secret};
use super::keyring::{Keyring, Known};
use super::{Place, Places, payload};
use crate::append::effects;
use crate::pseudonym::Pseudonyms;
use crate::{StoreError, limits};
use arrow::array::{BinaryBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt32Builder, UInt64Builder};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use duckdb::Connection;
use rustc_hash::FxHashMap;
use sonder_core::effect::PersonId;
use sonder_core::record::Seq;
use std::sync::Arc;

/// A text without its personal data, and that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// With `"sealed"` in the places of values.
    pub text: String,
    /// The number of the key.
    pub key: u64,
    /// The values.
    pub sealed: Vec<u8>,
}

/// Seals.
#[derive(Debug)]
pub(crate) struct Sealing<'a> {
    keyring: &'a Keyring,
    pseudonyms: &'a Pseudonyms,
    chance: Chance,
    /// Keys that were made, and are not written yet.
    new: Vec<New>,
    by_subject: FxHashMap<u128, Known>,
}

/// Four gigabytes of a text are more than a row takes.
fn too_long() -> StoreError {
    StoreError::Damaged("personal data could not be sealed".to_owned())
}

/// A key that was made.
#[derive(Debug)]
struct New {
    id: u64,
    subject: u128,
    version: u32,
    wrapped: Vec<u8>,
    secret: Secret,
}

/// Of messages that carry no identifier.
pub(crate) const NOBODY: (&str, &str) = ("", "");

/// The subject of what was decided about somebody: one of their ids.
pub(crate) fn of_person(id: PersonId) -> (&'static str, String) {
    (" person", format!("{:032x}", id.0))
}

/// The subject of a message that was kept aside, which is nobody's yet.
pub(crate) fn of_row(id: u64) -> (&'static str, String) {
    (" row", id.to_string())
}

impl<'a> Sealing<'a> {
    pub fn new(keyring: &'a Keyring, pseudonyms: &'a Pseudonyms) -> Self {
        let (new, by_subject) = (Vec::new(), FxHashMap::default());
        Self { keyring, pseudonyms, chance: Chance::new(), new, by_subject }
    }

    /// Whether what comes in is sealed.
    pub fn seals(&self) -> bool {
        self.keyring.seals()
    }

    /// Seals a text as a whole, under a key of the subject, if what comes in is sealed.
    pub fn whole(&mut self, place: Place, subject: (&str, &str), text: &str) -> Result<Option<Sealed>, StoreError> {
        if !self.seals() {
            return Ok(None);
        }
        let (key, secret) = self.key_of(subject)?;
        let all = 0..text.len();
        let parted = payload::part(text, std::slice::from_ref(&all)).ok_or_else(too_long)?;
        let sealed = secret.seal(&mut self.chance, &place.bytes(), &parted.values)?;
        Ok(Some(Sealed { text: parted.text, key, sealed }))
    }

    /// Seals what is personal in a message, under a key of the subject; `None` where nothing is.
    pub fn message(
        &mut self,
        (places, event): (&Places, Option<&str>),
        seq: u64,
        subject: (&str, &str),
        text: &str,
    ) -> Result<Option<Sealed>, StoreError> {
        let found = places.find(event, text);
        if found.is_empty() {
            return Ok(None);
        }
        let known = self.key_of(subject)?;
        self.message_under((places, event), seq, known, text)
    }

    /// The same under a key that is there.
    pub fn message_under(
        &mut self,
        (places, event): (&Places, Option<&str>),
        seq: u64,
        (key, secret): Known,
        text: &str,
    ) -> Result<Option<Sealed>, StoreError> {
        let found = places.find(event, text);
        if found.is_empty() {
            return Ok(None);
        }
        let parted = payload::part(text, &found).ok_or_else(too_long)?;
        let sealed = secret.seal(&mut self.chance, &Place::Log(seq).bytes(), &parted.values)?;
        Ok(Some(Sealed { text: parted.text, key, sealed }))
    }

    /// Seals other payloads of messages that were sealed, each under the key that it was sealed under: by place, whether it is
    /// no event any more. Messages that were not sealed are left out, and so is what has nothing to seal.
    pub fn again(
        &mut self,
        connection: &Connection,
        places: &Places,
        payloads: Vec<(Seq, &str, bool)>,
    ) -> Result<FxHashMap<Seq, Sealed>, StoreError> {
        let mut known = FxHashMap::default();
        for chunk in payloads.chunks(limits::KEYS_LOOKED_UP) {
            let list: Vec<String> = chunk.iter().map(|(seq, ..)| seq.0.to_string()).collect();
            let mut statement = connection.prepare(&format!(
                "SELECT seq, event, sealed_by FROM log WHERE sealed_by IS NOT NULL AND seq IN ({})",
                list.join(", ")
            ))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                known.insert(Seq(row.get(0)?), (row.get::<_, Option<String>>(1)?, row.get::<_, u64>(2)?));
            }
        }
        let keys = self
            .keyring
            .keys(connection, &payloads.iter().filter_map(|(seq, ..)| Some(known.get(seq)?.1)).collect())?;
        let mut sealed = FxHashMap::default();
        for (seq, payload, is_over) in payloads {
            let Some((event, key)) = known.get(&seq) else { continue };
            let gone =
                || StoreError::Damaged(format!("the key {key} that message {} is sealed with is no more", seq.0));
            let secret = keys.get(key).copied().ok_or_else(gone)?;
            let event = event.as_deref().filter(|_| !is_over);
            if let Some(it) = self.message_under((places, event), seq.0, (*key, secret), payload)? {
                sealed.insert(seq, it);
            }
        }
        Ok(sealed)
    }

    /// A key of the subject (kind, value): one that is remembered, or a new one.
    pub(super) fn key_of(&mut self, (kind, value): (&str, &str)) -> Result<Known, StoreError> {
        let subject = self.pseudonyms.number(kind, value);
        if let Some(known) = self.by_subject.get(&subject) {
            return Ok(*known);
        }
        let known = match self.keyring.of_subject(subject) {
            Some(known) => known,
            None => self.make(subject)?,
        };
        self.by_subject.insert(subject, known);
        Ok(known)
    }

    /// Another key of a subject.
    pub(super) fn make(&mut self, subject: u128) -> Result<Known, StoreError> {
        let missing = || StoreError::Damaged("there is no key of the project to wrap with".to_owned());
        let (version, project) = self.keyring.current().ok_or_else(missing)?;
        let (id, secret) = (self.keyring.number(), self.chance.secret()?);
        let wrapped = project.wrap(&mut self.chance, id, secret)?;
        self.new.push(New { id, subject, version, wrapped, secret });
        Ok((id, secret))
    }

    /// The rows of new keys.
    pub(super) fn rows(&self) -> Result<RecordBatch, StoreError> {
        let (mut id, mut subject, mut version) = (UInt64Builder::new(), StringBuilder::new(), UInt32Builder::new());
        let (mut wrapped, mut made_at) = (BinaryBuilder::new(), TimestampMicrosecondBuilder::new());
        let mut destroyed_at = TimestampMicrosecondBuilder::new();
        let now = crate::wall().0;
        for new in &self.new {
            id.append_value(new.id);
            subject.append_value(shown(new.subject));
            version.append_value(new.version);
            wrapped.append_value(&new.wrapped);
            made_at.append_value(now);
            destroyed_at.append_null();
        }
        effects::batch(vec![
            (Field::new("id", DataType::UInt64, true), Arc::new(id.finish())),
            (effects::text("subject"), Arc::new(subject.finish())),
            (Field::new("version", DataType::UInt32, true), Arc::new(version.finish())),
            (Field::new("wrapped", DataType::Binary, true), Arc::new(wrapped.finish())),
            (effects::time("made_at"), Arc::new(made_at.finish())),
            (effects::time("destroyed_at"), Arc::new(destroyed_at.finish())),
        ])
    }

    /// The new keys are in the file.
    pub(super) fn kept(&mut self) {
        self.keyring.remember(self.new.drain(..).map(|new| (new.subject, (new.id, new.secret))));
    }
}

/// A subject as the file has it.
pub(super) fn shown(subject: u128) -> String {
    format!("{subject:032x}")
}
