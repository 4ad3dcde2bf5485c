//! Slow work takes turns: it runs on blocking threads, only so much at once, and who waits too long is told to come back.

use crate::Api;
use crate::engine::{Engine, Trouble};
use crate::error::ApiError;
use crate::limits;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What may run at once.
pub(crate) struct Turns {
    reads: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

/// What kind of work wants a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// A bounded look into the store.
    Read,
    /// Somebody's SQL, and what DuckDB does that is as heavy.
    Query,
    /// A file of members, until it is sent.
    Export,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            reads: Arc::new(Semaphore::new(limits::READS_AT_ONCE)),
            queries: Arc::new(Semaphore::new(limits::QUERIES_AT_ONCE)),
            exports: Arc::new(Semaphore::new(limits::EXPORTS_AT_ONCE)),
        }
    }

    /// Waits for a turn, which lasts as long as the permit is held.
    pub(crate) async fn next(&self, work: Work) -> Result<OwnedSemaphorePermit, ApiError> {
        let waiting = match work {
            Work::Read => self.reads.clone().acquire_owned(),
            Work::Query => self.queries.clone().acquire_owned(),
            Work::Export => self.exports.clone().acquire_owned(),
        };
        match timeout(limits::WAIT_FOR_TURN, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::unavailable("busy", "too many requests of this kind are running", 1)),
        }
    }
}

/// Does slow work in its turn. The turn is held until the work ends, also when the client has left meanwhile.
pub(crate) async fn in_turn<T: Send + 'static>(
    api: &Api,
    work: Work,
    task: impl FnOnce(&dyn Engine) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, ApiError> {
    let permit = api.turns().next(work).await?;
    let engine = api.engine().clone();
    let joined = tokio::task::spawn_blocking(move || {
        let answer = task(engine.as_ref());
        drop(permit);
        answer
    })
    .await;
    match joined {
        Ok(answer) => answer.map_err(ApiError::from),
        Err(error) => Err(ApiError::internal(&error.to_string())),
    }
}
