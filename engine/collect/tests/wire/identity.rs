//! What messages say of people, as real clients say it.

use crate::harness::{Server, good};
use serde_json::{Value as Json, json};
use sonder_collect::Received;
use sonder_core::record::Event;

async fn event(server: &Server, path: &str, more: Json) -> Event {
    assert!(server.send(path, more).await.is_ok());
    match server.received().pop() {
        Some(Received::Message(_, event)) => event,
        other => panic!("not accepted: {other:?}"),
    }
}

fn identifiers(server: &Server, event: &Event) -> Vec<String> {
    let program = server.program.borrow();
    let name = |index: usize| program.identity.identifiers[index].name.clone();
    event.identifiers.iter().map(|known| format!("{}:{}", name(known.kind.index()), known.value)).collect()
}

#[tokio::test]
async fn ids_are_null_empty_or_numbers() {
    let server = Server::new();
    for absent in [json!(""), json!(" ")] {
        let event = event(&server, "/v1/t", json!({"userId": absent, "anonymousId": 12})).await;
        assert_eq!(identifiers(&server, &event), ["anonymous_id:12"]);
    }
    let body = r#"{"event": "product_viewed", "userId": null, "anonymousId": "a", "properties": {"product_id": "p"}}"#;
    assert!(server.post("/v1/t").key("wk").bytes(body).send().await.is_ok());
    assert_eq!(server.message().user_id, None);
}

#[tokio::test]
async fn without_any_identifier_a_message_is_kept_aside() {
    let server = Server::new();
    assert!(server.send("/v1/t", json!({"anonymousId": null})).await.is_ok());
    assert_eq!(server.quarantined()[0].reasons[0].code, "missing_identifier");
}

#[tokio::test]
async fn rudders_browser_has_traits_in_its_context_only() {
    let server = Server::new();
    let more = json!({"userId": "u1", "context": {"traits": {"email": "Ada@Example.org"}, "sessionId": 1_772_366_400_000_u64}});
    let event = event(&server, "/v1/identify", more).await;
    assert_eq!(identifiers(&server, &event), ["user_id:u1", "email:ada@example.org", "anonymous_id:a1"]);
}

#[tokio::test]
async fn an_alias_to_oneself_is_harmless() {
    let server = Server::new();
    let event = event(&server, "/v1/a", json!({"userId": "u9", "previousId": "u9"})).await;
    assert_eq!(identifiers(&server, &event), ["user_id:u9", "anonymous_id:a1"]);
}

#[tokio::test]
async fn messages_without_ids_get_ids_and_those_sent_twice_count_once() {
    let server = Server::new();
    server.send("/v1/t", json!({})).await;
    server.send("/v1/t", json!({})).await;
    let [first, second] = <[_; 2]>::try_from(server.messages()).unwrap();
    assert_eq!(first.message_id.len(), 36);
    assert_ne!(first.message_id, second.message_id);
    for _ in 0..2 {
        server.send("/v1/t", json!({"messageId": " node-next-1 "})).await;
    }
    assert_eq!(server.message().message_id, "node-next-1");
}

#[tokio::test]
async fn a_browsers_address_is_what_the_collector_saw() {
    let server = Server::new();
    let ip = async |key: &str, peer: &str, forwarded: &str| {
        let call = server.post("/v1/t").key(key).from(peer).header("x-forwarded-for", forwarded);
        assert!(call.json(&good(json!({"context": {"ip": "203.0.113.9"}}))).send().await.is_ok());
        server.message().context["ip"].as_str().unwrap().to_owned()
    };
    assert_eq!(ip("wk_web", "192.0.2.1", "198.51.100.1").await, "192.0.2.1");
    assert_eq!(ip("wk_web", "10.0.0.7", "198.51.100.1").await, "198.51.100.1");
    assert_eq!(ip("wk", "192.0.2.1", "").await, "203.0.113.9", "a server speaks for its visitors");
}

#[tokio::test]
async fn global_privacy_control_is_kept() {
    let server = Server::new();
    for (sent, kept) in [("1", Some(&Json::Bool(true))), ("0", None)] {
        server.post("/v1/t").key("wk_web").header("sec-gpc", sent).json(&good(json!({}))).send().await;
        let message = server.message();
        assert_eq!(message.context.get("gpc"), kept);
        assert_eq!(message.payload.contains("\"gpc\":true"), kept.is_some());
    }
}
