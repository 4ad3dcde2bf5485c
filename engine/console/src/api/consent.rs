//! What somebody says about consent, told by a system of one's own: a form, a call centre, a preference centre.

use super::people::who_parameter;
use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{ConsentChange, Person, Subject};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, path_segment, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where `{who}` stands in `/api/v1/people/{who}/consent`.
const WHO: usize = 3;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::put(
        "/api/v1/people/{who}/consent",
        Some(Scope::Privacy),
        put,
        About {
            id: "putConsent",
            group: "People",
            summary: "Record what a person says about consent",
            description: "Becomes a message of the log (`Consent Updated`) and an entry of the ledger, and counts from now on; \
            purposes that are not named stay as they are. The answer comes when it is on the disk. Somebody nobody knows yet \
            may be named by an identifier.",
            parameters: vec![who_parameter()],
            body: Some("ConsentAnswers"),
            answers: vec![json_of("ConsentRecorded")],
            refusals: &[400, 404, 413, 415, 422, 503],
        },
    )]
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    purposes: BTreeMap<String, bool>,
    method: Option<String>,
    notice: Option<String>,
    proof: Option<String>,
}

const EXAMPLE: &str = r#"{"purposes": {"marketing": true}, "method": "call centre", "notice": "2026-03"}"#;

async fn put(State(api): State<Api>, request: Request) -> Result<Json<Value>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let who = path_segment(request.uri(), WHO)?;
    let Asked { purposes, method, notice, proof } = read_json(request, EXAMPLE).await?;
    if purposes.is_empty() {
        return Err(ApiError::bad(
            "bad_body",
            "`purposes` names nothing",
            "say yes or no to some purpose: `true` or `false`",
        ));
    }
    for (name, text) in [("method", &method), ("notice", &notice), ("proof", &proof)] {
        let most = if name == "proof" { limits::PROOF_CHARS } else { limits::FILTER_CHARS };
        let length = text.as_ref().map_or(1, |text| text.chars().count());
        if length == 0 || length > most {
            let help = format!("it has 1 to {most} characters");
            return Err(ApiError::bad("bad_body", format!("`{name}` is no such text"), help));
        }
    }
    let subject = match who.split_once(':') {
        Some((kind, value)) => Subject { kind: kind.to_owned(), value: value.to_owned() },
        None => subject_of(&super::people::find_person(&api, &who).await?)?,
    };
    let change = ConsentChange { subject, purposes: purposes.into_iter().collect(), method, notice, proof };
    let message = in_turn(&api, Work::Read, move |engine| engine.change_consent(&change)).await?;
    Ok(Json(json!({ "message_id": message })))
}

fn subject_of(person: &Person) -> Result<Subject, ApiError> {
    let known = person.identifiers.iter().find(|it| !it.former);
    let known = known.map(|it| Subject { kind: it.kind.clone(), value: it.value.clone() });
    known.ok_or_else(|| ApiError::bad("no_identifier", "this person has no identifier", "name one as `{kind}:{value}`"))
}
