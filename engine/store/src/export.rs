//! Members of a segment as a Parquet file that is read once.
//!
//! DuckDB writes Parquet into files only, so that there are some for a while, in a folder of the data directory: lines of JSON,
//! gathered page after page, and what is made of them. Neither has a name any more when the file is handed out, and it goes when
//! nobody reads it. Whatever happens on the way removes both. What a crash leaves is removed by the
//! next start, before anything else reads or writes.

use crate::columns;
use crate::{StoreError, limits};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder in a data directory.
const FOLDER: &str = "exports";

/// Where exports are made.
#[derive(Debug)]
pub struct Exports {
    root: PathBuf,
    begun: AtomicU64,
}

/// People on their way into a file. Nothing of them is left in the data directory when it is dropped.
#[derive(Debug)]
pub struct Export {
    /// Lines of JSON.
    lines: BufWriter<File>,
    folder: Folder,
}

/// A folder that goes with whoever has it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Exports {
    /// Those of a data directory, which nobody else uses. Removes what a crash left.
    ///
    /// # Errors
    /// When that cannot be removed.
    pub fn open(data: &Path) -> io::Result<Self> {
        let root = data.join(FOLDER);
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self { root, begun: AtomicU64::new(0) }),
        }
    }

    /// Begins another.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub fn begin(&self) -> Result<Export, StoreError> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let folder = Folder(self.root.join(number.to_string()));
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder.0);
        made.map_err(|error| failed("create", &folder.0, error))?;
        let path = folder.lines();
        let lines = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let lines = lines.map_err(|error| failed("create", &path, error))?;
        Ok(Export { lines: BufWriter::with_capacity(limits::EXPORT_BUFFER, lines), folder })
    }
}

impl Export {
    /// Adds somebody: their id, since when they are in the segment, and their identifiers as kind and value.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub fn add(&mut self, person: &str, since: &str, identifiers: &[(String, String)]) -> Result<(), StoreError> {
        let identifiers = identifiers.iter().map(|(kind, value)| json!({ "kind": kind, "value": value }));
        let identifiers: Vec<_> = identifiers.collect();
        let line = json!({ "person": person, "since": since, "identifiers": identifiers });
        writeln!(self.lines, "{line}").map_err(|error| failed("write", &self.folder.lines(), error))
    }

    /// The file of all that were added, from its beginning: `person` is text, `since` a moment, `identifiers` a list of kind and
    /// value. It has no name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<File, StoreError> {
        let Self { lines, folder } = self;
        // Nobody reads the lines after a crash, so that they need not be on the disk.
        let written = lines.into_inner().map_err(io::IntoInnerError::into_error);
        drop(written.map_err(|error| failed("write", &folder.lines(), error))?);
        columns::write_members(&folder.lines(), &folder.file())?;
        File::open(folder.file()).map_err(|error| failed("open", &folder.file(), error))
    }
}

impl Folder {
    fn lines(&self) -> PathBuf {
        self.0.join("members.ndjson")
    }

    fn file(&self) -> PathBuf {
        self.0.join("members.parquet")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::error!(%error, folder = %self.0.display(), "an export is left; the next start removes it");
        }
    }
}

fn failed(action: &'static str, path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full { path: path.to_owned() },
        _ => StoreError::Io { action, path: path.to_owned(), error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duckdb::Connection;
    use std::io::Read;

    fn left(data: &Path) -> Vec<PathBuf> {
        let Ok(folder) = fs::read_dir(data.join(FOLDER)) else { return Vec::new() };
        folder.map(|it| it.unwrap().path()).collect()
    }

    fn some(export: &mut Export, count: usize) {
        for number in 0..count {
            let named = |kind: &str, value: String| (kind.to_owned(), value);
            let identifiers =
                [named("email", format!("\"{number}\"\n@shop.example")), named("user_id", format!("u{number}"))];
            export.add(&format!("{number:032x}"), "2026-03-01T12:00:00.000001Z", &identifiers).unwrap();
        }
    }

    #[test]
    fn what_is_read_is_who_was_added_and_nothing_is_left() {
        let data = tempfile::tempdir().unwrap();
        let exports = Exports::open(data.path()).unwrap();
        let mut export = exports.begin().unwrap();
        some(&mut export, 30_000);
        let mut bytes = Vec::new();
        let mut file = export.finish().unwrap();
        assert_eq!(left(data.path()), [] as [PathBuf; 0], "it has no name while it is read");
        file.read_to_end(&mut bytes).unwrap();

        let copy = data.path().join("copy.parquet");
        fs::write(&copy, bytes).unwrap();
        let connection = Connection::open_in_memory().unwrap();
        let from = format!("read_parquet('{}')", copy.display());
        let types: String = connection
            .query_row(
                &format!("SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM {from})"),
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(
            types,
            "person VARCHAR, since TIMESTAMP WITH TIME ZONE, identifiers STRUCT(kind VARCHAR, \"value\" VARCHAR)[]"
        );
        let said: String = connection
            .query_row(
                &format!(
                    "SELECT count(*) || ' ' || count(DISTINCT person) || ' ' || min(epoch_us(since)) || ' ' ||
                     count(*) FILTER (identifiers[1].value = '\"' || identifiers[2].value[2:] || '\"' || chr(10) || '@shop.example')
                     FROM {from}"
                ),
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(said, "30000 30000 1772366400000001 30000");
    }

    #[test]
    fn nobody_is_a_file_with_the_same_columns() {
        let data = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        Exports::open(data.path()).unwrap().begin().unwrap().finish().unwrap().read_to_end(&mut bytes).unwrap();
        let copy = data.path().join("copy.parquet");
        fs::write(&copy, bytes).unwrap();
        let connection = Connection::open_in_memory().unwrap();
        let count =
            format!("SELECT count(person) + count(since) + count(identifiers) FROM read_parquet('{}')", copy.display());
        assert_eq!(connection.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn what_was_given_up_goes_at_once_and_what_a_crash_left_with_the_next_start() {
        let data = tempfile::tempdir().unwrap();
        let exports = Exports::open(data.path()).unwrap();
        let mut export = exports.begin().unwrap();
        some(&mut export, 10);
        assert_eq!(left(data.path()).len(), 1);
        drop(export);
        assert_eq!(left(data.path()).len(), 0);

        let mut export = exports.begin().unwrap();
        some(&mut export, 10);
        std::mem::forget(export);
        assert_eq!(left(data.path()).len(), 1);
        let exports = Exports::open(data.path()).unwrap();
        assert_eq!(left(data.path()).len(), 0);
        assert!(exports.begin().is_ok());

        // Where the lines cannot become a file, they go as well.
        let mut export = exports.begin().unwrap();
        some(&mut export, 1);
        export.lines.write_all(b"no line\n").unwrap();
        assert!(export.finish().is_err());
        assert_eq!(left(data.path()).len(), 0);
    }
}
