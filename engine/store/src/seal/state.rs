//! People's state in a checkpoint: each person's bytes are sealed as a whole, under one key of all states. The file is made anew
//! when somebody is erased, so a key of their own would forget nobody sooner; and so is the key, for backups have the old file.
//!
//! A checkpoint seals with a key that is made of that one and its version: however many checkpoints there are, nonces by chance
//! do not repeat.

use super::cipher::{Chance, Secret};
use super::keyring::{Keyring, Known};
use super::{Place, Sealing};
use crate::database::Role;
use crate::{Store, StoreError};
use duckdb::Connection;
use hmac::{Hmac, Mac};
use rustc_hash::FxHashMap;
use sha2::Sha256;
use std::collections::BTreeSet;

/// The subject of all states.
pub(super) const STATE: (&str, &str) = (" state", "");

/// Seals the states of one checkpoint.
#[derive(Debug)]
pub(crate) struct StateKey {
    /// The number of the key.
    pub id: u64,
    secret: Secret,
    chance: Chance,
}

impl StateKey {
    pub fn seal(&mut self, place: Place, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.secret.seal(&mut self.chance, &place.bytes(), bytes)
    }
}

/// The key of a checkpoint.
pub(super) fn of_version(secret: Secret, version: u64) -> Secret {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else { return secret };
    mac.update(b"sonder: the state of a checkpoint");
    mac.update(&version.to_le_bytes());
    Secret(mac.finalize().into_bytes().into())
}

impl Store {
    /// What seals the states of a checkpoint; `None` where nothing is sealed. The first one makes the key of all states, and so
    /// does one that is to be `anew`.
    pub(crate) fn state_key(&self, version: u64, anew: bool) -> Result<Option<StateKey>, StoreError> {
        let keyring = self.database.keyring();
        if !keyring.seals() {
            return Ok(None);
        }
        let subject = self.pseudonyms.number(STATE.0, STATE.1);
        let known = match keyring.of_subject(subject).filter(|_| !anew) {
            Some(known) => Some(known),
            None if anew => None,
            None => self.database.run(Role::Locksmith, |connection| find(connection, keyring, subject))?,
        };
        let (id, secret) = match known {
            Some(known) => known,
            None => {
                let mut sealing = Sealing::new(keyring, &self.pseudonyms);
                let made = sealing.make(subject)?;
                sealing.keep(&self.database)?;
                made
            }
        };
        Ok(Some(StateKey { id, secret: of_version(secret, version), chance: Chance::new() }))
    }
}

fn find(connection: &Connection, keyring: &Keyring, subject: u128) -> Result<Option<Known>, StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT id FROM keys.main.subject_keys WHERE wrapped IS NOT NULL AND subject = '{}' ORDER BY id DESC LIMIT 1",
        super::sealing::shown(subject)
    ))?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let id: u64 = row.get(0)?;
    let keys = keyring.keys(connection, &[id].into_iter().collect())?;
    Ok(keys.get(&id).map(|secret| (id, *secret)))
}

/// Opens states: a few keys, each made for its version once.
pub(crate) struct States {
    keys: FxHashMap<u64, Secret>,
    of_version: FxHashMap<(u64, u64), Secret>,
}

impl States {
    /// A person's state as it was saved.
    pub fn open(&mut self, (key, version): (u64, u64), place: Place, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::Damaged(format!("what is sealed in {place:?} cannot be opened"));
        let secret = self.keys.get(&key).copied().ok_or_else(damaged)?;
        let secret = *self.of_version.entry((key, version)).or_insert_with(|| of_version(secret, version));
        secret.open(&place.bytes(), sealed).ok_or_else(damaged)
    }
}

impl Keyring {
    /// What opens people's states.
    pub fn states(&self, connection: &Connection) -> Result<States, StoreError> {
        let mut ids = BTreeSet::new();
        if self.has_columns() {
            let mut statement =
                connection.prepare("SELECT DISTINCT sealed_by FROM state.main.people WHERE sealed_by IS NOT NULL")?;
            let found = statement.query_map([], |row| row.get(0))?;
            ids = found.collect::<Result<_, _>>()?;
        }
        Ok(States { keys: self.keys(connection, &ids)?, of_version: FxHashMap::default() })
    }

    /// What of the state is nobody's.
    pub fn open_state(
        &self,
        connection: &Connection,
        (key, version): (u64, u64),
        place: Place,
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let keys = self.keys(connection, &[key].into_iter().collect())?;
        let open = || of_version(*keys.get(&key)?, version).open(&place.bytes(), sealed);
        open().ok_or_else(|| StoreError::Damaged(format!("what is sealed in {place:?} cannot be opened")))
    }
}
