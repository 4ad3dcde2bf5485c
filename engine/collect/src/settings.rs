//! What browser SDKs load before they send anything. A wrong answer here and nothing is ever sent, so these are the smallest
//! documents that are known to work.

use axum::Json;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::IpAddr;

/// Browsers may use settings for five minutes, and old ones for a day while they ask for new ones.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300, stale-while-revalidate=86400");

/// Where a browser reaches this collector.
pub(crate) struct BaseUrl {
    scheme: String,
    host: String,
}

/// The project's own word, or the address that the request went to.
pub(crate) fn base_url(parts: &Parts, public_url: Option<&str>, peer_is_proxy: bool) -> BaseUrl {
    if let Some((scheme, host)) = public_url.and_then(|url| url.split_once("://")) {
        return BaseUrl { scheme: scheme.to_owned(), host: host.trim_end_matches('/').to_owned() };
    }
    let text =
        |headers: &HeaderMap, name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let forwarded = |name: &str| text(&parts.headers, name).filter(|_| peer_is_proxy);
    let host = forwarded("x-forwarded-host")
        .or_else(|| text(&parts.headers, "host"))
        .or_else(|| parts.uri.authority().map(ToString::to_string))
        .unwrap_or_default();
    let scheme = forwarded("x-forwarded-proto").unwrap_or_else(|| usual_scheme(&host).to_owned());
    BaseUrl { scheme, host }
}

/// This server speaks no TLS itself. On a name, something in front of it does; on this machine or a bare address, nothing.
fn usual_scheme(host: &str) -> &'static str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let is_local = name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok();
    if is_local || name.is_empty() { "http" } else { "https" }
}

/// For Segment's analytics.js. One integration, its own, so that it loads no other.
pub(crate) fn segment(key: &str, base: &BaseUrl, prefix: &str) -> Response {
    let settings = json!({
        "integrations": {"Segment.io": {
            "apiKey": key,
            "apiHost": format!("{}{prefix}/v1", base.host),
            "protocol": base.scheme,
            "retryQueue": true,
        }},
        "plan": {"track": {"__default": {"enabled": true, "integrations": {}}}},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": false,
    });
    ([(header::CACHE_CONTROL, CACHE)], Json(settings)).into_response()
}

/// For Rudder's SDKs.
pub(crate) fn rudder(key: &str, source: &str, workspace: &str) -> Response {
    let settings = json!({
        "source": {
            "id": source,
            "name": source,
            "workspaceId": workspace,
            "writeKey": key,
            "enabled": true,
            "config": {"statsCollection": {"errors": {"enabled": false}, "metrics": {"enabled": false}}},
            "destinations": [],
            "connections": [],
            "dataplanes": {},
        },
        "consentManagementMetadata": {"providers": []},
    });
    ([(header::CACHE_CONTROL, CACHE)], Json(settings)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_tls_in_front_and_addresses_do_not() {
        for (host, scheme) in [
            ("cdp.example.com", "https"),
            ("cdp.example.com:8443", "https"),
            ("localhost:8080", "http"),
            ("127.0.0.1:8080", "http"),
            ("[::1]:8080", "http"),
            ("", "http"),
        ] {
            assert_eq!(usual_scheme(host), scheme, "{host}");
        }
    }
}
