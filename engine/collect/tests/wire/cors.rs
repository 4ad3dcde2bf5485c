//! Pages at other origins.

use crate::harness::{Server, good};
use axum::http::Method;
use serde_json::json;
use sonder_collect::Refused;

const ORIGIN: &str = "https://shop.example";
const ASKED: &str = "anonymousid,authorization,content-type,rsa-retry-attempt,sentat,x-retry-count";

#[tokio::test]
async fn a_preflight_is_granted_what_it_asks_for() {
    let server = Server::new();
    for path in ["/v1/t", "/prefix/v1/batch", "/v1/projects/wk/settings", "/sourceConfig/", "/whatever"] {
        let preflight = server.request(Method::OPTIONS, path).header("origin", ORIGIN);
        let preflight =
            preflight.header("access-control-request-method", "POST").header("access-control-request-headers", ASKED);
        let answer = preflight.send().await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-headers"), ASKED);
        assert_eq!(answer.header("access-control-max-age"), "7200");
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(answer.header("access-control-allow-methods").contains("POST"));
        assert_eq!(answer.header("vary"), "Origin");
    }
}

#[tokio::test]
async fn every_answer_can_be_read_by_the_page_that_asked() {
    let server = Server::new();
    let body = good(json!({}));
    let large = good(json!({"properties": {"product_id": "x".repeat(600 * 1024)}}));
    let mut seen = Vec::new();
    for (path, key, body, refuse) in [
        ("/v1/t", "wk", &body, None),
        ("/v1/t", "nope", &body, None),
        ("/v1/t", "wk_off", &body, None),
        ("/v1/nothing", "wk", &body, None),
        ("/v1/batch", "wk", &body, None),
        ("/v1/t", "wk", &large, None),
        ("/v1/t", "wk", &body, Some(Refused::Overloaded { retry_after_s: 7 })),
        ("/v1/t", "wk", &body, Some(Refused::Unavailable)),
        ("/v1/t", "wk", &body, Some(Refused::ShuttingDown)),
    ] {
        *server.memory.refuse.lock() = refuse;
        let answer = server.post(path).key(key).header("origin", ORIGIN).json(body).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-expose-headers"), "ETag, Retry-After");
        seen.push((answer.status.as_u16(), answer.header("retry-after").to_owned()));
    }
    let expected =
        [(200, ""), (401, ""), (404, ""), (404, ""), (400, ""), (400, ""), (429, "7"), (503, "5"), (503, "5")];
    assert_eq!(seen, expected.map(|(status, after)| (status, after.to_owned())));
    let wrong_method = server.get("/v1/t").header("origin", ORIGIN).send().await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.header("access-control-allow-origin")), (405, ORIGIN));
}

#[tokio::test]
async fn a_source_may_list_its_origins() {
    let server = Server::new();
    let send = async |origin: Option<&str>| {
        let mut call = server.post("/v1/t").key("wk_own").json(&good(json!({})));
        if let Some(origin) = origin {
            call = call.header("origin", origin);
        }
        call.send().await
    };
    assert!(send(Some(ORIGIN)).await.is_ok());
    assert!(send(None).await.is_ok());
    let refused = send(Some("https://evil.example")).await;
    assert_eq!(refused.error(), (403, "origin_not_allowed".to_owned()));
    assert_eq!(refused.header("access-control-allow-origin"), "https://evil.example", "so that its SDK stops trying");
}
