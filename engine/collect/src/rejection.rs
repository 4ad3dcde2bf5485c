//! Requests that are refused: what the client is told, and what the operator sees.
//!
//! Clients read little more than the status: 4xx means drop it, 429 and 5xx mean send it again. So what would be right if
//! it were sent again is never refused with a 4xx. One bad message never refuses its batch.

use crate::intake::Refused;
use crate::limits;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// Neither a header, the body nor the query has a write key.
    MissingKey,
    /// No source has this write key.
    UnknownKey,
    /// Its source is switched off.
    DisabledSource,
    /// Its source does not take events from pages of this origin.
    OriginNotAllowed,
    /// A page asks for the feed of somebody by more than their anonymous id.
    NotYours,
    /// There is no such address.
    NotFound,
    /// The address is there, for another method.
    MethodNotAllowed,
    /// It is not JSON, or not of the shape that the address takes.
    Malformed(&'static str),
    /// The body, a lone message, or the number of messages is too large.
    TooLarge(&'static str),
    /// The client took too long.
    TooSlow,
    /// The write key or the address sends more often than its source may.
    RateLimited {
        /// After this many seconds it may send again.
        retry_after_s: u32,
    },
    /// The engine has enough to do.
    Overloaded {
        /// After this many seconds there may be room.
        retry_after_s: u32,
    },
    /// The log cannot be written.
    Unavailable,
    /// It belongs to another region, whose engine does not take it at the moment.
    RegionUnavailable,
    /// An engine of another region sent it on, and it does not belong here either.
    Misdirected,
}

impl Rejection {
    /// Its code, in answers, metrics and `status`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_write_key",
            Self::UnknownKey => "unknown_write_key",
            Self::DisabledSource => "disabled_source",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotYours => "not_yours",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Malformed(_) => "malformed",
            Self::TooLarge(_) => "too_large",
            Self::TooSlow => "too_slow",
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
            Self::Unavailable => "unavailable",
            Self::RegionUnavailable => "region_unavailable",
            Self::Misdirected => "misdirected",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::MissingKey | Self::UnknownKey => StatusCode::UNAUTHORIZED,
            Self::OriginNotAllowed | Self::NotYours => StatusCode::FORBIDDEN,
            Self::DisabledSource | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed(_) | Self::TooLarge(_) => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited { .. } | Self::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::RegionUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::MissingKey => {
                "no write key: send it as the user name of basic authentication, or as `writeKey` in the body"
            }
            Self::UnknownKey => "no source has this write key",
            Self::DisabledSource => "the source of this write key is switched off",
            Self::OriginNotAllowed => "the source of this write key takes no events from this origin",
            Self::NotYours => "with this write key a feed is asked for by `anonymousId`; a server may ask by `userId`",
            Self::NotFound => "there is nothing at this address",
            Self::MethodNotAllowed => "this address takes another method",
            Self::Malformed(what) | Self::TooLarge(what) => what,
            Self::TooSlow => "the body took too long to arrive",
            Self::RateLimited { .. } => "this write key or address sends too often",
            Self::Overloaded { .. } => "too much is coming in",
            Self::Unavailable => "events cannot be stored at the moment",
            Self::RegionUnavailable => "the region that this belongs to cannot take it at the moment",
            Self::Misdirected => {
                "another region sent this on, and it does not belong here: the two run different versions of the project"
            }
        }
    }

    const fn retry_after(self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after_s } | Self::Overloaded { retry_after_s } => Some(retry_after_s),
            Self::Unavailable | Self::RegionUnavailable => Some(5),
            _ => None,
        }
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Overloaded { retry_after_s } => Self::Overloaded { retry_after_s },
            Refused::Unavailable | Refused::ShuttingDown => Self::Unavailable,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let body = Json(json!({"code": self.code(), "message": self.message()}));
        let mut response = (self.status(), body).into_response();
        if let Some(seconds) = self.retry_after() {
            let seconds = seconds.clamp(*limits::RETRY_AFTER.start(), *limits::RETRY_AFTER.end());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::MissingKey | Self::UnknownKey) {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"write key\""));
        }
        response
    }
}

/// How often requests were refused for one reason, and the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectionCount {
    /// The reason's code.
    pub code: &'static str,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Moment,
    /// The address of the last one, without its query.
    pub last_path: String,
    /// The beginning of its body, as text.
    pub last_sample: String,
}

/// Counts refused requests.
#[derive(Default)]
pub(crate) struct RejectionLog {
    counts: Mutex<BTreeMap<&'static str, RejectionCount>>,
}

impl RejectionLog {
    pub(crate) fn note(&self, rejection: Rejection, at: Moment, path: &str, body: &[u8]) {
        let code = rejection.code();
        metrics::counter!("sonder_collect_rejected_total", "reason" => code).increment(1);
        let sample = String::from_utf8_lossy(body.get(..limits::SAMPLE_BYTES).unwrap_or(body)).into_owned();
        let path = path.chars().take(limits::SAMPLE_BYTES).collect();
        let mut counts = self.counts.lock();
        let count = counts.get(code).map_or(0, |known| known.count) + 1;
        counts.insert(code, RejectionCount { code, count, last_at: at, last_path: path, last_sample: sample });
    }

    pub(crate) fn counts(&self) -> Vec<RejectionCount> {
        self.counts.lock().values().cloned().collect()
    }
}
