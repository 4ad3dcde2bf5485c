//! Messages that were set aside.

use crate::Api;
use crate::endpoint::{About, Endpoint, filter_parameter, json_of, limit_parameter, query_parameter};
use crate::engine::{QuarantineFilter, QuarantinePage};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::Parameters;
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let before = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    vec![Endpoint::get(
        "/api/v1/quarantine",
        Some(Scope::Read),
        list,
        About {
            id: "listQuarantine",
            group: "Quarantine",
            summary: "Messages that were set aside, newest first",
            description: "A message that breaks its schema, has no schema, or cannot be read is kept with the reasons and in its \
            original form. `reasons` counts the reasons of all messages that match the filter, on all pages.",
            parameters: vec![
                filter_parameter("reason", "Only those with this reason: `schema_violation`, `undeclared_event` …"),
                filter_parameter("source", "Only those from this source."),
                filter_parameter("name", "Only those of this event's name, as it was sent."),
                query_parameter("before", &before, "The `next` of the page before this one."),
                limit_parameter(limits::PAGE_DEFAULT, limits::PAGE_MOST),
            ],
            body: None,
            answers: vec![json_of("Quarantine")],
            refusals: &[400, 503],
        },
    )]
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<QuarantinePage>, ApiError> {
    let parameters = Parameters::read(&uri, &["reason", "source", "name", "before", "limit"])?;
    let filter = QuarantineFilter {
        reason: parameters.filter("reason")?,
        source: parameters.filter("source")?,
        name: parameters.filter("name")?,
        before: parameters.number("before")?,
        limit: parameters.limit(limits::PAGE_DEFAULT, limits::PAGE_MOST)?,
    };
    in_turn(&api, Work::Read, move |engine| engine.quarantine(&filter)).await.map(Json)
}
