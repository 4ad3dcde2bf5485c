//! Whose request it is: the write key, wherever a client puts it, and the source that has it.
//!
//! In this order: basic authentication, a bearer token, `X-Write-Key`, the body, the first message of a batch, the query.
//! A header wins over the body, so that a request is accepted or refused before its body is read where that is possible.

use crate::rejection::Rejection;
use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rustc_hash::FxHashMap;
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::model::WriteKey;
use std::sync::Arc;

const X_WRITE_KEY: HeaderName = HeaderName::from_static("x-write-key");

/// The write keys of a program.
pub(crate) struct Keys {
    sources: FxHashMap<Arc<str>, SourceId>,
}

/// A write key that is known, and the source that has it.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) key: Arc<str>,
    pub(crate) source: SourceId,
}

impl Keys {
    /// Finds the keys that are in the environment. One that is not there opens nothing.
    pub(crate) fn new(program: &Program, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut sources = FxHashMap::default();
        for (source, index) in program.sources.iter().zip(0..) {
            for key in &source.write_keys {
                let value = match key {
                    WriteKey::Literal(key) => Some(key.clone()),
                    WriteKey::Environment(name) => environment(name),
                };
                match value.filter(|key| !key.is_empty()) {
                    Some(key) => drop(sources.insert(key.into(), SourceId(index))),
                    None => tracing::warn!(source = source.name, "a write key is empty or not in the environment"),
                }
            }
        }
        Self { sources }
    }

    /// The source of `key`, when it is switched on.
    pub(crate) fn find(&self, key: &str, program: &Program) -> Result<Sender, Rejection> {
        let (key, source) = self.sources.get_key_value(key).ok_or(Rejection::UnknownKey)?;
        let is_enabled = program.sources.get(source.index()).is_some_and(|source| source.enabled);
        if is_enabled { Ok(Sender { key: Arc::clone(key), source: *source }) } else { Err(Rejection::DisabledSource) }
    }

    /// Whether some source has this key.
    fn has(&self, key: &str) -> bool {
        self.sources.contains_key(key)
    }
}

/// The write key that the headers have.
pub(crate) fn key_in_headers(headers: &HeaderMap, keys: &Keys) -> Option<String> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((scheme, credentials)) = authorization.and_then(|value| value.trim().split_once(' ')) {
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("basic")
            && let Some(name) = user_name(credentials)
        {
            return Some(name);
        }
        // An OAuth token is no write key: the body has that.
        if scheme.eq_ignore_ascii_case("bearer") && keys.has(credentials) {
            return Some(credentials.to_owned());
        }
    }
    let key = headers.get(X_WRITE_KEY)?.to_str().ok()?.trim();
    // Jitsu's keys have two parts, the first names the source.
    let key = if keys.has(key) { key } else { key.split(':').next().unwrap_or(key) };
    (!key.is_empty()).then(|| key.to_owned())
}

/// The user name of basic authentication; the colon after it may be missing.
fn user_name(credentials: &str) -> Option<String> {
    let decoded = STANDARD.decode(credentials).or_else(|_| STANDARD_NO_PAD.decode(credentials)).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let name = text.split(':').next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}
