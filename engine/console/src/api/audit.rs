//! The audit log, to read.

use super::people::find_person;
use crate::Api;
use crate::audit::{Audited, Page};
use crate::endpoint::{About, Endpoint, json_of, limit_parameter, query_parameter};
use crate::engine::parse_person_id;
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::openapi::who_schema;
use crate::request::{Parameters, bad_parameter};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let place = json!({ "type": "string", "pattern": "^[0-9]{1,18}$" });
    vec![Endpoint::get(
        "/api/v1/audit",
        Some(Scope::Privacy),
        list,
        About {
            id: "listAudit",
            group: "Privacy",
            summary: "Who read about people, took data away or changed something",
            description: "Through this API, with which key. People stand in it as a pseudonym that only this engine can make, statements \
            without the values in them. Each entry has the hash of the one before it: `sonder audit verify` checks the chain. Without `after` \
            the newest come; with `after=0` all from the first on, `limit` at a time. With `who` the entries about one person come, of up to \
            10,000 that are looked at; `next` goes on behind these.",
            parameters: vec![
                query_parameter("after", &place, "The `next` of the page before this one; `0` for the first."),
                query_parameter("who", &who_schema(), "Only what was about this person: `kind:value`, or an id."),
                limit_parameter(limits::PAGE_DEFAULT, limits::PAGE_MOST),
            ],
            body: None,
            answers: vec![json_of("AuditPage")],
            refusals: &[400, 404, 503],
        },
    )]
}

/// A part of the audit log.
#[derive(Serialize)]
struct Listed {
    entries: Vec<Audited>,
    /// What a next page comes `after`.
    next: String,
    /// Whether there are more now.
    has_more: bool,
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<Listed>, ApiError> {
    let parameters = Parameters::read(&uri, &["after", "who", "limit"])?;
    let limit = parameters.limit(limits::PAGE_DEFAULT, limits::PAGE_MOST)?;
    let after = match parameters.text("after") {
        None => None,
        Some(text) => {
            let is_place = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            let place = text.parse::<u64>().ok().filter(|_| is_place);
            Some(place.ok_or_else(|| bad_parameter("after", text, "the `next` of a page, or 0"))?)
        }
    };
    let subjects = match parameters.text("who") {
        None => None,
        Some(who) => {
            let person = find_person(&api, who).await?;
            let ids = person.absorbed.iter().chain([&person.id]).filter_map(|id| parse_person_id(id));
            Some(ids.map(|id| api.engine().subject(id)).collect::<Vec<_>>())
        }
    };
    let Some(log) = api.audit().map(Arc::clone) else {
        return Err(ApiError::unavailable("audit", "this engine keeps no audit log", 5));
    };
    let reading = tokio::task::spawn_blocking(move || match (after, &subjects) {
        (None, None) => log.newest(limit),
        (begin, None) => log.lines(begin.unwrap_or(0), limit),
        (begin, Some(_)) => log.lines(begin.unwrap_or(0), limits::AUDIT_LOOKED_AT).map(|page| {
            let is_theirs = |it: &Audited| {
                it.deed.subject.as_ref().is_some_and(|subject| subjects.iter().flatten().any(|its| its == subject))
            };
            Page { entries: page.entries.into_iter().filter(is_theirs).collect(), ..page }
        }),
    });
    let page = reading.await.map_err(|error| ApiError::internal(&error.to_string()))?;
    let Page { entries, next, has_more, .. } = page.map_err(|error| ApiError::internal(&error.to_string()))?;
    Ok(Json(Listed { entries, next: next.to_string(), has_more }))
}
