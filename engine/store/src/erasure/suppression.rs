//! Who was erased, as nobody can read it: HMACs under a key of this data directory. What such an identifier did before the
//! erasure is not taken in again, however late it comes: an offline phone, a file that is imported once more. What it does
//! afterwards is the beginning of somebody new.

use super::Target;
use crate::StoreError;
use crate::pseudonym::Pseudonyms;
use duckdb::Connection;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use rustc_hash::FxHashMap;
use sonder_dsl::time::Moment;

/// The identifiers that were erased.
#[derive(Debug)]
pub struct Suppression {
    pseudonyms: Pseudonyms,
    entries: RwLock<Entries>,
    /// Held shared from when messages are judged until they are in the log, and alone by whoever strikes somebody from it.
    judging: RwLock<()>,
}

#[derive(Debug, Default)]
struct Entries {
    erased_at: FxHashMap<String, Moment>,
    latest: Option<Moment>,
}

impl Suppression {
    pub(super) fn load(connection: &Connection, pseudonyms: Pseudonyms) -> Result<Self, StoreError> {
        let mut entries = Entries::default();
        let mut statement = connection.prepare("SELECT hash, epoch_us(erased_at) FROM suppressions")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            entries.add(row.get(0)?, Moment(row.get(1)?));
        }
        Ok(Self { pseudonyms, entries: RwLock::new(entries), judging: RwLock::default() })
    }

    /// Whether what happened at that moment to somebody with one of these identifiers (kind, value) is not to be taken in.
    pub fn covers<'a>(&self, identifiers: impl IntoIterator<Item = (&'a str, &'a str)>, occurred_at: Moment) -> bool {
        let entries = self.entries.read();
        // Nearly all messages are younger than any erasure, and need no hash.
        if entries.latest.is_none_or(|latest| occurred_at > latest) {
            return false;
        }
        let erased = |(kind, value)| entries.erased_at.get(&self.hash(kind, value)).copied();
        identifiers.into_iter().filter_map(erased).any(|erased_at| occurred_at <= erased_at)
    }

    /// Whether somebody was erased who did something at that moment or later: only then identifiers need be looked at.
    pub fn reaches(&self, occurred_at: Moment) -> bool {
        self.entries.read().latest.is_some_and(|latest| occurred_at <= latest)
    }

    /// While this is held nobody is erased: what was judged is still true when it is in the log. It ends before anything waits that
    /// an erasure waits for.
    pub fn judging(&self) -> RwLockReadGuard<'_, ()> {
        self.judging.read()
    }

    pub(super) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.judging.write()
    }

    pub(super) fn add(&self, target: &Target, at: Moment) {
        let mut entries = self.entries.write();
        target.identifiers.iter().for_each(|(kind, value)| entries.add(self.hash(kind, value), at));
    }

    /// What is kept of an identifier that was erased.
    #[must_use]
    pub fn hash(&self, kind: &str, value: &str) -> String {
        self.pseudonyms.hash(kind, value)
    }
}

impl Entries {
    fn add(&mut self, hash: String, at: Moment) {
        let known = self.erased_at.entry(hash).or_insert(at);
        *known = (*known).max(at);
        self.latest = self.latest.max(Some(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_before_an_erasure_is_covered_and_what_happens_later_is_not() {
        let suppression =
            Suppression { pseudonyms: Pseudonyms::fixed(), entries: RwLock::default(), judging: RwLock::default() };
        let ada = ("email", "ada@x.example");
        assert!(!suppression.covers([ada], Moment(1)));
        let target =
            Target { identifiers: vec![("email".to_owned(), "ada@x.example".to_owned())], ..Target::default() };
        suppression.add(&target, Moment(5));
        assert!(suppression.covers([("user_id", "u1"), ada], Moment(5)));
        assert!(!suppression.covers([ada], Moment(6)));
        assert!(!suppression.covers([("user_id", "ada@x.example")], Moment(5)));
        assert!(!suppression.covers([("email", "bob@x.example")], Moment(5)));
    }
}
