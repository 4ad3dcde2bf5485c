//! Journeys: where people stand, and what the branches of their splits brought.

use crate::Api;
use crate::endpoint::{About, Endpoint, json_of, path_parameter};
use crate::engine::{Journey, JourneySummary};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, path_segment};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::json;

/// Where `{name}` stands in `/api/v1/journeys/{name}`.
const NAME: usize = 3;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let name =
        json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "minLength": 1, "maxLength": limits::FILTER_CHARS });
    vec![
        Endpoint::get(
            "/api/v1/journeys",
            Some(Scope::Read),
            list,
            About {
                id: "listJourneys",
                group: "Journeys",
                summary: "All journeys, and how many are in each",
                description: "By name.",
                parameters: vec![],
                body: None,
                answers: vec![json_of("Journeys")],
                refusals: &[400],
            },
        ),
        Endpoint::get(
            "/api/v1/journeys/{name}",
            Some(Scope::Read),
            one,
            About {
                id: "getJourney",
                group: "Journeys",
                summary: "One journey with its figures",
                description: "How many stand at each step now, how many came to it since the journey was first deployed, which way \
                they went on, how they left, and for each split how often people of each branch converted, held against the \
                branch that is called `control`, or the first.",
                parameters: vec![path_parameter("name", &name, "A journey of the project.")],
                body: None,
                answers: vec![json_of("Journey")],
                refusals: &[400, 404, 503],
            },
        ),
    ]
}

#[derive(Serialize)]
struct Journeys {
    journeys: Vec<JourneySummary>,
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<Journeys>, ApiError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(Journeys { journeys: api.engine().journeys() }))
}

async fn one(State(api): State<Api>, uri: Uri) -> Result<Json<Journey>, ApiError> {
    Parameters::read(&uri, &[])?;
    let name = path_segment(&uri, NAME)?;
    let asked = name.clone();
    let journey = in_turn(&api, Work::Read, move |engine| engine.journey(&asked)).await?;
    journey.map(Json).ok_or_else(|| {
        let message = format!("there is no journey `{}`", name.chars().take(100).collect::<String>());
        ApiError::missing("no_such_journey", message, "`/api/v1/journeys` lists them")
    })
}
