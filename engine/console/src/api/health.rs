//! How the engine is: for people, for monitors, for whoever starts and stops it.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of, text_of};
use crate::engine::Status;
use crate::error::ApiError;
use crate::keys::Scope;
use crate::request::Parameters;
use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let metrics = |path, id| {
        Endpoint::get(
            path,
            Some(Scope::Read),
            metrics,
            About {
                id,
                group: "Health",
                summary: "Metrics for Prometheus",
                description: "In Prometheus' text format.",
                parameters: vec![],
                body: None,
                answers: vec![text_of("text/plain")],
                refusals: &[400],
            },
        )
    };
    let healthz = |path, id| {
        Endpoint::get(
            path,
            None,
            healthz,
            About {
                id,
                group: "Health",
                summary: "Whether the program runs",
                description: "Answers for as long as the program is not stuck; whoever gets no answer should restart it.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Well")],
                refusals: &[400],
            },
        )
    };
    let readyz = |path, id| {
        Endpoint::get(
            path,
            None,
            readyz,
            About {
                id,
                group: "Health",
                summary: "Whether it can take traffic",
                description: "Refuses while the engine recovers or stops, and when the log cannot be written.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Well")],
                refusals: &[400, 503],
            },
        )
    };
    vec![
        Endpoint::get(
            "/api/v1/status",
            Some(Scope::Read),
            status,
            About {
                id: "getStatus",
                group: "Health",
                summary: "The whole picture",
                description: "Versions, the log, lag by stage, the last reload with its errors, destinations, memory.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Status")],
                refusals: &[400],
            },
        ),
        metrics("/api/v1/metrics", "getMetrics"),
        healthz("/api/v1/healthz", "getHealth"),
        readyz("/api/v1/readyz", "getReadiness"),
        metrics("/metrics", "getMetricsAtTop"),
        healthz("/healthz", "getHealthAtTop"),
        readyz("/readyz", "getReadinessAtTop"),
    ]
}

async fn status(State(api): State<Api>, uri: Uri) -> Result<Json<Status>, ApiError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(api.engine().status()))
}

async fn metrics(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let text = api.engine().metrics();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn healthz(uri: Uri) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(json!({ "ok": true })))
}

async fn readyz(State(api): State<Api>, uri: Uri) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, &[])?;
    api.engine().ready()?;
    Ok(Json(json!({ "ok": true })))
}
