//! What is refused, and what the client is told.

mod fixture;

use axum::http::{Method, StatusCode};
use fixture::Fixture;
use insta::assert_snapshot;
use serde_json::json;
use sonder_console::engine::Trouble;
use sonder_console::keys::Scope;
use sonder_console::limits;
use sonder_dsl::time::Moment;

/// Status, code, message and help of each, one line a request.
#[tokio::test]
async fn bad_requests_are_told_what_is_wrong_and_what_to_do() {
    let fixture = Fixture::new();
    let long = "x".repeat(limits::FILTER_CHARS + 1);
    let paths = [
        "/api/v1/people/ann",
        "/api/v1/people/Email:ann",
        "/api/v1/people/email:",
        "/api/v1/people/mail:ann%40shop.example",
        "/api/v1/people/email:nobody%40shop.example",
        "/api/v1/people/0000000000000000000000000000000c",
        "/api/v1/people/email:%zz",
        "/api/v1/people/email:%ff",
        "/api/v1/people/email:a%00b",
        "/api/v1/people/user_id:ann?fields=traits,segment",
        "/api/v1/people/user_id:ann?fields=",
        "/api/v1/people/user_id:ann?fields=traits,traits",
        "/api/v1/people/user_id:ann?field=traits",
        "/api/v1/people/user_id:ann/timeline?limit=0",
        "/api/v1/people/user_id:ann/timeline?limit=1001",
        "/api/v1/people/user_id:ann/timeline?before=yesterday",
        "/api/v1/people/user_id:ann/timeline?before=1_2_3",
        "/api/v1/people/user_id:ann/graph?between=user_id:ann",
        "/api/v1/segments?limit=1",
        "/api/v1/segments/keener",
        "/api/v1/segments/views",
        "/api/v1/segments/keen/members?after=ann",
        "/api/v1/quarantine?before=-1",
        "/api/v1/quarantine?reason=",
        &format!("/api/v1/quarantine?reason={long}"),
        "/api/v1/quarantine?limit=1&limit=2",
        "/api/v1/deliveries?state=lost",
        "/api/v1/deliveries?person=nobody",
        "/api/v1/nothing",
        "/api",
    ];
    let mut told = String::new();
    for path in paths {
        let answer = fixture.get(path).await;
        let error = &answer.json()["error"];
        let shown: String = path.chars().take(70).collect();
        told += &format!("{shown}\n  {} {}\n", answer.status.as_u16(), error["code"].as_str().unwrap());
        told += &format!("  {}\n  = help: {}\n", error["message"].as_str().unwrap(), error["help"].as_str().unwrap());
    }
    assert_snapshot!(told);
    assert!(fixture.engine.asked.lock().is_empty(), "none of them reached the store");
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let fixture = Fixture::new();
    let json_type = ("content-type", "application/json");
    let code = async |headers: &[(&str, &str)], body: &str| {
        let answer = fixture.call(Method::POST, "/api/v1/query", headers, body).await;
        (answer.status.as_u16(), answer.json()["error"]["code"].as_str().unwrap().to_owned())
    };
    for body in ["", "{", "[]", "null", "{\"sql\": 1}", "{\"sql\": \"\"}", "{\"sql\": \"select 1\", \"x\": 1}", "{}"] {
        assert_eq!(code(&[json_type], body).await, (400, "bad_body".to_owned()), "{body}");
    }
    for limit in [json!(0), json!(limits::ROWS_MOST + 1), json!(-1), json!(1.5), json!(1e300), json!("1")] {
        let body = json!({"sql": "select 1", "limit": limit}).to_string();
        assert_eq!(code(&[json_type], &body).await, (400, "bad_body".to_owned()), "{body}");
    }
    for path in ["/api/v1/quarantine/replay", "/api/v1/quarantine/dismiss"] {
        let body = json!({"reason": "malformed", "limit": null});
        assert_eq!(fixture.post(path, &body).await.status, 400, "{path}: it is left out where nothing is said");
    }
    let whole = json!({"sql": "select 1", "limit": 5.0}).to_string();
    assert_eq!(fixture.call(Method::POST, "/api/v1/query", &[json_type], &whole).await.status, 200);
    let sql = |chars: usize| json!({ "sql": "é".repeat(chars) }).to_string();
    assert_eq!(fixture.call(Method::POST, "/api/v1/query", &[json_type], &sql(limits::SQL_CHARS)).await.status, 200);
    assert_eq!(code(&[json_type], &sql(limits::SQL_CHARS + 1)).await, (400, "bad_body".to_owned()));
    let body = |bytes: usize| format!("{}{}", json!({"sql": "select 1"}), " ".repeat(bytes - 18));
    assert_eq!(body(limits::BODY_BYTES).len(), limits::BODY_BYTES);
    assert_eq!(fixture.call(Method::POST, "/api/v1/query", &[json_type], &body(limits::BODY_BYTES)).await.status, 200);
    assert_eq!(code(&[json_type], &body(limits::BODY_BYTES + 1)).await, (413, "too_large".to_owned()));
    assert_eq!(code(&[], "{}").await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(code(&[("content-type", "text/plain")], "{}").await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(code(&[json_type, ("accept", "image/png")], "{}").await, (406, "not_acceptable".to_owned()));
}

#[tokio::test]
async fn identifiers_have_a_longest() {
    let fixture = Fixture::new();
    let code = async |chars: usize| {
        let who = format!("email:{}", "%F0%9F%92%8E".repeat(chars - "email:".len()));
        fixture.get(&format!("/api/v1/people/{who}")).await.json()["error"]["code"].clone()
    };
    assert_eq!(code(limits::IDENTIFIER_CHARS).await, "no_such_person");
    assert_eq!(code(limits::IDENTIFIER_CHARS + 1).await, "bad_identifier");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let fixture = Fixture::new();
    let answer = fixture.call(Method::POST, "/api/v1/segments", &[], "").await;
    assert_eq!(
        (answer.status, answer.headers["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD")
    );
    assert_eq!(answer.json()["error"]["code"], "method_not_allowed");
}

#[tokio::test]
async fn trouble_keeps_the_inside_inside() {
    let fixture = Fixture::new();
    let told = async |trouble: Trouble| {
        *fixture.engine.trouble.lock() = Some(trouble);
        let answer = fixture.post("/api/v1/query", &json!({"sql": "select 1"})).await;
        (answer.status.as_u16(), answer.text)
    };
    let (status, text) = told(Trouble::Internal("secret path".to_owned())).await;
    assert!(status == 500 && !text.contains("secret"), "{text}");
    assert_eq!(told(Trouble::TooSlow).await.0, 422);
    let refused = Trouble::Refused { message: "no table `lgo`".to_owned(), help: "did you mean `log`?".to_owned() };
    assert_eq!(
        told(refused).await,
        (400, r#"{"error":{"code":"refused","message":"no table `lgo`","help":"did you mean `log`?"}}"#.to_owned())
    );
    assert_eq!(told(Trouble::Unavailable { reason: "stopping".to_owned(), retry_after_s: 1 }).await.0, 503);
}

#[tokio::test]
async fn once_there_is_a_key_it_is_needed() {
    let fixture = Fixture::new();
    let status = async |authorization: Option<&str>| {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        fixture.call(Method::GET, "/api/v1/status", &headers, "").await.status.as_u16()
    };
    assert_eq!(status(None).await, 200);
    let reader = fixture.keys.create("reader", &[Scope::Read], Moment(0)).unwrap();
    let collector = fixture.keys.create("collector", &[Scope::Collect], Moment(0)).unwrap();
    assert_eq!(status(None).await, 401);
    assert_eq!(status(Some(&format!("Bearer {}", reader.secret))).await, 200);
    assert_eq!(status(Some(&format!("bearer {}", reader.secret))).await, 200);
    assert_eq!(status(Some(&format!("Basic {}", reader.secret))).await, 401);
    assert_eq!(status(Some("Bearer ")).await, 401);
    assert_eq!(status(Some("Bearer sonder_unknown")).await, 401);
    assert_eq!(status(Some(&format!("Bearer {}", collector.secret))).await, 403);
    assert_eq!(status(Some("Bearer wk_shop_web")).await, 403, "a browser's key reads nothing");
    assert_eq!(fixture.get("/healthz").await.status, 200);
    assert_eq!(fixture.get("/api/v1/openapi.json").await.status, 200);
}

#[tokio::test]
async fn without_keys_only_loopback_reads() {
    let open = Fixture::new();
    let status = async |fixture: &Fixture, host: &str| {
        fixture.call(Method::GET, "/api/v1/status", &[("host", host)], "").await.status.as_u16()
    };
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "[::1]"] {
        assert_eq!(status(&open, host).await, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example:8080", "10.0.0.1", ""] {
        assert_eq!(status(&open, host).await, 403, "{host}");
    }
    let closed = Fixture::with(false, 3);
    assert_eq!(status(&closed, "127.0.0.1").await, 401);
}
