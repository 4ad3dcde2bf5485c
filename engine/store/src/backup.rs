//! A consistent copy of the files while the engine runs.
//!
//! Between two foldings of a write-ahead log DuckDB never changes what its file says, it only appends to the log. So a
//! [`Snapshot`] puts foldings off for as long as it lives, notes how long each file is at the end of a transaction, and these
//! bytes are a database: as of one moment, however long it takes to copy them. Appends go on.
//!
//! Other files come and go meanwhile: destinations that keep files rename them as they are finished. So each gets a second name in a
//! folder of the snapshot ([`Links`]), which goes with it.
//!
//! INVARIANT: people's state is noted before the log, so that the log has everything that the state is made of; and the log before
//! other files, so that these have every row whose delivery the log says ended.
//! INVARIANT: no keys are among them. A [copy of the keys](crate::keys_copy) is kept beside backups, one for all.

use crate::database::{LOG, STATE};
use crate::lock::DirectoryLock;
use crate::{Store, StoreError};
use parking_lot::RwLockReadGuard;
use sonder_core::record::Seq;
use std::fs::{self, File};
use std::io::{self, Read, Take};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// How the folders are named in which files have their second names.
const LINKS: &str = "snapshot-";
/// How often the files are listed until none was renamed meanwhile, and how long it is waited between.
const PASSES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// What keeps the files as they are.
#[derive(Debug)]
enum Held<'a> {
    Running { store: &'a Store, generation: u64, links: Links, _still: RwLockReadGuard<'a, ()> },
    AtRest { _lock: DirectoryLock },
}

/// Second names of files.
#[derive(Debug)]
struct Links(PathBuf);

impl Drop for Links {
    fn drop(&mut self) {
        // What cannot be removed now the next start removes.
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Links {
    /// Gives each file that is there now a second name. What is in hidden folders is on its way to others, under other names: a
    /// pass in which none of it moved has everything once. Other files stay as they are, so that each pass links only new ones.
    fn make(dir: &Path) -> Result<(Self, Vec<(String, u64)>), StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let links = Self(dir.join(format!("{LINKS}{}-{number}", std::process::id())));
        for _ in 0..PASSES {
            match links.pass(dir) {
                Ok(Some(files)) => return Ok((links, files)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::Io { action: "link", path: links.0.clone(), error }),
            }
            std::thread::sleep(PAUSE);
        }
        Err(StoreError::Damaged("files are renamed all the time; try once more".to_owned()))
    }

    /// `None` where something in hidden folders moved meanwhile.
    fn pass(&self, dir: &Path) -> io::Result<Option<Vec<(String, u64)>>> {
        let moving = || -> io::Result<Vec<(String, u64)>> {
            let names = others(dir, dir)?.into_iter().filter(|name| is_hidden(name));
            names.map(|name| fs::metadata(dir.join(&name)).map(|meta| (name, meta.ino()))).collect()
        };
        let before = moving()?;
        for (name, _) in &before {
            // Of an earlier pass.
            drop(fs::remove_file(self.0.join(name)));
            self.link(dir, name)?;
        }
        for name in others(dir, dir)?.iter().filter(|name| !is_hidden(name)) {
            self.link(dir, name)?;
        }
        if moving()? != before {
            return Ok(None);
        }
        let is_of_now = |name: &String| !is_hidden(name) || before.iter().any(|(known, _)| known == name);
        let names = others(&self.0, &self.0)?.into_iter().filter(is_of_now);
        let files = names.map(|name| fs::metadata(self.0.join(&name)).map(|meta| (name, meta.len())));
        files.collect::<io::Result<_>>().map(Some)
    }

    fn link(&self, dir: &Path, name: &str) -> io::Result<()> {
        let link = self.0.join(name);
        fs::create_dir_all(link.parent().unwrap_or(&self.0))?;
        match fs::hard_link(dir.join(name), link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    }
}

/// Whether a file is in a hidden folder.
fn is_hidden(name: &str) -> bool {
    name.split('/').rev().skip(1).any(|part| part.starts_with('.'))
}

/// Removes second names that a crash left.
pub(crate) fn sweep(dir: &Path) -> Result<(), StoreError> {
    let swept = || -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(LINKS) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    };
    swept().map_err(|error| StoreError::Io { action: "remove", path: dir.to_owned(), error })
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
        let (links, others) = Links::make(dir)?;
        files.extend(others);
        let held = Held::Running { store: self, generation, links, _still: still };
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
        let failed = |error| StoreError::Io { action: "read", path: dir.to_owned(), error };
        for name in others(dir, dir).map_err(failed)? {
            let bytes = fs::metadata(dir.join(&name)).map_err(failed)?.len();
            files.push((name, bytes));
        }
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
        let path = match &self.held {
            Held::Running { links, .. } if !is_database(name) => links.0.join(name),
            Held::Running { .. } | Held::AtRest { .. } => self.dir.join(name),
        };
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

/// Everything else that belongs to the data: keys of the API, the ledger of imports, what plugins keep, files of destinations. By
/// name.
fn others(dir: &Path, root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned) else { continue };
        if LEFT_OUT.contains(&name.as_str()) || is_database(&name) || name.starts_with(LINKS) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            names.extend(others(&path, root)?);
        } else if kind.is_file() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_database(name: &str) -> bool {
    name.contains(".duckdb")
}
