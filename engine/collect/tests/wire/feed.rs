//! What pages ask about their visitor: who may ask for whom, and how often the answer goes over the wire.

use crate::harness::Server;

#[tokio::test]
async fn a_page_asks_for_its_own_visitor() {
    let server = Server::new();
    let path = "/v1/feed?writeKey=wk_own&anonymousId=a%2F1";
    let answer = server.get(path).header("origin", "https://shop.example").send().await;
    assert!(answer.is_ok());
    assert_eq!((answer.json()["kind"].as_str(), answer.json()["value"].as_str()), (Some("anonymous_id"), Some("a/1")));
    assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!((answer.header("cache-control"), answer.header("vary")), ("private, no-cache", "Origin"));
    assert!(server.get("/under/here/v1/feed?anonymousId=a1").key("wk_web").send().await.is_ok());
}

#[tokio::test]
async fn nobody_asks_for_somebody_else() {
    let server = Server::new();
    for (path, origin, status, code) in [
        ("/v1/feed?anonymousId=a1", "https://shop.example", 401, "missing_write_key"),
        ("/v1/feed?writeKey=nope&anonymousId=a1", "https://shop.example", 401, "unknown_write_key"),
        ("/v1/feed?writeKey=wk_off&anonymousId=a1", "https://shop.example", 404, "disabled_source"),
        ("/v1/feed?writeKey=wk_own&anonymousId=a1", "https://evil.example", 403, "origin_not_allowed"),
        ("/v1/feed?writeKey=wk_own&userId=u7", "https://shop.example", 403, "not_yours"),
        ("/v1/feed?writeKey=wk_own", "https://shop.example", 400, "malformed"),
        ("/v1/feed?writeKey=wk_own&anonymousId=", "https://shop.example", 400, "malformed"),
        ("/v1/feed?writeKey=wk&anonymousId=a1&userId=u7", "https://shop.example", 400, "malformed"),
    ] {
        let answer = server.get(path).header("origin", origin).send().await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), origin, "a page reads why it is refused");
    }
    let server_asks = server.get("/v1/feed?userId=u7").key("wk").send().await;
    assert_eq!(server_asks.json()["kind"], "user_id");
    assert_eq!(server.post("/v1/feed?writeKey=wk_own&anonymousId=a1").send().await.status, 405);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let server = Server::new();
    let path = "/v1/feed?writeKey=wk_web&anonymousId=a1";
    let first = server.get(path).send().await;
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}")] {
        let again = server.get(path).header("if-none-match", &known).send().await;
        assert_eq!((again.status.as_u16(), again.header("etag")), (304, tag.as_str()), "{known}");
    }
    server.at("2026-03-01T12:00:01Z");
    let changed = server.get(path).header("if-none-match", &tag).send().await;
    assert!(changed.is_ok() && changed.header("etag") != tag);
}

#[tokio::test]
async fn asking_counts_as_sending() {
    let server = Server::new();
    let path = "/v1/feed?writeKey=wk_slow&anonymousId=a1";
    let statuses = [
        server.get(path).from("192.0.2.1").send().await.status,
        server.get(path).from("192.0.2.1").send().await.status,
        server.get(path).from("192.0.2.1").send().await.status,
    ];
    assert_eq!(statuses.map(|status| status.as_u16()), [200, 200, 429]);
}
