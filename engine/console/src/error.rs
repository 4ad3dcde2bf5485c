//! What a client is told when a request cannot be answered: `{"error": {"code", "message", "help"}}`.
//!
//! Codes are stable and meant for programs, messages and help are meant for people. Nothing of the engine's inside is
//! ever in them: an internal fault is logged under an id, and the client gets that id.

use crate::engine::Trouble;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal, on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Seconds, for `Retry-After`.
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// A refusal.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), help: help.into(), retry_after_s: None }
    }

    /// The request is malformed: status 400.
    pub fn bad(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, help)
    }

    /// There is no such thing: status 404.
    pub fn missing(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message, help)
    }

    /// It is so already, or something is against it: status 409.
    pub fn conflict(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message, help)
    }

    /// Not now: status 503 with `Retry-After`.
    pub fn unavailable(code: &'static str, message: impl Into<String>, retry_after_s: u32) -> Self {
        let help = format!("try again in {retry_after_s} s");
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message, help);
        error.retry_after_s = Some(retry_after_s);
        error
    }

    /// A fault of ours: status 500. `fault` goes to the log only.
    pub fn internal(fault: &str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        tracing::error!(id, fault, "a request failed");
        let help = format!("the engine's log has more under `{id}`");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the engine failed to answer", help)
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused { message, help } => Self::bad("refused", message, help),
            Trouble::TooSlow => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_slow",
                "the request ran out of time",
                "ask for less: a narrower filter, an aggregate, or a `limit`",
            ),
            Trouble::Unavailable { reason, retry_after_s } => Self::unavailable("unavailable", reason, retry_after_s),
            Trouble::Internal(fault) => Self::internal(&fault),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message, "help": self.help } });
        let mut response = (self.status, Json(body)).into_response();
        let mut add = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
        if let Some(seconds) = self.retry_after_s {
            add(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            add(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
