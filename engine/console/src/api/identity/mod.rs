//! Who is who: the links between a person's identifiers, and decisions to join people or to part them.

mod merging;

use super::people::{find_id, find_person, no_such_person, short, who_parameter};
use crate::Api;
use crate::endpoint::{About, Endpoint, json_of, query_parameter};
use crate::engine::{IdentityDecision, IdentityGraph, Person, Subject, comparable, parse_person_id};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, bad_parameter, path_segment, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use merging::{declared_apart, merging};
use serde::Deserialize;
use serde_json::{Value, json};
use sonder_core::kinship::Kinship;
use sonder_core::limits::IDENTIFIERS;

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
                description: "Becomes messages of the log, so that a replay decides the same. It wins over `unique` and `limit`, and \
                over an earlier decision to the contrary, not over `apart` of `identity.yaml`; deciding the contrary undoes it. The \
                answer comes when it is on the disk.",
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
                summary: "Decide that identifiers are not somebody's",
                description: "Those named that the person has are one person's together, and apart from all others that they have now. Both \
                are folded again from the log: segments, traits and journeys come out as if they had never been one. Those named \
                that are somebody else's stay so. Messages that carry both join them no more, until a merge decides the contrary. \
                The answer comes when it is on the disk.",
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
    let decided = IdentityGraph::decided(&kinship);
    let graph = match parameters.text("between") {
        None => kinship.into(),
        Some(text) if IdentityGraph::pairs(text).next().is_none() => {
            return Err(bad_parameter("between", text, "two of the person's identifiers: `kind:value,kind:value`"));
        }
        Some(text) => IdentityGraph::along(&kinship, &api.engine().program(), text).ok_or_else(|| {
            let message = format!("no links of this person lead from one to the other of `{}`", short(text));
            ApiError::missing("no_path", message, "`nodes` of the answer without `between` has their identifiers")
        })?,
    };
    if decided.is_empty() {
        return Ok(Json(graph));
    }
    let notes = in_turn(&api, Work::Read, move |engine| engine.decision_notes(&decided)).await?;
    Ok(Json(graph.noted(&notes)))
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
    let (one, other) = (kinship(&api, &one, &who)?, kinship(&api, &other, &with)?);
    let program = api.engine().program();
    if let Some([mine, theirs]) = declared_apart(&program.identity, &one, &other) {
        let name = |(kind, value): &(String, String)| format!("{kind}:{value}");
        let message = format!("`{}` and `{}` are declared to be two people's", name(&mine), name(&theirs));
        return Err(ApiError::conflict("declared_apart", message, "take them out of `apart` in identity.yaml"));
    }
    let count = one.identifiers.len() + other.identifiers.len();
    if count > IDENTIFIERS {
        let message = format!("together they have {count} identifiers, and nobody has more than {IDENTIFIERS}");
        return Err(ApiError::conflict("too_many_identifiers", message, "split off what is not theirs first"));
    }
    let decided = merging(&program.identity, &one, &other).into_iter().map(|identifiers| IdentityDecision {
        together: true,
        identifiers,
        reason: reason.clone(),
        by: by.clone(),
    });
    decide(&api, decided.collect()).await
}

fn kinship(api: &Api, person: &Person, who: &str) -> Result<Kinship, ApiError> {
    parse_person_id(&person.id).and_then(|id| api.engine().kinship(id)).ok_or_else(|| no_such_person(who))
}

async fn split(State(api): State<Api>, request: Request) -> Result<Json<Value>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let who = path_segment(request.uri(), WHO)?;
    let example = r#"{"identifiers": ["anonymous_id:a2"], "reason": "a shared tablet"}"#;
    let Split { identifiers, reason, by } = read_json(request, example).await?;
    check_notes(&reason, &by)?;
    let person = find_person(&api, &who).await?;
    let current: Vec<Subject> = current(&person).collect();
    let program = api.engine().program();
    let (mut parted, mut others): (Vec<Subject>, Vec<Subject>) = (Vec::new(), Vec::new());
    for text in &identifiers {
        let named = text.split_once(':').map(|(kind, value)| comparable(&program, (kind.to_owned(), value.to_owned())));
        let named = named.map(|(kind, value)| Subject { kind, value });
        match current.iter().find(|it| Some(*it) == named.as_ref()) {
            Some(it) if parted.contains(it) => {}
            Some(it) => parted.push(it.clone()),
            None => match (find_person(&api, text).await, named) {
                (Ok(_), Some(it)) if others.contains(&it) => {}
                (Ok(_), Some(it)) => others.push(it),
                _ => {
                    let known: Vec<String> = current.iter().map(|it| format!("`{}:{}`", it.kind, it.value)).collect();
                    let message = format!("`{}` is none of their identifiers, and nobody else's", short(text));
                    return Err(ApiError::missing(
                        "no_such_identifier",
                        message,
                        format!("they have {}", known.join(", ")),
                    ));
                }
            },
        }
    }
    let rest: Vec<Subject> = current.iter().filter(|it| !parted.contains(it)).cloned().collect();
    if parted.is_empty() && others.is_empty() || rest.is_empty() {
        let help = "name some of their identifiers, and not all of them";
        return Err(ApiError::bad("bad_body", "nobody would be parted from anybody", help));
    }
    let decision = |together: bool, identifiers: Vec<Subject>| IdentityDecision {
        together,
        identifiers,
        reason: reason.clone(),
        by: by.clone(),
    };
    // First that those who go are one: so nobody is somebody else for a moment between two of these.
    let together = (parted.len() > 1).then(|| decision(true, parted.clone()));
    let apart = parted.iter().chain(&others);
    let apart = apart.map(|it| decision(false, std::iter::once(it).chain(&rest).cloned().collect()));
    decide(&api, together.into_iter().chain(apart).collect()).await
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

fn current(person: &Person) -> impl Iterator<Item = Subject> {
    let current = person.identifiers.iter().filter(|it| !it.former);
    current.map(|it| Subject { kind: it.kind.clone(), value: it.value.clone() })
}
