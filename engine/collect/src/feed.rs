//! What a page asks about its visitor: `GET /v1/feed?writeKey=…&anonymousId=…`.
//!
//! A page's write key is public, so that it says nothing about who asks. What does is the anonymous id, which only the
//! visitor's browser and whoever it told have: a page may ask for nobody else. A server, whose key is a secret, may also ask by
//! `userId`. Browsers keep the answer and ask whether it is still the same.

use crate::rejection::Rejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sonder_core::govern::Governor;
use sonder_core::record::Identifier;
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::model::SourceKind;
use sonder_dsl::time::Moment;
use xxhash_rust::xxh3::xxh3_128;

/// Knows what pages are told.
pub trait Feed: Send + Sync + 'static {
    /// What there is for whoever has this identifier, as JSON; for nobody the same as for somebody who is told nothing.
    fn read(&self, who: Option<&Identifier>, now: Moment) -> String;
}

/// For whom a feed is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    kind: &'static str,
    value: String,
}

impl Asked {
    /// The identifier, made comparable; `None` where the project has no such kind, or it identifies nobody.
    pub(crate) fn identifier(&self, program: &Program, governor: &Governor) -> Option<Identifier> {
        let kind = program.identity.identifiers.iter().position(|it| it.name == self.kind)?;
        governor.identifier(IdentifierKindId(u16::try_from(kind).ok()?), &self.value)
    }
}

/// Nobody may keep it for others, and nobody use it without asking whether it is still so.
const CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Whom a request of a source of this kind may ask for.
pub(crate) fn asked(
    kind: SourceKind,
    anonymous_id: Option<String>,
    user_id: Option<String>,
) -> Result<Asked, Rejection> {
    let of = |kind, value: Option<String>| value.filter(|value| !value.is_empty()).map(|value| Asked { kind, value });
    match (of("anonymous_id", anonymous_id), of("user_id", user_id)) {
        (Some(_), Some(_)) => {
            Err(Rejection::Malformed("a feed is asked for by `anonymousId` or by `userId`, not both"))
        }
        (Some(asked), None) => Ok(asked),
        (None, Some(asked)) if kind == SourceKind::Server => Ok(asked),
        (None, Some(_)) => Err(Rejection::NotYours),
        (None, None) => Err(Rejection::Malformed("a feed is asked for by `anonymousId`")),
    }
}

/// The answer, or that it is the one that the client has.
pub(crate) fn answer(headers: &HeaderMap, feed: String) -> Response {
    let tag = format!("\"{:032x}\"", xxh3_128(feed.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|it| it.trim().trim_start_matches("W/") == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], feed).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHE);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
