//! The writing side: one [`Store`] for each data directory.

use crate::append::{Counters, Prepared};
use crate::batch::LogBatch;
use crate::database::{Access, Database, Role, says};
use crate::lock::DirectoryLock;
use crate::reader::Reader;
use crate::recovery::Recovered;
use crate::typed::{Catalog, Layout};
use crate::{StoreError, StoreOptions, limits, schema};
use duckdb::Connection;
use parking_lot::Mutex;
use sonder_core::record::Seq;
use sonder_dsl::ir::Program;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An open data directory. Share it in an `Arc`: appends queue behind each other, checkpoints of the fold run beside them.
///
/// All methods block; call them from a thread that may.
#[derive(Debug)]
pub struct Store {
    pub(crate) database: Arc<Database>,
    writer: Mutex<Writer>,
    pub(crate) keeper: Mutex<crate::checkpoint::Keeper>,
    // Released after the database is closed: fields are dropped in this order.
    _lock: DirectoryLock,
}

#[derive(Debug)]
struct Writer {
    counters: Counters,
    catalog: Catalog,
    /// The programs that batches came with lately, and where their events go.
    layouts: Vec<(Arc<Program>, Layout)>,
    /// How long the last folding of the write-ahead log took, and when it ended.
    last_fold: Option<(Duration, Instant)>,
}

/// How many programs' layouts are kept: the running one, and the one before whose batches may still be on their way.
const LAYOUTS: usize = 2;

impl Store {
    /// Opens `dir`, making it where it is not there, with the defaults of [`StoreOptions`].
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another engine runs on it, [`StoreError::NewerFormat`] when a newer Sonder wrote it,
    /// [`StoreError::Full`] when there is no room, and whatever the file system and DuckDB may say.
    pub fn open(dir: &Path, program: &Arc<Program>) -> Result<(Self, Recovered), StoreError> {
        Self::open_with(dir, program, StoreOptions::default())
    }

    /// [`open`](Self::open) with options.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(
        dir: &Path,
        program: &Arc<Program>,
        options: StoreOptions,
    ) -> Result<(Self, Recovered), StoreError> {
        std::fs::create_dir_all(dir).map_err(|error| StoreError::Io {
            action: "create",
            path: dir.to_owned(),
            error,
        })?;
        let lock = DirectoryLock::exclusive(dir)?;
        let database = Database::open(dir, options, Access::Write)?;
        let (counters, catalog) = database.run(Role::Writer, |connection| {
            schema::prepare(connection, dir)?;
            let mut catalog = Catalog::load(connection)?;
            catalog.evolve(connection, program)?;
            Ok((Counters::load(connection)?, catalog))
        })?;
        let layout = catalog.layout(program);
        let writer = Writer { counters, catalog, layouts: vec![(Arc::clone(program), layout)], last_fold: None };
        let recovered =
            database.run(Role::Writer, |connection| Recovered::load(connection, program, database.options()))?;
        let keeper = database.run(Role::Keeper, crate::checkpoint::Keeper::load)?;
        let database = Arc::new(database);
        Ok((Self { database, writer: Mutex::new(writer), keeper: Mutex::new(keeper), _lock: lock }, recovered))
    }

    /// Writes a batch, whose ids are those of `program`, in one transaction. When it returns `Ok`, everything in it is on
    /// the disk; when it returns an error, nothing of it is there, and the same batch may be appended again.
    ///
    /// A `program` that was not seen before is evolved to first; see [`evolve`](Self::evolve).
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room, [`StoreError::OutOfOrder`] when the rows do not continue the log.
    pub fn append(&self, program: &Arc<Program>, batch: &LogBatch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        self.revive(&mut writer)?;
        let place = self.place_of(&mut writer, program)?;
        let layout = &writer.layouts[place].1;
        let prepared = Prepared::new(program, &writer.catalog, layout, writer.counters, batch)?;
        let after = prepared.counters;
        match self.database.run(Role::Writer, |connection| prepared.write(connection)) {
            Ok(()) => {
                writer.counters = after;
                Ok(())
            }
            Err(error) => self.settle(&mut writer, batch, error),
        }
    }

    /// Makes the typed tables and columns that `program` declares, and fills new ones from the log. Call it before a new
    /// program takes over; appends wait meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; what was done by then is kept, and the next call goes on.
    pub fn evolve(&self, program: &Arc<Program>) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        self.revive(&mut writer)?;
        self.evolve_to(&mut writer, program)
    }

    /// The last place in the log.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        Seq(self.writer.lock().counters.seq)
    }

    /// For reading, from any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.database), None)
    }

    /// Whether the write-ahead log should be folded into the file now: it has grown, and folding it took little of the
    /// time since the last folding.
    #[must_use]
    pub fn wants_checkpoint(&self) -> bool {
        let bytes = self.database.wal_bytes();
        if bytes < limits::WAL_SOFT_BYTES {
            return false;
        }
        let last = self.writer.lock().last_fold;
        let rested = last.is_none_or(|(took, ended)| ended.elapsed() >= took * limits::WAL_REST);
        rested || bytes >= limits::WAL_HARD_BYTES
    }

    /// Folds the write-ahead log into the file. Appends wait meanwhile, tens of milliseconds if it is done as often as
    /// [`wants_checkpoint`](Self::wants_checkpoint) says. Returns false when it has to wait for a read that is older than
    /// a change to the tables; try again later.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room for it; nothing is lost.
    pub fn checkpoint_wal(&self) -> Result<bool, StoreError> {
        let mut writer = self.writer.lock();
        self.revive(&mut writer)?;
        // The keeper's transactions write, too, and DuckDB folds only while nothing else does.
        let Some(_keeper) = self.keeper.try_lock() else { return Ok(false) };
        let started = Instant::now();
        let folded =
            self.database.run(Role::Writer, |connection| match connection.execute_batch("CHECKPOINT sonder") {
                Ok(()) => Ok(true),
                Err(error) if says(&error, &["other write transactions active"]) => Ok(false),
                Err(error) => Err(error.into()),
            });
        writer.last_fold = Some((started.elapsed(), Instant::now()));
        if folded.is_err() {
            // Reads should work again at once; if there is no room for even that, the next append tries again.
            let _ = self.revive(&mut writer);
        }
        folded
    }

    /// Bytes of the file and of the write-ahead log.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.database.file_bytes(), self.database.wal_bytes())
    }

    /// Runs `work`, which changes how far the tables' counters have come, while no append does.
    pub(crate) fn with_counters(
        &self,
        work: impl FnOnce(&Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        self.revive(&mut writer)?;
        let counters = self.database.run(Role::Writer, |connection| {
            work(connection).inspect_err(|_| {
                // The transaction may be gone already; what counts is the first error.
                let _ = connection.execute_batch("ROLLBACK");
            })?;
            Counters::load(connection)
        });
        writer.counters = counters?;
        Ok(())
    }

    /// Decides what a failed write came to, and makes the database usable again.
    fn settle(&self, writer: &mut Writer, batch: &LogBatch, error: StoreError) -> Result<(), StoreError> {
        if !self.database.is_broken() {
            return Err(error);
        }
        self.revive(writer)?;
        // The commit may have reached the disk before DuckDB gave up: then the batch is there, all of it.
        let last = batch.rows.last().map(|row| row.record.seq.0);
        if last.is_some_and(|last| last == writer.counters.seq) { Ok(()) } else { Err(error) }
    }

    /// Opens the database again if DuckDB gave up on it.
    fn revive(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if !self.database.is_broken() {
            return Ok(());
        }
        tracing::warn!(dir = %self.database.dir().display(), "the database gave up; opening it again");
        self.database.reopen()?;
        writer.counters = self.database.run(Role::Writer, Counters::load)?;
        Ok(())
    }

    fn place_of(&self, writer: &mut Writer, program: &Arc<Program>) -> Result<usize, StoreError> {
        let place = |writer: &Writer| writer.layouts.iter().position(|(known, _)| Arc::ptr_eq(known, program));
        if let Some(place) = place(writer) {
            return Ok(place);
        }
        self.evolve_to(writer, program)?;
        Ok(writer.layouts.len() - 1)
    }

    fn evolve_to(&self, writer: &mut Writer, program: &Arc<Program>) -> Result<(), StoreError> {
        let catalog = &mut writer.catalog;
        self.database.run(Role::Writer, |connection| {
            let evolved = catalog.evolve(connection, program);
            if evolved.is_err() {
                // Part of it may be done; what is recorded is what counts.
                *catalog = Catalog::load(connection)?;
            }
            evolved
        })?;
        writer.layouts.retain(|(known, _)| !Arc::ptr_eq(known, program));
        writer.layouts.push((Arc::clone(program), writer.catalog.layout(program)));
        let surplus = writer.layouts.len().saturating_sub(LAYOUTS);
        writer.layouts.drain(..surplus);
        for (known, layout) in &mut writer.layouts {
            *layout = writer.catalog.layout(known);
        }
        Ok(())
    }
}
