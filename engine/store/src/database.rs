//! The only place that opens DuckDB: its files, settings and connections, and opening it again when it gave up.
//!
//! DuckDB declares a whole database invalid when it fails half-way through folding the write-ahead log into the file (a
//! full disk does that). Nothing committed is lost then, but every connection is dead. So all work goes through
//! [`Database::run`], which hands out connections of the present instance, and [`Database::reopen`] replaces it.
//!
//! There are three files, each with a write-ahead log of its own: the log with all that came and was decided, the state of
//! people, and the keys that personal data is sealed with. A commit waits for whatever is written to the same file, so the
//! writer of the log never waits for people to be saved. A transaction writes to one file only.
//!
//! They are attached to an in-memory database rather than opened directly, because only `ATTACH` lets us choose the size
//! of row groups. Small ones keep checkpoints short: what a checkpoint rewrites is the last row group of each table, and a
//! commit waits for it.

use crate::held::Held;
use crate::seal::Keyring;
use crate::{StoreError, StoreOptions, limits};
use duckdb::{Config, Connection, InterruptHandle};
use parking_lot::{Condvar, Mutex, RwLock};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// The catalogs' names in SQL, and of their files: the log and all that hangs on it, the state of people, the keys of subjects.
pub(crate) const LOG: &str = "sonder";
pub(crate) const STATE: &str = "state";
pub(crate) const KEYS: &str = "keys";
const CATALOGS: [&str; 3] = [LOG, STATE, KEYS];
/// Rows that one row group holds; a multiple of DuckDB's vector of 2,048.
pub(crate) const ROW_GROUP: u64 = 4_096;
/// Ways to compress text that a checkpoint is not to try: choosing and building their tables for each row group takes half
/// of its time, while commits wait. The file is two to four times as large for it.
const SLOW_COMPRESSION: &str = "fsst,dict_fsst";

/// Whether a store is opened to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    Read,
}

/// The database file and its connections.
#[derive(Debug)]
pub(crate) struct Database {
    dir: PathBuf,
    options: StoreOptions,
    access: Access,
    // INVARIANT: `None` only between a failed and the next successful reopening.
    instance: RwLock<Option<Instance>>,
    /// Set by the first error that says so.
    broken: AtomicBool,
    /// Counts the times that it was opened.
    generation: AtomicU64,
    /// What DuckDB may hold for rows that came in pieces.
    held: Held,
    readers: Readers,
    queries: Readers,
    /// What opens personal data that is sealed.
    keyring: Keyring,
}

struct Instance {
    /// For `append`, `evolve` and folding the log's write-ahead log.
    writer: Mutex<Connection>,
    /// For the state of people, which must not hold up `append`.
    keeper: Mutex<Connection>,
    /// For the keys of subjects: they are written while the writer is in a transaction.
    locksmith: Mutex<Connection>,
    /// Never busy: what further connections are made from.
    template: Mutex<Connection>,
    /// Idle connections for reading.
    idle: Mutex<Vec<Connection>>,
    /// Connections in use for reading, to be interrupted when the instance must go.
    busy: Mutex<Vec<Arc<InterruptHandle>>>,
    /// It must go: whoever reads was interrupted.
    leaving: AtomicBool,
}

/// Which connection a piece of work needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Keeper,
    /// May be asked for by whoever works as the writer, and asks for nobody.
    Locksmith,
    Reader,
    /// SQL of users, which may take long, and must not keep the engine's own reads waiting. Until then it may wait for others.
    Query(Instant),
}

/// Counts the reads that run, so that they are bounded.
#[derive(Debug)]
struct Readers {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Database {
    pub fn open(dir: &Path, options: StoreOptions, access: Access) -> Result<Self, StoreError> {
        let instance = Instance::open(dir, &options, access)?;
        let readers = Readers::new(options.readers);
        let queries = Readers::new(options.queries);
        let keyring = Keyring::new(&options);
        Ok(Self {
            dir: dir.to_owned(),
            options,
            access,
            instance: RwLock::new(Some(instance)),
            broken: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            held: Held::default(),
            readers,
            queries,
            keyring,
        })
    }

    /// Runs `work` on a connection for `role`; waits for one.
    pub fn run<T>(&self, role: Role, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let _permit = match role {
            Role::Reader => self.readers.enter(None),
            Role::Query(deadline) => Some(self.queries.enter(Some(deadline)).ok_or(StoreError::TimedOut)?),
            Role::Writer | Role::Keeper | Role::Locksmith => None,
        };
        let guard = match role {
            // Whoever has it already does not wait behind whoever waits for it to be free.
            Role::Locksmith => self.instance.read_recursive(),
            _ => self.instance.read(),
        };
        let Some(instance) = guard.as_ref() else {
            return Err(StoreError::Full { path: self.dir.clone() });
        };
        let outcome = match role {
            Role::Writer => work(&instance.writer.lock()),
            Role::Keeper => work(&instance.keeper.lock()),
            Role::Locksmith => work(&instance.locksmith.lock()),
            Role::Reader | Role::Query(_) => instance.read(work),
        };
        outcome.map_err(|error| {
            // Nothing else helps where what is to be written finds no room: see `held`.
            if matches!(role, Role::Writer | Role::Keeper | Role::Locksmith) && is_out_of_memory(&error) {
                self.broken.store(true, Ordering::Release);
            }
            self.classify(error)
        })
    }

    /// Whether the database has to be opened again before anything works.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// As an error of DuckDB that says so.
    #[cfg(test)]
    pub fn declare_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Closes the database and opens it again; reads that run are interrupted.
    pub fn reopen(&self) -> Result<(), StoreError> {
        self.interrupt();
        self.open_anew(&mut self.instance.write(), |_| Ok(()))
    }

    /// Closes the database and opens it again, unless somebody works on it. Returns whether it was done.
    pub fn reopen_if_idle(&self) -> Result<bool, StoreError> {
        let Some(mut guard) = self.instance.try_write() else { return Ok(false) };
        self.open_anew(&mut guard, |_| Ok(())).map(|()| true)
    }

    /// Closes the database, works on its files, and opens it again, also where the work failed. Reads that
    /// run may finish, but not take long.
    pub fn closed(&self, work: impl FnOnce(&Path) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut guard = self.instance.try_write_for(limits::LAST_READS).unwrap_or_else(|| {
            self.interrupt();
            self.instance.write()
        });
        self.open_anew(&mut guard, work)
    }

    fn open_anew(
        &self,
        instance: &mut Option<Instance>,
        work: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        *instance = None;
        let worked = work(&self.dir).map_err(|error| self.classify(error));
        // Where it cannot be opened, the next work on it tries again.
        self.broken.store(true, Ordering::Release);
        let opened = Instance::open(&self.dir, &self.options, self.access).map_err(|error| self.classify(error))?;
        *instance = Some(opened);
        self.held.forget();
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.broken.store(false, Ordering::Release);
        worked
    }

    fn interrupt(&self) {
        if let Some(instance) = self.instance.read().as_ref() {
            instance.leaving.store(true, Ordering::Release);
            for handle in instance.busy.lock().iter() {
                handle.interrupt();
            }
        }
    }

    /// Another number when it was opened again: a transaction that began before is no more.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub const fn held(&self) -> &Held {
        &self.held
    }

    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Bytes of a catalog's write-ahead log.
    pub fn wal_bytes(&self, catalog: &str) -> u64 {
        bytes_of(&self.dir.join(format!("{catalog}.duckdb.wal")))
    }

    /// Bytes of the files.
    pub fn file_bytes(&self) -> u64 {
        CATALOGS.iter().map(|catalog| bytes_of(&self.dir.join(file(catalog)))).sum()
    }

    /// Bytes of all write-ahead logs.
    pub fn wals_bytes(&self) -> u64 {
        CATALOGS.iter().map(|catalog| self.wal_bytes(catalog)).sum()
    }

    fn classify(&self, error: StoreError) -> StoreError {
        if let StoreError::Database(database) = &error
            && gave_up(database)
        {
            self.broken.store(true, Ordering::Release);
        }
        match error {
            StoreError::Database(error) if says(&error, &["No space left on device", "Disk quota exceeded"]) => {
                StoreError::Full { path: self.dir.clone() }
            }
            other => other,
        }
    }
}

/// Whether an error of DuckDB contains one of `phrases`; it has no codes to go by.
pub(crate) fn says(error: &duckdb::Error, phrases: &[&str]) -> bool {
    let duckdb::Error::DuckDBFailure(_, Some(message)) = error else { return false };
    phrases.iter().any(|phrase| message.contains(phrase))
}

fn is_out_of_memory(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(error) if says(error, &["could not allocate block", "failed to pin block"]))
}

/// Whether DuckDB declared the database invalid. What users raise with `error(…)` begins otherwise.
fn gave_up(error: &duckdb::Error) -> bool {
    let duckdb::Error::DuckDBFailure(_, Some(message)) = error else { return false };
    message.starts_with("FATAL") || (message.contains("has been invalidated") && !message.starts_with("Invalid Input"))
}

/// `text` as an SQL string. A statement ends at U+0000, so that has to be written as a function.
pub(crate) fn quoted(text: &str) -> String {
    let parts: Vec<String> = text.split('\0').map(|part| format!("'{}'", part.replace('\'', "''"))).collect();
    match parts.as_slice() {
        [whole] => whole.clone(),
        parts => format!("({})", parts.join(" || chr(0) || ")),
    }
}

/// `name` as an SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("busy", &self.busy.lock().len()).finish_non_exhaustive()
    }
}

impl Instance {
    fn open(dir: &Path, options: &StoreOptions, access: Access) -> Result<Self, StoreError> {
        let files = CATALOGS.map(|catalog| (catalog, dir.join(file(catalog))));
        let is_missing = |(catalog, file): &(&str, PathBuf)| *catalog != KEYS && !file.exists();
        if access == Access::Read && files.iter().any(is_missing) {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| unreadable(path));
        let config = Config::default()
            .threads(i64::try_from(options.threads.max(1)).unwrap_or(1))?
            .max_memory(&format!("{}B", options.memory_bytes))?
            .with("temp_directory", text(&dir.join("tmp"))?)?
            // Folding the log into the file at a commit would stall that commit; `checkpoint_wal` does it between them.
            .with("checkpoint_threshold", "1TB")?
            .with("preserve_insertion_order", "true")?
            .enable_autoload_extension(false)?;
        let writer = Connection::open_in_memory_with_flags(config)?;
        // As statements: what the configuration says of these before there is a database has no effect.
        writer.execute_batch(&format!(
            "SET disabled_compression_methods = {}; SET allocator_flush_threshold = {};
             SET allocator_background_threads = true;",
            quoted(SLOW_COMPRESSION),
            quoted(limits::FREED_MEMORY),
        ))?;
        if options.keys.is_some() {
            // What is too large for memory is spilled, opened personal data, too. The keys of spilled blocks are in memory only. DuckDB
            // would rather have OpenSSL draw them, which comes with an extension, and otherwise refuses to spill at all.
            writer.execute_batch("SET force_mbedtls_unsafe = true; SET temp_file_encryption = true;")?;
        }
        let mode = match access {
            Access::Write => format!("ROW_GROUP_SIZE {ROW_GROUP}"),
            Access::Read => "READ_ONLY".to_owned(),
        };
        for (catalog, file) in &files {
            // Data of an earlier format has its keys with the log; where they are missing, nothing sealed can be read.
            let attach = match access {
                Access::Read if !file.exists() => format!("ATTACH ':memory:' AS {catalog}"),
                _ => format!("ATTACH {} AS {catalog} ({mode})", quoted(&text(file)?)),
            };
            writer.execute_batch(&attach)?;
        }
        writer.execute_batch(&format!("USE {LOG}"))?;
        // From here on SQL reaches these files and the spill directory only, and no setting can be changed any more.
        writer.execute_batch("SET enable_external_access = false; SET lock_configuration = true;")?;
        let keeper = Mutex::new(sibling(&writer, STATE)?);
        let locksmith = Mutex::new(sibling(&writer, KEYS)?);
        let template = Mutex::new(sibling(&writer, LOG)?);
        Ok(Self {
            writer: Mutex::new(writer),
            keeper,
            locksmith,
            template,
            idle: Mutex::default(),
            busy: Mutex::default(),
            leaving: AtomicBool::new(false),
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sibling(&self.template.lock(), LOG)?,
        };
        let handle = connection.interrupt_handle();
        self.busy.lock().push(Arc::clone(&handle));
        let outcome = work(&connection);
        self.busy.lock().retain(|other| !Arc::ptr_eq(other, &handle));
        if outcome.is_ok() {
            // After an error the connection may be inside a transaction; a new one costs less than finding out.
            self.idle.lock().push(connection);
        }
        let is_leaving = self.leaving.load(Ordering::Acquire);
        outcome.map_err(|error| match error {
            StoreError::Database(error) if is_leaving && says(&error, &["Interrupted", "INTERRUPT"]) => {
                StoreError::Reopened
            }
            other => other,
        })
    }
}

fn sibling(connection: &Connection, catalog: &str) -> Result<Connection, StoreError> {
    let sibling = connection.try_clone()?;
    sibling.execute_batch(&format!("USE {catalog}"))?;
    Ok(sibling)
}

fn unreadable(path: &Path) -> StoreError {
    let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not UTF-8");
    StoreError::Io { action: "open", path: path.to_owned(), error }
}

fn file(catalog: &str) -> String {
    format!("{catalog}.duckdb")
}

fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

impl Readers {
    fn new(limit: usize) -> Self {
        Self { free: Mutex::new(limit.max(1)), freed: Condvar::new() }
    }

    /// Waits for its turn; `None` when that had not come by `deadline`.
    fn enter(&self, deadline: Option<Instant>) -> Option<Permit<'_>> {
        let mut free = self.free.lock();
        while *free == 0 {
            match deadline {
                None => self.freed.wait(&mut free),
                Some(deadline) if self.freed.wait_until(&mut free, deadline).timed_out() && *free == 0 => return None,
                Some(_) => {}
            }
        }
        *free -= 1;
        Some(Permit { readers: self })
    }
}

struct Permit<'a> {
    readers: &'a Readers,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.readers.free.lock() += 1;
        self.readers.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_reads_while_the_files_are_opened_again_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path(), StoreOptions::default(), Access::Write).unwrap();
        let endless = "SELECT count(*) FROM range(10000000) AS a(x), range(10000000) AS b(y) WHERE (x * y) % 7 = 8";
        std::thread::scope(|scope| {
            let read = scope.spawn(|| database.run(Role::Reader, |connection| Ok(connection.execute_batch(endless)?)));
            // An interrupt that comes before the statement is forgotten by DuckDB.
            std::thread::sleep(Duration::from_millis(300));
            database.reopen().unwrap();
            assert!(matches!(read.join().unwrap(), Err(StoreError::Reopened)));
        });
        assert!(database.run(Role::Reader, |connection| Ok(connection.execute_batch("SELECT 1")?)).is_ok());
    }
}
