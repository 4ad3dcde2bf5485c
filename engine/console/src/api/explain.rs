//! Why somebody is in a segment, or is not.

use super::people::{find_id, named, nobody_then, short};
use crate::Api;
use crate::endpoint::{About, Endpoint, json_of};
use crate::engine::{ExplainRequest, parse_instant};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::request::{Parameters, read_json};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use sonder_core::explain::{Explanation, Personal};
use sonder_dsl::diagnostic::suggest;
use sonder_dsl::ir::Program;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::post(
        "/api/v1/explain",
        Some(Scope::Read),
        explain,
        About {
            id: "explain",
            group: "Rules",
            summary: "Why a person is in a segment, or is not",
            description: "The value of a segment or computed trait for one person, now or at any moment of the past, taken \
            apart: each part of the expression with its value, how far a comparison is from turning, the events that an \
            aggregate is made of, and the exact moment at which the value changes if nothing happens. `because` is the \
            smallest set of conditions that keeps a member in, or that is missing for somebody who is not in.\n\nWhat was \
            received after `at` does not count, and people are who they were known to be then. Values of personal data \
            are `null` unless `personal` is true.",
            parameters: vec![],
            body: Some("Explain"),
            answers: vec![json_of("Explanation")],
            refusals: &[400, 404, 413, 415, 422, 503],
        },
    )]
}

/// The body of the question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    person: String,
    rule: String,
    at: Option<String>,
    personal: Option<bool>,
}

const EXAMPLE: &str = r#"{"person": "email:ann@shop.example", "rule": "abandoned_cart"}"#;

async fn explain(State(api): State<Api>, request: Request) -> Result<Json<Explanation>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let asked: Asked = read_json(request, EXAMPLE).await?;
    let at = match &asked.at {
        None => None,
        Some(text) => Some(parse_instant(text).ok_or_else(|| {
            let message = format!("`at` cannot be `{}`", short(text));
            ApiError::bad("bad_body", message, "it is a timestamp such as `2026-03-01T12:00:00Z`")
        })?),
    };
    let program = api.engine().program();
    if program.rule_named(&asked.rule).is_none() {
        return Err(no_such_rule(&program, &asked.rule));
    }
    let person = find_id(&api, &asked.person)?;
    let named = named(&program, &asked.person);
    let personal = if asked.personal == Some(true) { Personal::Shown } else { Personal::Hidden };
    let request = ExplainRequest { person, named, rule: asked.rule, at, personal };
    let explained = in_turn(&api, Work::Query, move |engine| engine.explain(&request)).await?;
    explained.map(Json).ok_or_else(|| nobody_then(&asked.person))
}

fn no_such_rule(program: &Program, name: &str) -> ApiError {
    let known = program.rules.iter().map(|rule| rule.name.as_str());
    let help = match suggest::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`GET /api/v1/segments` lists the segments".to_owned(),
    };
    ApiError::missing("no_such_rule", format!("there is no segment or trait `{}`", short(name)), help)
}
