//! Lines of one day that are on the disk and not in a finished file yet.

use super::row::{self, Row};
use rustc_hash::FxHashSet;
use sonder_dsl::time::Moment;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// An open journal.
pub struct Journal {
    file: File,
    // INVARIANT: the ids of all its lines.
    ids: FxHashSet<u128>,
    // The latest of its items: no finished file may be named before it.
    latest: Moment,
}

impl Journal {
    /// Opens it, up to the last line that is whole; makes it where it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut journal = Self {
            file: OpenOptions::new().append(true).read(true).create(true).open(path)?,
            ids: FxHashSet::default(),
            latest: Moment::MIN,
        };
        let mut lines = BufReader::new(journal.file.try_clone()?);
        let mut line = Vec::new();
        let mut whole = 0;
        while lines.read_until(b'\n', &mut line)? > 0 {
            let Some(row) = line.strip_suffix(b"\n").and_then(|it| serde_json::from_slice::<Row<'_>>(it).ok()) else {
                break;
            };
            journal.ids.extend(row::id(&row.id));
            journal.latest = journal.latest.max(Moment::parse(&row.at).unwrap_or(Moment::MIN));
            whole += line.len() as u64;
            line.clear();
        }
        journal.file.set_len(whole)?;
        Ok(journal)
    }

    /// The ids of all its lines.
    pub fn into_ids(self) -> FxHashSet<u128> {
        self.ids
    }

    /// Whether it has a line of that id.
    pub fn has(&self, id: u128) -> bool {
        self.ids.contains(&id)
    }

    /// How many lines it has.
    pub fn rows(&self) -> u64 {
        self.ids.len() as u64
    }

    /// See the field.
    pub const fn latest(&self) -> Moment {
        self.latest
    }

    /// Adds lines, which are on the disk when this returns. After an error it is of no use: it is opened again, which finds
    /// out what is there.
    pub fn append(&mut self, lines: &[u8], ids: &FxHashSet<u128>, latest: Moment) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.ids.extend(ids);
        self.latest = self.latest.max(latest);
        Ok(())
    }
}

/// The ids in a file of lines.
pub fn ids(path: &Path) -> io::Result<Vec<u128>> {
    let mut ids = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        ids.extend(serde_json::from_slice::<Row<'_>>(&line?).ok().and_then(|row| row::id(&row.id)));
    }
    Ok(ids)
}

/// Writes the lines of a file to the new file `to`: without those about somebody with one of these identifiers, and with another
/// payload where `left` gives one. All others stay as they are. Gives how many went or changed.
pub fn without(
    path: &Path,
    identifiers: &[(String, String)],
    left: &dyn Fn(&str, &str, &str) -> Option<String>,
    to: &Path,
) -> io::Result<u64> {
    let mut kept = io::BufWriter::new(File::create(to)?);
    let mut changed = 0;
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        let row = serde_json::from_slice::<Row<'_>>(&line).ok();
        if row.as_ref().is_some_and(|row| row.is_about(identifiers)) {
            changed += 1;
            continue;
        }
        match row.and_then(|row| row.told(left)) {
            Some(other) => {
                changed += 1;
                kept.write_all(&other)?;
            }
            None => {
                kept.write_all(&line)?;
                kept.write_all(b"\n")?;
            }
        }
    }
    kept.flush()?;
    Ok(changed)
}
