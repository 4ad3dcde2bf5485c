//! `POST /api/v1/import`: `sonder import` through a running engine. The body is JSON lines, one message each, and may be
//! of any length: it is read as fast as the log takes it.
//!
//! Unlike `/v1/import` of the wire protocol it belongs to the administrator, not to a source's key: sources that are files
//! have none. The ledger knows how far each file has come, so that an import that was interrupted goes on.

use super::residents::Residents;
use crate::import::ledger::{Ledger, Progress};
use crate::import::{Batcher, Elsewhere, Governed};
use crate::pipeline::{Entrance, Shared, Submitted};
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{DefaultBodyLimit, Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use sonder_collect::Refused;
use sonder_console::audit::DeedKind;
use sonder_console::keys::Scope;
use sonder_console::{Api, permit};
use sonder_dsl::ir::{Program, SourceId};
use std::path::Path;
use std::sync::Arc;

/// Messages of one transaction.
const BATCH: usize = 4_096;
/// One line, at most; a message has its own, smaller limit.
const MAX_LINE: usize = 4 << 20;
/// Transactions under way at a time, so that one is governed while another is written.
const AHEAD: usize = 3;

/// What the route needs.
#[derive(Clone)]
pub(super) struct ImportRoute(Arc<Inner>);

struct Inner {
    ledger: Ledger,
    shared: Arc<Shared>,
    entrance: Entrance,
    api: Api,
}

/// What the query says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// What the ledger knows the file by.
    id: String,
    /// Its name.
    file: String,
    /// The source that its messages are of.
    source: String,
    /// Where in the file the body begins.
    skip: u64,
    /// Whether deliveries may follow.
    #[serde(default)]
    deliver: bool,
}

/// Why an import ended before its end.
pub(super) struct Refusal(StatusCode, &'static str, String, &'static str);

impl ImportRoute {
    pub(super) fn new(data: &Path, shared: Arc<Shared>, entrance: Entrance, api: Api) -> Self {
        Self(Arc::new(Inner { ledger: Ledger::open(data), shared, entrance, api }))
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/api/v1/import", post(import))
            .route("/api/v1/import/{id}", get(progress))
            .layer(DefaultBodyLimit::disable())
            .with_state(self)
    }
}

async fn progress(State(route): State<ImportRoute>, headers: HeaderMap, UrlPath(id): UrlPath<String>) -> Response {
    if let Err(refusal) = permit(&route.0.api, Scope::Admin, &headers, ("getImport", DeedKind::Read)).await {
        return refusal;
    }
    axum::Json(route.0.ledger.progress(&id)).into_response()
}

async fn import(
    State(route): State<ImportRoute>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
    body: Body,
) -> Response {
    if let Err(refusal) = permit(&route.0.api, Scope::Admin, &headers, ("import", DeedKind::Change)).await {
        return refusal;
    }
    match receive(&route, &asked, body.into_data_stream()).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn receive(route: &ImportRoute, asked: &Asked, mut body: BodyDataStream) -> Result<serde_json::Value, Refusal> {
    let inner = &*route.0;
    let batcher = batcher(inner, asked, Arc::clone(&inner.shared.program.borrow()))?;
    let (under_way, elsewhere) = (Vec::new(), Elsewhere::default());
    let mut run = Run { inner, asked, batcher, under_way, rows: asked.skip, quarantined: 0, elsewhere };
    let mut buffer = BytesMut::new();
    let mut lines = Vec::with_capacity(BATCH);
    loop {
        let frame = body.frame().await.transpose().map_err(|_| {
            Refusal(
                StatusCode::BAD_REQUEST,
                "cut_off",
                "the body ended before its end".to_owned(),
                "run the import again; it goes on where it was",
            )
        })?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.into_data() else { continue };
        buffer.extend_from_slice(&data);
        while let Some(line) = next_line(&mut buffer) {
            lines.push(line);
            if lines.len() == BATCH {
                run.take(std::mem::replace(&mut lines, Vec::with_capacity(BATCH))).await?;
            }
        }
        if buffer.len() > MAX_LINE {
            return Err(Refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "a line is too long".to_owned(),
                "send one message a line",
            ));
        }
    }
    if !buffer.is_empty() {
        lines.push(buffer.freeze());
    }
    run.take(lines).await?;
    run.finish().await
}

/// Governs by this version of the project.
fn batcher(inner: &Inner, asked: &Asked, program: Arc<Program>) -> Result<Batcher, Refusal> {
    let place = program.sources.iter().position(|source| source.name == asked.source);
    let Some(source) = place.and_then(|place| u32::try_from(place).ok()) else {
        let message = format!("the project has no source `{}`", asked.source);
        return Err(Refusal(
            StatusCode::BAD_REQUEST,
            "unknown_source",
            message,
            "declare it in `sources/`, with `kind: file`",
        ));
    };
    let people = Arc::new(Residents::of(&inner.shared));
    Ok(Batcher::new(program, SourceId(source), !asked.deliver, people))
}

fn next_line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let line = buffer.split_to(end + 1).freeze();
    Some(line.slice(..end))
}

/// An import under way.
struct Run<'a> {
    inner: &'a Inner,
    asked: &'a Asked,
    batcher: Batcher,
    under_way: Vec<UnderWay>,
    rows: u64,
    quarantined: u64,
    elsewhere: Elsewhere,
}

/// What is being written of a batch, and what of it belongs to other regions.
type UnderWay = (tokio::task::JoinHandle<Result<Submitted, Refused>>, Elsewhere);

impl Run<'_> {
    async fn take(&mut self, lines: Vec<Bytes>) -> Result<(), Refusal> {
        if lines.is_empty() {
            return Ok(());
        }
        let running = Arc::clone(&self.inner.shared.program.borrow());
        if running.fingerprint != self.batcher.program().fingerprint {
            // The project has changed meanwhile.
            self.batcher = batcher(self.inner, self.asked, running)?;
        }
        let batcher = self.batcher.clone();
        let governed = tokio::task::spawn_blocking(move || {
            batcher.govern(lines, |_, line: Bytes| String::from_utf8_lossy(&line).into_owned())
        });
        let Governed { received, elsewhere } = governed.await.map_err(|error| failed(&error))?;
        // The queue keeps the order: a batch enters it before the next one is governed.
        let entered = self.inner.entrance.enter_when_there_is_room(self.batcher.program(), received).await;
        self.under_way.push((tokio::spawn(entered), elsewhere));
        if self.under_way.len() >= AHEAD {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), Refusal> {
        let (entered, elsewhere) = self.under_way.remove(0);
        let submitted = entered.await.map_err(|error| failed(&error))?.map_err(|refused| {
            Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                refused.to_string(),
                "run the import again; it goes on where it was",
            )
        })?;
        self.rows += submitted.messages + elsewhere.count();
        self.elsewhere.add(&elsewhere);
        self.quarantined += submitted.quarantined;
        self.note(false)
    }

    async fn finish(mut self) -> Result<serde_json::Value, Refusal> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        self.note(true)?;
        let rows = self.rows - self.asked.skip;
        Ok(json!({ "rows": rows, "quarantined": self.quarantined, "elsewhere": self.elsewhere }))
    }

    fn note(&self, complete: bool) -> Result<(), Refusal> {
        let progress = Progress { file: self.asked.file.clone(), rows: self.rows, complete };
        self.inner.ledger.note(&self.asked.id, progress).map_err(|error| failed(&error))
    }
}

fn failed(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::failed(error)
}

impl Refusal {
    /// The client's fault.
    pub(super) const fn bad(message: String, help: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, "bad_parameter", message, help)
    }

    /// The engine's fault: its log says more.
    pub(super) fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request of an administrator failed");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the engine failed".to_owned(), "see its log")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, message, help) = self;
        (status, axum::Json(json!({ "error": { "code": code, "message": message, "help": help } }))).into_response()
    }
}
