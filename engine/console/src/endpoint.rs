//! An endpoint: its handler, who may call it, and what `openapi.json` says of it, in one place.
//!
//! The router and the document are both made from the same list, so that neither can have what the other lacks.

use crate::Api;
use crate::keys::Scope;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post, put};
use serde_json::{Value as Json, json};

/// One operation of the API.
pub(crate) struct Endpoint {
    /// `get`, `post` or `put`.
    pub method: &'static str,
    /// In axum's and OpenAPI's notation, which agree: `/api/v1/people/{who}`.
    pub path: &'static str,
    /// What the caller's key must allow; `None` where anybody may call.
    pub scope: Option<Scope>,
    /// What answers.
    pub serve: MethodRouter<Api>,
    /// What it is.
    pub about: About,
}

/// The description of an endpoint.
pub(crate) struct About {
    /// Unique, camel case.
    pub id: &'static str,
    /// The group it is listed under.
    pub group: &'static str,
    /// One line.
    pub summary: &'static str,
    /// More, in Markdown's plainest subset: paragraphs and backticks.
    pub description: &'static str,
    /// OpenAPI parameter objects.
    pub parameters: Vec<Json>,
    /// The name of the schema of the JSON body, where there is one.
    pub body: Option<&'static str>,
    /// The media types of a 200 answer, each with its schema.
    pub answers: Vec<(&'static str, Json)>,
    /// The statuses of refusals that are particular to it; those that all share are added.
    pub refusals: &'static [u16],
}

impl Endpoint {
    /// An endpoint that reads.
    pub fn get<H, T>(path: &'static str, scope: Option<Scope>, handler: H, about: About) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self { method: "get", path, scope, serve: get(handler), about }
    }

    /// An endpoint that sets something to what its body says.
    pub fn put<H, T>(path: &'static str, scope: Option<Scope>, handler: H, about: About) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self { method: "put", path, scope, serve: put(handler), about }
    }

    /// An endpoint that takes a body.
    pub fn post<H, T>(path: &'static str, scope: Option<Scope>, handler: H, about: About) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self { method: "post", path, scope, serve: post(handler), about }
    }
}

/// A 200 answer in JSON, of the schema of this name.
pub(crate) fn json_of(schema: &str) -> (&'static str, Json) {
    ("application/json", json!({ "$ref": format!("#/components/schemas/{schema}") }))
}

/// A 200 answer in text of this media type.
pub(crate) fn text_of(media: &'static str) -> (&'static str, Json) {
    (media, json!({ "type": "string" }))
}

/// The answer, as bytes of another media type.
pub(crate) fn bytes_of(media: &'static str) -> (&'static str, Json) {
    (media, json!({ "type": "string", "format": "binary" }))
}

/// A parameter of the query string.
pub(crate) fn query_parameter(name: &str, schema: &Json, description: &str) -> Json {
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
}

/// A parameter of the path.
pub(crate) fn path_parameter(name: &str, schema: &Json, description: &str) -> Json {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
}

/// The parameter `limit`.
pub(crate) fn limit_parameter(default: usize, most: usize) -> Json {
    let schema = json!({ "type": "integer", "minimum": 1, "maximum": most, "default": default });
    query_parameter("limit", &schema, "How many at most.")
}

/// The parameter `before` of pages that run back in time. A cursor is a moment and a place of up to so many hexadecimal digits.
pub(crate) fn before_parameter(digits: u32) -> Json {
    let schema = json!({ "anyOf": [
        { "type": "string", "pattern": format!("^-?[0-9]{{1,18}}_[0-9a-f]{{1,{digits}}}$") },
        { "type": "string", "format": "date-time" },
    ] });
    query_parameter("before", &schema, "The `next` of the page before this one, or a timestamp.")
}

/// A filter that takes any text.
pub(crate) fn filter_parameter(name: &str, description: &str) -> Json {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": crate::limits::FILTER_CHARS,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$" });
    query_parameter(name, &schema, description)
}
