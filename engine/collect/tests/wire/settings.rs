//! What SDKs ask before they send.

use crate::harness::Server;
use serde_json::json;

#[tokio::test]
async fn analytics_js_learns_where_to_send() {
    let server = Server::new();
    for (path, host, settings_host, protocol) in [
        ("/v1/projects/wk_web/settings", "cdp.example.com", "cdp.example.com/v1", "https"),
        ("/under/here/v1/projects/wk_web/settings", "127.0.0.1:8080", "127.0.0.1:8080/under/here/v1", "http"),
    ] {
        let answer = server.get(path).header("host", host).header("origin", "https://shop.example").send().await;
        assert!(answer.is_ok());
        assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
        assert!(answer.header("cache-control").contains("max-age"));
        let settings = answer.json();
        let expected = json!({"apiKey": "wk_web", "apiHost": settings_host, "protocol": protocol, "retryQueue": true});
        assert_eq!(settings["integrations"], json!({"Segment.io": expected}));
        assert_eq!(settings["metrics"], json!({"sampleRate": 0}));
        assert_eq!(settings["plan"]["track"]["__default"], json!({"enabled": true, "integrations": {}}));
        assert_eq!(settings["remotePlugins"], json!([]));
    }
    for key in ["nope", "wk_off"] {
        assert_eq!(server.get(&format!("/v1/projects/{key}/settings")).send().await.status, 404);
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_what_browsers_see() {
    let server = Server::new();
    let protocol = async |peer: &str| {
        let call = server.get("/v1/projects/wk/settings").header("host", "cdp.example.com").from(peer);
        let answer =
            call.header("x-forwarded-proto", "http").header("x-forwarded-host", "outside.example").send().await;
        answer.json()["integrations"]["Segment.io"].clone()
    };
    assert_eq!(protocol("10.0.0.1").await["apiHost"], "outside.example/v1");
    assert_eq!(protocol("10.0.0.1").await["protocol"], "http");
    assert_eq!(protocol("192.0.2.1").await["apiHost"], "cdp.example.com/v1");
    assert_eq!(protocol("192.0.2.1").await["protocol"], "https");
}

#[tokio::test]
async fn rudder_learns_its_source() {
    let server = Server::new();
    for path in
        ["/sourceConfig/?p=npm&writeKey=wk_web", "/sourceConfig?writeKey=wk_web", "/x/sourceConfig/?writeKey=wk_web"]
    {
        let config = server.get(path).send().await.json();
        assert_eq!(config["source"]["writeKey"], "wk_web");
        assert_eq!((config["source"]["id"].as_str(), config["source"]["enabled"].as_bool()), (Some("web"), Some(true)));
        assert_eq!(config["source"]["destinations"], json!([]));
        assert_eq!(config["source"]["config"]["statsCollection"]["errors"]["enabled"], false);
    }
    assert!(server.get("/sourceConfig/").key("wk_web").send().await.is_ok());
    assert_eq!(server.get("/sourceConfig/").send().await.error(), (401, "missing_write_key".to_owned()));
    assert_eq!(server.get("/sourceConfig/").key("nope").send().await.error(), (401, "unknown_write_key".to_owned()));
    assert_eq!(server.get("/sourceConfig/").key("wk_off").send().await.status, 404);
}
