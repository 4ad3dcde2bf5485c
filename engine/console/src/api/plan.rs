//! What another version of the project would change, and how it is made to run.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{Applied, ApplyRequest, Plan, PlanRequest, Reach};
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
            With `rollout`, as for applying. What is wrong with the files comes as `diagnostics`, with status 200.",
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
            project's folder. What it makes different is told to destinations, but with `silent`. With `rollout` the rules that \
            differ hold for that part of the people only, all others keep those before: a larger part only adds people, `100%` \
            ends it, and `none`, without files, takes it back.",
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
    #[serde(default)]
    rollout: Option<String>,
}

async fn apply(State(api): State<Api>, request: Request) -> Result<Json<Applied>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Pushed { files, base, silent, rollout } = read_large_json(request, PUSHED, limits::PROJECT_BYTES).await?;
    let reach = check(&files, rollout.as_deref())?;
    let request = ApplyRequest { files: files.into_iter().collect(), base, reach, silent };
    in_turn(&api, Work::Query, move |engine| engine.apply(&request)).await.map(Json)
}

const PUSHED: &str = r#"{"base": "0123456789abcdef", "files": {"sonder.yaml": "name: shop\n"}}"#;

/// To whom the files are pushed, where they are a project at all; what is taken back needs none.
fn check(files: &BTreeMap<String, String>, rollout: Option<&str>) -> Result<Option<Reach>, ApiError> {
    let reach = rollout.map(|text| Reach::parse(text).ok_or(text)).transpose().map_err(|text| {
        let message = format!("`rollout` cannot be `{}`", text.chars().take(limits::FILTER_CHARS).collect::<String>());
        ApiError::bad("bad_body", message, "write a part of the people, such as `25%`, or `none` to take it back")
    })?;
    if reach == Some(Reach::Nobody) && files.is_empty() {
        return Ok(reach);
    }
    if reach == Some(Reach::Nobody) {
        return Err(ApiError::bad("bad_body", "what is taken back needs no `files`", "leave `files` empty"));
    }
    if files.is_empty() || files.len() > limits::PROJECT_FILES {
        let help = format!("a project has 1 to {} files", limits::PROJECT_FILES);
        return Err(ApiError::bad("bad_body", "`files` is no project", help));
    }
    Ok(reach)
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    files: BTreeMap<String, String>,
    #[serde(default)]
    rollout: Option<String>,
}

const EXAMPLE: &str =
    r#"{"files": {"sonder.yaml": "name: shop\n", "rules/all.sonder": "segment keen { when did(view) }\n"}}"#;

async fn plan(State(api): State<Api>, request: Request) -> Result<Json<Plan>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked { files, rollout } = read_large_json(request, EXAMPLE, limits::PROJECT_BYTES).await?;
    let reach = check(&files, rollout.as_deref())?;
    let waiting = Waiting::default();
    let (files, timeout, cancelled) = (files.into_iter().collect(), limits::QUERY_TIME, waiting.flag());
    let request = PlanRequest { files, reach, timeout, cancelled };
    let plan = in_turn(&api, Work::Query, move |engine| engine.plan(&request)).await?;
    drop(waiting);
    Ok(Json(plan))
}
