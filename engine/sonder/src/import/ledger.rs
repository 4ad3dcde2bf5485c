//! How far each file has come: `imports.json` in the data directory, by a hash of the file's content and of its mapping.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "imports.json";

/// A file's place in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its name, for people.
    pub file: String,
    /// Rows from the beginning that are in the log or in quarantine.
    pub rows: u64,
    /// Whether that is all of them.
    pub complete: bool,
}

/// The ledger of a data directory.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    entries: Mutex<BTreeMap<String, Progress>>,
}

impl Ledger {
    /// Reads the ledger of a data directory; an empty one where there is none, or none that can be read: then message
    /// ids alone keep rows from counting twice.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let path = data.join(NAME);
        let entries = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, entries: Mutex::new(entries) }
    }

    /// How far a file has come.
    #[must_use]
    pub fn progress(&self, id: &str) -> Progress {
        self.entries.lock().get(id).cloned().unwrap_or_default()
    }

    /// Notes how far a file has come; never back.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn note(&self, id: &str, progress: Progress) -> io::Result<()> {
        let mut entries = self.entries.lock();
        let known = entries.entry(id.to_owned()).or_default();
        if known.rows <= progress.rows {
            let complete = known.complete || progress.complete;
            *known = Progress { complete, ..progress };
        }
        let draft = self.path.with_extension("next");
        fs::write(&draft, serde_json::to_vec_pretty(&*entries).map_err(io::Error::other)?)?;
        fs::rename(&draft, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = |rows, complete| Progress { file: "f.csv".into(), rows, complete };
        let ledger = Ledger::open(dir.path());
        assert_eq!(ledger.progress("x"), Progress::default());
        ledger.note("x", at(10, false)).unwrap();
        ledger.note("x", at(5, false)).unwrap();
        assert_eq!(Ledger::open(dir.path()).progress("x"), at(10, false));
        ledger.note("x", at(20, true)).unwrap();
        assert_eq!(Ledger::open(dir.path()).progress("x"), at(20, true));
    }
}
