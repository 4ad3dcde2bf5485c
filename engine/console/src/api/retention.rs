//! What is kept for a time only.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{Expired, Retention};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::request::{Parameters, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use serde::Deserialize;

const PATH: &str = "/api/v1/privacy/retention";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            PATH,
            Some(Scope::Privacy),
            get,
            About {
                id: "getRetention",
                group: "Privacy",
                summary: "What is kept how long, and what went as that was over",
                description: "As `retention` says in `sonder.yaml`, in event schemas and in `profile.yaml`. It is looked at once a day. \
                Of an event stays whose it was and when, so that who is who, the golden record and consent do not change.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Retention")],
                refusals: &[400, 503],
            },
        ),
        Endpoint::post(
            PATH,
            Some(Scope::Privacy),
            expire,
            About {
                id: "expire",
                group: "Privacy",
                summary: "Let what is kept no longer go now",
                description: "It goes by itself once a day. When this answers, no row has it any more; segments, traits and journeys \
                follow as soon as the state is made of what is left. With `dry_run` nothing goes: the answer is what would.",
                parameters: vec![],
                body: Some("RetentionAsked"),
                answers: vec![json_of("Expired")],
                refusals: &[400, 413, 415, 503],
            },
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    dry_run: bool,
}

async fn get(State(api): State<Api>, uri: Uri) -> Result<Json<Retention>, ApiError> {
    Parameters::read(&uri, &[])?;
    in_turn(&api, Work::Read, |engine| engine.retention()).await.map(Json)
}

async fn expire(State(api): State<Api>, request: Request) -> Result<Json<Expired>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked { dry_run } = read_json(request, r#"{"dry_run": true}"#).await?;
    in_turn(&api, Work::Read, move |engine| engine.expire(dry_run)).await.map(Json)
}
