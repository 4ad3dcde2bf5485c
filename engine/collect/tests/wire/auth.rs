//! Who a request is from.

use crate::harness::{Server, basic, compile, good};
use serde_json::json;

#[tokio::test]
async fn a_write_key_is_found_wherever_a_client_puts_it() {
    let server = Server::new();
    let in_body = good(json!({"writeKey": "wk"}));
    for (authorization, x_write_key, query) in [
        (Some(basic("wk:")), None, ""),
        (Some(basic("wk")), None, ""),
        (Some(basic("wk:").trim_end_matches('=').to_owned()), None, ""),
        (Some(basic("wk:ignored")), None, ""),
        (Some("Bearer wk".to_owned()), None, ""),
        (None, Some("wk"), ""),
        (None, Some("wk:secret"), ""),
        (None, None, "?writeKey=wk"),
    ] {
        let path = format!("/v1/t{query}");
        let mut call = server.post(&path).json(&good(json!({})));
        if let Some(value) = &authorization {
            call = call.header("authorization", value);
        }
        if let Some(value) = x_write_key {
            call = call.header("x-write-key", value);
        }
        assert!(call.send().await.is_ok(), "{authorization:?} {x_write_key:?} {query}");
        assert_eq!(server.messages().len(), 1);
    }
    assert!(server.post("/v1/t").json(&in_body).send().await.is_ok());
    let token = server.post("/v1/t").header("authorization", "Bearer some.oauth.token").json(&in_body);
    assert!(token.send().await.is_ok(), "a token is no key, the body has it");
    assert!(server.post("/v1/batch").json(&json!({"batch": [in_body, good(json!({}))]})).send().await.is_ok());
    assert!(server.post("/v1/b").json(&json!({"batch": [good(json!({}))], "writeKey": "wk"})).send().await.is_ok());
    let beacon = server.post("/beacon/v1/batch?writeKey=wk").header("content-type", "text/plain");
    assert!(beacon.json(&json!({"batch": [good(json!({}))]})).send().await.is_ok());
    assert_eq!(server.messages().len(), 6);
}

#[tokio::test]
async fn a_header_wins_over_the_body() {
    let server = Server::new();
    let answer = server.post("/v1/t").key("wrong").json(&good(json!({"writeKey": "wk"}))).send().await;
    assert_eq!(answer.error(), (401, "unknown_write_key".to_owned()));
    let answer = server.post("/v1/t").key("wk_web").json(&good(json!({"writeKey": "wk"}))).send().await;
    assert!(answer.is_ok());
    let source = server.message().source;
    assert_eq!(server.program.borrow().sources[source.index()].name, "web");
}

#[tokio::test]
async fn keys_come_from_the_environment_too() {
    let server = Server::new();
    assert!(server.post("/v1/t").key("wk_env").json(&good(json!({}))).send().await.is_ok());
    let answer = server.post("/v1/t").header("authorization", &basic(":")).json(&good(json!({}))).send().await;
    assert_eq!(answer.error(), (401, "missing_write_key".to_owned()), "a key that is not set opens nothing");
}

#[tokio::test]
async fn unknown_missing_and_disabled_are_told_apart_counted_and_shown() {
    let server = Server::new();
    for (key, status, code) in [
        (Some("nope"), 401, "unknown_write_key"),
        (None, 401, "missing_write_key"),
        (Some("wk_off"), 404, "disabled_source"),
    ] {
        let mut call = server.post("/v1/t").json(&good(json!({"event": "Sample"})));
        if let Some(key) = key {
            call = call.key(key);
        }
        let answer = call.send().await;
        assert_eq!(answer.error(), (status, code.to_owned()));
        assert!(answer.json()["message"].is_string());
        let rejections = server.collector.rejections();
        let count = rejections.iter().find(|count| count.code == code).unwrap();
        assert_eq!((count.count, count.last_path.as_str()), (1, "/v1/t"));
        assert!(count.last_sample.contains("\"Sample\""), "{}", count.last_sample);
    }
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn a_new_program_counts_at_once() {
    let server = Server::new();
    let send = async |key| server.post("/v1/t").key(key).json(&good(json!({}))).send().await.status.as_u16();
    assert_eq!(send("wk_new").await, 401);
    let source = ("sources/new.yaml", "{source: new, kind: server, write_keys: [wk_new]}");
    server.program.send(compile(&[source])).unwrap();
    assert_eq!(send("wk_new").await, 200);
    server.program.send(compile(&[])).unwrap();
    assert_eq!(send("wk_new").await, 401);
}

#[tokio::test]
async fn rates_are_kept_per_key_and_per_address() {
    let server = Server::new();
    let send =
        async |key: &str, peer: &str| server.post("/v1/t").key(key).from(peer).json(&good(json!({}))).send().await;
    assert!(send("wk_slow", "192.0.2.1").await.is_ok());
    assert!(send("wk_slow", "192.0.2.1").await.is_ok());
    let refused = send("wk_slow", "192.0.2.1").await;
    assert_eq!(refused.error(), (429, "rate_limited".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    assert!(send("wk_slow", "192.0.2.2").await.is_ok(), "another address");
    assert_eq!(send("wk_slow", "192.0.2.3").await.status, 429, "the key has used its three");
    assert!(send("wk_slow2", "192.0.2.3").await.is_ok(), "another key");
    server.at("2026-03-01T12:00:01Z");
    assert!(send("wk_slow", "192.0.2.1").await.is_ok());
}
