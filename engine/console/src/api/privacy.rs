//! What people may ask about their data: to see it, to take it along, to be forgotten, and that it is not used.

use super::people::{find_id, look_up, no_such_person, who_parameter};
use crate::Api;
use crate::bundle;
use crate::endpoint::{About, Endpoint, json_of, path_parameter, query_parameter, text_of};
use crate::engine::{PrivacyRequest, RequestAction, RequestAsked, RequestNote, Right, ToldDestination, parse_instant};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::openapi::PAGE_POLICY;
use crate::request::{Parameters, bad_parameter, path_segment, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sonder_core::effect::PersonId;

/// Where `{id}` stands in `/api/v1/privacy/requests/{id}`.
const ID: usize = 4;
/// Where `{who}` stands in `/api/v1/people/{who}/bundle`.
const WHO: usize = 3;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let id = || path_parameter("id", &json!({ "type": "string", "format": "uuid" }), "The request's id.");
    let format = || {
        let schema = json!({ "type": "string", "enum": ["json", "html"], "default": "json" });
        query_parameter("format", &schema, "JSON for machines, or a page that a person can read.")
    };
    let bundle_of = || vec![("application/json", json!({ "type": "object" })), text_of("text/html")];
    vec![
        Endpoint::post(
            "/api/v1/privacy/requests",
            Some(Scope::Privacy),
            create,
            About {
                id: "createPrivacyRequest",
                group: "Privacy",
                summary: "Enter what a person asks about their data",
                description: "By when it is to be dealt with follows from the law of where they live. `erasure`: the person goes with \
                all their identifiers: from the state, the log, the tables of events, quarantine, deliveries and checkpoints; then \
                the files are rewritten without them, and each destination that may have got something about them is told. \
                `restriction`, `objection` and `opt_out` count at once, whatever banners say later, until they are lifted: rules for \
                these purposes see nothing, and nothing leaves for them. Whoever is not known yet is known by that identifier from then \
                on, so that it holds when they come. `access` and `portability` wait for `GET …/bundle` to be \
                handed over. With `wait`, all of it waits until it is approved.",
                parameters: vec![],
                body: Some("PrivacyRequestAsked"),
                answers: vec![json_of("PrivacyRequest")],
                refusals: &[400, 404, 413, 415, 422, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/privacy/requests",
            Some(Scope::Privacy),
            list,
            About {
                id: "listPrivacyRequests",
                group: "Privacy",
                summary: "Requests, those that are due first",
                description: "Open ones, or with `all` those that are closed behind them.",
                parameters: vec![query_parameter(
                    "all",
                    &json!({ "type": "boolean", "default": false }),
                    "Closed ones, too.",
                )],
                body: None,
                answers: vec![json_of("PrivacyRequests")],
                refusals: &[400, 503],
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
                description: "With each step, and of an erasure what was erased, when the bytes were gone, and what came of telling \
                destinations.",
                parameters: vec![id()],
                body: None,
                answers: vec![json_of("PrivacyRequest")],
                refusals: &[400, 404, 503],
            },
        ),
        Endpoint::post(
            "/api/v1/privacy/requests/{id}/steps",
            Some(Scope::Privacy),
            step,
            About {
                id: "stepPrivacyRequest",
                group: "Privacy",
                summary: "Do something about a request",
                description: "`approve` or `cancel` one that waits; `extend` its date, once; `complete` when what was asked was handed \
                over; `lift` a restriction, an objection or an opt-out.",
                parameters: vec![id()],
                body: Some("PrivacyRequestStep"),
                answers: vec![json_of("PrivacyRequest")],
                refusals: &[400, 404, 413, 415, 422, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/privacy/requests/{id}/bundle",
            Some(Scope::Privacy),
            request_bundle,
            About {
                id: "getPrivacyBundle",
                group: "Privacy",
                summary: "All that is known of whoever asked",
                description: "Identifiers, golden record, computed traits, segments, journeys, consent, messages and what destinations \
                were told; where each came from and what for.",
                parameters: vec![id(), format()],
                body: None,
                answers: bundle_of(),
                refusals: &[400, 404, 422, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/privacy/requests/{id}/certificate",
            Some(Scope::Privacy),
            certificate,
            About {
                id: "getPrivacyCertificate",
                group: "Privacy",
                summary: "That a request was dealt with, to be kept or handed over",
                description: "It names nobody. Destinations that did not confirm an erasure are listed: they are to be told by hand.",
                parameters: vec![id()],
                body: None,
                answers: vec![json_of("PrivacyCertificate")],
                refusals: &[400, 404, 422, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/people/{who}/bundle",
            Some(Scope::Privacy),
            person_bundle,
            About {
                id: "getPersonBundle",
                group: "Privacy",
                summary: "All that is known of a person",
                description: "As `GET /privacy/requests/{id}/bundle`, without a request.",
                parameters: vec![who_parameter(), format()],
                body: None,
                answers: bundle_of(),
                refusals: &[400, 404, 422, 503],
            },
        ),
    ]
}

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    kind: Right,
    person: String,
    purposes: Option<Vec<String>>,
    regime: Option<String>,
    received_at: Option<String>,
    #[serde(default)]
    wait: bool,
    by: Option<String>,
    note: Option<String>,
}

async fn create(State(api): State<Api>, request: Request) -> Result<Json<PrivacyRequest>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let example = r#"{"kind": "erasure", "person": "email:ann@shop.example"}"#;
    let Asked { kind, person, purposes, regime, received_at, wait, by, note } = read_json(request, example).await?;
    check_notes(&[("by", &by), ("note", &note), ("regime", &regime)])?;
    let received_at = match received_at {
        None => None,
        Some(text) => Some(parse_instant(&text).ok_or_else(|| {
            ApiError::bad("bad_body", "`received_at` is no moment", "write it as `2026-03-01T03:00:00Z`")
        })?),
    };
    let id = look_up(&api, &person)?;
    if id.is_none() && !kind.binds() {
        return Err(no_such_person(&person));
    }
    let asked = RequestAsked {
        right: kind,
        person: id,
        subject: person.clone(),
        purposes,
        regime,
        received_at,
        waits: wait,
        note: RequestNote { by, note },
        origin: "api",
    };
    let opened = in_turn(&api, Work::Read, move |engine| engine.open_request(&asked)).await?;
    opened.map(Json).ok_or_else(|| no_such_person(&person))
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let parameters = Parameters::read(&uri, &["all"])?;
    let all = match parameters.text("all") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(bad_parameter("all", other, "`true` or `false`")),
    };
    let requests = in_turn(&api, Work::Read, move |engine| engine.requests(!all)).await?;
    Ok(Json(json!({ "requests": requests })))
}

async fn get(State(api): State<Api>, uri: Uri) -> Result<Json<PrivacyRequest>, ApiError> {
    Parameters::read(&uri, &[])?;
    find(&api, &uri).await.map(Json)
}

/// The body of a step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    action: RequestAction,
    by: Option<String>,
    note: Option<String>,
}

async fn step(State(api): State<Api>, request: Request) -> Result<Json<PrivacyRequest>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let id = path_segment(request.uri(), ID)?;
    let Step { action, by, note } = read_json(request, r#"{"action": "complete", "by": "ann"}"#).await?;
    check_notes(&[("by", &by), ("note", &note)])?;
    let note = RequestNote { by, note };
    let stepped = in_turn(&api, Work::Read, move |engine| engine.step_request(&id, action, &note)).await?;
    stepped.map(Json).ok_or_else(no_such_request)
}

async fn request_bundle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let as_page = wants_page(&uri)?;
    let request = find(&api, &uri).await?;
    let Some(subject) = &request.subject else {
        return Err(ApiError::missing("no_such_person", "whoever asked was erased", "nothing is known of them"));
    };
    let id = find_id(&api, subject)?;
    hand_over(&api, id, subject, as_page).await
}

async fn person_bundle(State(api): State<Api>, uri: Uri) -> Result<Response, ApiError> {
    let as_page = wants_page(&uri)?;
    let who = path_segment(&uri, WHO)?;
    let id = find_id(&api, &who)?;
    hand_over(&api, id, &who, as_page).await
}

fn wants_page(uri: &Uri) -> Result<bool, ApiError> {
    match Parameters::read(uri, &["format"])?.text("format") {
        None | Some("json") => Ok(false),
        Some("html") => Ok(true),
        Some(other) => Err(bad_parameter("format", other, "`json` or `html`")),
    }
}

async fn hand_over(api: &Api, id: PersonId, who: &str, as_page: bool) -> Result<Response, ApiError> {
    let found = in_turn(api, Work::Read, move |engine| engine.bundle(id)).await?;
    let bundle = found.ok_or_else(|| no_such_person(who))?;
    if !as_page {
        return Ok(Json(bundle).into_response());
    }
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(([kind, PAGE_POLICY], bundle::page(&bundle)).into_response())
}

async fn certificate(State(api): State<Api>, uri: Uri) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, &[])?;
    let request = find(&api, &uri).await?;
    if request.state != "completed" {
        let help = "`GET /privacy/requests/{id}` tells what is missing";
        let message = format!("the request is not completed: it is `{}`", request.state);
        return Err(ApiError::conflict("not_completed", message, help));
    }
    let erased = request.erasure.as_ref();
    let told = erased.map(|it| it.destinations.as_slice()).unwrap_or_default();
    let unconfirmed = told.iter().filter(|it| it.state != "delivered");
    let unconfirmed: Vec<&ToldDestination> = unconfirmed.collect();
    Ok(Json(json!({
        "project": api.engine().program().settings.name,
        "request": request.id,
        "kind": request.kind,
        "regime": request.regime,
        "received_at": request.received_at,
        "due_at": request.due_at,
        "completed_at": request.closed_at,
        "erased": erased.map(|it| json!({
            "messages": it.messages,
            "messages_of_others": it.redacted,
            "method": "rows removed; state made anew from the log; files rewritten without free blocks; what plugins kept removed",
            "remains": "keyed hashes of the identifiers, so that what was done before is not taken in again",
            "destinations": it.destinations,
        })),
        "unconfirmed": unconfirmed,
    })))
}

async fn find(api: &Api, uri: &Uri) -> Result<PrivacyRequest, ApiError> {
    let id = path_segment(uri, ID)?;
    let found = in_turn(api, Work::Read, move |engine| engine.request(&id)).await?;
    found.ok_or_else(no_such_request)
}

fn no_such_request() -> ApiError {
    let help = "`POST /privacy/requests` answers with the id";
    ApiError::missing("no_such_request", "there is no request with that id", help)
}

fn check_notes(notes: &[(&str, &Option<String>)]) -> Result<(), ApiError> {
    for (name, text) in notes {
        let length = text.as_ref().map_or(1, |text| text.chars().count());
        if length == 0 || length > limits::PROOF_CHARS {
            let help = format!("it has 1 to {} characters", limits::PROOF_CHARS);
            return Err(ApiError::bad("bad_body", format!("`{name}` is no such text"), help));
        }
    }
    Ok(())
}
