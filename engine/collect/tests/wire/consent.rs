//! What is collected of people who do not consent to it.

use crate::harness::{Server, compile, good};
use serde_json::{Value as Json, json};
use sonder_collect::Received;
use sonder_core::message::Label;
use sonder_core::record::Event;
use sonder_dsl::ir::PurposeId;

const EVENT: (&str, &str) = (
    "events/product_viewed.yaml",
    "{event: product_viewed, properties: {product_id: {type: string}, mail: {type: string, pii: contact}}}",
);

fn server(without: &str, otherwise: &str) -> Server {
    let server = Server::new();
    let consent = format!(
        "purposes: {{analytics: {{categories: [C2]}}, sale: {{}}}}\notherwise: {otherwise}\n\
         collection: {{purpose: analytics, without: {without}}}"
    );
    server.program.send_replace(compile(&[("consent.yaml", &consent), EVENT]));
    server
}

/// A message of somebody, who says this of consent.
async fn sent(server: &Server, key: &str, more: Json, context: Json) -> Vec<Received> {
    let secret = json!({"product_id": "p1", "mail": "ann@example.org", "undeclared": "ann"});
    let mut message = good(json!({"userId": "ann", "properties": secret, "context": context}));
    message["context"]["page"] = json!({"path": "/cart", "url": "https://x.example/cart?mail=ann@example.org"});
    message["context"]["traits"] = json!({"email": "ann@example.org"});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert!(server.post("/v1/t").key(key).from("203.0.113.9").json(&message).send().await.is_ok());
    server.received()
}

fn accepted(received: &[Received]) -> (&str, &Event) {
    match received {
        [Received::Message(message, event)] => (&message.payload, event),
        other => panic!("{other:?}"),
    }
}

fn says(yes: bool) -> Json {
    json!({"consent": {"categoryPreferences": {"C2": yes}}})
}

/// The one answer among what was taken in: it has nothing of the message but whose it is and what it says of consent.
fn answer(received: &[Received]) -> &Event {
    let is_answer = |it: &&Received| matches!(it, Received::Message(it, _) if it.labels == [Label::Answer]);
    let mut answers = received.iter().filter(is_answer);
    let (Some(Received::Message(message, event)), None) = (answers.next(), answers.next()) else {
        panic!("{received:?}");
    };
    for gone in ["product_id", "\"p1\"", "\"mail\"", "undeclared", "/cart", "203.0.113", "product_viewed"] {
        assert!(!message.payload.contains(gone), "{gone}: {}", message.payload);
    }
    assert!(event.event.is_none() && event.traits.is_empty() && !event.identifiers.is_empty(), "{event:?}");
    event
}

#[tokio::test]
async fn of_what_is_refused_only_the_answer_is_kept() {
    let server = server("refuse", "us");
    for key in ["wk_web", "wk"] {
        let received = sent(&server, key, json!({}), says(false)).await;
        assert_eq!(received.len(), 1);
        assert_eq!(answer(&received).said.to(PurposeId(0)), Some(false), "a server's, too, when it says so");
    }
    // Each attempt to send it has one answer, which the writer knows again.
    let message = json!({"messageId": "again"});
    let ids: Vec<String> = [
        sent(&server, "wk_web", message.clone(), says(false)).await,
        sent(&server, "wk_web", message, says(false)).await,
    ]
    .iter()
    .map(|received| if let [Received::Message(it, _)] = &received[..] { it.message_id.clone() } else { String::new() })
    .collect();
    assert!(ids[0] == ids[1] && ids[0].starts_with("answer-"), "{ids:?}");
    // A yes to something else in the same message counts, too, and a signal of the browser.
    let both = json!({"consent": {"categoryPreferences": {"C2": false}, "purposes": {"sale": true}}});
    let received = sent(&server, "wk_web", json!({}), both).await;
    assert_eq!([0, 1].map(|id| answer(&received).said.to(PurposeId(id))), [Some(false), Some(true)]);
    accepted(&sent(&server, "wk_web", json!({}), says(true)).await);
    accepted(&sent(&server, "wk_web", json!({}), json!({})).await);
    // The refusal itself is kept: it is the proof.
    let change = json!({"event": "Segment Consent Preference Updated"});
    let received = sent(&server, "wk_web", change, says(false)).await;
    assert_eq!(accepted(&received).1.said.to(PurposeId(0)), Some(false));
}

#[tokio::test]
async fn where_people_must_be_asked_silence_of_a_browser_is_no() {
    let server = server("refuse", "gdpr");
    assert!(sent(&server, "wk_web", json!({}), json!({})).await.is_empty(), "nothing was said either");
    let message = good(json!({"context": {}}));
    server.post("/v1/t").key("wk_web").header("sec-gpc", "1").json(&message).send().await;
    let received = server.received();
    assert_eq!([0, 1].map(|id| answer(&received).said.to(PurposeId(id))), [None, Some(false)]);
    accepted(&sent(&server, "wk_web", json!({}), says(true)).await);
    accepted(&sent(&server, "wk", json!({}), json!({})).await);
}

#[tokio::test]
async fn an_answer_counts_whatever_is_wrong_with_the_message_that_has_it() {
    let server = server("store", "us");
    for (what, wrong) in [
        ("an event that nobody declared", json!({"event": "unheard"})),
        ("a property that is not what its schema says", json!({"properties": {"product_id": 7}})),
        ("a message that cannot be read", json!({"properties": "p1"})),
        ("an event without a name", json!({"event": ""})),
    ] {
        let received = sent(&server, "wk_web", wrong, says(false)).await;
        assert!(received.iter().any(|it| matches!(it, Received::Quarantined(_))), "{what}: {received:?}");
        assert_eq!(answer(&received).said.to(PurposeId(0)), Some(false), "{what}");
    }
    let received = sent(&server, "wk_web", json!({"event": "unheard"}), json!({})).await;
    assert!(matches!(&received[..], [Received::Quarantined(_)]), "nothing was said");
}

#[tokio::test]
async fn what_is_stripped_is_nobodys() {
    let server = server("strip", "gdpr");
    let received = sent(&server, "wk_web", json!({}), says(false)).await;
    assert_eq!(answer(&received).said.to(PurposeId(0)), Some(false));
    let (payload, event) = accepted(&received[..1]);
    assert!(event.identifiers.is_empty() && event.traits.is_empty(), "{event:?}");
    assert_eq!(event.labels, [Label::Anonymous]);
    assert_eq!(event.event, Some(server.program.borrow().event_named("product_viewed").unwrap()));
    for gone in ["\"ann\"", "\"a1\"", "ann@", "203.0.113", "x.example"] {
        assert!(!payload.contains(gone), "{gone}: {payload}");
    }
    for kept in ["\"product_id\":\"p1\"", "\"path\":\"/cart\""] {
        assert!(payload.contains(kept), "{kept}: {payload}");
    }
    let identify = json!({"type": "identify", "traits": {"email": "ann@example.org"}});
    let received = server.post("/v1/i").key("wk_web").json(&good(identify)).send().await;
    assert!(received.is_ok() && server.received().is_empty(), "of who somebody is nothing is left");
}

#[tokio::test]
async fn global_privacy_control_refuses_what_it_is_about() {
    let server = server("store", "us");
    for (header, refused) in [("1", Some(false)), ("0", None)] {
        let message = good(json!({"context": {}}));
        server.post("/v1/t").key("wk_web").header("sec-gpc", header).json(&message).send().await;
        let received = server.received();
        let (_, event) = accepted(&received);
        assert_eq!([event.said.to(PurposeId(0)), event.said.to(PurposeId(1))], [None, refused], "{header}");
    }
    // It wins over a yes of the same message.
    let yes = good(json!({"context": {"consent": {"purposes": {"sale": true}}}}));
    server.post("/v1/t").key("wk_web").header("sec-gpc", "1").json(&yes).send().await;
    assert_eq!(accepted(&server.received()).1.said.to(PurposeId(1)), Some(false));
}
