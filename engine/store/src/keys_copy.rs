//! A copy of the keys that personal data is sealed with, and of who was erased: what has to be kept beside backups, which have no
//! keys. One copy is for all backups, since keys only come and go. The next one takes its place, and then whoever was erased in
//! between can be read in no backup.
//!
//! A backup that is restored with it has keys of a later moment than its log. A file says so ([`note_later_keys`]) until
//! whoever was erased since has been struck from it.

use crate::append::append;
use crate::database::{KEYS, ROW_GROUP, quoted};
use crate::pseudonym::Pseudonyms;
use crate::reader::Reader;
use crate::seal;
use crate::{Store, StoreError};
use arrow::record_batch::RecordBatch;
use duckdb::Connection;
use sonder_dsl::time::Moment;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of the file in a data directory.
pub const KEYS_FILE: &str = "keys.duckdb";
/// How names of copies begin, while they are in a data directory.
const DRAFT: &str = "keys.duckdb.copy-";
/// Says that the keys are of a later moment than the log.
pub(crate) const LATER: &str = "keys.later";

/// What a copy of the keys is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFigures {
    /// Tells the data directory, and what was restored from its backups, from others.
    pub directory: String,
    /// Keys that open something.
    pub keys: u64,
    /// Whether anything was ever sealed: then a backup is not whole without keys.
    pub are_needed: bool,
    /// Identifiers that were erased.
    pub erased: u64,
}

/// A copy in a file, which is removed with this.
#[derive(Debug)]
pub struct KeysCopy {
    path: PathBuf,
    /// What is in it.
    pub figures: KeyFigures,
}

impl KeysCopy {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, and how long it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self) -> Result<(File, u64), StoreError> {
        let failed = |error| StoreError::Io { action: "read", path: self.path.clone(), error };
        let file = File::open(&self.path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok((file, bytes))
    }
}

impl Drop for KeysCopy {
    fn drop(&mut self) {
        // What cannot be removed now the next start removes.
        let _ = fs::remove_file(&self.path);
    }
}

impl Reader {
    /// What a copy of the keys would be good for.
    ///
    /// # Errors
    /// Whatever the database may say; when the key of the directory cannot be read.
    pub fn key_figures(&self) -> Result<KeyFigures, StoreError> {
        let directory = Pseudonyms::of(self.dir())?.fingerprint();
        let home = self.keyring().home();
        self.read(|connection| {
            let (keys, are_needed) = match home {
                None => (0, false),
                Some(home) => connection.query_row(
                    &format!("SELECT count(wrapped), count(*) > 0 FROM {home}.subject_keys"),
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?,
            };
            let erased = connection.query_row("SELECT count(DISTINCT hash) FROM suppressions", [], |row| row.get(0))?;
            Ok(KeyFigures { directory, keys, are_needed, erased })
        })
    }

    /// Copies the keys as of now into a file of its own, which has nothing but them: no free blocks with what was destroyed.
    ///
    /// # Errors
    /// Whatever the database may say; when there is no room.
    pub fn copy_keys(&self) -> Result<KeysCopy, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.dir().join(format!("{DRAFT}{}-{number}", std::process::id()));
        let copy = KeysCopy { path, figures: self.key_figures()? };
        let to = Connection::open_in_memory()?;
        let file = copy.path.to_string_lossy();
        to.execute_batch(&format!("ATTACH {} AS {KEYS} (ROW_GROUP_SIZE {ROW_GROUP})", quoted(&file)))?;
        to.execute_batch(seal::TABLES)?;
        let home = self.keyring().home();
        self.read(|connection| {
            connection.execute_batch("BEGIN TRANSACTION READ ONLY")?;
            for table in ["project_keys", "subject_keys"] {
                if let Some(home) = home {
                    hand_over(connection, &to, table, &format!("FROM {home}.{table}"))?;
                }
            }
            let erased = "SELECT hash, max(erased_at) AS erased_at FROM suppressions GROUP BY hash";
            hand_over(connection, &to, "erased", erased)?;
            Ok(connection.execute_batch("COMMIT")?)
        })?;
        to.execute_batch(&format!("CHECKPOINT {KEYS}; DETACH {KEYS}"))?;
        Ok(copy)
    }

    /// Who was erased, as a copy of the keys has it that data was restored with: hashes of identifiers, and when.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn erased_by_copy(&self) -> Result<Vec<(String, Moment)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT hash, epoch_us(erased_at) FROM keys.main.erased")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, Moment(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Hands the rows of a question over to a table of another database.
fn hand_over(from: &Connection, to: &Connection, table: &str, sql: &str) -> Result<(), StoreError> {
    let mut statement = from.prepare(sql)?;
    drop(statement.stream_arrow([])?);
    while let Some(chunk) = statement.step()? {
        append(to, KEYS, table, RecordBatch::from(chunk))?;
    }
    Ok(())
}

/// Says of data that no engine runs on that its keys are of a later moment than its log.
///
/// # Errors
/// When the directory cannot be written.
pub fn note_later_keys(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join(LATER);
    let noted = File::create(&path).and_then(|file| file.sync_all());
    noted.map_err(|error| StoreError::Io { action: "write", path, error })
}

/// Whether the keys are of a later moment than the log: whoever was erased in between is to be struck from it.
#[must_use]
pub fn later_keys(dir: &Path) -> bool {
    dir.join(LATER).exists()
}

impl Store {
    /// Another pair where a copy of the keys from before is not up to date: the first number where keys were destroyed or
    /// somebody was erased since, the second where keys were made.
    #[must_use]
    pub fn key_changes(&self) -> (u64, u64) {
        self.database.keyring().changes()
    }

    /// Whoever was erased since is struck: keys and log are of one moment again.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn settle_later_keys(&self) -> Result<(), StoreError> {
        let path = self.database.dir().join(LATER);
        fs::remove_file(&path).map_err(|error| StoreError::Io { action: "remove", path, error })
    }
}

/// Removes copies that a crash left.
pub(crate) fn sweep(dir: &Path) -> Result<(), StoreError> {
    let swept = || -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    swept().map_err(|error| StoreError::Io { action: "read", path: dir.to_owned(), error })
}
