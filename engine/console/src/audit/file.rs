//! The file of the audit log: a line of JSON for each deed, each with the hash of the one before it.
//!
//! So nobody can change, drop or insert a line without breaking all that come after. A line is written as a whole; one that a
//! crash cut off was never on record, and goes with the next start.

use super::DeedKind;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sonder_core::consent::ledger::{Hash, ORIGIN, hex, unhex};
use sonder_dsl::time::Moment;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// The file in a data directory.
const FILE: &str = "audit.ndjson";
/// How long a look may be on its way to the disk.
pub(super) const LATEST: Duration = Duration::from_secs(1);
/// Bytes of a line, at most: what goes into one is bounded.
const LINE: u64 = 16 * 1024;

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The id of the key that was used, or `local` where there is no key.
    pub actor: String,
    /// The name of that key.
    pub name: Option<String>,
    /// The operation of the API, as `openapi.json` calls it.
    pub operation: String,
    /// What kind of deed it is.
    pub kind: DeedKind,
    /// A pseudonym of whom it was about, where that was one person.
    pub subject: Option<String>,
    /// What else it was about: a segment, a request, a statement without values.
    pub about: Option<String>,
    /// The status of the answer; `null` for what is recorded as it begins.
    pub status: Option<u16>,
}

/// A deed in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// From 1.
    pub number: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
    /// The hash of the line before.
    pub previous: String,
    /// Of both.
    pub hash: String,
}

/// Some lines, and where those after them begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In their order.
    pub entries: Vec<Audited>,
    /// The byte that the next line begins at, or will.
    pub next: u64,
    /// Whether there are more now.
    pub has_more: bool,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum AuditLogError {
    /// The file system says no.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one of ours.
    #[error("`{}` is damaged: its last line is no entry", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The audit log of a data directory.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: File,
    end: Mutex<End>,
}

#[derive(Debug)]
struct End {
    chain: Chain,
    bytes: u64,
    /// Whether somebody is to sync what was written down last.
    is_sync_ahead: bool,
}

/// How far a chain goes: where one goes on, or is checked up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The number of the last line.
    pub number: u64,
    /// Its hash.
    pub head: Hash,
}

impl Default for Chain {
    fn default() -> Self {
        Self { number: 0, head: ORIGIN }
    }
}

impl Chain {
    /// Takes the next line in, where it is the one that was written; says whether it is.
    #[must_use]
    pub fn takes(&mut self, next: &Audited) -> bool {
        let expected = next.number == self.number + 1 && next.previous == hex(&self.head);
        match unhex(&next.hash) {
            Some(hash) if expected && hash == next.sum() => {
                *self = Self { number: next.number, head: hash };
                true
            }
            _ => false,
        }
    }
}

impl Audited {
    fn after(chain: Chain, at: Moment, deed: Deed) -> Self {
        let mut it = Self {
            number: chain.number + 1,
            at: at.to_string(),
            deed,
            previous: hex(&chain.head),
            hash: String::new(),
        };
        it.hash = hex(&it.sum());
        it
    }

    /// SHA-256 of a label and of all but the hash itself, as JSON text.
    fn sum(&self) -> Hash {
        let bare = Self { hash: String::new(), ..self.clone() };
        let text = serde_json::to_string(&bare).unwrap_or_default();
        Sha256::new().chain_update(b"sonder audit 1").chain_update(text.as_bytes()).finalize().into()
    }
}

impl AuditLog {
    /// That of a data directory; begun where there is none.
    ///
    /// # Errors
    /// When it cannot be written, or is none.
    pub fn open(data: &Path) -> Result<Self, AuditLogError> {
        let path = data.join(FILE);
        let io = |source| AuditLogError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&path).map_err(io)?;
        let (text, begin) = end_of(&file).map_err(io)?;
        let whole = text.rfind('\n').map_or(0, |place| place + 1);
        let bytes = begin + whole as u64;
        let last = text[..whole].lines().next_back();
        let chain = match last.map(serde_json::from_str::<Audited>) {
            None if begin > 0 => None,
            None => Some(Chain::default()),
            Some(Ok(last)) => unhex(&last.hash).map(|head| Chain { number: last.number, head }),
            Some(Err(_)) => None,
        };
        let chain = chain.ok_or_else(|| AuditLogError::Damaged { path: path.clone() })?;
        file.set_len(bytes).map_err(io)?;
        Ok(Self { path, file, end: Mutex::new(End { chain, bytes, is_sync_ahead: false }) })
    }

    /// Writes something down, for whoever reads the file. Says whether nobody is to [`sync`](Self::sync) it yet: whoever is
    /// told so has to.
    ///
    /// # Errors
    /// When the file cannot be written; then it is as it was.
    pub fn note(&self, deed: Deed) -> io::Result<bool> {
        let mut end = self.end.lock();
        let entry = Audited::after(end.chain, now(), deed);
        let mut line = serde_json::to_string(&entry)?;
        line.push('\n');
        if let Err(error) = (&self.file).write_all(line.as_bytes()) {
            // Half a line would be taken for the beginning of the next.
            self.file.set_len(end.bytes)?;
            return Err(error);
        }
        end.bytes += line.len() as u64;
        end.chain = Chain { number: entry.number, head: unhex(&entry.hash).unwrap_or(ORIGIN) };
        Ok(!std::mem::replace(&mut end.is_sync_ahead, true))
    }

    /// Returns when all that is written down is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> io::Result<()> {
        self.end.lock().is_sync_ahead = false;
        self.file.sync_data()
    }

    /// Up to `limit` lines that begin at a byte or behind it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lines(&self, begin: u64, limit: usize) -> io::Result<Page> {
        read_from(&self.path, begin, limit)
    }

    /// The newest lines.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest(&self, limit: usize) -> io::Result<Page> {
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let begin = length.saturating_sub(LINE * limit as u64);
        let (text, _) = part(&file, begin)?;
        let whole = if begin == 0 { 0 } else { text.find('\n').map_or(text.len(), |place| place + 1) };
        let lines: Vec<&str> = text[whole..].lines().collect();
        let newest = &lines[lines.len().saturating_sub(limit)..];
        let entries = newest.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: length, has_more: false })
    }
}

/// The same of the audit log of a data directory that no engine runs on; none where there is none.
///
/// # Errors
/// When the file cannot be read.
pub fn lines_of(data: &Path, begin: u64, limit: usize) -> io::Result<Page> {
    match read_from(&data.join(FILE), begin, limit) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Page::default()),
        page => page,
    }
}

fn read_from(path: &Path, begin: u64, limit: usize) -> io::Result<Page> {
    let mut file = File::open(path)?;
    // From within a line on: what is behind that line. So it is from its last byte on, where one begins.
    let before = begin.min(file.metadata()?.len()).saturating_sub(1);
    file.seek(SeekFrom::Start(before))?;
    let mut lines = BufReader::new(file);
    let skipped = if begin == 0 { 0 } else { lines.by_ref().take(LINE).read_until(b'\n', &mut Vec::new())? };
    let mut page = Page { next: before + skipped as u64, ..Page::default() };
    loop {
        let mut line = String::new();
        let bytes = lines.by_ref().take(LINE).read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Ok(page);
        }
        if page.entries.len() == limit {
            return Ok(Page { has_more: true, ..page });
        }
        page.entries.push(serde_json::from_str(&line)?);
        page.next += bytes as u64;
    }
}

/// The end of the file, which has its last lines, and where that begins.
fn end_of(file: &File) -> io::Result<(String, u64)> {
    let length = file.metadata()?.len();
    part(file, length.saturating_sub(2 * LINE))
}

fn part(mut file: &File, begin: u64) -> io::Result<(String, u64)> {
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // It may begin within a character.
    let skipped = bytes.iter().take_while(|byte| **byte & 0xC0 == 0x80).count();
    let text = String::from_utf8_lossy(&bytes[skipped..]).into_owned();
    Ok((text, begin + skipped as u64))
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn deed(number: usize) -> Deed {
        let kind = DeedKind::ALL[number % 3];
        Deed {
            actor: "key_1".to_owned(),
            name: Some("Ann's \"key\"\n".to_owned()),
            operation: "getPerson".to_owned(),
            kind,
            subject: number.is_multiple_of(2).then(|| format!("{number:064x}")),
            about: Some("é".repeat(number % 300)),
            status: Some(200),
        }
    }

    fn verified(log: &AuditLog, limit: usize) -> Result<Chain, u64> {
        let (mut chain, mut next) = (Chain::default(), 0);
        loop {
            let page = log.lines(next, limit).unwrap();
            for entry in &page.entries {
                if !chain.takes(entry) {
                    return Err(entry.number);
                }
            }
            next = page.next;
            if !page.has_more {
                return Ok(chain);
            }
        }
    }

    #[test]
    fn what_is_noted_is_there_in_its_order_also_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let log = AuditLog::open(data.path()).unwrap();
            for number in 0..100 {
                log.note(deed(number)).unwrap();
            }
            let chain = verified(&log, 7).unwrap();
            assert_eq!(chain.number, 100 * (round + 1));
            let newest = log.newest(5).unwrap().entries;
            assert_eq!(
                newest.iter().map(|it| it.deed.clone()).collect::<Vec<_>>(),
                (95..100).map(deed).collect::<Vec<_>>()
            );
        }
        let all = lines_of(data.path(), 0, 1_000).unwrap();
        assert_eq!(all.entries.len(), 300);
        // From within a line on, the next one comes; from behind the end none, until there is one.
        let first = lines_of(data.path(), 0, 1).unwrap();
        assert_eq!(
            (lines_of(data.path(), 1, 1).unwrap(), first.has_more),
            (lines_of(data.path(), first.next, 1).unwrap(), true)
        );
        for begin in [all.next, all.next - 1, all.next + 1_000] {
            assert_eq!(lines_of(data.path(), begin, 9).unwrap(), Page { next: all.next, ..Page::default() });
        }
        assert_eq!(lines_of(&data.path().join("nowhere"), 0, 10).unwrap(), Page::default());
    }

    #[test]
    fn one_of_those_who_look_at_once_has_to_sync_for_all() {
        let data = tempfile::tempdir().unwrap();
        let log = AuditLog::open(data.path()).unwrap();
        for _ in 0..2 {
            assert_eq!([0; 3].map(|number| log.note(deed(number)).unwrap()), [true, false, false]);
            log.sync().unwrap();
        }
    }

    #[test]
    fn half_a_line_was_never_on_record() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        AuditLog::open(data.path()).unwrap().note(deed(0)).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, format!("{whole}{}", &whole[..cut])).unwrap();
            let log = AuditLog::open(data.path()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), whole);
            log.note(deed(1)).unwrap();
            assert_eq!(verified(&log, 100).unwrap().number, 2);
        }
        fs::write(&path, &whole[..10]).unwrap();
        assert_eq!(verified(&AuditLog::open(data.path()).unwrap(), 10).unwrap(), Chain::default());
    }

    #[test]
    fn whoever_changes_drops_or_inserts_a_line_is_found_out() {
        let data = tempfile::tempdir().unwrap();
        let log = AuditLog::open(data.path()).unwrap();
        for number in 0..4 {
            log.note(deed(number)).unwrap();
        }
        let path = data.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = text.replacen("getPerson", "getStatus", 1);
        let [dropped, swapped] = [[0, 2, 3].as_slice(), &[0, 2, 1, 3]]
            .map(|order| order.iter().map(|place| format!("{}\n", lines[*place])).collect::<String>());
        let inserted = format!("{}\n{text}", lines[0]);
        for (forged, at) in [(changed, 1), (dropped, 3), (swapped, 3), (inserted, 1)] {
            fs::write(&path, forged).unwrap();
            assert_eq!(verified(&log, 2), Err(at));
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let data = tempfile::tempdir().unwrap();
        for text in ["no entry\n".to_owned(), "x".repeat(100_000)] {
            fs::write(data.path().join(FILE), text).unwrap();
            assert!(matches!(AuditLog::open(data.path()), Err(AuditLogError::Damaged { .. })));
        }
    }
}
