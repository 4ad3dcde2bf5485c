//! What people may ask for: to be forgotten.

use super::people::{find_id, no_such_person};
use crate::Api;
use crate::endpoint::{About, Endpoint, json_of, path_parameter};
use crate::engine::Erasure;
use crate::error::ApiError;
use crate::keys::Scope;
use crate::request::{Parameters, path_segment, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use serde::Deserialize;
use serde_json::json;

/// Where `{id}` stands in `/api/v1/privacy/requests/{id}`.
const ID: usize = 4;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post(
            "/api/v1/privacy/requests",
            Some(Scope::Privacy),
            create,
            About {
                id: "createPrivacyRequest",
                group: "Privacy",
                summary: "Erase a person",
                description: "The person goes with all their identifiers: from the state, the log, the tables of events, quarantine, \
                deliveries and checkpoints. What remains is an HMAC of each identifier, so that what they did before is not taken \
                in again. The answer comes when no row has them any more (`struck`); the files are then rewritten without them \
                (`erased`).",
                parameters: vec![],
                body: Some("PrivacyRequest"),
                answers: vec![json_of("Erasure")],
                refusals: &[400, 404, 413, 415, 422, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/privacy/requests/{id}",
            Some(Scope::Privacy),
            get,
            About {
                id: "getPrivacyRequest",
                group: "Privacy",
                summary: "How far a request is",
                description: "With what was erased, and when the bytes were gone.",
                parameters: vec![path_parameter(
                    "id",
                    &json!({ "type": "string", "format": "uuid" }),
                    "The request's id.",
                )],
                body: None,
                answers: vec![json_of("Erasure")],
                refusals: &[400, 404, 503],
            },
        ),
    ]
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    kind: Kind,
    person: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Erasure,
}

async fn create(State(api): State<Api>, request: Request) -> Result<Json<Erasure>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked { kind: Kind::Erasure, person } =
        read_json(request, r#"{"kind": "erasure", "person": "email:ann@shop.example"}"#).await?;
    let id = find_id(&api, &person)?;
    let erased = in_turn(&api, Work::Read, move |engine| engine.erase(id)).await?;
    erased.map(Json).ok_or_else(|| no_such_person(&person))
}

async fn get(State(api): State<Api>, uri: Uri) -> Result<Json<Erasure>, ApiError> {
    Parameters::read(&uri, &[])?;
    let id = path_segment(&uri, ID)?;
    let found = in_turn(&api, Work::Read, move |engine| engine.erasure(&id)).await?;
    let help = "`POST /privacy/requests` answers with the id";
    found.map(Json).ok_or_else(|| ApiError::missing("no_such_request", "there is no request with that id", help))
}
