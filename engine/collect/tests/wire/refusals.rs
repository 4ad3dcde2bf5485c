//! What is neither taken nor lost.

use crate::harness::{Server, good};
use axum::http::Method;
use serde_json::json;
use sonder_collect::Refused;

#[tokio::test]
async fn sdk_metrics_are_taken_and_forgotten() {
    let server = Server::new();
    for path in ["/v1/m", "/rsaMetrics", "/x/v1/m"] {
        let answer = server.post(path).json(&json!({"series": [{"type": "Counter"}]})).send().await;
        assert!(answer.is_ok(), "{path}");
    }
    assert!(server.post("/v1/m").bytes("no json").send().await.is_ok());
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn health_needs_no_key() {
    let server = Server::new();
    assert_eq!(server.get("/health").send().await.json(), json!({"status": "ok"}));
}

#[tokio::test]
async fn what_was_not_taken_in_is_asked_for_again() {
    let server = Server::new();
    for (refused, status, after) in [
        (Refused::Overloaded { retry_after_s: 0 }, 429, "1"),
        (Refused::Overloaded { retry_after_s: 30 }, 429, "30"),
        (Refused::Overloaded { retry_after_s: 9_999 }, 429, "300"),
        (Refused::Unavailable, 503, "5"),
        (Refused::ShuttingDown, 503, "5"),
    ] {
        *server.memory.refuse.lock() = Some(refused);
        let answer = server.send("/v1/t", json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, after));
    }
    *server.memory.refuse.lock() = None;
    assert!(server.send("/v1/t", json!({})).await.is_ok());
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn other_addresses_and_methods_are_refused() {
    let server = Server::new();
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::POST, "/v1/merge", 404),
        (Method::GET, "/v1/batch", 405),
        (Method::POST, "/v1/projects/wk/settings", 405),
        (Method::DELETE, "/v1/t", 405),
        (Method::POST, "/v1/pixel/track", 405),
    ] {
        let answer = server.request(method.clone(), path).key("wk").json(&good(json!({}))).send().await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn an_empty_batch_is_nothing() {
    let server = Server::new();
    assert!(server.post("/v1/batch").key("wk").json(&json!({"batch": []})).send().await.is_ok());
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn samples_are_bounded() {
    let server = Server::new();
    server.post("/v1/t").key("nope").bytes("x".repeat(100_000)).send().await;
    assert_eq!(server.collector.rejections()[0].last_sample.len(), 2_048);
}
