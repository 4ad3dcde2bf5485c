//! `/opendsr/v1`: requests of people as OpenDSR 2.0 has them, which whoever people ask sends over. Beside the API, of whose
//! register of requests they become entries.
//!
//! Answers are signed. Whoever sends a request may be told how far it is ([`callbacks`]), at origins that the project allows.
//! Who may send requests is said by keys with the scope `privacy`; what is supported and the certificate are for everybody.

mod asked;
mod callbacks;
mod signing;

use super::answers::Answers;
use crate::pipeline::{Shared, clock};
use asked::Asked;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub(super) use callbacks::follow;
use serde_json::{Value as Json, json};
use signing::SigningKey;
use sonder_console::audit::DeedKind;
use sonder_console::engine::{
    Engine, PrivacyRequest, RequestAction, RequestAsked, RequestNote, Trouble, instant, parse_instant,
};
use sonder_console::keys::Scope;
use sonder_console::{Api, permit};
use sonder_core::effect::PersonId;
use sonder_dsl::ir::Program;
use sonder_dsl::model::{OpenDsr, WriteKey};
use sonder_store::{OpenDsrCallback, OpenDsrRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// The version of OpenDSR.
const VERSION: &str = "2.0";
/// Bytes of one request.
const BODY: usize = 64 << 10;

/// What the routes need.
#[derive(Clone)]
pub(super) struct OpenDsrRoute {
    pub shared: Arc<Shared>,
    pub answers: Arc<Answers>,
    pub api: Api,
    /// Told when somebody may have to be told something.
    pub news: Arc<Notify>,
}

impl OpenDsrRoute {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/opendsr/v1/discovery", get(discovery))
            .route("/opendsr/v1/certificate.pem", get(certificate))
            .route("/opendsr/v1/requests", post(create))
            .route("/opendsr/v1/requests/{id}", get(status).delete(cancel))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(self)
    }

    fn program(&self) -> Arc<Program> {
        self.shared.program.borrow().clone()
    }

    fn settings(&self) -> Result<(Arc<Program>, OpenDsr), Refusal> {
        let program = self.program();
        let settings = program.settings.opendsr.clone();
        let settings = settings.ok_or_else(|| Refusal::bad("this project takes no requests by OpenDSR"))?;
        Ok((program, settings))
    }

    /// Does slow work.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Answers) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let answers = Arc::clone(&self.answers);
        let done = tokio::task::spawn_blocking(move || work(&answers)).await;
        done.map_err(|error| Refusal::fault(&error.to_string()))?
    }
}

/// Why there is no answer, as OpenDSR says it.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// A fault of ours: its text is for the log.
    fn fault(fault: &str) -> Self {
        tracing::error!(fault, "a request by OpenDSR failed");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: "the engine failed to answer".to_owned() }
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused { message, .. } => Self::bad(message),
            Trouble::Unavailable { reason, .. } => Self { status: StatusCode::SERVICE_UNAVAILABLE, message: reason },
            Trouble::TooSlow => Self::fault("too slow"),
            Trouble::Internal(fault) => Self::fault(&fault),
        }
    }
}

impl From<sonder_store::StoreError> for Refusal {
    fn from(error: sonder_store::StoreError) -> Self {
        Self::fault(&error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, message } = self;
        let detail = json!([{"domain": "Validation", "reason": "IllegalArgumentException", "message": message}]);
        let mut error = json!({"code": status.as_u16(), "message": message});
        if status == StatusCode::BAD_REQUEST {
            error["errors"] = detail;
        }
        (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(json!({ "error": error }))).into_response()
    }
}

/// The key that answers are signed with, from where the project says it is.
fn signing_key(settings: &OpenDsr) -> Result<SigningKey, Refusal> {
    let text = match &settings.key {
        WriteKey::Literal(text) => text.clone(),
        WriteKey::Environment(name) => std::env::var(name)
            .map_err(|_| Refusal::fault(&format!("the environment variable `{name}` of `opendsr.key` is not set")))?,
    };
    SigningKey::read(&text).map_err(|wrong| Refusal::fault(&format!("`opendsr.key`: {wrong}")))
}

/// An answer, and the headers that prove whose it is.
fn signed(settings: &OpenDsr, status: StatusCode, body: &Json) -> Result<Response, Refusal> {
    let bytes = body.to_string().into_bytes();
    let mut headers = proof(settings, &bytes)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((status, headers, bytes).into_response())
}

fn proof(settings: &OpenDsr, bytes: &[u8]) -> Result<HeaderMap, Refusal> {
    let signature = signing_key(settings)?.sign(bytes).map_err(|wrong| Refusal::fault(&wrong))?;
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| Refusal::fault(&error.to_string()));
    let mut headers = HeaderMap::new();
    headers.insert("x-opendsr-processor-domain", value(&settings.domain)?);
    headers.insert("x-opendsr-signature", value(&signature)?);
    Ok(headers)
}

async fn discovery(State(route): State<OpenDsrRoute>) -> Result<Response, Refusal> {
    let (program, settings) = route.settings()?;
    let identity = |kind: &&str| json!({"identity_type": kind, "identity_format": "raw"});
    let body = json!({
        "api_version": VERSION,
        "supported_identities": asked::supported(&program).iter().map(identity).collect::<Vec<_>>(),
        "supported_subject_request_types": ["access", "portability", "erasure"],
        "processor_certificate": format!("https://{}/opendsr/v1/certificate.pem", settings.domain),
    });
    Ok(axum::Json(body).into_response())
}

async fn certificate(State(route): State<OpenDsrRoute>) -> Result<Response, Refusal> {
    let (_, settings) = route.settings()?;
    let path = route.shared.files.read().root.join(&settings.certificate);
    let read = route.in_turn(move |_| {
        std::fs::read_to_string(&path).map_err(|error| Refusal::fault(&format!("`{}`: {error}", path.display())))
    });
    let pem = read.await?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Refusal::fault("`opendsr.certificate` is no certificate as PEM"));
    }
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response())
}

async fn create(State(route): State<OpenDsrRoute>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refusal) = permit(&route.api, Scope::Privacy, &headers, ("createOpenDsr", DeedKind::Change)).await {
        return refusal;
    }
    let created = async {
        let (program, settings) = route.settings()?;
        // Nothing is taken in that could not be answered.
        signing_key(&settings)?;
        let asked = asked::read(&program, &settings, &body).map_err(Refusal::bad)?;
        let approve = settings.approve;
        let sent = body.clone();
        let entered = route.in_turn(move |answers| enter(answers, &asked, &sent, approve)).await?;
        route.news.notify_one();
        let encoded = STANDARD.encode(&body);
        let signature = signing_key(&settings)?.sign(encoded.as_bytes()).map_err(|wrong| Refusal::fault(&wrong))?;
        let body = json!({
            "controller_id": settings.controller,
            "expected_completion_time": instant(entered.expected_at),
            "received_time": instant(entered.received_at),
            "encoded_request": encoded,
            "subject_request_id": entered.id,
            "processor_signature": signature,
        });
        signed(&settings, StatusCode::CREATED, &body)
    };
    created.await.unwrap_or_else(IntoResponse::into_response)
}

/// Enters a request into the register, for everybody whom it is about. One that came before is not entered again, and another
/// under its id is refused.
fn enter(answers: &Answers, asked: &Asked, sent: &[u8], approve: bool) -> Result<OpenDsrRequest, Refusal> {
    // Two that come at once take turns.
    let _turn = answers.entering.lock();
    let body = answers.store.pseudonym("opendsr", &String::from_utf8_lossy(sent));
    if let Some(known) = answers.store.opendsr(&asked.id)? {
        if known.body.as_ref().is_some_and(|it| *it != body) {
            return Err(Refusal::bad("another request came with this `subject_request_id`"));
        }
        return Ok(known);
    }
    let received_at = clock::wall();
    let program = answers.program();
    let mut people: BTreeMap<PersonId, String> = BTreeMap::new();
    for (kind, value) in &asked.identities {
        if let Some(person) = answers.resolve(*kind, value) {
            let kind = program.identity.identifiers.get(kind.index()).map_or("", |kind| kind.name.as_str());
            people.entry(person).or_insert_with(|| format!("{kind}:{value}"));
        }
    }
    let (mut requests, mut expected_at) = (Vec::new(), received_at);
    for (person, subject) in people {
        let opened = answers.open_request(&RequestAsked {
            right: asked.right,
            person: Some(person),
            subject,
            purposes: None,
            regime: Some(asked.regime.to_owned()),
            received_at: Some(asked.submitted_at),
            waits: approve,
            note: RequestNote { by: Some("opendsr".to_owned()), note: Some(asked.id.clone()) },
            origin: "opendsr",
        })?;
        let Some(opened) = opened else { continue };
        expected_at = expected_at.max(parse_instant(&opened.due_at).unwrap_or(received_at));
        requests.push(opened.id);
    }
    let callbacks =
        asked.callbacks.iter().map(|url| OpenDsrCallback { url: url.clone(), ..OpenDsrCallback::default() });
    let request = OpenDsrRequest {
        id: asked.id.clone(),
        requests,
        received_at,
        expected_at,
        callbacks: callbacks.collect(),
        body: Some(body),
    };
    answers.store.note_opendsr(&request)?;
    Ok(request)
}

/// A request, and how far it is.
struct Standing {
    request: OpenDsrRequest,
    status: &'static str,
    /// Where what was asked for can be got.
    results: Option<String>,
}

/// How far a request is: as far as the entry that is the least far. Of one about nobody who is known, there is nothing to do.
fn standing(answers: &Answers, request: OpenDsrRequest) -> Result<Standing, Refusal> {
    let mut entries: Vec<PrivacyRequest> = Vec::with_capacity(request.requests.len());
    for id in &request.requests {
        entries.extend(answers.request(id)?);
    }
    let any = |state: &str| entries.iter().any(|entry| entry.state == state);
    let status = if any("pending") {
        "pending"
    } else if any("in_progress") {
        "in_progress"
    } else if !entries.is_empty() && entries.iter().all(|entry| entry.state == "cancelled") {
        "cancelled"
    } else {
        "completed"
    };
    let results = match entries.as_slice() {
        [one]
            if matches!(one.kind.as_str(), "access" | "portability")
                && status != "pending"
                && status != "cancelled" =>
        {
            Some(format!("/api/v1/privacy/requests/{}/bundle", one.id))
        }
        _ => None,
    };
    Ok(Standing { request, status, results })
}

fn found(answers: &Answers, id: &str) -> Result<Standing, Refusal> {
    let request = answers.store.opendsr(id)?;
    standing(answers, request.ok_or_else(|| Refusal::bad("there is no request with that id"))?)
}

/// What is said of a request.
fn said(settings: &OpenDsr, it: &Standing) -> Json {
    let mut said = json!({
        "controller_id": settings.controller,
        "expected_completion_time": instant(it.request.expected_at),
        "subject_request_id": it.request.id,
        "request_status": it.status,
        "api_version": VERSION,
    });
    if let Some(path) = &it.results {
        said["results_url"] = format!("https://{}{path}", settings.domain).into();
    }
    said
}

async fn status(State(route): State<OpenDsrRoute>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refusal) = permit(&route.api, Scope::Privacy, &headers, ("getOpenDsr", DeedKind::Read)).await {
        return refusal;
    }
    let answered = async {
        let (_, settings) = route.settings()?;
        let standing = route.in_turn(move |answers| found(answers, &id)).await?;
        signed(&settings, StatusCode::OK, &said(&settings, &standing))
    };
    answered.await.unwrap_or_else(IntoResponse::into_response)
}

async fn cancel(State(route): State<OpenDsrRoute>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refusal) = permit(&route.api, Scope::Privacy, &headers, ("cancelOpenDsr", DeedKind::Change)).await {
        return refusal;
    }
    let cancelled = async {
        let (_, settings) = route.settings()?;
        let request = route.in_turn(move |answers| withdraw(answers, &id)).await?;
        route.news.notify_one();
        let body = json!({
            "controller_id": settings.controller,
            "subject_request_id": request.id,
            "received_time": instant(clock::wall()),
            "api_version": VERSION,
        });
        signed(&settings, StatusCode::ACCEPTED, &body)
    };
    cancelled.await.unwrap_or_else(IntoResponse::into_response)
}

/// Cancels what waits for approval.
fn withdraw(answers: &Answers, id: &str) -> Result<OpenDsrRequest, Refusal> {
    let Standing { request, status, .. } = found(answers, id)?;
    if status != "pending" {
        return Err(Refusal::bad(format!("only what is `pending` can be cancelled, and this is `{status}`")));
    }
    let note = RequestNote { by: Some("opendsr".to_owned()), note: None };
    for entry in &request.requests {
        if answers.request(entry)?.is_some_and(|entry| entry.state == "pending") {
            answers.step_request(entry, RequestAction::Cancel, &note)?;
        }
    }
    Ok(request)
}
