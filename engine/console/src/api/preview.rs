//! What rules would be that nobody deployed.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{Preview, PreviewRequest};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, Waiting, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::post(
        "/api/v1/preview",
        Some(Scope::Read),
        preview,
        About {
            id: "preview",
            group: "Rules",
            summary: "What rules would be, without deploying them",
            description: "Compiles segments and computed traits, as a `.sonder` file would have them, together with the \
            running project, and evaluates them on the data that is there: how many people, some of them, and how much \
            they share with the segments that are there; for a trait how its values are spread. What is wrong with the \
            text comes as `diagnostics`, with status 200. A rule of a name that is there already stands in its place.",
            parameters: vec![],
            body: Some("PreviewText"),
            answers: vec![json_of("Preview")],
            refusals: &[400, 413, 415, 422, 503],
        },
    )]
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    source: String,
}

const EXAMPLE: &str = r#"{"source": "segment keen { when count(product_viewed, last 24h) >= 3 }"}"#;

async fn preview(State(api): State<Api>, request: Request) -> Result<Json<Preview>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked { source } = read_json(request, EXAMPLE).await?;
    let length = source.chars().count();
    if length == 0 || length > limits::PREVIEW_CHARS {
        let help = format!("it has 1 to {} characters", limits::PREVIEW_CHARS);
        return Err(ApiError::bad("bad_body", "`source` is not the text of rules", help));
    }
    let waiting = Waiting::default();
    let request = PreviewRequest { source, timeout: limits::QUERY_TIME, cancelled: waiting.flag() };
    let preview = in_turn(&api, Work::Query, move |engine| engine.preview(&request)).await?;
    drop(waiting);
    Ok(Json(preview))
}
