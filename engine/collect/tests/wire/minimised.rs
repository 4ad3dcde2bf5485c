//! What no schema declares is not stored.

use crate::harness::{Server, compile, good};
use serde_json::{Value as Json, json};
use sonder_collect::Received;

/// What is to be stored of a message: its payload, and what destinations are told of its properties.
fn stored(server: &Server) -> (String, Option<String>) {
    match server.received().as_slice() {
        [Received::Message(message, event)] => {
            (message.payload.to_string(), event.forward.as_deref().map(str::to_owned))
        }
        [Received::Quarantined(aside)] => (aside.payload.to_string(), None),
        other => panic!("{other:?}"),
    }
}

async fn sent(server: &Server, properties: Json) -> (String, Option<String>) {
    let message = good(json!({ "properties": properties }));
    assert!(server.post("/v1/t").key("wk").json(&message).send().await.is_ok());
    stored(server)
}

#[tokio::test]
async fn what_is_taken_in_has_not_got_it_and_what_is_kept_aside_is_whole() {
    let server = Server::new();
    let destination = "{destination: hook, plugin: sonder/webhook@1, receives: {events: [product_viewed]}}";
    server.program.send_replace(compile(&[("destinations/hook.yaml", destination)]));
    let (payload, told) = sent(&server, json!({"product_id": "p1", "note": "secret"})).await;
    assert!(payload.contains(r#""labels":["minimised"]"#) && !payload.contains("secret"), "{payload}");
    assert_eq!(told.as_deref(), Some(r#"{"product_id":"p1"}"#));
    let (payload, _) = sent(&server, json!({"product_id": 5, "note": "secret"})).await;
    assert!(payload.contains(r#""product_id":5"#) && payload.contains("secret"), "{payload}");
}

#[tokio::test]
async fn an_open_event_keeps_all_as_it_was_sent() {
    let server = Server::new();
    let open = "{event: product_viewed, properties: {product_id: {type: string}}, additionalProperties: true}";
    server.program.send_replace(compile(&[("events/product_viewed.yaml", open)]));
    let (payload, _) = sent(&server, json!({"product_id": "p1", "note": "kept"})).await;
    assert!(payload.contains(r#""note":"kept""#) && !payload.contains("minimised"), "{payload}");
}

#[tokio::test]
async fn what_comes_where_no_schema_is_stays() {
    let server = Server::new();
    let message = json!({"event": "unknown", "anonymousId": "a", "properties": {"note": "kept"}});
    server.post("/v1/t").key("wk").json(&message).send().await;
    assert!(stored(&server).0.contains("kept"));
}
