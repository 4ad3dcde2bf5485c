//! The reading side: a [`Reader`] can be cloned and used from any thread that may block.
//!
//! Reads see the last committed batch and never wait for writers. As many run at a time as
//! [`StoreOptions`](crate::StoreOptions) says; more of them wait. SQL of users has connections of its own.

mod deliveries;
mod journeys;
mod kin;
pub(crate) mod log;
mod quarantine;
mod stats;
mod timeline;

pub use deliveries::{DeliveryFilter, DeliveryPage, Reopened, StoredDelivery};
pub(crate) use deliveries::{identifiers_of, item_named};
pub use journeys::{BranchFigures, JourneyFigures, StepFigures};
pub use log::LoggedMessage;
pub use quarantine::{QuarantineFilter, QuarantineGroup, QuarantinePage, QuarantinedMessage};
pub use stats::Stats;
pub use timeline::{Happening, TimelineEntry, TimelinePlace, Whose};

use crate::StoreError;
use crate::database::{Access, Database, Role};
use crate::lock::DirectoryLock;
use crate::seal::Keyring;
use crate::{StoreOptions, schema};
use duckdb::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Reads a store.
#[derive(Clone, Debug)]
pub struct Reader {
    database: Arc<Database>,
    // Held by readers of a store at rest; released after the database is closed.
    _lock: Option<Arc<DirectoryLock>>,
}

impl Reader {
    pub(crate) fn new(database: Arc<Database>, lock: Option<Arc<DirectoryLock>>) -> Self {
        Self { database, _lock: lock }
    }

    /// Opens a store that no engine runs on, to read it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none, [`StoreError::Locked`] while an engine runs on it.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        if !dir.is_dir() {
            return Err(StoreError::Missing { path: dir.to_owned() });
        }
        let lock = DirectoryLock::shared(dir)?;
        let database = Database::open(dir, options, Access::Read)?;
        database.run(Role::Reader, |connection| {
            schema::check_format(connection, dir)?;
            database.keyring().unlock(connection)
        })?;
        Ok(Self::new(Arc::new(database), Some(Arc::new(lock))))
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.database.dir()
    }

    /// What opens personal data that is sealed.
    pub(crate) fn keyring(&self) -> &Keyring {
        self.database.keyring()
    }

    /// Bytes of all write-ahead logs.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.database.wals_bytes()
    }

    pub(crate) fn read_for_user<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.run(Role::Query(deadline), work)
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.database.run(Role::Reader, work)
    }
}
