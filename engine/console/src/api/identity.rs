//! Who is who: the links between a person's identifiers, and decisions to join people or to part them.

use super::people::{find_id, find_person, no_such_person, short, who_parameter};
use crate::Api;
use crate::endpoint::{About, Endpoint, json_of, query_parameter};
use crate::engine::{IdentityDecision, IdentityGraph, Person, Subject};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, bad_parameter, path_segment, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where `{who}` stands in `/api/v1/people/{who}/graph`.
const WHO: usize = 3;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/people/{who}/graph",
            Some(Scope::Read),
            graph,
            About {
                id: "getPersonGraph",
                group: "People",
                summary: "Why somebody's identifiers are one person's",
                description: "Identifiers, and the links between them: who said so first, when, and in which record. Also links to \
                others that a rule is against, and what somebody decided. With `between`, `path` has the links that lead from \
                one identifier to the other.",
                parameters: vec![
                    who_parameter(),
                    query_parameter(
                        "between",
                        &crate::openapi::between_schema(),
                        "Two of the person's identifiers, separated by a comma.",
                    ),
                ],
                body: None,
                answers: vec![json_of("IdentityGraph")],
                refusals: &[400, 404, 503],
            },
        ),
        Endpoint::post(
            "/api/v1/people/{who}/merge",
            Some(Scope::Privacy),
            merge,
            About {
                id: "mergePeople",
                group: "People",
                summary: "Decide that two people are one",
                description: "Becomes a message of the log, so that a replay decides the same. It wins over `unique` and `limit`, and \
                over an earlier decision to the contrary; deciding the contrary undoes it. The answer comes when it is on the disk.",
                parameters: vec![who_parameter()],
                body: Some("MergePeople"),
                answers: vec![json_of("IdentityDecided")],
                refusals: &[400, 404, 409, 413, 415, 422, 503],
            },
        ),
        Endpoint::post(
            "/api/v1/people/{who}/split",
            Some(Scope::Privacy),
            split,
            About {
                id: "splitPerson",
                group: "People",
                summary: "Decide that some of somebody's identifiers are not theirs",
                description: "The identifiers named are one person's together, and apart from all others that the person has now. Both \
                are folded again from the log: segments, traits and journeys come out as if they had never been one. Messages that \
                carry both join them no more. The answer comes when it is on the disk.",
                parameters: vec![who_parameter()],
                body: Some("SplitPerson"),
                answers: vec![json_of("IdentityDecided")],
                refusals: &[400, 404, 413, 415, 422, 503],
            },
        ),
    ]
}

async fn graph(State(api): State<Api>, uri: Uri) -> Result<Json<IdentityGraph>, ApiError> {
    let parameters = Parameters::read(&uri, &["between"])?;
    let who = path_segment(&uri, WHO)?;
    let id = find_id(&api, &who)?;
    let kinship = api.engine().kinship(id).ok_or_else(|| no_such_person(&who))?;
    let Some(text) = parameters.text("between") else { return Ok(Json(kinship.into())) };
    let pair = IdentityGraph::pair(text)
        .ok_or_else(|| bad_parameter("between", text, "two of the person's identifiers: `kind:value,kind:value`"))?;
    IdentityGraph::between(kinship, &pair).map(Json).ok_or_else(|| {
        let message = format!("no links of this person lead from one to the other of `{}`", short(text));
        ApiError::missing("no_path", message, "`nodes` of the answer without `between` has their identifiers")
    })
}

/// The body of a merge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    with: String,
    reason: Option<String>,
    by: Option<String>,
}

/// The body of a split.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    identifiers: Vec<String>,
    reason: Option<String>,
    by: Option<String>,
}

async fn merge(State(api): State<Api>, request: Request) -> Result<Json<Value>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let who = path_segment(request.uri(), WHO)?;
    let Merge { with, reason, by } = read_json(request, r#"{"with": "user_id:u7", "reason": "ticket 4711"}"#).await?;
    check_notes(&reason, &by)?;
    let (one, other) = (find_person(&api, &who).await?, find_person(&api, &with).await?);
    if one.id == other.id {
        let message = format!("`{}` and `{}` are one person already", short(&who), short(&with));
        return Err(ApiError::conflict("already_one", message, "`GET /people/{who}/graph` tells why"));
    }
    let named = |person: &Person, who: &str| subject(person, who);
    let identifiers = vec![named(&one, &who)?, named(&other, &with)?];
    decide(&api, vec![IdentityDecision { together: true, identifiers, reason, by }]).await
}

async fn split(State(api): State<Api>, request: Request) -> Result<Json<Value>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let who = path_segment(request.uri(), WHO)?;
    let example = r#"{"identifiers": ["anonymous_id:a2"], "reason": "a shared tablet"}"#;
    let Split { identifiers, reason, by } = read_json(request, example).await?;
    check_notes(&reason, &by)?;
    let person = find_person(&api, &who).await?;
    let current: Vec<Subject> = current(&person).collect();
    let mut parted = Vec::new();
    for text in &identifiers {
        let Some(it) = current.iter().find(|it| named(it) == *text) else {
            let known: Vec<String> = current.iter().map(|it| format!("`{}`", named(it))).collect();
            let message = format!("`{}` is none of their identifiers", short(text));
            return Err(ApiError::missing("no_such_identifier", message, format!("they have {}", known.join(", "))));
        };
        if !parted.contains(it) {
            parted.push(it.clone());
        }
    }
    let rest: Vec<Subject> = current.iter().filter(|it| !parted.contains(it)).cloned().collect();
    if parted.is_empty() || rest.is_empty() {
        let help = "name some of their identifiers, and not all of them";
        return Err(ApiError::bad("bad_body", "nobody would be parted from anybody", help));
    }
    let decision = |it: &Subject| {
        let identifiers = std::iter::once(it).chain(&rest).cloned().collect();
        IdentityDecision { together: false, identifiers, reason: reason.clone(), by: by.clone() }
    };
    decide(&api, parted.iter().map(decision).collect()).await
}

async fn decide(api: &Api, decisions: Vec<IdentityDecision>) -> Result<Json<Value>, ApiError> {
    let mut messages = Vec::with_capacity(decisions.len());
    for decision in decisions {
        messages.push(in_turn(api, Work::Read, move |engine| engine.decide_identity(&decision)).await?);
    }
    Ok(Json(json!({ "message_ids": messages })))
}

pub(super) fn check_notes(reason: &Option<String>, by: &Option<String>) -> Result<(), ApiError> {
    for (name, text) in [("reason", reason), ("by", by)] {
        let length = text.as_ref().map_or(1, |text| text.chars().count());
        if length == 0 || length > limits::FILTER_CHARS {
            let help = format!("it has 1 to {} characters", limits::FILTER_CHARS);
            return Err(ApiError::bad("bad_body", format!("`{name}` is no such text"), help));
        }
    }
    Ok(())
}

/// The identifier that names somebody: the one that was asked for, or their first.
fn subject(person: &Person, who: &str) -> Result<Subject, ApiError> {
    let asked = current(person).find(|it| named(it) == who);
    asked.or_else(|| current(person).next()).ok_or_else(|| no_such_person(who))
}

fn current(person: &Person) -> impl Iterator<Item = Subject> {
    let current = person.identifiers.iter().filter(|it| !it.former);
    current.map(|it| Subject { kind: it.kind.clone(), value: it.value.clone() })
}

fn named(it: &Subject) -> String {
    format!("{}:{}", it.kind, it.value)
}
