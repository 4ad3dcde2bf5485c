//! What another version of the project would change, and how it is made to run.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{Applied, ApplyRequest, Plan, PlanRequest};
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
    let mut pushed = Endpoint::post(
        "/api/v1/apply",
        Some(Scope::Admin),
        apply,
        About {
            id: "apply",
            group: "Rules",
            summary: "Make another version of the project run",
            description: "Takes all files of a project and the `base` of the plan that was made of them. When the version that runs \
            is still that one, the new one takes over between two records, and its files take the place of those in the \
            project's folder. What it makes different is told to destinations, but with `silent`.",
            parameters: vec![],
            body: Some("Apply"),
            answers: vec![json_of("Applied")],
            refusals: &[400, 413, 415, 422, 503],
        },
    );
    pushed.serve = pushed.serve.layer(DefaultBodyLimit::max(limits::PROJECT_BYTES));
    vec![endpoint, pushed]
}

/// The body of what is pushed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pushed {
    files: BTreeMap<String, String>,
    base: String,
    #[serde(default)]
    silent: bool,
}

async fn apply(State(api): State<Api>, request: Request) -> Result<Json<Applied>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Pushed { files, base, silent } = read_large_json(request, PUSHED, limits::PROJECT_BYTES).await?;
    check(&files)?;
    let request = ApplyRequest { files: files.into_iter().collect(), base, silent };
    in_turn(&api, Work::Query, move |engine| engine.apply(&request)).await.map(Json)
}

const PUSHED: &str = r#"{"base": "0123456789abcdef", "files": {"sonder.yaml": "name: shop\n"}}"#;

fn check(files: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if files.is_empty() || files.len() > limits::PROJECT_FILES {
        let help = format!("a project has 1 to {} files", limits::PROJECT_FILES);
        return Err(ApiError::bad("bad_body", "`files` is no project", help));
    }
    Ok(())
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
    check(&files)?;
    let waiting = Waiting::default();
    let request =
        PlanRequest { files: files.into_iter().collect(), timeout: limits::QUERY_TIME, cancelled: waiting.flag() };
    let plan = in_turn(&api, Work::Query, move |engine| engine.plan(&request)).await?;
    drop(waiting);
    Ok(Json(plan))
}
