//! The keys of subjects, unwrapped: some are remembered, the rest is looked up when something is to be opened.

use super::cipher::Secret;
use super::{Place, ProjectKey, ProjectKeys, keys, payload};
use crate::{StoreError, StoreOptions, limits};
use duckdb::{Connection, params};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A key and its number.
pub(super) type Known = (u64, Secret);

/// Opens what is sealed.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    project: Option<Arc<ProjectKeys>>,
    unlocked: RwLock<Unlocked>,
    remembered: Mutex<Remembered>,
    /// The last number of a key.
    last: AtomicU64,
    /// How often keys were destroyed.
    destroyed: AtomicU64,
}

/// What the file says of keys of the project.
#[derive(Clone, Debug, Default)]
struct Unlocked {
    /// Whether rows have the columns of what is sealed: a file of an older version that is only read does not.
    has_columns: bool,
    /// Where keys are: a file of an earlier format has them with the log. `None` where there are none.
    home: Option<&'static str>,
    versions: Vec<(u32, ProjectKey)>,
    /// What new keys are wrapped with; 0 where the file does not know it yet.
    current: u32,
}

#[derive(Debug, Default)]
struct Remembered {
    by_id: FxHashMap<u64, Secret>,
    by_subject: FxHashMap<u128, Known>,
}

/// A text on its way out, and what is sealed of it.
#[derive(Debug)]
pub(crate) struct Unsealed {
    /// With the word in the places of values.
    pub text: String,
    /// Where it was sealed.
    pub place: Place,
    /// Which key.
    pub key: u64,
    /// What.
    pub sealed: Vec<u8>,
}

impl Keyring {
    pub fn new(options: &StoreOptions) -> Self {
        Self { project: options.keys.clone(), ..Self::default() }
    }

    /// Looks which keys of the project the file needs. To be called before anything is read of it.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] where the project names keys and one that is needed is not among them.
    pub fn unlock(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut unlocked = Unlocked {
            has_columns: connection.query_row(
                "SELECT count(*) > 0 FROM duckdb_columns()
                 WHERE database_name = 'sonder' AND table_name = 'log' AND column_name = 'sealed_by'",
                [],
                |row| row.get(0),
            )?,
            home: home(connection)?,
            ..Unlocked::default()
        };
        if let Some(home) = unlocked.home {
            let last = format!("SELECT coalesce(max(id), 0) FROM {home}.subject_keys");
            self.last.fetch_max(connection.query_row(&last, [], |row| row.get(0))?, Ordering::AcqRel);
        }
        if let Some(home) = unlocked.home
            && let Some(project) = &self.project
        {
            let mut statement = connection.prepare(&format!(
                "SELECT version, fingerprint, version IN (SELECT version FROM {home}.subject_keys WHERE wrapped IS NOT NULL)
                 FROM {home}.project_keys ORDER BY version",
            ))?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            for row in rows {
                let (version, fingerprint, is_needed): (u32, String, bool) = row?;
                match project.named(&fingerprint) {
                    Some(key) => unlocked.versions.push((version, key.clone())),
                    None if is_needed => return Err(StoreError::NoKey { fingerprint }),
                    None => {}
                }
            }
            let is_first = |(_, key): &&(u32, ProjectKey)| Some(key) == project.first();
            unlocked.current = unlocked.versions.iter().find(is_first).map_or(0, |(version, _)| *version);
        }
        *self.unlocked.write() = unlocked;
        Ok(())
    }

    /// The same for a file that is to be written: a key of the project that it does not know gets a version.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] also where something is sealed and the project names no key; [`StoreError::NoKeys`] where the keys
    /// of what is sealed are not there.
    pub fn unlock_to_write(&self, connection: &Connection, dir: &Path) -> Result<(), StoreError> {
        self.unlock(connection)?;
        let is_lost = format!("SELECT NOT EXISTS(FROM keys.main.subject_keys) AND EXISTS(FROM ({}))", keys::used());
        if connection.query_row(&is_lost, [], |row| row.get(0))? {
            return Err(StoreError::NoKeys { path: dir.to_owned() });
        }
        let Some(project) = &self.project else {
            let needed: Option<String> = connection.query_row(
                "SELECT max(fingerprint) FROM keys.main.project_keys
                 WHERE version IN (SELECT version FROM keys.main.subject_keys WHERE wrapped IS NOT NULL)",
                [],
                |row| row.get(0),
            )?;
            return needed.map_or(Ok(()), |fingerprint| Err(StoreError::NoKey { fingerprint }));
        };
        if self.unlocked.read().current == 0
            && let Some(first) = project.first()
        {
            connection.execute(
                "INSERT INTO keys.main.project_keys
                 SELECT coalesce(max(version), 0) + 1, ?, now()::TIMESTAMP FROM keys.main.project_keys",
                params![first.fingerprint()],
            )?;
            self.unlock(connection)?;
        }
        Ok(())
    }

    /// Whether what comes in is sealed.
    pub fn seals(&self) -> bool {
        self.project.as_ref().is_some_and(|project| project.seals())
    }

    /// Whether rows have the columns of what is sealed.
    pub fn has_columns(&self) -> bool {
        self.unlocked.read().has_columns
    }

    /// Where keys are, in SQL: the catalog and the schema.
    pub fn home(&self) -> Option<&'static str> {
        self.unlocked.read().home
    }

    /// A number that no key had.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether the project names keys.
    pub fn has_keys(&self) -> bool {
        self.project.is_some()
    }

    /// The columns of what is sealed, in a statement over `log`.
    pub fn columns(&self) -> &'static str {
        if self.has_columns() { "sealed_by, sealed" } else { "NULL::UBIGINT AS sealed_by, NULL::BLOB AS sealed" }
    }

    /// What wraps new keys, and its version.
    pub(super) fn current(&self) -> Option<(u32, ProjectKey)> {
        let unlocked = self.unlocked.read();
        unlocked.versions.iter().find(|(version, _)| *version == unlocked.current).cloned()
    }

    /// The key with this number, by the version of what wrapped it.
    pub(super) fn unwrap(&self, id: u64, version: u32, wrapped: &[u8]) -> Option<Secret> {
        let unlocked = self.unlocked.read();
        let (_, key) = unlocked.versions.iter().find(|(known, _)| *known == version)?;
        key.unwrap(id, wrapped)
    }

    /// Whether a key can be unwrapped.
    pub fn unwraps(&self, id: u64, version: u32, wrapped: &[u8]) -> bool {
        self.unwrap(id, version, wrapped).is_some()
    }

    /// A key of this subject that is remembered.
    pub(super) fn of_subject(&self, subject: u128) -> Option<Known> {
        self.remembered.lock().by_subject.get(&subject).copied()
    }

    /// Remembers keys of subjects that are in the file.
    pub(super) fn remember(&self, keys: impl Iterator<Item = (u128, Known)>) {
        let mut remembered = self.remembered.lock();
        for (subject, known) in keys {
            remembered.make_room();
            remembered.by_id.insert(known.0, known.1);
            remembered.by_subject.insert(subject, known);
        }
    }

    /// Forgets all keys: some were destroyed.
    pub fn forget(&self) {
        *self.remembered.lock() = Remembered::default();
        self.destroyed.fetch_add(1, Ordering::AcqRel);
    }

    /// How often keys were destroyed, and the last number of a key.
    pub fn changes(&self) -> (u64, u64) {
        (self.destroyed.load(Ordering::Acquire), self.last.load(Ordering::Acquire))
    }

    /// The keys with these numbers. Those that are destroyed are left out.
    pub fn keys(&self, connection: &Connection, ids: &BTreeSet<u64>) -> Result<FxHashMap<u64, Secret>, StoreError> {
        let mut found = FxHashMap::default();
        let mut missing = Vec::new();
        {
            let remembered = self.remembered.lock();
            for id in ids {
                match remembered.by_id.get(id) {
                    Some(key) => _ = found.insert(*id, *key),
                    None => missing.push(*id),
                }
            }
        }
        let Some(home) = self.home() else { return Ok(found) };
        for ids in missing.chunks(limits::KEYS_LOOKED_UP) {
            let list: Vec<String> = ids.iter().map(u64::to_string).collect();
            // Keys that are used together were mostly made together: the range is what the file finds fast.
            let (first, last) = (ids.first().copied().unwrap_or(0), ids.last().copied().unwrap_or(0));
            let mut statement = connection.prepare(&format!(
                "SELECT id, version, wrapped FROM {home}.subject_keys
                 WHERE wrapped IS NOT NULL AND id BETWEEN {first} AND {last} AND id IN ({})",
                list.join(", ")
            ))?;
            let mut rows = statement.query([])?;
            let mut remembered = self.remembered.lock();
            while let Some(row) = rows.next()? {
                let (id, version, wrapped): (u64, u32, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let Some(key) = self.unwrap(id, version, &wrapped) else {
                    return Err(self.locked(connection, version));
                };
                found.insert(id, key);
                remembered.make_room();
                remembered.by_id.insert(id, key);
            }
        }
        Ok(found)
    }

    /// The texts with what was sealed of them, in their order.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] where the key of the project is not at hand; [`StoreError::Damaged`] where something is not what
    /// was sealed there.
    pub fn open(&self, connection: &Connection, sealed: &[Unsealed]) -> Result<Vec<String>, StoreError> {
        if sealed.is_empty() {
            return Ok(Vec::new());
        }
        let ids = sealed.iter().map(|it| it.key).collect();
        let keys = self.keys(connection, &ids)?;
        sealed.iter().map(|it| whole(&keys, it)).collect()
    }

    /// What opens the messages of the log that `which` selects, one after the other: their keys are looked up first.
    pub fn opener(&self, connection: &Connection, which: &str) -> Result<Opener, StoreError> {
        let mut ids = BTreeSet::new();
        if self.has_columns() {
            let sql = format!("SELECT DISTINCT sealed_by FROM sonder.main.log WHERE sealed_by IS NOT NULL AND {which}");
            let mut statement = connection.prepare(&sql)?;
            let found = statement.query_map([], |row| row.get(0))?;
            ids = found.collect::<Result<_, _>>()?;
        }
        Ok(Opener(self.keys(connection, &ids)?))
    }

    /// Why a key could not be unwrapped.
    fn locked(&self, connection: &Connection, version: u32) -> StoreError {
        let known = self.unlocked.read().versions.iter().any(|(known, _)| *known == version);
        let sql =
            format!("SELECT fingerprint FROM {}.project_keys WHERE version = ?", self.home().unwrap_or("keys.main"));
        let fingerprint = connection.query_row(&sql, params![version], |row| row.get(0));
        match fingerprint {
            Ok(fingerprint) if !known => StoreError::NoKey { fingerprint },
            _ => StoreError::Damaged("the key of a subject is not what was wrapped".to_owned()),
        }
    }
}

/// Where the keys are.
fn home(connection: &Connection) -> Result<Option<&'static str>, StoreError> {
    let found: Option<String> = connection.query_row(
        "SELECT min(database_name) FROM duckdb_tables()
         WHERE database_name IN ('keys', 'sonder') AND table_name = 'subject_keys'",
        [],
        |row| row.get(0),
    )?;
    Ok(found.map(|catalog| if catalog == "keys" { "keys.main" } else { "sonder.main" }))
}

/// Opens messages whose keys are at hand.
pub(crate) struct Opener(FxHashMap<u64, Secret>);

impl Opener {
    /// The payload of a message as it came.
    pub fn whole(
        &self,
        seq: u64,
        text: String,
        key: Option<u64>,
        sealed: Option<Vec<u8>>,
    ) -> Result<String, StoreError> {
        let (Some(key), Some(sealed)) = (key, sealed) else { return Ok(text) };
        whole(&self.0, &Unsealed { text, place: Place::Log(seq), key, sealed })
    }
}

fn whole(keys: &FxHashMap<u64, Secret>, it: &Unsealed) -> Result<String, StoreError> {
    let open = || payload::join(&it.text, &keys.get(&it.key)?.open(&it.place.bytes(), &it.sealed)?);
    open().ok_or_else(|| StoreError::Damaged(format!("what is sealed in {:?} cannot be opened", it.place)))
}

impl Remembered {
    fn make_room(&mut self) {
        if self.by_id.len() >= limits::KEYS_REMEMBERED {
            self.by_id.clear();
            self.by_subject.clear();
        }
    }
}
