//! `openapi.json`: made from the list of endpoints that the router is made from.

mod explained;
mod matched;
mod page;
mod planned;
mod quarantined;
mod requests;
mod schemas;

pub(crate) use explained::{between as between_schema, who as who_schema};
pub(crate) use page::{PAGE_POLICY, escape, page};

use crate::endpoint::{About, Endpoint};
use crate::{api, limits};
use serde_json::{Map, Value as Json, json};

/// The API as an OpenAPI 3.1 document.
#[must_use]
pub fn document() -> Json {
    let mut paths: Map<String, Json> = Map::new();
    for endpoint in api::endpoints() {
        let item = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(endpoint.method.to_owned(), operation(&endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Sonder",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "People, segments and deliveries, over HTTP.",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": groups(),
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": { "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "Made with `sonder key create --scope read`. On loopback none is needed until there is one.",
            } },
        },
    })
}

const DESCRIPTION: &str = "Requests are read strictly: an unknown parameter or field, a value out of range or a broken \
    encoding is refused with status 400, never ignored.\n\nErrors look like \
    `{\"error\": {\"code\", \"message\", \"help\"}}`; codes are stable, messages are for people.\n\nMoments are \
    RFC 3339 in UTC with six decimals, so that text sorts as time does. Decimals are strings in the scale of their schema. \
    The header `Server-Timing` says how long the server took.";

fn groups() -> Vec<Json> {
    let mut names: Vec<&str> = Vec::new();
    for endpoint in api::endpoints() {
        if !names.contains(&endpoint.about.group) {
            names.push(endpoint.about.group);
        }
    }
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

fn operation(endpoint: &Endpoint) -> Json {
    let About { id, group, summary, description, parameters, body, answers, refusals } = &endpoint.about;
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(id));
    operation.insert("tags".to_owned(), json!([group]));
    operation.insert("summary".to_owned(), json!(summary));
    operation.insert("description".to_owned(), json!(description));
    let security = if endpoint.scope.is_some() { json!([{ "key": [] }, {}]) } else { json!([]) };
    operation.insert("security".to_owned(), security);
    if let Some(scope) = endpoint.scope {
        operation.insert("x-scope".to_owned(), json!(scope.name()));
    }
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), json!(parameters));
    }
    if let Some(schema) = body {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".to_owned(), body);
    }
    let content: Map<String, Json> =
        answers.iter().map(|(media, schema)| ((*media).to_owned(), json!({ "schema": schema }))).collect();
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({ "description": "The answer.", "content": content }));
    let shared: &[u16] = if endpoint.scope.is_some() { &[401, 403, 405, 414, 500] } else { &[405, 414, 500] };
    let mut statuses: Vec<u16> = shared.iter().chain(*refusals).copied().collect();
    statuses.sort_unstable();
    for status in statuses {
        responses.insert(status.to_string(), refusal(status));
    }
    operation.insert("responses".to_owned(), Json::Object(responses));
    Json::Object(operation)
}

fn refusal(status: u16) -> Json {
    let mut response = json!({
        "description": meaning(status),
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    });
    let header = match status {
        401 => Some(("WWW-Authenticate", json!({ "schema": { "type": "string", "const": "Bearer" } }))),
        405 => Some(("Allow", json!({ "schema": { "type": "string" } }))),
        503 => Some(("Retry-After", json!({ "schema": { "type": "integer", "minimum": 1 } }))),
        _ => None,
    };
    if let (Some((name, header)), Some(response)) = (header, response.as_object_mut()) {
        response.insert("headers".to_owned(), json!({ name: header }));
    }
    response
}

fn meaning(status: u16) -> String {
    match status {
        400 => "The request is malformed, or asks for what cannot be.".to_owned(),
        401 => "A key is needed, or the key is not known.".to_owned(),
        403 => "The key does not allow this.".to_owned(),
        404 => "There is no such thing.".to_owned(),
        405 => "This address does not take this method.".to_owned(),
        406 => "The answer does not come in the format asked for.".to_owned(),
        409 => "It does not go with how the engine or the project is now.".to_owned(),
        413 => format!("The body has more than {} bytes.", limits::BODY_BYTES),
        414 => format!("Path and query have more than {} bytes.", limits::URI_BYTES),
        415 => "The body is not JSON.".to_owned(),
        422 => "It took longer than allowed.".to_owned(),
        503 => "Not now; try again later.".to_owned(),
        _ => "The engine failed to answer.".to_owned(),
    }
}
