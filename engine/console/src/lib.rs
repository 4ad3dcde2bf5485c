//! The read and admin API.
//!
//! - [`engine`] is the seam: what the API asks of a running engine, and the plain data it answers with.
//! - [`keys`] says who may ask.
//! - Each file of `api` holds one group of endpoints: handler and description together. [`router`] and
//!   [`document`] are both made from that list, so the served OpenAPI document is true by construction.
//! - Requests are read strictly: what is not understood is refused with help, never ignored. Every input has a limit.
//!
//! INVARIANT: a handler touches the engine's state for as long as it takes to copy one answer; whatever reads the store
//! runs on a blocking thread, and only so many at once.

mod accept;
mod access;
mod api;
pub mod audit;
mod bundle;
mod csv;
mod endpoint;
pub mod engine;
mod error;
pub mod keys;
pub mod limits;
mod openapi;
mod request;
mod router;
mod stream;
mod turn;

pub use openapi::document;
pub use router::router;

/// Lets a request through to a route that stands beside those of the API, by the same rules, and puts on record that it begins;
/// else the answer to it.
///
/// # Errors
/// The refusal.
pub async fn permit(
    api: &Api,
    scope: keys::Scope,
    headers: &axum::http::HeaderMap,
    (operation, kind): (&str, audit::DeedKind),
) -> Result<(), axum::response::Response> {
    let permitted = async {
        let audit::Actor { id: actor, name } = access::check(api, scope, headers)?;
        let operation = operation.to_owned();
        api.record(audit::Deed { actor, name, operation, kind, subject: None, about: None, status: None }).await
    };
    permitted.await.map_err(axum::response::IntoResponse::into_response)
}

use engine::Engine;
use keys::KeyRing;
use std::sync::Arc;
use turn::Turns;

/// The API of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    keys: Arc<KeyRing>,
    open_without_keys: bool,
    audit: Option<Arc<audit::AuditLog>>,
    turns: Turns,
}

impl Api {
    /// An API over `engine`. With `open_without_keys` (the engine listens on loopback only) no key is needed for as long
    /// as there is none.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, keys: Arc<KeyRing>, open_without_keys: bool) -> Self {
        Self(Arc::new(Inner { engine, keys, open_without_keys, audit: None, turns: Turns::new() }))
    }

    /// The same, with what is done put on record.
    #[must_use]
    pub fn recording(self, log: Arc<audit::AuditLog>) -> Self {
        let Inner { engine, keys, open_without_keys, .. } = &*self.0;
        let (engine, keys, open_without_keys) = (engine.clone(), keys.clone(), *open_without_keys);
        Self(Arc::new(Inner { engine, keys, open_without_keys, audit: Some(log), turns: Turns::new() }))
    }

    pub(crate) fn audit(&self) -> Option<&Arc<audit::AuditLog>> {
        self.0.audit.as_ref()
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.0.engine
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    pub(crate) fn open_without_keys(&self) -> bool {
        self.0.open_without_keys
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }
}
