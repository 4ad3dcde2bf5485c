//! Whatever is asked, the answer is never a fault of ours, and a refusal always has its shape.

mod fixture;

use axum::body::Body;
use axum::http::{Method, Request, Uri};
use fixture::Fixture;
use proptest::prelude::*;
use serde_json::Value as Json;

/// Pieces that addresses are made of: real ones, broken ones, and noise.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "api",
            "v1",
            "people",
            "segments",
            "members",
            "timeline",
            "query",
            "quarantine",
            "deliveries",
            "status",
            "user_id:ann",
            "email:",
            ":",
            "keen",
            "0000000000000000000000000000000a",
            "..",
            "",
            "%2F",
            "%",
            "%zz",
            "%ff",
            "openapi.json",
            "docs",
            "metrics",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
        "\\PC{0,6}",
    ]
}

fn parameter() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["limit", "before", "after", "fields", "state", "person", "reason", "x", ""]);
    let value =
        prop_oneof!["[0-9]{0,22}", "-?[0-9]{1,20}_[0-9a-f]{0,33}", "\\PC{0,10}", "%[0-9a-f]{0,2}", "[a-z,:]{0,12}"];
    (name, value).prop_map(|(name, value)| format!("{name}={value}"))
}

/// What a client could put on the wire: characters that an address cannot hold are encoded.
fn uri(pieces: &[String], parameters: &[String]) -> Option<Uri> {
    let encode = |text: &str| -> String {
        let encode = |byte: u8| match byte {
            b' ' | b'?' | b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}' | b'|' | 0..=32 | 127.. => {
                format!("%{byte:02X}")
            }
            _ => char::from(byte).to_string(),
        };
        text.bytes().map(encode).collect()
    };
    let path: String = pieces.iter().map(|piece| format!("/{}", encode(piece))).collect();
    let query: Vec<String> = parameters.iter().map(|parameter| encode(parameter)).collect();
    format!("{}?{}", if path.is_empty() { "/" } else { &path }, query.join("&")).parse().ok()
}

fn check(fixture: &Fixture, request: Request<Body>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let shown = format!("{} {}", request.method(), request.uri());
    let under_api = request.uri().path().starts_with("/api/") && request.method() != Method::HEAD;
    let answer = runtime.block_on(fixture.send(request));
    prop_assert!(answer.status.as_u16() < 500, "{shown}: {}", answer.status);
    if under_api && answer.status.is_client_error() {
        let body: Json =
            serde_json::from_str(&answer.text).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        for field in ["code", "message", "help"] {
            let text = body["error"][field].as_str().unwrap_or_default();
            prop_assert!(!text.is_empty(), "{shown}: no {field} in {body}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_addresses(
        prefix in prop::sample::select(vec![vec![], vec!["api"], vec!["api", "v1"], vec!["api", "v1", "people"]]),
        pieces in prop::collection::vec(piece(), 0..5),
        parameters in prop::collection::vec(parameter(), 0..4),
        method in prop::sample::select(vec![Method::GET, Method::GET, Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS]),
    ) {
        let pieces: Vec<String> = prefix.into_iter().map(str::to_owned).chain(pieces).collect();
        let Some(uri) = uri(&pieces, &parameters) else { return Ok(()) };
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        check(&Fixture::new(), request)?;
    }

    #[test]
    fn random_bodies(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "\\{\"sql\": ?\"\\PC{0,30}\"(, ?\"limit\": ?-?[0-9.e]{1,12})?\\}".prop_map(String::into_bytes),
        ],
        media in prop::sample::select(vec!["application/json", "application/JSON; charset=utf-8", "text/plain", ";;"]),
        accept in prop::sample::select(vec!["*/*", "text/csv", "a/b;q=x", ",,;", "text/csv;q=NaN, */*;q=-1"]),
    ) {
        let request = Request::post("/api/v1/query").header("content-type", media).header("accept", accept);
        check(&Fixture::new(), request.body(Body::from(body)).unwrap())?;
    }
}
