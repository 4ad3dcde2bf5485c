//! Messages that were set aside, how they are taken in after all, and how they are given up.

use crate::Api;
use crate::endpoint::{About, Endpoint, filter_parameter, json_of, limit_parameter, query_parameter};
use crate::engine::{
    QuarantineDismissed, QuarantineFilter, QuarantinePage, QuarantineReplay, QuarantineReplayed, QuarantineSelection,
};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use serde::Deserialize;
use serde_json::json;
use sonder_core::message::patch::Patch;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let before = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    vec![
        Endpoint::get(
            "/api/v1/quarantine",
            Some(Scope::Read),
            list,
            About {
                id: "listQuarantine",
                group: "Quarantine",
                summary: "Messages that were set aside, newest first",
                description: "A message that breaks its schema, has no schema, or cannot be read is kept with the reasons and in \
                its original form. `reasons` and `groups` count all messages that match the filter, on all pages.",
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
        ),
        Endpoint::post(
            "/api/v1/quarantine/replay",
            Some(Scope::Admin),
            replay,
            About {
                id: "replayQuarantine",
                group: "Quarantine",
                summary: "Take in messages that were set aside",
                description: "Oldest first, by the version of the project that runs, with the message id, the time and the consent \
                that they had. A `patch` mends each before: `rename`, `set`, `default`, `cast`, `remove`, with JSON pointers as \
                `reasons` have them. What is refused again stays. What was taken in is not taken in again, however often it is \
                asked for. `dry_run` changes nothing and shows what would be; `silent` changes state and tells destinations \
                nothing.",
                parameters: vec![],
                body: Some("QuarantineReplay"),
                answers: vec![json_of("QuarantineReplayed")],
                refusals: &[400, 413, 415, 422, 503],
            },
        ),
        Endpoint::post(
            "/api/v1/quarantine/dismiss",
            Some(Scope::Admin),
            dismiss,
            About {
                id: "dismissQuarantine",
                group: "Quarantine",
                summary: "Give up messages that were set aside",
                description: "They are no longer listed, counted or replayed; the table `quarantine` has them as `dismissed` for \
                as long as messages are kept there. At least one of `ids`, `reason`, `source` and `name` says which. `dry_run` \
                changes nothing and counts.",
                parameters: vec![],
                body: Some("QuarantineDismissal"),
                answers: vec![json_of("QuarantineDismissed")],
                refusals: &[400, 413, 415, 503],
            },
        ),
    ]
}

/// As many as there are at the most, where nothing says how many.
const fn most() -> usize {
    limits::PAGE_MOST
}

/// The body of a replay.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Replay {
    ids: Vec<u64>,
    reason: Option<String>,
    source: Option<String>,
    name: Option<String>,
    after: u64,
    #[serde(default = "most")]
    limit: usize,
    patch: Patch,
    dry_run: bool,
    silent: bool,
}

const REPLAY: &str =
    r#"{"reason": "schema_violation", "patch": {"cast": {"/properties/price": "number"}}, "dry_run": true}"#;

async fn replay(State(api): State<Api>, request: Request) -> Result<Json<QuarantineReplayed>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Replay { ids, reason, source, name, after, limit, patch, dry_run, silent } = read_json(request, REPLAY).await?;
    let which = checked(QuarantineSelection { ids, reason, source, name, after, limit })?;
    let replay = QuarantineReplay { which, patch, dry_run, silent };
    in_turn(&api, Work::Query, move |engine| engine.replay_quarantine(&replay)).await.map(Json)
}

/// The body of a dismissal.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Dismissal {
    ids: Vec<u64>,
    reason: Option<String>,
    source: Option<String>,
    name: Option<String>,
    after: u64,
    #[serde(default = "most")]
    limit: usize,
    dry_run: bool,
}

const DISMISSAL: &str = r#"{"reason": "undeclared_event", "name": "Debug", "dry_run": true}"#;

async fn dismiss(State(api): State<Api>, request: Request) -> Result<Json<QuarantineDismissed>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Dismissal { ids, reason, source, name, after, limit, dry_run } = read_json(request, DISMISSAL).await?;
    let which = checked(QuarantineSelection { ids, reason, source, name, after, limit })?;
    if which.ids.is_empty() && [&which.reason, &which.source, &which.name].into_iter().all(Option::is_none) {
        let help = "say which by `ids`, `reason`, `source` or `name`";
        return Err(ApiError::bad("bad_body", "nothing says which messages are given up", help));
    }
    in_turn(&api, Work::Query, move |engine| engine.dismiss_quarantine(&which, dry_run)).await.map(Json)
}

/// A selection whose members are in range.
fn checked(which: QuarantineSelection) -> Result<QuarantineSelection, ApiError> {
    let QuarantineSelection { ids, reason, source, name, after, limit } = &which;
    let (after, limit) = (*after, *limit);
    if limit == 0 || limit > limits::REPLAY_MOST {
        let help = format!("1 to {} messages are taken at a time", limits::REPLAY_MOST);
        return Err(ApiError::bad("bad_body", "`limit` is out of range", help));
    }
    if after > i64::MAX as u64 {
        return Err(ApiError::bad("bad_body", "`after` is out of range", "it is the `next` of the answer before"));
    }
    if ids.iter().any(|id| *id > i64::MAX as u64) {
        return Err(ApiError::bad("bad_body", "one of `ids` is out of range", "`GET /api/v1/quarantine` lists them"));
    }
    if ids.len() > limits::REPLAY_IDS {
        let help = format!("name {} at most", limits::REPLAY_IDS);
        return Err(ApiError::bad("bad_body", "`ids` are too many", help));
    }
    if [reason, source, name].into_iter().flatten().any(|it| it.chars().count() > limits::FILTER_CHARS) {
        let help = format!("a filter has {} characters at most", limits::FILTER_CHARS);
        return Err(ApiError::bad("bad_body", "a filter is too long", help));
    }
    Ok(which)
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
