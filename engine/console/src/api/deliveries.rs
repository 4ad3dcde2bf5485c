//! What destinations were told.

use super::people::find_id;
use crate::Api;
use crate::endpoint::{About, Endpoint, before_parameter, filter_parameter, json_of, limit_parameter, query_parameter};
use crate::engine::{Delivery, DeliveryFilter, DeliveryState, Replay, Replayed, parse_instant};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, bad_parameter, quoted, read_json, split_cursor};
use crate::turn::{Work, in_turn};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let state = json!({ "type": "string", "enum": DeliveryState::ALL.map(DeliveryState::name) });
    let person = crate::openapi::who_schema();
    let list = Endpoint::get(
        "/api/v1/deliveries",
        Some(Scope::Read),
        list,
        About {
            id: "listDeliveries",
            group: "Deliveries",
            summary: "What destinations were told, newest first",
            description: "Those that still wait in the outbox (`pending`), those that a destination has (`delivered`), and those \
            that were given up (`dead`) or are not wanted any more (`cancelled`), with the reason. `id` is the idempotency key that the destination got.",
            parameters: vec![
                filter_parameter("destination", "Only to this destination."),
                query_parameter("state", &state, "Only those in this state."),
                query_parameter("person", &person, "Only about this person: `{kind}:{value}` or an id."),
                before_parameter(u128::BITS / 4),
                limit_parameter(limits::PAGE_DEFAULT, limits::PAGE_MOST),
            ],
            body: None,
            answers: vec![json_of("Deliveries")],
            refusals: &[400, 404, 503],
        },
    );
    let replay = Endpoint::post(
        "/api/v1/deliveries/replay",
        Some(Scope::Admin),
        replay,
        About {
            id: "replayDeliveries",
            group: "Deliveries",
            summary: "Try again what was given up",
            description: "Those that were given up (`dead`), the oldest first, under the keys that they had, behind what waits now. \
            Consent is asked again. A destination takes in as many as it has room for; ask again while some are `left`.",
            parameters: vec![],
            body: Some("Replay"),
            answers: vec![json_of("Replayed")],
            refusals: &[400, 404, 413, 415, 422, 503],
        },
    );
    vec![list, replay]
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    destination: Option<String>,
    person: Option<String>,
}

const EXAMPLE: &str = r#"{"destination": "crm"}"#;

async fn replay(State(api): State<Api>, request: Request) -> Result<Json<Replayed>, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let Asked { destination, person } = read_json(request, EXAMPLE).await?;
    let person = person.map(|who| find_id(&api, &who)).transpose()?;
    let replay = Replay { destination, person };
    in_turn(&api, Work::Read, move |engine| engine.replay(&replay)).await.map(Json)
}

#[derive(Serialize)]
struct Deliveries {
    total: u64,
    deliveries: Vec<Delivery>,
    next: Option<String>,
}

async fn list(State(api): State<Api>, uri: Uri) -> Result<Json<Deliveries>, ApiError> {
    let parameters = Parameters::read(&uri, &["destination", "state", "person", "before", "limit"])?;
    let filter = DeliveryFilter {
        destination: parameters.filter("destination")?,
        state: state(&parameters)?,
        before: parameters.cursor("before", read_cursor, |at| (at.0, 0))?,
        limit: parameters.limit(limits::PAGE_DEFAULT, limits::PAGE_MOST)?,
        person: parameters.text("person").map(|who| find_id(&api, who)).transpose()?,
    };
    let page = in_turn(&api, Work::Read, move |engine| engine.deliveries(&filter)).await?;
    let next = page.deliveries.last().filter(|_| page.more).and_then(cursor);
    Ok(Json(Deliveries { total: page.total, deliveries: page.deliveries, next }))
}

fn state(parameters: &Parameters) -> Result<Option<DeliveryState>, ApiError> {
    let Some(text) = parameters.text("state") else { return Ok(None) };
    let state = DeliveryState::ALL.into_iter().find(|state| state.name() == text);
    let names = DeliveryState::ALL.map(DeliveryState::name);
    state.map(Some).ok_or_else(|| bad_parameter("state", text, &format!("one of {}", quoted(&names))))
}

fn cursor(delivery: &Delivery) -> Option<String> {
    Some(format!("{}_{}", parse_instant(&delivery.at)?.0, delivery.id))
}

fn read_cursor(text: &str) -> Option<(i64, u128)> {
    let (at, id) = split_cursor(text)?;
    Some((at.0, u128::from_str_radix(id, 16).ok()?))
}
