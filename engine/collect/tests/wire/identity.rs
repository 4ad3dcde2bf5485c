//! What messages say of people, as real clients say it.

use crate::harness::{Server, compile, good};
use serde_json::{Value as Json, json};
use sonder_collect::{CollectorConfig, Received};
use sonder_core::message::{GeoIp, Place};
use sonder_core::record::Event;
use std::net::IpAddr;
use std::sync::Arc;

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
    assert_eq!(ip("wk_web", "192.0.2.1", "198.51.100.1").await, "192.0.2.0");
    assert_eq!(ip("wk_web", "10.0.0.7", "198.51.100.1").await, "198.51.100.0");
    assert_eq!(ip("wk", "192.0.2.1", "").await, "203.0.113.0", "a server speaks for its visitors");
}

/// Knows where the addresses of the tests are.
struct Atlas;

impl GeoIp for Atlas {
    fn place(&self, address: IpAddr) -> Option<Place> {
        let country = match address.to_string().as_str() {
            "198.51.100.1" => "NL",
            "203.0.113.9" => "US",
            _ => return None,
        };
        Some(Place { country: Some(country.to_owned()), ..Place::default() })
    }
}

#[tokio::test]
async fn as_much_of_an_address_is_kept_as_the_source_says_and_its_place_is_that_of_all_of_it() {
    let source = |name: &str, kind: &str, ip: &str| {
        (format!("sources/{name}.yaml"), format!("{{source: {name}, kind: {kind}, write_keys: [wk_{name}], ip: {ip}}}"))
    };
    let sources =
        [source("kept", "browser", "keep"), source("none", "browser", "drop"), source("app", "server", "keep")];
    let files: Vec<_> = sources.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let geoip = Some(Arc::new(Atlas) as Arc<_>);
    let server = Server::of(compile(&files), |config| CollectorConfig { geoip, ..config });
    let context = async |path: &str, key: &str, context: Json| {
        let call = server.post(path).key(key).from("10.0.0.7").header("x-forwarded-for", "198.51.100.1");
        let message = good(json!({"context": context}));
        let body = if path == "/v1/import" { json!({"batch": [message]}) } else { message };
        assert!(call.json(&body).send().await.is_ok());
        let message = server.message();
        assert!(key == "wk_kept" || !message.payload.contains("198.51.100.1"), "{}", message.payload);
        json!([message.context.get("ip"), message.context.get("geo")])
    };
    let (nl, us) = (json!({"country": "NL"}), json!({"country": "US"}));
    for (key, kept) in [("wk_web", json!("198.51.100.0")), ("wk_kept", json!("198.51.100.1")), ("wk_none", Json::Null)]
    {
        assert_eq!(context("/v1/t", key, json!({"geo": {"country": "XX"}})).await, json!([kept, nl]), "{key}");
    }
    // What Segment's clients send who want no address on record.
    assert_eq!(context("/v1/t", "wk_kept", json!({"ip": "0.0.0.0"})).await, json!(["0.0.0.0", null]));
    // A server speaks for its visitors, also of where they are; of history nobody knows it.
    let sent = json!({"ip": "203.0.113.9"});
    assert_eq!(context("/v1/t", "wk_app", sent.clone()).await, json!(["203.0.113.9", us]));
    assert_eq!(context("/v1/import", "wk_app", sent.clone()).await, json!(["203.0.113.9", null]));
    assert_eq!(context("/v1/import", "wk", sent).await, json!(["203.0.113.0", null]));
    let known = json!({"ip": "203.0.113.9", "geo": {"country": "BE"}});
    assert_eq!(context("/v1/t", "wk", known).await, json!(["203.0.113.0", {"country": "BE"}]));
}

#[tokio::test]
async fn what_is_kept_aside_has_no_address_either() {
    let server = Server::new();
    let call = server.post("/v1/t").key("wk_web").from("198.51.100.1");
    assert!(call.json(&json!({"event": "undeclared", "anonymousId": "a"})).send().await.is_ok());
    let call = server.post("/v1/t").key("wk_web").from("198.51.100.1");
    assert!(call.json(&json!({"event": "product_viewed", "properties": 1, "anonymousId": "a"})).send().await.is_ok());
    let aside = server.quarantined();
    assert_eq!(aside.len(), 2);
    assert!(aside.iter().all(|it| it.payload.contains("\"198.51.100.0\"")), "{aside:?}");
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
