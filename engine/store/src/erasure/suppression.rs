//! Who was erased, as nobody can read it: HMACs under a key of this data directory. What such an identifier did before the
//! erasure is not taken in again, however late it comes: an offline phone, a file that is imported once more. What it does
//! afterwards is the beginning of somebody new.

use super::Target;
use crate::StoreError;
use duckdb::Connection;
use hmac::{Hmac, Mac};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use sha2::Sha256;
use sonder_core::consent::ledger::hex;
use sonder_dsl::time::Moment;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file of the key, in the data directory.
const KEY_FILE: &str = "suppression.key";

/// The identifiers that were erased.
#[derive(Debug)]
pub struct Suppression {
    key: [u8; 32],
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    erased_at: FxHashMap<String, Moment>,
    latest: Option<Moment>,
}

impl Suppression {
    pub(super) fn load(connection: &Connection, dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(KEY_FILE);
        let key = key(&path).map_err(|error| StoreError::Io { action: "read or make", path, error })?;
        let mut entries = Entries::default();
        let mut statement = connection.prepare("SELECT hash, epoch_us(erased_at) FROM suppressions")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            entries.add(row.get(0)?, Moment(row.get(1)?));
        }
        Ok(Self { key, entries: RwLock::new(entries) })
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

    pub(super) fn add(&self, target: &Target, at: Moment) {
        let mut entries = self.entries.write();
        target.identifiers.iter().for_each(|(kind, value)| entries.add(self.hash(kind, value), at));
    }

    pub(super) fn hash(&self, kind: &str, value: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(&(kind.len() as u64).to_le_bytes());
        mac.update(kind.as_bytes());
        mac.update(value.as_bytes());
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        hex(&hash)
    }
}

impl Entries {
    fn add(&mut self, hash: String, at: Moment) {
        let known = self.erased_at.entry(hash).or_insert(at);
        *known = (*known).max(at);
        self.latest = self.latest.max(Some(at));
    }
}

/// The key of the data directory, made where there is none.
fn key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    match fs::read(path) {
        Ok(bytes) => {
            let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "a key has 32 bytes");
            key = bytes.as_slice().try_into().map_err(wrong)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            File::open("/dev/urandom")?.read_exact(&mut key)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
        Err(error) => return Err(error),
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_before_an_erasure_is_covered_and_what_happens_later_is_not() {
        let suppression = Suppression { key: [7; 32], entries: RwLock::default() };
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

    #[test]
    fn the_key_is_kept_and_only_the_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        key(&path).unwrap_err();
    }
}
