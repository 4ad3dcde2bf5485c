//! One engine at a time: a lock on the data directory that dies with its process.
//!
//! The lock is the operating system's, on `sonder.lock`, so a crash never leaves one behind; the file's text is only the
//! holder's process id, for the message that a second engine prints. Readers of a store at rest share the lock.

use crate::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

const FILE: &str = "sonder.lock";

/// Holds the directory until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// For an engine, which writes.
    pub fn exclusive(dir: &Path) -> Result<Self, StoreError> {
        let mut file = open(dir)?;
        taken(file.try_lock(), &mut file, dir)?;
        let note = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        if let Err(error) = note(&mut file) {
            // Without the note the lock holds all the same; on a full disk it must not keep an engine from starting.
            tracing::debug!(%error, "the process id could not be written to the lock file");
        }
        Ok(Self { _file: file })
    }

    /// For those who only read while no engine runs.
    pub fn shared(dir: &Path) -> Result<Self, StoreError> {
        let mut file = open(dir)?;
        taken(file.try_lock_shared(), &mut file, dir)?;
        Ok(Self { _file: file })
    }
}

fn open(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(FILE);
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(|error| StoreError::Io {
        action: "open",
        path,
        error,
    })
}

fn taken(outcome: Result<(), TryLockError>, file: &mut File, dir: &Path) -> Result<(), StoreError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.take(20).read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            Err(StoreError::Locked { path: dir.to_owned(), pid })
        }
        Err(TryLockError::Error(error)) => Err(StoreError::Io { action: "lock", path: dir.join(FILE), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_engine_is_told_who_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirectoryLock::exclusive(dir.path()).unwrap();
        let second = DirectoryLock::exclusive(dir.path()).unwrap_err();
        assert_eq!(
            second.to_string(),
            format!("the data directory `{}` is in use by process {}", dir.path().display(), std::process::id())
        );
        drop(first);
        DirectoryLock::exclusive(dir.path()).unwrap();
    }

    #[test]
    fn readers_share_but_keep_an_engine_out() {
        let dir = tempfile::tempdir().unwrap();
        let _one = DirectoryLock::shared(dir.path()).unwrap();
        let _two = DirectoryLock::shared(dir.path()).unwrap();
        assert!(matches!(DirectoryLock::exclusive(dir.path()), Err(StoreError::Locked { .. })));
    }
}
