//! The writing side: one [`Store`] for each data directory.

use crate::append::{Answered, Counters, Prepared};
use crate::batch::{DeliveryOutcome, LogBatch, Takeover};
use crate::database::{Access, Database, KEYS, LOG, Role, says};
use crate::lock::DirectoryLock;
use crate::pseudonym::Pseudonyms;
use crate::reader::Reader;
use crate::recovery::Recovered;
use crate::seal::{Places, Sealing, void};
use crate::typed::{Catalog, Layout};
use crate::{StoreError, StoreOptions, backup, keys_copy, limits, region, schema};
use duckdb::{Connection, params};
use parking_lot::{Mutex, RwLock};
use sonder_core::effect::EffectId;
use sonder_core::record::Seq;
use sonder_dsl::ir::Program;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// An open data directory. Share it in an `Arc`: appends queue behind each other, checkpoints of the fold run beside them.
///
/// All methods block; call them from a thread that may.
#[derive(Debug)]
pub struct Store {
    pub(crate) database: Arc<Database>,
    writer: Mutex<Writer>,
    pub(crate) keeper: Mutex<crate::checkpoint::Keeper>,
    /// What identifiers are made comparable with where nobody may read them.
    pub(crate) pseudonyms: Pseudonyms,
    /// Whether the next checkpoint replaces everybody whom the last one had.
    pub(crate) forgets: AtomicBool,
    /// Deliveries that went with somebody who was erased while they may still be under way: what becomes of them is not noted.
    pub(crate) gone: Mutex<BTreeSet<EffectId>>,
    /// Held shared by whoever copies the files, which then say what they said.
    pub(crate) still: RwLock<()>,
    /// The region that the data stays in.
    region: Option<String>,
    // Released after the database is closed: fields are dropped in this order.
    _lock: DirectoryLock,
}

#[derive(Debug)]
struct Writer {
    counters: Counters,
    catalog: Catalog,
    /// The programs that batches came with lately, and where their events go.
    layouts: Vec<(Arc<Program>, Layout)>,
    /// What people said last, as the consent ledger has it.
    answered: Answered,
    /// A batch that may or may not have been committed.
    doubt: Option<Doubt>,
    /// How long the last folding of the write-ahead log took, and when it ended.
    last_fold: Option<(Duration, Instant)>,
}

/// What tells whether a batch was committed.
#[derive(Debug)]
struct Doubt {
    before: Counters,
    after: Counters,
    outcome: Option<DeliveryOutcome>,
    takeover: Option<Takeover>,
}

/// How many programs' layouts are kept: the running one, and the one before whose batches may still be on their way.
const LAYOUTS: usize = 2;

impl Store {
    /// A pseudonym of something, which only who has this data directory can compare with anything.
    #[must_use]
    pub fn pseudonym(&self, kind: &str, value: &str) -> String {
        self.pseudonyms.hash(kind, value)
    }

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
        let pseudonyms = Pseudonyms::of(dir)?;
        keys_copy::sweep(dir)?;
        backup::sweep(dir)?;
        let database = Database::open(dir, options, Access::Write)?;
        let mut are_keys_apart = true;
        let (counters, catalog, region) = database.run(Role::Writer, |connection| {
            are_keys_apart = schema::prepare(connection, dir)?;
            let region = region::settle(connection, dir, &database.options().stands)?;
            database.keyring().unlock_to_write(connection, dir)?;
            void(connection, dir, program)?;
            let mut catalog = Catalog::load(connection)?;
            catalog.evolve(connection, program, database.keyring())?;
            Ok((Counters::load(connection)?, catalog, region))
        })?;
        let layout = catalog.layout(program);
        let writer = Writer {
            counters,
            catalog,
            layouts: vec![(Arc::clone(program), layout)],
            answered: Answered::new(pseudonyms.clone()),
            doubt: None,
            last_fold: None,
        };
        let recovered =
            database.run(Role::Writer, |connection| Recovered::load(connection, program, database.options()))?;
        let keeper = database.run(Role::Keeper, crate::checkpoint::Keeper::load)?;
        let database = Arc::new(database);
        let store = Self {
            database,
            writer: Mutex::new(writer),
            keeper: Mutex::new(keeper),
            pseudonyms,
            forgets: AtomicBool::new(false),
            gone: Mutex::default(),
            still: RwLock::default(),
            region,
            _lock: lock,
        };
        if !are_keys_apart {
            // Blocks that are free say what they said, to whoever copies the file.
            store.rewrite(&[], crate::wall())?;
        }
        Ok((store, recovered))
    }

    /// Writes a batch, whose ids are those of `program`, in one transaction. When it returns `Ok`, everything in it is on
    /// the disk; when it returns an error but [`StoreError::InDoubt`], nothing of it is there, and the same batch may be
    /// appended again.
    ///
    /// A `program` that was not seen before is evolved to first; see [`evolve`](Self::evolve).
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room, [`StoreError::OutOfOrder`] when the rows do not continue the log,
    /// [`StoreError::InDoubt`] when it may be there: [`resolve`](Self::resolve) must say before anything else is written.
    pub fn append(&self, program: &Arc<Program>, batch: &LogBatch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        if writer.doubt.is_some() {
            return Err(StoreError::InDoubt { path: self.database.dir().to_owned() });
        }
        self.revive(&mut writer)?;
        let batch = &*self.without_gone(batch);
        if batch.is_empty() {
            return Ok(());
        }
        let place = self.place_of(&mut writer, program)?;
        let Writer { layouts, catalog, counters, answered, .. } = &mut *writer;
        let keyring = self.database.keyring();
        let mut sealing = Sealing::new(keyring, &self.pseudonyms);
        let prepared = Prepared::new(program, catalog, &layouts[place].1, *counters, batch, answered, &mut sealing)?;
        sealing.keep(&self.database).inspect_err(|_| answered.settle(false))?;
        let (before, after) = (writer.counters, prepared.counters);
        prepared.pieces().for_each(|rows| self.database.held().note(rows));
        match self.database.run(Role::Writer, |connection| prepared.write(connection)) {
            Ok(()) => {
                writer.answered.settle(true);
                writer.counters = after;
                Ok(())
            }
            Err(error) if !self.database.is_broken() => {
                writer.answered.settle(false);
                Err(error)
            }
            Err(error) => {
                let (outcome, takeover) = (batch.outcomes.last().cloned(), batch.takeover());
                writer.doubt = Some(Doubt { before, after, outcome, takeover });
                match self.settle(&mut writer) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(error),
                    Err(_) => Err(StoreError::InDoubt { path: self.database.dir().to_owned() }),
                }
            }
        }
    }

    /// A batch without what became of deliveries that are no more.
    fn without_gone<'b>(&self, batch: &'b LogBatch) -> Cow<'b, LogBatch> {
        let gone = self.gone.lock();
        if gone.is_empty() || !batch.outcomes.iter().any(|it| gone.contains(&it.delivery)) {
            return Cow::Borrowed(batch);
        }
        let mut batch = batch.clone();
        batch.outcomes.retain(|it| !gone.contains(&it.delivery));
        Cow::Owned(batch)
    }

    /// Whether the batch that [`append`](Self::append) left in doubt is there. After an answer appends go on: behind it,
    /// or with the same batch again.
    ///
    /// # Errors
    /// When that cannot be found out yet.
    pub fn resolve(&self) -> Result<bool, StoreError> {
        self.settle(&mut self.writer.lock())
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

    /// The region that the data stays in, where the project has regions.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
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
        let bytes = self.database.wal_bytes(LOG);
        if bytes < limits::WAL_SOFT_BYTES {
            return false;
        }
        let last = self.writer.lock().last_fold;
        let rested = last.is_none_or(|(took, ended)| ended.elapsed() >= took * limits::WAL_REST);
        rested || bytes >= limits::WAL_HARD_BYTES
    }

    /// Folds the write-ahead log into the file. Appends wait meanwhile, tens of milliseconds if it is done as often as
    /// [`wants_checkpoint`](Self::wants_checkpoint) says. Returns false when it has to wait for a read that is older than
    /// a change to the tables, or for a backup; try again later.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room for it; nothing is lost.
    pub fn checkpoint_wal(&self) -> Result<bool, StoreError> {
        let Some(_moving) = self.still.try_write() else { return Ok(false) };
        let mut writer = self.writer.lock();
        self.revive(&mut writer)?;
        let started = Instant::now();
        let folded =
            self.database.run(Role::Writer, |connection| match connection.execute_batch("CHECKPOINT sonder") {
                Ok(()) => Ok(true),
                Err(error) if says(&error, &["other write transactions active"]) => Ok(false),
                Err(error) => Err(error.into()),
            });
        writer.last_fold = Some((started.elapsed(), Instant::now()));
        let folded = folded.and_then(|folded| self.fold_keys().map(|()| folded));
        if folded.is_err() {
            // Reads should work again at once; if there is no room for even that, the next append tries again.
            let _ = self.revive(&mut writer);
        }
        folded
    }

    /// Folds the write-ahead log of the keys into their file, where it has grown.
    fn fold_keys(&self) -> Result<(), StoreError> {
        if self.database.wal_bytes(KEYS) < limits::WAL_SOFT_BYTES {
            return Ok(());
        }
        self.database.run(Role::Locksmith, |connection| match connection.execute_batch("CHECKPOINT keys") {
            // The next time.
            Err(error) if says(&error, &["other write transactions active"]) => Ok(()),
            folded => Ok(folded?),
        })
    }

    /// Bytes of the files and of their write-ahead logs.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.database.file_bytes(), self.database.wals_bytes())
    }

    /// Runs `work`, which is told the last place in the log, while no append does.
    pub(crate) fn between_appends<T>(&self, work: impl FnOnce(Seq) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let writer = self.writer.lock();
        if writer.doubt.is_some() || self.database.is_broken() {
            return Err(StoreError::InDoubt { path: self.database.dir().to_owned() });
        }
        work(Seq(writer.counters.seq))
    }

    /// Runs `work`, which changes how far the tables' counters have come, while no append does.
    pub(crate) fn with_counters(
        &self,
        work: impl FnOnce(&Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        if writer.doubt.is_some() {
            return Err(StoreError::InDoubt { path: self.database.dir().to_owned() });
        }
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

    /// Where personal data stands in messages, as the latest program marks it.
    pub(crate) fn places(&self) -> Arc<Places> {
        let writer = self.writer.lock();
        writer.layouts.last().map_or_else(Arc::default, |(_, layout)| Arc::clone(layout.places()))
    }

    /// The latest program.
    pub(crate) fn program(&self) -> Result<Arc<Program>, StoreError> {
        let writer = self.writer.lock();
        let latest = writer.layouts.last().map(|(program, _)| Arc::clone(program));
        latest.ok_or_else(|| StoreError::Damaged("nothing says what the data means".to_owned()))
    }

    /// The names of the typed tables.
    pub(crate) fn catalog_tables(&self) -> Vec<String> {
        self.writer.lock().catalog.tables().iter().map(|table| table.name.clone()).collect()
    }

    /// Runs `work`, which opens the database anew, while no append does.
    pub(crate) fn with_writer_reopened(&self, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        let worked = work();
        self.revive(&mut writer)?;
        writer.counters = self.database.run(Role::Writer, |connection| {
            // Views and comments are not copied with the tables.
            schema::prepare(connection, self.database.dir())?;
            Counters::load(connection)
        })?;
        worked
    }

    /// Makes the database usable again, and decides what a failed write came to: the commit may have reached the disk
    /// before DuckDB gave up. Then the batch is there, all of it.
    fn settle(&self, writer: &mut Writer) -> Result<bool, StoreError> {
        self.revive(writer)?;
        let Some(doubt) = &writer.doubt else { return Ok(false) };
        let is_there = if doubt.after != doubt.before {
            writer.counters == doubt.after
        } else {
            self.database.run(Role::Writer, |connection| doubt.is_written(connection))?
        };
        writer.doubt = None;
        writer.answered.settle(is_there);
        Ok(is_there)
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
            let evolved = catalog.evolve(connection, program, self.database.keyring());
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

impl Doubt {
    /// Whether a batch without rows that are counted is there.
    fn is_written(&self, connection: &Connection) -> Result<bool, StoreError> {
        if let Some(outcome) = &self.outcome {
            return Ok(connection.query_row(
                "SELECT count(*) > 0 FROM delivery_outcomes
                 WHERE delivery = ?::UUID AND attempt = ? AND epoch_us(ended_at) = ? AND state = ?",
                params![format!("{:032x}", outcome.delivery.0), outcome.attempt, outcome.at.0, outcome.state.name()],
                |row| row.get(0),
            )?);
        }
        let Some(Takeover { as_of, now, fingerprint }) = self.takeover else { return Ok(false) };
        Ok(connection.query_row(
            "SELECT count(*) > 0 FROM takeovers WHERE as_of_seq = ? AND epoch_us(now) = ? AND fingerprint = ?",
            params![as_of.0, now.0, fingerprint.0],
            |row| row.get(0),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OutcomeState, Succession};
    use sonder_core::effect::EffectId;
    use sonder_dsl::ir::Fingerprint;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use sonder_dsl::time::Moment;

    fn open(dir: &Path) -> (Store, Arc<Program>) {
        let file = SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop".to_owned() };
        let program = sonder_dsl::compile(SourceSet::new(vec![file])).program.unwrap();
        (Store::open(dir, &program).unwrap().0, program)
    }

    fn outcome(attempt: u32) -> DeliveryOutcome {
        let state = OutcomeState::Retry;
        DeliveryOutcome { delivery: EffectId(7), state, attempt, at: Moment(5), status: None, detail: None }
    }

    /// Batches without log rows: what was decided, what became of deliveries, a version that takes over.
    fn batches(program: &Arc<Program>) -> [LogBatch; 2] {
        let takeover = Takeover { as_of: Seq(0), now: Moment(9), fingerprint: Fingerprint(u64::MAX) };
        let program = Arc::clone(program);
        let succession = Arc::new(Succession {
            takeover,
            program,
            changes: Vec::new(),
            deliveries: Vec::new(),
            ids: Arc::default(),
        });
        [
            LogBatch { outcomes: vec![outcome(1)], ..LogBatch::default() },
            LogBatch { succession: Some(succession), ..LogBatch::default() },
        ]
    }

    /// As `append` leaves it when DuckDB gives up during the commit; `committed` is what the disk says later.
    fn give_up(store: &Store, program: &Arc<Program>, batch: &LogBatch, committed: bool) {
        let mut writer = store.writer.lock();
        let place = store.place_of(&mut writer, program).unwrap();
        let prepared = {
            let mut answered = Answered::new(store.pseudonyms.clone());
            let mut sealing = Sealing::new(store.database.keyring(), &store.pseudonyms);
            let layout = &writer.layouts[place].1;
            Prepared::new(program, &writer.catalog, layout, writer.counters, batch, &mut answered, &mut sealing)
                .unwrap()
        };
        let (before, after) = (writer.counters, prepared.counters);
        if committed {
            store.database.run(Role::Writer, |connection| prepared.write(connection)).unwrap();
        }
        let (outcome, takeover) = (batch.outcomes.last().cloned(), batch.takeover());
        writer.doubt = Some(Doubt { before, after, outcome, takeover });
        store.database.declare_broken();
    }

    #[test]
    fn a_batch_without_rows_that_was_committed_is_known_and_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let (store, program) = open(dir.path());
        for batch in batches(&program) {
            give_up(&store, &program, &batch, false);
            assert!(!store.resolve().unwrap());
            give_up(&store, &program, &batch, true);
            assert!(store.resolve().unwrap());
        }
        let next = LogBatch { outcomes: vec![outcome(2)], ..LogBatch::default() };
        give_up(&store, &program, &next, false);
        assert!(!store.resolve().unwrap(), "another attempt is another outcome");
    }

    #[test]
    fn nothing_is_appended_while_a_batch_is_in_doubt() {
        let dir = tempfile::tempdir().unwrap();
        let (store, program) = open(dir.path());
        let [batch, other] = batches(&program);
        give_up(&store, &program, &batch, true);
        // The file cannot be opened again for now.
        let (file, aside) = (dir.path().join("sonder.duckdb"), dir.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        std::fs::create_dir(&file).unwrap();
        store.resolve().unwrap_err();
        assert!(matches!(store.append(&program, &other), Err(StoreError::InDoubt { .. })));
        std::fs::remove_dir(&file).unwrap();
        std::fs::rename(&aside, &file).unwrap();
        assert!(store.resolve().unwrap());
        store.append(&program, &other).unwrap();
    }
}
