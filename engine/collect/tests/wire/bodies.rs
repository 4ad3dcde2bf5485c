//! What a body may be.

use crate::harness::{Server, good, gzip};
use serde_json::{Value as Json, json};
use sonder_collect::Received;
use sonder_core::message::{Call, limits};

#[tokio::test]
async fn every_endpoint_has_its_call() {
    let server = Server::new();
    for (short, long, call) in [
        ("t", "track", Call::Track),
        ("p", "page", Call::Page),
        ("i", "identify", Call::Identify),
        ("g", "group", Call::Group),
        ("a", "alias", Call::Alias),
        ("s", "screen", Call::Screen),
    ] {
        for path in
            [format!("/v1/{short}"), format!("/v1/{long}"), format!("/any/prefix/v1/{short}"), format!("/v1/{long}/")]
        {
            let more = json!({"type": null, "userId": "u1", "previousId": "u0", "groupId": "g1"});
            let answer = server.send(&path, more).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"success": true})), "{path}");
            assert_eq!(server.message().call, call, "{path}");
        }
    }
    for path in ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"] {
        let calls = ["track", "page", "identify", "group", "alias", "screen"];
        let batch: Vec<_> =
            calls.iter().map(|call| good(json!({"type": call, "userId": "u1", "previousId": "u0"}))).collect();
        assert!(server.post(path).key("wk").json(&json!({"batch": batch})).send().await.is_ok());
        let messages = server.messages();
        assert_eq!(messages.iter().map(|message| message.call.name()).collect::<Vec<_>>(), calls);
        assert!(messages.iter().all(|message| message.historical == (path == "/v1/import")));
    }
}

#[tokio::test]
async fn the_content_type_says_nothing() {
    let server = Server::new();
    let body = good(json!({})).to_string();
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")] {
        for packed in [false, true] {
            let mut call = server.post("/v1/t").key("wk");
            call = if packed {
                call.bytes(gzip(body.as_bytes())).header("content-encoding", "gzip")
            } else {
                call.bytes(body.clone())
            };
            if let Some(content_type) = content_type {
                call = call.header("content-type", content_type);
            }
            assert!(call.send().await.is_ok(), "{content_type:?} {packed}");
            assert_eq!(server.messages().len(), 1);
        }
    }
}

#[tokio::test]
async fn packed_bodies_are_bounded_and_checked() {
    let server = Server::new();
    let send = async |encoding: &str, bytes: Vec<u8>| {
        server.post("/v1/batch").key("wk").header("content-encoding", encoding).bytes(bytes).send().await.error()
    };
    let bomb = gzip(&vec![b' '; 50 * 1024 * 1024]);
    assert!(bomb.len() < 500 * 1024);
    assert_eq!(send("gzip", bomb).await, (400, "too_large".to_owned()));
    let mut broken = gzip(b"{\"batch\":[]}");
    broken.truncate(broken.len() - 6);
    assert_eq!(send("gzip", broken).await, (400, "malformed".to_owned()));
    assert_eq!(send("gzip", b"hello".to_vec()).await, (400, "malformed".to_owned()));
    assert_eq!(send("br", b"{}".to_vec()).await, (400, "malformed".to_owned()));
}

#[tokio::test]
async fn bodies_are_bounded_at_500_kib_and_rudders_at_4000() {
    let server = Server::new();
    let batch = |bytes: usize| {
        let empty = json!({"batch": [], "filler": ""}).to_string().len();
        json!({"batch": [], "filler": "x".repeat(bytes - empty)}).to_string()
    };
    let send = async |path: &str, bytes: usize, rudder: bool| {
        let mut call = server.post(path).key("wk").bytes(batch(bytes));
        if rudder {
            call = call.header("anonymousid", "YTE=");
        }
        call.send().await.status.as_u16()
    };
    assert_eq!(send("/v1/batch", 500 * 1024, false).await, 200);
    assert_eq!(send("/v1/batch", 500 * 1024 + 1, false).await, 400);
    assert_eq!(send("/v1/batch", 4000 * 1024, true).await, 200);
    assert_eq!(send("/v1/batch", 4000 * 1024 + 1, true).await, 400);
    assert_eq!(send("/beacon/v1/batch", 501 * 1024, false).await, 200);
}

#[tokio::test]
async fn a_batch_has_at_most_2500_messages() {
    let server = Server::new();
    for (count, status) in [(2_500, 200), (2_501, 400)] {
        let batch = vec![json!({"type": "identify", "userId": "u"}); count];
        let answer = server.post("/v1/batch").key("wk").json(&json!({"batch": batch})).send().await;
        assert_eq!(answer.status, status);
        assert_eq!(server.received().len(), if status == 200 { count } else { 0 });
    }
}

#[tokio::test]
async fn a_lone_message_that_is_too_large_is_refused_and_in_a_batch_kept_aside() {
    let server = Server::new();
    let sized = |bytes: usize| {
        let empty = good(json!({"messageId": "m", "filler": ""})).to_string().len();
        good(json!({"messageId": "m", "filler": "x".repeat(bytes - empty)}))
    };
    for (bytes, status) in [(limits::EVENT_BYTES, 200), (limits::EVENT_BYTES + 1, 400)] {
        assert_eq!(server.post("/v1/t").key("wk").json(&sized(bytes)).send().await.status, status);
        server.received();
        let batch = json!({"batch": [sized(bytes)]});
        assert!(server.post("/v1/batch").key("wk").json(&batch).send().await.is_ok());
        let kept = server.quarantined();
        assert_eq!(kept.len(), usize::from(status == 400));
        assert!(kept.iter().all(|kept| kept.reasons[0].code == "too_large" && kept.payload.len() == bytes));
    }
}

#[tokio::test]
async fn one_bad_message_spoils_no_other() {
    let server = Server::new();
    let body = r#"{"batch": [
        {"type": "track", "event": "product_viewed", "userId": "u", "messageId": "m1", "properties": {"product_id": "p"}},
        {"type": "track", "event": "product_viewed", "userId": "u", "messageId": "m2", "properties": {}},
        17,
        {"type": "track", "event": "product_viewed", "userId": "u", "messageId": "m3", "properties": {"product_id": "\ud83d"}}
    ]}"#;
    assert!(server.post("/v1/batch").key("wk").bytes(body).send().await.is_ok());
    let seen: Vec<_> = server
        .received()
        .into_iter()
        .map(|received| match received {
            Received::Message(message, _) => message.message_id,
            Received::Quarantined(kept) => format!("{}: {}", kept.reasons[0].code, kept.reasons[0].message),
        })
        .collect();
    assert_eq!(seen, ["m1", "schema_violation: `product_id` is missing", "malformed: is not a JSON object", "m3"]);
}

#[tokio::test]
async fn what_is_no_json_of_the_right_shape_is_refused() {
    let server = Server::new();
    for (path, body) in [
        ("/v1/t", ""),
        ("/v1/t", "[]"),
        ("/v1/t", "null"),
        ("/v1/t", "{\"a\": NaN}"),
        ("/v1/t", "{} {}"),
        ("/v1/t", "{\"a\": \"\u{1}\"}"),
        ("/v1/batch", ""),
        ("/v1/batch", "[]"),
        ("/v1/batch", "{}"),
        ("/v1/batch", "{\"batch\": {}}"),
        ("/v1/batch", "{\"batch\": 1}"),
        ("/v1/batch", "{\"batch\": [1,]}"),
        ("/v1/batch", "{\"batch\": [{\"a\": NaN}]}"),
        ("/v1/batch", "{\"batch\": []} x"),
    ] {
        let answer = server.post(path).key("wk").bytes(body).send().await;
        assert_eq!(answer.error(), (400, "malformed".to_owned()), "{path} {body}");
    }
    let latin = server.post("/v1/t").key("wk").bytes(b"{\"a\": \"\xe9\"}".to_vec()).send().await;
    assert_eq!(latin.error(), (400, "malformed".to_owned()));
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn messages_too_deep_or_with_nul_are_kept_aside() {
    let server = Server::new();
    let nest = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
    server.send("/v1/t", json!({"context": nest(62)})).await;
    assert_eq!(server.messages().len(), 1);
    for (more, code) in [(json!({"context": nest(70)}), "too_deep"), (json!({"context": {"a": "\0"}}), "nul_character")]
    {
        assert!(server.send("/v1/t", more).await.is_ok());
        assert_eq!(server.quarantined()[0].reasons[0].code, code);
    }
    let batch = format!("{{\"batch\": [{}]}}", "[".repeat(5_000) + &"]".repeat(5_000));
    assert!(server.post("/v1/batch").key("wk").bytes(batch).send().await.is_ok());
    assert_eq!(server.quarantined().len(), 1);
}

#[tokio::test]
async fn of_equal_keys_the_last_counts_and_huge_numbers_are_kept() {
    let server = Server::new();
    let body = r#"{"batch": 1, "sentAt": 5, "batch": [{"type": "identify", "userId": "u1", "userId": 9007199254740993,
        "traits": {"n": 123456789012345678901234567890}}], "sentAt": null}"#;
    assert!(server.post("/v1/batch").key("wk").bytes(body).send().await.is_ok());
    let message = server.message();
    assert_eq!(message.user_id.as_deref(), Some("9007199254740993"));
    assert!(message.payload.contains("123456789012345678901234567890"), "{}", message.payload);
}

#[tokio::test]
async fn what_a_batch_says_holds_for_its_messages() {
    let server = Server::new();
    let batch = json!({
        "batch": [good(json!({"context": {"locale": "nl"}})), good(json!({"integrations": {"All": true}}))],
        "context": {"locale": "en", "app": {"name": "shop"}}, "integrations": {"All": false, "A": false},
    });
    server.post("/v1/batch").key("wk").json(&batch).send().await;
    let [first, second] = <[_; 2]>::try_from(server.messages()).unwrap();
    assert_eq!(Json::from(first.context), json!({"locale": "nl", "app": {"name": "shop"}}));
    assert_eq!(first.rest["integrations"], json!({"All": false, "A": false}));
    assert_eq!(second.rest["integrations"], json!({"All": true, "A": false}));
}

#[tokio::test]
async fn the_log_keeps_all_that_was_sent_but_the_write_key() {
    let server = Server::new();
    let sent = good(
        json!({"writeKey": "wk", "messageId": "m1", "_metadata": {"bundled": []}, "channel": "server", "ours": 1}),
    );
    assert!(server.post("/v1/t").key("wk").json(&sent).send().await.is_ok());
    let payload: Json = serde_json::from_str(&server.message().payload).unwrap();
    let mut expected = sent;
    expected.as_object_mut().unwrap().remove("writeKey");
    assert_eq!(payload, expected);
}
