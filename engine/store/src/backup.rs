//! A consistent copy of the files while the engine runs.
//!
//! Between two foldings of a write-ahead log DuckDB never changes what its file says, it only appends to the log. So a
//! [`Snapshot`] puts foldings off for as long as it lives, notes how long each file is at the end of a transaction, and these
//! bytes are a database: as of one moment, however long it takes to copy them. Appends go on.
//!
//! INVARIANT: people's state is noted before the log, so that the log has everything that the state is made of.
//! INVARIANT: no keys are among them. A [copy of the keys](crate::keys_copy) is kept beside backups, one for all.

use crate::database::{LOG, STATE};
use crate::lock::DirectoryLock;
use crate::{Store, StoreError};
use parking_lot::RwLockReadGuard;
use sonder_core::record::Seq;
use std::fs::{self, File};
use std::io::{self, Read, Take};
use std::path::{Path, PathBuf};

/// What a data directory has that is made again where it is missing, or means nothing elsewhere.
const LEFT_OUT: [&str; 4] = ["compiled", "tmp", "sonder.lock", crate::keys_copy::LATER];

/// Files that do not change what they say while this lives.
#[derive(Debug)]
pub struct Snapshot<'a> {
    dir: PathBuf,
    files: Vec<(String, u64)>,
    last_seq: Option<Seq>,
    held: Held<'a>,
}

/// What keeps the files as they are.
#[derive(Debug)]
enum Held<'a> {
    Running { store: &'a Store, generation: u64, _still: RwLockReadGuard<'a, ()> },
    AtRest { _lock: DirectoryLock },
}

impl Store {
    /// The files as of now.
    ///
    /// # Errors
    /// [`StoreError::InDoubt`] while it is not known what the log has; when the directory cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        let still = self.still.read();
        let dir = self.database.dir();
        let keeper = self.keeper.lock();
        let mut files = lengths(dir, STATE)?;
        drop(keeper);
        let (of_log, last_seq, generation) =
            self.between_appends(|last_seq| Ok((lengths(dir, LOG)?, last_seq, self.database.generation())))?;
        files.extend(of_log);
        files.extend(others(dir, dir)?);
        let held = Held::Running { store: self, generation, _still: still };
        Ok(Snapshot { dir: dir.to_owned(), files, last_seq: Some(last_seq), held })
    }
}

impl Snapshot<'_> {
    /// The files of a directory that no engine runs on.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Locked`], or when it cannot be read.
    pub fn at_rest(dir: &Path) -> Result<Snapshot<'static>, StoreError> {
        if !dir.join(format!("{LOG}.duckdb")).exists() {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        let lock = DirectoryLock::shared(dir)?;
        let mut files = lengths(dir, STATE)?;
        files.extend(lengths(dir, LOG)?);
        files.extend(others(dir, dir)?);
        Ok(Snapshot { dir: dir.to_owned(), files, last_seq: None, held: Held::AtRest { _lock: lock } })
    }

    /// The files, with their names in the directory and how many bytes of each.
    #[must_use]
    pub fn files(&self) -> &[(String, u64)] {
        &self.files
    }

    /// The last place in the log; not known at rest.
    #[must_use]
    pub const fn last_seq(&self) -> Option<Seq> {
        self.last_seq
    }

    /// The bytes of one of the files.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, name: &str, bytes: u64) -> Result<Take<File>, StoreError> {
        let path = self.dir.join(name);
        let file = File::open(&path).map_err(|error| StoreError::Io { action: "read", path, error })?;
        Ok(file.take(bytes))
    }

    /// Whether the files stayed as they were, to be asked when all were read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the database had to be opened again meanwhile: what was read is of no use.
    pub fn finish(self) -> Result<(), StoreError> {
        match &self.held {
            Held::Running { store, generation, .. } if store.database.generation() != *generation => {
                Err(StoreError::Damaged("the database was opened again meanwhile; try once more".to_owned()))
            }
            Held::Running { .. } | Held::AtRest { .. } => Ok(()),
        }
    }
}

/// A catalog's file and its write-ahead log.
fn lengths(dir: &Path, catalog: &str) -> Result<Vec<(String, u64)>, StoreError> {
    let mut files = Vec::new();
    for name in [format!("{catalog}.duckdb"), format!("{catalog}.duckdb.wal")] {
        match fs::metadata(dir.join(&name)) {
            Ok(meta) => files.push((name, meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::Io { action: "read", path: dir.join(name), error }),
        }
    }
    Ok(files)
}

/// Everything else that belongs to the data: keys, the ledger of imports, what plugins keep.
fn others(dir: &Path, root: &Path) -> Result<Vec<(String, u64)>, StoreError> {
    let failed = |error| StoreError::Io { action: "read", path: dir.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned) else { continue };
        if LEFT_OUT.contains(&name.as_str()) || name.contains(".duckdb") {
            continue;
        }
        let meta = entry.metadata().map_err(failed)?;
        if meta.is_dir() {
            files.extend(others(&path, root)?);
        } else if meta.is_file() {
            files.push((name, meta.len()));
        }
    }
    files.sort_unstable();
    Ok(files)
}
