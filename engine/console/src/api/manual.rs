//! The description of the API: for programs, and for people.

use crate::endpoint::{About, Endpoint, text_of};
use crate::error::ApiError;
use crate::openapi::{self, PAGE_POLICY};
use crate::request::Parameters;
use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);
static PAGE: LazyLock<String> = LazyLock::new(|| openapi::page(&DOCUMENT));

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get(
            "/api/v1/openapi.json",
            None,
            document,
            About {
                id: "getOpenApi",
                group: "Manual",
                summary: "This API as OpenAPI 3.1",
                description: "Made from the same list as the routes.",
                parameters: vec![],
                body: None,
                answers: vec![("application/json", json!({ "type": "object" }))],
                refusals: &[400],
            },
        ),
        Endpoint::get(
            "/api/docs",
            None,
            page,
            About {
                id: "getDocs",
                group: "Manual",
                summary: "This API as a page",
                description: "Rendered from the OpenAPI document; needs nothing from anywhere else.",
                parameters: vec![],
                body: None,
                answers: vec![text_of("text/html")],
                refusals: &[400],
            },
        ),
    ]
}

async fn document(uri: Uri) -> Result<Json<&'static Value>, ApiError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(&DOCUMENT))
}

async fn page(uri: Uri) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(([kind, PAGE_POLICY], PAGE.as_str()).into_response())
}
