//! People who are likely one: matching them, and deciding of the pairs that it is not sure of.

use super::identity::check_notes;
use crate::Api;
use crate::endpoint::{About, Endpoint, json_of, limit_parameter, path_parameter, query_parameter};
use crate::engine::{MatchPair, MatchPairs, Matching, PairDecided, PairDecision, PairState, PairsAsked};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, bad_parameter, path_segment, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use serde::Deserialize;
use serde_json::json;

/// Where `{id}` stands in `/api/v1/matching/pairs/{id}`.
const ID: usize = 4;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let id = || path_parameter("id", &json!({ "type": "string", "pattern": "^[0-9a-f]{12}$" }), "The pair's id.");
    let state = json!({ "type": "string", "enum": PairState::ALL.map(PairState::name), "default": "open" });
    let after = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    let decision = |path, serve_accepts: bool, name, summary, description| {
        let about = About {
            id: name,
            group: "Matching",
            summary,
            description,
            parameters: vec![id()],
            body: Some("PairDecision"),
            answers: vec![json_of("PairDecided")],
            refusals: &[400, 404, 413, 415, 422, 503],
        };
        if serve_accepts {
            Endpoint::post(path, Some(Scope::Privacy), accept, about)
        } else {
            Endpoint::post(path, Some(Scope::Privacy), reject, about)
        }
    };
    vec![
        Endpoint::get(
            "/api/v1/matching",
            Some(Scope::Read),
            status,
            About {
                id: "getMatching",
                group: "Matching",
                summary: "How people who share no identifier are matched, and how the last runs went",
                description: "As `probabilistic` says in `identity.yaml`.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Matching")],
                refusals: &[400, 503],
            },
        ),
        Endpoint::post(
            "/api/v1/matching/runs",
            Some(Scope::Privacy),
            run,
            About {
                id: "matchPeople",
                group: "Matching",
                summary: "Match people now",
                description: "Looks at everybody's traits and identifiers that `probabilistic.compare` names, some people at a time, \
                and learns what agreement is worth, also from what was decided of earlier pairs. Pairs from `link_at` on become \
                links of the log, where no rule is against it; those from `review_at` on wait for a decision. It goes on beside \
                everything else; `running_since` of `GET /api/v1/matching` tells when it is done. One that is under way is not \
                begun again.",
                parameters: vec![],
                body: Some("MatchAsked"),
                answers: vec![json_of("Matching")],
                refusals: &[400, 413, 415, 422, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/matching/pairs",
            Some(Scope::Read),
            list,
            About {
                id: "listMatchPairs",
                group: "Matching",
                summary: "People who are likely one, the likeliest first",
                description: "Those that wait for a decision, or with `state` what became of others. A pair whose people changed since, \
                or are one for another reason, waits no longer. `fields` has the values of both, as they are now, and what each \
                comparison was worth.",
                parameters: vec![
                    query_parameter("state", &state, "What became of them."),
                    query_parameter("after", &after, "The `next` of the page before this one."),
                    limit_parameter(limits::PAGE_DEFAULT, limits::PAGE_MOST),
                ],
                body: None,
                answers: vec![json_of("MatchPairs")],
                refusals: &[400, 503],
            },
        ),
        Endpoint::get(
            "/api/v1/matching/pairs/{id}",
            Some(Scope::Read),
            show,
            About {
                id: "getMatchPair",
                group: "Matching",
                summary: "Two people who are likely one, side by side",
                description: "With where the weight comes from: `prior`, the weights of the fields and `alike` add up to it.",
                parameters: vec![id()],
                body: None,
                answers: vec![json_of("MatchPair")],
                refusals: &[400, 404, 503],
            },
        ),
        decision(
            "/api/v1/matching/pairs/{id}/accept",
            true,
            "acceptMatchPair",
            "Decide that a pair is one person",
            "Becomes a message of the log, as `mergePeople` does, and wins over `unique` and `limit`. Accepting it again changes \
            nothing; rejecting it undoes it. The next run learns from it.",
        ),
        decision(
            "/api/v1/matching/pairs/{id}/reject",
            false,
            "rejectMatchPair",
            "Decide that a pair is two people",
            "Becomes a message of the log. A pair that was linked or accepted is parted, both as if they had never been one; no \
            likelihood and no message joins them any more. Rejecting it again changes nothing; accepting it undoes it. The next \
            run learns from it.",
        ),
    ]
}

/// The body of a run: nothing yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {}

/// The body of a decision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    reason: Option<String>,
    by: Option<String>,
}

async fn status(State(api): State<Api>, uri: Uri) -> Result<Json<Matching>, ApiError> {
    Parameters::read(&uri, &[])?;
    in_turn(&api, Work::Read, |engine| engine.matching()).await.map(Json)
}

async fn run(State(api): State<Api>, request: Request) -> Result<Json<Matching>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked {} = read_json(request, "{}").await?;
    in_turn(&api, Work::Read, |engine| engine.match_people()).await.map(Json)
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<MatchPairs>, ApiError> {
    let parameters = Parameters::read(&uri, &["state", "after", "limit"])?;
    let state = match parameters.text("state") {
        None => PairState::Open,
        Some(name) => PairState::named(name)
            .ok_or_else(|| bad_parameter("state", name, "`open`, `linked`, `accepted` or `rejected`"))?,
    };
    let asked = PairsAsked {
        state,
        after: parameters.number("after")?.unwrap_or(0),
        limit: parameters.limit(limits::PAGE_DEFAULT, limits::PAGE_MOST)?,
    };
    in_turn(&api, Work::Read, move |engine| engine.match_pairs(&asked)).await.map(Json)
}

async fn show(State(api): State<Api>, uri: Uri) -> Result<Json<MatchPair>, ApiError> {
    Parameters::read(&uri, &[])?;
    let id = path_segment(&uri, ID)?;
    let asked = id.clone();
    let pair = in_turn(&api, Work::Read, move |engine| engine.match_pair(&asked)).await?;
    pair.map(Json).ok_or_else(|| no_such_pair(&id))
}

async fn accept(State(api): State<Api>, request: Request) -> Result<Json<PairDecided>, ApiError> {
    decide(&api, request, true).await
}

async fn reject(State(api): State<Api>, request: Request) -> Result<Json<PairDecided>, ApiError> {
    decide(&api, request, false).await
}

async fn decide(api: &Api, request: Request, together: bool) -> Result<Json<PairDecided>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let id = path_segment(request.uri(), ID)?;
    let Decision { reason, by } = read_json(request, r#"{"reason": "the same birthday and street"}"#).await?;
    check_notes(&reason, &by)?;
    let decision = PairDecision { id: id.clone(), together, reason, by };
    let decided = in_turn(api, Work::Read, move |engine| engine.decide_pair(&decision)).await?;
    decided.map(Json).ok_or_else(|| no_such_pair(&id))
}

fn no_such_pair(id: &str) -> ApiError {
    let shown: String = id.chars().take(60).collect();
    let message = format!("there is no pair `{shown}`, or it is none any more");
    ApiError::missing("no_such_pair", message, "`GET /api/v1/matching/pairs` lists those that wait")
}
