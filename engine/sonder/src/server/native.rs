//! The engine's own destinations, joined with what they need of it: a database that writes Parquet, and what was delivered
//! before this start.

use sonder_activate::files::{Columns, Files};
use sonder_activate::host::native::{FILES, Natives, ONSITE};
use sonder_activate::onsite::Onsite;
use sonder_dsl::ir::Program;
use sonder_dsl::time::{Duration, Moment};
use sonder_store::{Reader, StoreError, columns};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The longest that a message for pages is kept: 90 days.
const LONGEST: Duration = Duration::from_secs(90 * 86_400);
/// Items that are read back for pages at a start, the latest first.
const RECALLED: usize = 500_000;

/// One of each.
pub(super) struct Native {
    files: Arc<Files>,
    pub(super) onsite: Arc<Onsite>,
}

impl Native {
    pub(super) fn new(data: &Path) -> Self {
        Self { files: Arc::new(Files::new(data.join("files"), Arc::new(InDuckDb))), onsite: Arc::default() }
    }

    /// By the names that projects call them by.
    pub(super) fn natives(&self) -> Natives {
        let onsite = Arc::clone(&self.onsite);
        Natives::from([(FILES, Arc::clone(&self.files) as Arc<_>), (ONSITE, Arc::new(onsite) as Arc<_>)])
    }

    /// Fills feeds with what was delivered before.
    pub(super) fn recall(&self, program: &Program, reader: &Reader, now: Moment) -> Result<(), StoreError> {
        for destination in program.destinations.iter().filter(|it| it.plugin == ONSITE) {
            let told = reader.told(&destination.name, now.minus(LONGEST), RECALLED)?;
            self.onsite.recall(&destination.name, told);
        }
        Ok(())
    }
}

/// All of them, for a data directory: what a project's destinations are loaded with.
#[must_use]
pub fn natives(data: &Path) -> Natives {
    Native::new(data).natives()
}

/// The store's Parquet.
struct InDuckDb;

impl Columns for InDuckDb {
    fn write(&self, lines: &Path, to: &Path) -> io::Result<()> {
        columns::write(lines, to).map_err(io::Error::other)
    }

    fn ids(&self, file: &Path) -> io::Result<Vec<String>> {
        columns::ids(file).map_err(io::Error::other)
    }

    fn without(
        &self,
        file: &Path,
        identifiers: &[(String, String)],
        left: &dyn Fn(&str, &str, &str) -> Option<String>,
        to: &Path,
    ) -> io::Result<u64> {
        columns::without(file, identifiers, left, to).map_err(io::Error::other)
    }
}
