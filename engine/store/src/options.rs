//! How a store is opened.

use crate::{ProjectKeys, limits};
use std::sync::Arc;

/// What may be tuned; the defaults suit a small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Memory that DuckDB may use before it spills to the data directory; it caches what it reads up to this.
    pub memory_bytes: u64,
    /// Threads of DuckDB.
    pub threads: usize,
    /// Reads of the engine itself that run at the same time; more of them wait.
    pub readers: usize,
    /// Statements of users that run at the same time; more of them wait.
    pub queries: usize,
    /// Message ids that are remembered at the most.
    pub dedup_ids: usize,
    /// What personal data is encrypted with; `None` where it is not.
    pub keys: Option<Arc<ProjectKeys>>,
    /// In which region the data must be.
    pub stands: Stands,
}

/// In which region data must be to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stands {
    /// In any, or in none: for whoever only looks.
    #[default]
    Anywhere,
    /// In this one, which data without a region gets; where it is `None`, in none.
    In(Option<String>),
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            memory_bytes: limits::DEFAULT_MEMORY_BYTES,
            threads: limits::DEFAULT_THREADS,
            readers: limits::MAX_READERS,
            queries: limits::MAX_QUERIES,
            dedup_ids: limits::MAX_DEDUP_IDS,
            keys: None,
            stands: Stands::Anywhere,
        }
    }
}
