//! The file of the audit log: a line of JSON for each deed, each with the hash of the one before it.
//!
//! So nobody can change, drop or insert a line without breaking all that come after. A line is written as a whole; one that a
//! crash cut off was never on record, and goes with the next start.
//!
//! Places in it are bytes since the first entry that there ever was. Where old entries are kept no longer, the file begins with a line
//! that says how many bytes and entries those were ([`Gone`]), so that places stay what they are.

use super::chain::{Audited, Chain, Deed};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sonder_core::consent::ledger::{ORIGIN, hex, unhex};
use sonder_dsl::time::Moment;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// The file in a data directory.
const FILE: &str = "audit.ndjson";
/// What is to take its place.
const DRAFT: &str = "audit.ndjson.new";
/// How long a look may be on its way to the disk.
pub(super) const LATEST: Duration = Duration::from_secs(1);
/// Bytes of a line, at most: what goes into one is bounded.
const LINE: u64 = 16 * 1024;

/// Some lines, and where those after them begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In their order.
    pub entries: Vec<Audited>,
    /// The place behind each.
    pub ends: Vec<u64>,
    /// The place that the next line begins at, or will.
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

/// What went from the beginning of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Gone {
    /// The number of the last entry that went.
    number: u64,
    /// Its hash.
    hash: String,
    /// How many bytes all that went had.
    bytes: u64,
}

/// The line that a file begins with where something went.
#[derive(Serialize, Deserialize)]
struct FirstLine {
    gone: Gone,
}

/// Where a file's entries begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begin {
    /// The byte of the file.
    byte: u64,
    /// The place that this is.
    place: u64,
}

impl Begin {
    const fn byte_of(self, place: u64) -> u64 {
        self.byte + place.saturating_sub(self.place)
    }

    const fn place_of(self, byte: u64) -> u64 {
        self.place + byte - self.byte
    }
}

/// The audit log of a data directory.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    /// A name in the same file system, for a file that is to take the place of this one.
    draft: PathBuf,
    end: Mutex<End>,
    /// Whoever makes a draft holds it.
    drafting: Mutex<()>,
}

#[derive(Debug)]
struct End {
    file: Arc<File>,
    chain: Chain,
    /// How long the file is.
    bytes: u64,
    /// Whether somebody is to sync what was written down last.
    is_sync_ahead: bool,
}

impl AuditLog {
    /// That of a data directory; begun where there is none.
    ///
    /// # Errors
    /// When it cannot be written, or is none.
    pub fn open(data: &Path) -> Result<Self, AuditLogError> {
        let (path, draft) = (data.join(FILE), data.join(DRAFT));
        let io = |source| AuditLogError::Io { path: path.clone(), source };
        let damaged = || AuditLogError::Damaged { path: path.clone() };
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let file = appended(&path).map_err(io)?;
        let (text, begin) = end_of(&file).map_err(io)?;
        let whole = text.rfind('\n').map_or(0, |place| place + 1);
        let bytes = begin + whole as u64;
        let chain = match text[..whole].lines().next_back() {
            None if begin > 0 => None,
            None => Some(Chain::default()),
            Some(last) => match serde_json::from_str::<Audited>(last) {
                Ok(last) => unhex(&last.hash).map(|head| Chain { number: last.number, head }),
                Err(_) => None,
            },
        };
        let chain = chain.ok_or_else(damaged)?;
        file.set_len(bytes).map_err(io)?;
        let end = End { file: Arc::new(file), chain, bytes, is_sync_ahead: false };
        Ok(Self { path, draft, end: Mutex::new(end), drafting: Mutex::default() })
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
        let mut file: &File = &end.file;
        if let Err(error) = file.write_all(line.as_bytes()) {
            // Half a line would be taken for the beginning of the next.
            file.set_len(end.bytes)?;
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
        let file = {
            let mut end = self.end.lock();
            end.is_sync_ahead = false;
            Arc::clone(&end.file)
        };
        file.sync_data()
    }

    /// How many entries were written down before a moment, up to the first that was not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn older(&self, than: Moment) -> io::Result<u64> {
        Ok(self.head_before(than)?.map_or(0, |head| head.count))
    }

    /// Lets those go, and puts that on record. Says how many there were.
    ///
    /// # Errors
    /// When the file cannot be written; then it is as it was, but for the entry that says what was to go.
    pub fn let_go(&self, before: Moment) -> io::Result<u64> {
        let _drafting = self.drafting.lock();
        let Some(head) = self.head_before(before)? else { return Ok(0) };
        self.note(Deed::letting_go(head.last))?;
        let mut whole = File::open(&self.path)?;
        let begin = begin_of(&mut whole)?;
        let gone = Gone { number: head.last.number, hash: hex(&head.last.head), bytes: head.end };
        let mut draft = appended(&self.draft)?;
        draft.set_len(0)?;
        writeln!(draft, "{}", serde_json::to_string(&FirstLine { gone })?)?;
        whole.seek(SeekFrom::Start(begin.byte_of(head.end)))?;
        // Nearly all of it while entries are still written, so that nobody waits for that.
        io::copy(&mut whole, &mut draft)?;
        draft.sync_data()?;
        let mut end = self.end.lock();
        io::copy(&mut whole, &mut draft)?;
        draft.sync_data()?;
        fs::rename(&self.draft, &self.path)?;
        end.bytes = draft.metadata()?.len();
        end.file = Arc::new(draft);
        drop(end);
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(head.count)
    }

    /// The entries before a moment, from the first on.
    fn head_before(&self, moment: Moment) -> io::Result<Option<Head>> {
        let (mut head, mut next): (Option<Head>, u64) = (None, 0);
        loop {
            let page = self.lines(next, 1_000)?;
            let mut is_past = !page.has_more;
            for (entry, end) in page.entries.iter().zip(&page.ends) {
                let at = Moment::parse(&entry.at);
                let (Some(hash), true) = (unhex(&entry.hash), at.is_some_and(|at| at < moment)) else {
                    is_past = true;
                    break;
                };
                let count = head.as_ref().map_or(0, |head| head.count) + 1;
                head = Some(Head { last: Chain { number: entry.number, head: hash }, end: *end, count });
            }
            if is_past {
                return Ok(head);
            }
            next = page.next;
        }
    }

    /// Up to `limit` lines that begin at a place or behind it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lines(&self, place: u64, limit: usize) -> io::Result<Page> {
        read_from(&self.path, place, limit)
    }

    /// The newest lines.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest(&self, limit: usize) -> io::Result<Page> {
        let mut file = File::open(&self.path)?;
        let begin = begin_of(&mut file)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(LINE * limit as u64).max(begin.byte);
        let (text, _) = part(&file, from)?;
        let whole = if from == begin.byte { 0 } else { text.find('\n').map_or(text.len(), |place| place + 1) };
        let lines: Vec<&str> = text[whole..].lines().collect();
        let newest = &lines[lines.len().saturating_sub(limit)..];
        let entries = newest.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: begin.place_of(length), ..Page::default() })
    }
}

/// The first entries of a log, all that are older than something.
struct Head {
    last: Chain,
    /// The place behind the last.
    end: u64,
    count: u64,
}

/// The same of the audit log of a data directory that no engine runs on; none where there is none.
///
/// # Errors
/// When the file cannot be read.
pub fn lines_of(data: &Path, place: u64, limit: usize) -> io::Result<Page> {
    match read_from(&data.join(FILE), place, limit) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Page::default()),
        page => page,
    }
}

fn read_from(path: &Path, place: u64, limit: usize) -> io::Result<Page> {
    let mut file = File::open(path)?;
    let begin = begin_of(&mut file)?;
    // From within a line on: what is behind that line. So it is from its last byte on, where one begins.
    let byte = begin.byte_of(place).min(file.metadata()?.len());
    let before = if byte == begin.byte { byte } else { byte - 1 };
    file.seek(SeekFrom::Start(before))?;
    let mut lines = BufReader::new(file);
    let skipped = if byte == begin.byte { 0 } else { lines.by_ref().take(LINE).read_until(b'\n', &mut Vec::new())? };
    let mut page = Page { next: begin.place_of(before + skipped as u64), ..Page::default() };
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
        page.ends.push(page.next);
    }
}

/// A file to append to, which only its owner reads.
fn appended(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// Where the entries of a file begin.
fn begin_of(file: &mut File) -> io::Result<Begin> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = String::new();
    let bytes = BufReader::new(file).take(LINE).read_line(&mut line)?;
    Ok(match serde_json::from_str::<FirstLine>(&line) {
        Ok(first) => Begin { byte: bytes as u64, place: first.gone.bytes },
        Err(_) => Begin { byte: 0, place: 0 },
    })
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
    use super::super::DeedKind;
    use super::super::chain::Check;
    use super::*;

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
        let (mut check, mut next) = (Check::default(), 0);
        loop {
            let page = log.lines(next, limit).unwrap();
            for entry in &page.entries {
                if !check.takes(entry) {
                    return Err(entry.number);
                }
            }
            next = page.next;
            if !page.has_more {
                return if check.is_whole() { Ok(check.chain()) } else { Err(check.begins_behind().number) };
            }
        }
    }

    /// Notes some, and gives a moment before which these were written and behind which what comes will be.
    fn noted(log: &AuditLog, count: usize) -> Moment {
        (0..count).for_each(|number| _ = log.note(deed(number)).unwrap());
        std::thread::sleep(Duration::from_millis(2));
        let between = now();
        std::thread::sleep(Duration::from_millis(2));
        between
    }

    #[test]
    fn old_entries_go_and_the_others_stay_where_they_are() {
        let data = tempfile::tempdir().unwrap();
        let mut log = AuditLog::open(data.path()).unwrap();
        assert_eq!(log.let_go(now()).unwrap(), 0);
        let mut gone = 0;
        for round in 1..4 {
            let old = noted(&log, 50);
            noted(&log, 30);
            let before = log.lines(0, 1_000).unwrap();
            let is_old = |it: &&Audited| Moment::parse(&it.at).is_some_and(|at| at < old);
            assert_eq!(log.older(old).unwrap(), before.entries.iter().filter(is_old).count() as u64);
            let count = log.let_go(old).unwrap();
            gone += count;
            let after = log.lines(0, 1_000).unwrap();
            let kept = &before.entries[count as usize..];
            assert_eq!((&after.entries[..kept.len()], after.entries.len()), (kept, kept.len() + 1), "round {round}");
            assert_eq!(after.entries[0].number, gone + 1);
            // A page goes on where it would have, and from what is gone on the first comes.
            let place = before.ends[count as usize + 3];
            assert_eq!(log.lines(place, 5).unwrap().entries[..], before.entries[count as usize + 4..][..5]);
            assert_eq!(log.lines(1, 1_000).unwrap(), after);
            assert_eq!(log.newest(3).unwrap().entries[..], after.entries[after.entries.len() - 3..]);
            assert_eq!((log.let_go(old).unwrap(), log.newest(1).unwrap().next), (0, after.next));
            assert_eq!(verified(&log, 7).unwrap().number, after.entries.last().unwrap().number);
            log = AuditLog::open(data.path()).unwrap();
            assert_eq!(log.lines(0, 1_000).unwrap(), after);
        }
    }

    #[test]
    fn what_is_noted_while_old_entries_go_is_not_lost() {
        let data = tempfile::tempdir().unwrap();
        let log = AuditLog::open(data.path()).unwrap();
        std::thread::scope(|scope| {
            let noting = scope.spawn(|| (0..3_000).for_each(|number| _ = log.note(deed(number)).unwrap()));
            let mut gone = 0;
            while !noting.is_finished() {
                gone += log.let_go(now()).unwrap();
                log.sync().unwrap();
            }
            assert!(gone > 0);
        });
        let chain = verified(&log, 100).unwrap();
        assert!(chain.number > 3_000, "{chain}");
    }

    #[test]
    fn a_beginning_that_was_cut_off_is_found_out() {
        let data = tempfile::tempdir().unwrap();
        let log = AuditLog::open(data.path()).unwrap();
        let old = noted(&log, 10);
        noted(&log, 10);
        let path = data.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let cut: String = text.lines().skip(4).map(|line| format!("{line}\n")).collect();
        fs::write(&path, cut).unwrap();
        assert_eq!(verified(&log, 3), Err(4));
        fs::write(&path, text).unwrap();
        AuditLog::open(data.path()).unwrap().let_go(old).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for skipped in [1, 2, 5] {
            let lines: Vec<&str> = text.lines().collect();
            let cut: String = lines[..1].iter().chain(&lines[1 + skipped..]).map(|line| format!("{line}\n")).collect();
            fs::write(&path, cut).unwrap();
            assert_eq!(verified(&log, 3), Err(10 + skipped as u64), "{skipped} more than were let go");
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
