//! What another version of the project would change.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{Plan, PlanRequest};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, Waiting, read_large_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut endpoint = Endpoint::post(
        "/api/v1/plan",
        Some(Scope::Read),
        plan,
        About {
            id: "plan",
            group: "Rules",
            summary: "What another version of the project would change",
            description: "Takes all files of a project and holds them against the version that runs: rules that are new, mean \
            something else or are gone; who would enter and leave; what destinations would be told, and see that they did not \
            before; where people stand in journeys that change; events whose schema changes, and how far. Nothing is changed. \
            What is wrong with the files comes as `diagnostics`, with status 200.",
            parameters: vec![],
            body: Some("ProjectFiles"),
            answers: vec![json_of("Plan")],
            refusals: &[400, 413, 415, 422, 503],
        },
    );
    endpoint.serve = endpoint.serve.layer(DefaultBodyLimit::max(limits::PROJECT_BYTES));
    vec![endpoint]
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    files: BTreeMap<String, String>,
}

const EXAMPLE: &str =
    r#"{"files": {"sonder.yaml": "name: shop\n", "rules/all.sonder": "segment keen { when did(view) }\n"}}"#;

async fn plan(State(api): State<Api>, request: Request) -> Result<Json<Plan>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked { files } = read_large_json(request, EXAMPLE, limits::PROJECT_BYTES).await?;
    if files.is_empty() || files.len() > limits::PROJECT_FILES {
        let help = format!("a project has 1 to {} files", limits::PROJECT_FILES);
        return Err(ApiError::bad("bad_body", "`files` is no project", help));
    }
    let waiting = Waiting::default();
    let request =
        PlanRequest { files: files.into_iter().collect(), timeout: limits::QUERY_TIME, cancelled: waiting.flag() };
    let plan = in_turn(&api, Work::Query, move |engine| engine.plan(&request)).await?;
    drop(waiting);
    Ok(Json(plan))
}
