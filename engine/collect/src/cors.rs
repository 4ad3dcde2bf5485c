//! Cross-origin requests: SDKs in pages are nearly always at another origin than the collector.
//!
//! Refusals carry the same headers as answers: without them a page's SDK sees a network error, and sends what can never be
//! accepted again and again. `Retry-After` is only visible to a page when it is exposed.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What SDKs ask for, when a preflight does not say.
const USUAL_HEADERS: &str = "authorization, content-type, x-retry-count, x-write-key, anonymousid, sentat";

/// Seconds that a preflight holds: the most that browsers believe.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");

/// Answers a preflight: everything that is asked for is allowed; which origins a source takes is decided on the request
/// itself, which says whose it is.
pub(crate) fn preflight(request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(HeaderValue::from_static(USUAL_HEADERS)));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if request.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

/// Lets the page that asked read the answer.
pub(crate) fn expose(response: &mut Response, origin: Option<HeaderValue>) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After"));
    }
}

/// Whether a source that lists `allowed` origins takes events from `origin`. Servers send no origin.
pub(crate) fn is_allowed(allowed: &[String], origin: Option<&HeaderValue>) -> bool {
    let Some(origin) = origin.filter(|_| !allowed.is_empty()) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    allowed.iter().any(|pattern| matches(pattern.trim_end_matches('/'), origin))
}

/// `https://*.shop.example` allows every host below `shop.example`; `*` allows all.
fn matches(pattern: &str, origin: &str) -> bool {
    if pattern == "*" || pattern.eq_ignore_ascii_case(origin) {
        return true;
    }
    let Some((scheme, domain)) = pattern.split_once("*.") else { return false };
    let Some(host) = origin.get(scheme.len()..) else { return false };
    let begins = origin.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    let suffix = format!(".{}", domain.to_ascii_lowercase());
    begins && host.to_ascii_lowercase().strip_suffix(&suffix).is_some_and(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_whole() {
        let allowed = ["https://shop.example".to_owned(), "https://*.shop.test/".to_owned()];
        for (origin, expected) in [
            ("https://shop.example", true),
            ("https://SHOP.example", true),
            ("http://shop.example", false),
            ("https://shop.example.evil.test", false),
            ("https://evilshop.example", false),
            ("https://www.shop.test", true),
            ("https://shop.test", false),
            ("https://wwwshop.test", false),
            ("null", false),
        ] {
            assert_eq!(is_allowed(&allowed, Some(&HeaderValue::from_static(origin))), expected, "{origin}");
        }
        assert!(is_allowed(&allowed, None));
        assert!(is_allowed(&[], Some(&HeaderValue::from_static("https://any.test"))));
    }
}
