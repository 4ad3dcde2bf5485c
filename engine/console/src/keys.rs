//! Keys of the API: made once, shown once, stored as hashes in `keys.json` of the data directory.
//!
//! A key is 244 bits of chance, so a plain SHA-256 of it is enough: there is nothing to guess that a slow hash would have
//! to slow down. Keys are compared without telling by the time taken where two differ. The file is read again when it
//! changes, so that a key made by the command line works in a running engine at once.

use crate::limits;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sonder_dsl::time::Moment;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send events.
    Collect,
    /// Read people, segments, deliveries, and query.
    Read,
    /// Ask for decisions.
    Decide,
    /// Change the engine: replay, reload, keys.
    Admin,
    /// Export and erase people.
    Privacy,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Collect, Self::Read, Self::Decide, Self::Admin, Self::Privacy];

    /// As it is written on the command line and in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Read => "read",
            Self::Decide => "decide",
            Self::Admin => "admin",
            Self::Privacy => "privacy",
        }
    }

    /// Reads [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Short, public, unique: what `sonder key list` and `key revoke` name it by.
    pub id: String,
    /// What it is for, in its maker's words.
    pub name: String,
    /// What it may do; sorted.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: String,
    /// SHA-256 of the secret, in hex.
    hash: String,
}

/// A new key and its secret, which is not kept anywhere.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What is kept.
    pub key: Key,
    /// What the client sends.
    pub secret: String,
}

/// Why keys cannot be read or written.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file system says no.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one of ours.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that is empty or too long.
    #[error("a key's name has 1 to {} characters", limits::KEY_NAME_CHARS)]
    Name,
    /// A key that may do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// Too many keys.
    #[error("there are {} keys already", limits::KEYS)]
    TooMany,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<Key>,
}

/// The keys of one data directory.
#[derive(Debug)]
pub struct KeyRing {
    path: PathBuf,
    read: RwLock<(Option<Stamp>, Vec<Key>)>,
}

/// Tells one version of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl KeyRing {
    /// The keys of the data directory `data`; none where it has no key file.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(data: &Path) -> Result<Self, KeyError> {
        let path = data.join("keys.json");
        let stamp = stamp(&path);
        let keys = read(&path)?;
        Ok(Self { path, read: RwLock::new((stamp, keys)) })
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When the name or the scopes cannot be, or the file cannot be written.
    pub fn create(&self, name: &str, scopes: &[Scope], now: Moment) -> Result<NewKey, KeyError> {
        if name.trim().is_empty() || name.chars().count() > limits::KEY_NAME_CHARS {
            return Err(KeyError::Name);
        }
        if scopes.is_empty() {
            return Err(KeyError::NoScope);
        }
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let chance = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        let secret = format!("sonder_{}{}", chance[0].simple(), chance[1].simple());
        let hash = hash(&secret);
        let id = format!("key_{}", hash.get(..12).unwrap_or(&hash));
        let key = Key { id, name: name.trim().to_owned(), scopes, created_at: now.to_string(), hash };
        self.change(|keys| {
            if keys.len() >= limits::KEYS {
                return Err(KeyError::TooMany);
            }
            keys.push(key.clone());
            Ok(())
        })?;
        Ok(NewKey { key, secret })
    }

    /// Takes a key back; false when there is none of that id.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn revoke(&self, id: &str) -> Result<bool, KeyError> {
        self.change(|keys| {
            let before = keys.len();
            keys.retain(|key| key.id != id);
            Ok(keys.len() < before)
        })
    }

    /// All keys, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Key> {
        self.refresh();
        self.read.read().1.clone()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.refresh();
        self.read.read().1.is_empty()
    }

    /// The key whose secret this is; `None` when it is none of ours.
    #[must_use]
    pub fn verify(&self, secret: &str) -> Option<Key> {
        if secret.len() > limits::KEY_BYTES {
            return None;
        }
        self.refresh();
        let given = hash(secret);
        let read = self.read.read();
        // All keys are looked at, whichever fits.
        let mut found = None;
        for key in &read.1 {
            if same(key.hash.as_bytes(), given.as_bytes()) {
                found = Some(key.clone());
            }
        }
        found
    }

    /// Reads the file again when it is not the one we know. A file that has become unreadable leaves the known keys.
    fn refresh(&self) {
        let now = stamp(&self.path);
        if self.read.read().0 == now {
            return;
        }
        match read(&self.path) {
            Ok(keys) => *self.read.write() = (now, keys),
            Err(error) => tracing::warn!(%error, "the key file changed and cannot be read; the known keys stay"),
        }
    }

    /// Reads, changes and replaces the file, alone among all processes.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Key>) -> Result<T, KeyError>) -> Result<T, KeyError> {
        let io = |source| KeyError::Io { path: self.path.clone(), source };
        let lock = private_file(&self.path.with_extension("lock"), false).map_err(io)?;
        lock.lock().map_err(io)?;
        let mut keys = read(&self.path)?;
        let answer = change(&mut keys)?;
        let next = self.path.with_extension("next");
        let text = serde_json::to_string_pretty(&KeyFile { keys: keys.clone() })
            .map_err(|error| KeyError::Damaged { path: self.path.clone(), reason: error.to_string() })?;
        let mut file = private_file(&next, true).map_err(io)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        fs::rename(&next, &self.path).map_err(io)?;
        *self.read.write() = (stamp(&self.path), keys);
        Ok(answer)
    }
}

/// A file that only its owner can read.
fn private_file(path: &Path, truncate: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(truncate);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
}

fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(KeyError::Io { path: path.to_owned(), source }),
    };
    let file: KeyFile = serde_json::from_str(&text)
        .map_err(|error| KeyError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    Ok(file.keys)
}

fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Equality whose time does not depend on where two differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |seen, (l, r)| seen | (l ^ r)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_once_and_kept_as_a_hash() {
        let data = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(data.path()).unwrap();
        assert!(ring.is_empty());
        let new = ring.create("ci", &[Scope::Read, Scope::Collect, Scope::Read], Moment(0)).unwrap();
        assert_eq!(ring.verify(&new.secret).unwrap().scopes, [Scope::Collect, Scope::Read]);
        assert_eq!(ring.verify("sonder_other"), None);
        assert_eq!(ring.verify(""), None);
        let stored = fs::read_to_string(data.path().join("keys.json")).unwrap();
        assert!(!stored.contains(&new.secret) && stored.contains(&new.key.id));
    }

    #[test]
    fn a_key_made_elsewhere_works_at_once_and_a_revoked_one_does_not() {
        let data = tempfile::tempdir().unwrap();
        let engine = KeyRing::open(data.path()).unwrap();
        let command = KeyRing::open(data.path()).unwrap();
        let new = command.create("ci", &[Scope::Read], Moment(0)).unwrap();
        assert!(engine.verify(&new.secret).is_some());
        assert!(engine.revoke(&new.key.id).unwrap());
        assert!(!engine.revoke(&new.key.id).unwrap());
        assert_eq!(command.verify(&new.secret), None);
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(data.path()).unwrap();
        assert!(matches!(ring.create(" ", &[Scope::Read], Moment(0)), Err(KeyError::Name)));
        assert!(ring.create(&"n".repeat(limits::KEY_NAME_CHARS), &[Scope::Read], Moment(0)).is_ok());
        let long = "n".repeat(limits::KEY_NAME_CHARS + 1);
        assert!(matches!(ring.create(&long, &[Scope::Read], Moment(0)), Err(KeyError::Name)));
        assert!(matches!(ring.create("n", &[], Moment(0)), Err(KeyError::NoScope)));
        fs::write(data.path().join("keys.json"), "{}").unwrap();
        assert!(matches!(KeyRing::open(data.path()), Err(KeyError::Damaged { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        KeyRing::open(data.path()).unwrap().create("ci", &[Scope::Read], Moment(0)).unwrap();
        let mode = fs::metadata(data.path().join("keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
