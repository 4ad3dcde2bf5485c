//! A file to import: what it is, where its rows begin, and the message that each of them stands for.

use super::mapping::{Mapper, Row};
use serde_json::{Map, Value as Json};
use sonder_dsl::time::{Duration, Moment};
use sonder_store::StoreError;
use sonder_store::files::{FileOptions, FileRows};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// A file and how its rows are read.
pub struct ImportFile {
    path: PathBuf,
    rows: FileRows,
    messages: Messages,
}

/// What makes messages of a file's rows; threads may share it.
pub struct Messages {
    name: String,
    mapper: Mapper,
    /// Added to every time in the file.
    shift: Duration,
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// It cannot be read as rows.
    #[error(transparent)]
    Rows(#[from] StoreError),
    /// It cannot be read at all.
    #[error("could not read `{path}`: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
}

impl ImportFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, or its format is not known.
    pub fn open(path: &Path, options: &FileOptions, mapper: Mapper) -> Result<Self, RowError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let rows = FileRows::open(path, options)?;
        let messages = Messages { name, mapper, shift: Duration::ZERO };
        Ok(Self { path: path.to_path_buf(), rows, messages })
    }

    /// Its name without its folders.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.messages.name
    }

    /// What makes messages of its rows.
    #[must_use]
    pub const fn messages(&self) -> &Messages {
        &self.messages
    }

    /// How many rows it has.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub fn count(&self) -> Result<u64, RowError> {
        Ok(self.rows.count()?)
    }

    /// What the ledger knows it by: the same content under the same mapping is the same import.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn id(&self, mapping: &str) -> Result<String, RowError> {
        let failed = |error| RowError::Unreadable { path: self.path.display().to_string(), error };
        let mut hash = Xxh3::new();
        hash.update(&(mapping.len() as u64).to_le_bytes());
        hash.update(mapping.as_bytes());
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(format!("{:032x}", hash.digest128())),
                read => hash.update(buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Moves all times so that the latest row happened at `now`.
    ///
    /// # Errors
    /// When the file cannot be read to its end.
    pub fn shift_to(&mut self, now: Moment) -> Result<(), RowError> {
        let mut latest: Option<Moment> = None;
        self.rows.each(0, |_, rows| {
            latest = rows.iter().filter_map(|row| self.messages.mapper.time(row)).max().max(latest);
            ControlFlow::Continue(())
        })?;
        self.messages.shift = latest.map_or(Duration::ZERO, |latest| now.since(latest));
        Ok(())
    }

    /// Hands the messages of the rows from number `skip` on to `visit`, some thousand at a time, with the number of the
    /// first. Returns the number of the row after the last one visited.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn each(&self, skip: u64, mut visit: impl FnMut(u64, Vec<Row>) -> ControlFlow<()>) -> Result<u64, RowError> {
        Ok(self.rows.each(skip, &mut visit)?)
    }
}

impl Messages {
    /// The message of a row.
    #[must_use]
    pub fn of(&self, row: Row, number: u64) -> Map<String, Json> {
        let time = (self.shift != Duration::ZERO).then(|| self.mapper.time(&row)).flatten();
        let mut message = self.mapper.message(row, &self.name, number);
        if let Some(time) = time {
            message.insert("timestamp".into(), Json::String(time.plus(self.shift).to_string()));
        }
        message
    }
}
