//! What can go wrong, and what to do about it.

use std::path::PathBuf;
use thiserror::Error;

/// Why the store could not do what it was asked to.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another engine, or a `sonder query`, holds the data directory.
    #[error("the data directory `{}` is in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// The disk is full. Nothing of the batch was written; the same batch may be appended again when there is room.
    #[error("the disk that holds `{}` is full", path.display())]
    Full {
        /// The data directory.
        path: PathBuf,
    },
    /// The disk is full or failed while a batch was committed, and whether the batch is there cannot be found out now.
    /// [`Store::resolve`](crate::Store::resolve) tells; until then nothing else can be appended.
    #[error("it is not known whether the last batch is on the disk that holds `{}`", path.display())]
    InDoubt {
        /// The data directory.
        path: PathBuf,
    },
    /// The files were written by a newer Sonder.
    #[error("the data in `{}` has format {found}, and this version of sonder reads up to format {supported}", path.display())]
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// The format of the files.
        found: u32,
        /// The newest format this version knows.
        supported: u32,
    },
    /// There is no store where one was to be read.
    #[error("there is no data in `{}`", path.display())]
    Missing {
        /// The directory that was looked in.
        path: PathBuf,
    },
    /// Personal data is encrypted, and the key that its keys are wrapped with is not among those of the project.
    #[error("personal data is encrypted under the project key {fingerprint}, which is not at hand")]
    NoKey {
        /// Tells the key from others.
        fingerprint: String,
    },
    /// Personal data is encrypted, and the keys that it is sealed with, which are a file beside it, are not there, or not all.
    #[error("personal data in `{}` is encrypted, and the keys that it is sealed with are not in its `keys.duckdb`", path.display())]
    NoKeys {
        /// The data directory.
        path: PathBuf,
    },
    /// The data stays in a region, and it was to be opened in another, or in none.
    #[error("the data in `{}` is of {}, and was to be opened in {}", path.display(), region(Some(found)), region(asked.as_deref()))]
    OtherRegion {
        /// The data directory.
        path: PathBuf,
        /// Its region.
        found: String,
        /// The region that it was to be opened in.
        asked: Option<String>,
    },
    /// Pseudonyms of that version were made with another key.
    #[error("version {version} of the pseudonyms has the key {kept}, and the one that is given is {found}")]
    OtherPseudonymKey {
        /// Which version.
        version: u32,
        /// Tells the key that it has from others.
        kept: String,
        /// Tells the key that was given from others.
        found: String,
    },
    /// A batch that does not continue the log.
    #[error("the batch begins at seq {found}, but the log continues at seq {expected}")]
    OutOfOrder {
        /// The `seq` that was to come.
        expected: u64,
        /// The `seq` that came.
        found: u64,
    },
    /// A statement that is wrong, or that the read-only SQL of users may not run.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// It took longer than it was given.
    #[error("the query ran out of time")]
    TimedOut,
    /// The files are being opened again: what read them for long was ended. Asked again, it is answered.
    #[error("the files were opened again meanwhile")]
    Reopened,
    /// What is stored cannot be read as what it should be.
    #[error("the stored data is damaged: {0}")]
    Damaged(String),
    /// The operating system refused something.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// What was tried: `open`, `create`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// DuckDB refused something it should not have.
    #[error("the database failed: {0}")]
    Database(#[from] duckdb::Error),
    /// Columns could not be built.
    #[error("a batch could not be laid out in columns: {0}")]
    Columns(#[from] arrow::error::ArrowError),
}

impl StoreError {
    /// What the user can do, where there is something.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Locked { .. } => "stop the other one, or give this one a directory of its own with `--data`".into(),
            Self::Full { .. } | Self::InDoubt { .. } => {
                "make room; sonder goes on by itself as soon as there is some".into()
            }
            Self::NewerFormat { .. } => "run the version of sonder that wrote it, or a newer one".into(),
            Self::Missing { .. } => "give the directory that `sonder run` writes to with `--data`".into(),
            Self::NoKey { .. } => "name the key under `encryption` of sonder.yaml, as `key` or among `previous`; \
                `keys.project_keys` has the fingerprints of all keys that were used"
                .into(),
            Self::NoKeys { .. } => {
                "restore the backup with a copy of its keys that is not older than the backup: `--keys`".into()
            }
            Self::OtherRegion { found, .. } => format!(
                "start it with `--region {found}`, or give this one a directory of its own with `--data`: no engine opens what \
                 belongs to another region"
            ),
            Self::OtherPseudonymKey { .. } => {
                "raise `version` under `pseudonyms` of sonder.yaml with each new key, and name \
                the one before under `previous`; or give the key that this version has"
                    .into()
            }
            Self::Refused { help, .. } => help.clone(),
            Self::TimedOut => "ask for less, or for a longer time".into(),
            _ => return None,
        })
    }
}

fn region(name: Option<&str>) -> String {
    name.map_or_else(|| "no region".to_owned(), |name| format!("region `{name}`"))
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
