//! The router: every [`Endpoint`](crate::endpoint::Endpoint) with its access check, and answers for what is not there.

use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::keys::Scope;
use crate::{Api, access, api, audit, limits, request};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

/// The routes of the API. They are all under `/api`, but for `/healthz`, `/readyz` and `/metrics`, which monitors expect
/// at the top.
pub fn router(api: Api) -> Router {
    let mut paths: BTreeMap<&'static str, (Option<Scope>, MethodRouter<Api>)> = BTreeMap::new();
    for endpoint in api::endpoints() {
        let Endpoint { path, scope, serve, about, .. } = endpoint;
        let operation = about.id;
        let serve = match scope {
            Some(scope) => serve.layer(middleware::from_fn_with_state(
                api.clone(),
                move |State(api): State<Api>, request: Request, next: Next| async move {
                    match access::check(&api, scope, request.headers()) {
                        Ok(actor) => {
                            let asked = (path, request.uri().path().to_owned());
                            audit::recorded(&api, actor, operation, asked, request, next).await
                        }
                        Err(refusal) => refusal.into_response(),
                    }
                },
            )),
            None => serve,
        };
        match paths.entry(path) {
            Entry::Vacant(place) => _ = place.insert((scope, serve)),
            Entry::Occupied(mut place) => {
                let (_, others) = place.get_mut();
                *others = std::mem::take(others).merge(serve);
            }
        }
    }
    let mut router = Router::new();
    for (path, (scope, serve)) in paths {
        // Who may not call what is there is not told what else there is.
        let fallback = move |State(api): State<Api>, headers: HeaderMap, method: Method, uri: Uri| async move {
            match scope.map_or(Ok(()), |scope| access::check(&api, scope, &headers).map(drop)) {
                Ok(()) => method_not_allowed(method, uri),
                Err(refusal) => refusal,
            }
        };
        router = router.route(path, serve.fallback(fallback));
    }
    router
        .route("/api", any(not_found))
        .route("/api/", any(not_found))
        .route("/api/{*rest}", any(not_found))
        .layer(middleware::from_fn(around))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .with_state(api)
}

/// What every request gets: a bound on its address, headers that keep answers out of caches, its time in
/// `Server-Timing`, and a metric.
async fn around(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let mut response = match request::check_uri(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let took = began.elapsed();
    let status = response.status().as_u16().to_string();
    metrics::histogram!("sonder_api_seconds", "path" => path, "status" => status).record(took.as_secs_f64());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(timing) = HeaderValue::from_str(&format!("total;dur={:.3}", took.as_secs_f64() * 1_000.0)) {
        headers.insert("server-timing", timing);
    }
    response
}

async fn not_found(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(100).collect();
    ApiError::missing("no_such_page", format!("there is nothing at `{path}`"), "see `/api/docs`")
}

fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(100).collect();
    let method: String = method.as_str().chars().take(20).collect();
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("`{path}` does not take {method}"),
        "the `Allow` header says what it takes; see `/api/docs`",
    )
}
