//! The OpenAPI document is true: it lists what is served, and every answer fits its schema.

mod fixture;

use axum::http::Method;
use fixture::{ERASURE, Fixture, PAIR};
use serde_json::{Value as Json, json};
use sonder_console::document;
use sonder_console::engine::Trouble;

/// The schema of this answer, with the definitions that it refers to.
fn schema(document: &Json, path: &str, method: &str, status: u16) -> Json {
    let response = &document["paths"][path][method]["responses"][status.to_string()];
    assert!(!response.is_null(), "{method} {path} may answer {status}, and the document does not say so");
    let mut schema = response["content"]["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    schema
}

#[expect(clippy::unwrap_used, reason = "a schema that is none fails the test")]
fn assert_fits(document: &Json, path: &str, method: &str, status: u16, answer: &Json) {
    let schema = schema(document, path, method, status);
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path} {status}: {errors:#?}\n{answer:#}");
}

#[tokio::test]
async fn every_answer_fits_its_schema() {
    let fixture = Fixture::new();
    let document = document();
    let asked = [
        ("/api/v1/people/{who}", "/api/v1/people/user_id:ann"),
        ("/api/v1/people/{who}", "/api/v1/people/user_id:bob?fields=traits"),
        ("/api/v1/people/{who}", "/api/v1/people/user_id:carl"),
        ("/api/v1/people/{who}", "/api/v1/people/carl"),
        ("/api/v1/people/{who}", "/api/v1/people/user_id:ann?at=2026-03-01T13:00:00Z"),
        ("/api/v1/people/{who}", "/api/v1/people/user_id:ann?at=2020-03-01T13:00:00Z"),
        ("/api/v1/people/{who}", "/api/v1/people/user_id:ann?at=noon"),
        ("/api/v1/people/{who}/timeline", "/api/v1/people/user_id:ann/timeline?limit=3"),
        ("/api/v1/people/{who}/timeline", "/api/v1/people/user_id:ann/timeline"),
        ("/api/v1/people/{who}/timeline", "/api/v1/people/user_id:ann/timeline?limit=x"),
        ("/api/v1/people/{who}/graph", "/api/v1/people/user_id:ann/graph"),
        ("/api/v1/people/{who}/graph", "/api/v1/people/user_id:ann/graph?between=user_id:ann,email:ann@shop.example"),
        ("/api/v1/people/{who}/graph", "/api/v1/people/user_id:ann/graph?between=user_id:ann,email:x"),
        ("/api/v1/people/{who}/graph", "/api/v1/people/user_id:carl/graph"),
        ("/api/v1/privacy/requests/{id}", "/api/v1/privacy/requests/0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11"),
        ("/api/v1/privacy/requests/{id}", "/api/v1/privacy/requests/other"),
        ("/api/v1/matching", "/api/v1/matching"),
        ("/api/v1/matching/pairs", "/api/v1/matching/pairs"),
        ("/api/v1/matching/pairs", "/api/v1/matching/pairs?state=linked&after=10&limit=1"),
        ("/api/v1/matching/pairs", "/api/v1/matching/pairs?state=undecided"),
        ("/api/v1/matching/pairs/{id}", "/api/v1/matching/pairs/0123456789ab"),
        ("/api/v1/matching/pairs/{id}", "/api/v1/matching/pairs/none"),
        ("/api/v1/privacy/retention", "/api/v1/privacy/retention"),
        ("/api/v1/privacy/retention", "/api/v1/privacy/retention?all=true"),
        ("/api/v1/privacy/requests", "/api/v1/privacy/requests"),
        ("/api/v1/privacy/requests", "/api/v1/privacy/requests?all=true"),
        ("/api/v1/privacy/requests", "/api/v1/privacy/requests?all=x"),
        (
            "/api/v1/privacy/requests/{id}/certificate",
            "/api/v1/privacy/requests/0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11/certificate",
        ),
        ("/api/v1/people/{who}/bundle", "/api/v1/people/user_id:ann/bundle"),
        ("/api/v1/people/{who}/bundle", "/api/v1/people/user_id:ann/bundle?format=pdf"),
        ("/api/v1/segments", "/api/v1/segments"),
        ("/api/v1/segments/{name}", "/api/v1/segments/keen"),
        ("/api/v1/segments/{name}", "/api/v1/segments/nobody"),
        ("/api/v1/segments/{name}/members", "/api/v1/segments/keen/members?limit=2"),
        ("/api/v1/segments/{name}/members", "/api/v1/segments/lapsed/members"),
        ("/api/v1/segments/{name}/members", "/api/v1/segments/keen/members?purpose=marketing"),
        ("/api/v1/segments/{name}/members", "/api/v1/segments/keen/members?purpose=unheard"),
        ("/api/v1/segments/{name}/members", "/api/v1/segments/keen/members?limit=2&pseudonyms=lake"),
        ("/api/v1/journeys", "/api/v1/journeys"),
        ("/api/v1/journeys/{name}", "/api/v1/journeys/carts"),
        ("/api/v1/journeys/{name}", "/api/v1/journeys/nobody"),
        ("/api/v1/deliveries", "/api/v1/deliveries"),
        ("/api/v1/deliveries", "/api/v1/deliveries?state=x"),
        ("/api/v1/quarantine", "/api/v1/quarantine"),
        ("/api/v1/status", "/api/v1/status"),
        ("/api/v1/status", "/api/v1/status?x=y"),
        ("/api/v1/healthz", "/healthz"),
        ("/api/v1/readyz", "/api/v1/readyz"),
        ("/api/v1/openapi.json", "/api/v1/openapi.json"),
    ];
    for (path, address) in asked {
        let answer = fixture.get(address).await;
        assert_fits(&document, path, "get", answer.status.as_u16(), &answer.json());
    }
    for body in [
        json!({"sql": "select 1"}),
        json!({"sql": "select 1", "limit": 1}),
        json!({"sql": "select 1", "at": "2026-03-01T12:00:00Z"}),
        json!({"sql": "select 1", "at": "noon"}),
        json!({"sql": 1}),
    ] {
        let answer = fixture.post("/api/v1/query", &body).await;
        assert_fits(&document, "/api/v1/query", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [
        json!({"person": "user_id:ann", "rule": "keen"}),
        json!({"person": "user_id:ann", "rule": "lapsed", "at": "2026-03-01T12:30:00Z", "personal": true}),
        json!({"person": "user_id:ann", "rule": "views", "at": null}),
        json!({"person": "user_id:ann", "rule": "viewers"}),
        json!({"person": "user_id:ann", "rule": "keen", "at": "2020-01-01T00:00:00Z"}),
    ] {
        let answer = fixture.post("/api/v1/explain", &body).await;
        assert_fits(&document, "/api/v1/explain", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [
        json!({"kind": "erasure", "person": "user_id:ann"}),
        json!({"kind": "erasure", "person": "user_id:stranger"}),
        json!({"kind": "oblivion", "person": "user_id:ann"}),
        json!({"kind": "objection", "person": "user_id:ann", "purposes": ["marketing"], "received_at": "2026-03-01"}),
        json!({"kind": "access", "person": "user_id:ann", "received_at": "long ago"}),
    ] {
        let answer = fixture.post("/api/v1/privacy/requests", &body).await;
        assert_fits(&document, "/api/v1/privacy/requests", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [json!({}), json!({"dry_run": true}), json!({"dry": true})] {
        let answer = fixture.post("/api/v1/privacy/retention", &body).await;
        assert_fits(&document, "/api/v1/privacy/retention", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [json!({}), json!({"force": true})] {
        let answer = fixture.post("/api/v1/matching/runs", &body).await;
        assert_fits(&document, "/api/v1/matching/runs", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [json!({}), json!({"reason": "one street", "by": "ann"}), json!({"reason": ""})] {
        for (id, word) in [("0123456789ab", "accept"), ("0123456789ab", "reject"), ("none", "accept")] {
            let answer = fixture.post(&format!("/api/v1/matching/pairs/{id}/{word}"), &body).await;
            let template = format!("/api/v1/matching/pairs/{{id}}/{word}");
            assert_fits(&document, &template, "post", answer.status.as_u16(), &answer.json());
        }
    }
    for body in [json!({"action": "complete", "by": "ann"}), json!({"action": "forget"})] {
        let path = "/api/v1/privacy/requests/0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11/steps";
        let answer = fixture.post(path, &body).await;
        let template = "/api/v1/privacy/requests/{id}/steps";
        assert_fits(&document, template, "post", answer.status.as_u16(), &answer.json());
    }
    for body in [
        json!({}),
        json!({"ids": [7], "patch": {"rename": {"/properties/sku": "/properties/product_id"}}, "dry_run": true}),
        json!({"patch": {"cast": {"/properties/price": "money"}}}),
        json!({"limit": 0}),
        json!({"limit": 10_001}),
        json!({"ids": (0..=1_000).collect::<Vec<_>>()}),
        json!({"reason": "x".repeat(201)}),
    ] {
        let answer = fixture.post("/api/v1/quarantine/replay", &body).await;
        assert_fits(&document, "/api/v1/quarantine/replay", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [
        json!({"reason": "undeclared_event", "dry_run": true}),
        json!({"ids": [7, 8]}),
        json!({}),
        json!({"dry_run": true, "limit": 3}),
        json!({"name": "Debug", "patch": {}}),
    ] {
        let answer = fixture.post("/api/v1/quarantine/dismiss", &body).await;
        assert_fits(&document, "/api/v1/quarantine/dismiss", "post", answer.status.as_u16(), &answer.json());
    }
    for source in ["segment keener { when did(product_viewed) }", "oops", ""] {
        let answer = fixture.post("/api/v1/preview", &json!({ "source": source })).await;
        assert_fits(&document, "/api/v1/preview", "post", answer.status.as_u16(), &answer.json());
    }
    for files in [
        json!({"sonder.yaml": "name: x\n", "rules/r.sonder": "segment keener { when oops }\n"}),
        json!({"sonder.yaml": "name: x\n", "events/view.yaml": "event: view\n", "rules/r.sonder": "segment keener { when did(view) }\n"}),
        json!({}),
        json!({"../x": ""}),
        json!({"large.sonder": "#".repeat(300 * 1024)}),
    ] {
        let answer = fixture.post("/api/v1/plan", &json!({ "files": files })).await;
        assert_fits(&document, "/api/v1/plan", "post", answer.status.as_u16(), &answer.json());
        assert_ne!(answer.status, 413, "a project may be larger than other bodies");
    }
    for body in [
        json!({"files": {"sonder.yaml": "name: x\n"}, "base": "0123456789abcdef"}),
        json!({"files": {"sonder.yaml": "name: x\n"}, "base": "0123456789abcdef", "silent": true}),
        json!({"files": {}, "base": "0123456789abcdef"}),
        json!({"files": {"sonder.yaml": ""}}),
    ] {
        let answer = fixture.post("/api/v1/apply", &body).await;
        assert_fits(&document, "/api/v1/apply", "post", answer.status.as_u16(), &answer.json());
    }
    for body in [
        json!({"purposes": {"marketing": true}, "method": "call centre", "notice": null}),
        json!({"purposes": {"other": false}}),
        json!({"purposes": {}}),
        json!({"purposes": {"marketing": "yes"}}),
        json!({"purposes": {"marketing": true}, "proof": "x".repeat(4_001)}),
    ] {
        for who in ["user_id:ann", "user_id:stranger", "00000000000000000000000000000001", "ann"] {
            let address = format!("/api/v1/people/{who}/consent");
            let headers = [("content-type", "application/json")];
            let answer = fixture.call(Method::PUT, &address, &headers, &body.to_string()).await;
            let path = "/api/v1/people/{who}/consent";
            assert_fits(&document, path, "put", answer.status.as_u16(), &answer.json());
        }
    }
    for (what, body) in [
        ("merge", json!({"with": "user_id:bob", "reason": "ticket 4711", "by": null})),
        ("merge", json!({"with": "user_id:ann"})),
        ("merge", json!({"with": "user_id:stranger"})),
        ("merge", json!({"with": "user_id:bob", "reason": ""})),
        ("split", json!({"identifiers": ["email:ann@shop.example"]})),
        ("split", json!({"identifiers": ["user_id:ann", "email:ann@shop.example"]})),
        ("split", json!({"identifiers": ["email:other"]})),
        ("split", json!({"identifiers": ["user_id:bob"]})),
        ("split", json!({"identifiers": []})),
    ] {
        let path = format!("/api/v1/people/{{who}}/{what}");
        let answer = fixture.post(&path.replace("{who}", "user_id:ann"), &body).await;
        assert_fits(&document, &path, "post", answer.status.as_u16(), &answer.json());
    }
    for trouble in [Trouble::TooSlow, Trouble::Internal("x".to_owned())] {
        *fixture.engine.trouble.lock() = Some(trouble);
        let answer = fixture.post("/api/v1/query", &json!({"sql": "select 1"})).await;
        assert_fits(&document, "/api/v1/query", "post", answer.status.as_u16(), &answer.json());
    }
}

#[tokio::test]
async fn every_documented_path_is_served_and_refuses_other_methods() {
    let fixture = Fixture::new();
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        let name = if path.contains("journeys") { "carts" } else { "keen" };
        let id = if path.contains("matching") { PAIR } else { ERASURE };
        let address = path.replace("{who}", "user_id:ann").replace("{name}", name).replace("{id}", id);
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let documented = item.get(method.as_str().to_lowercase()).is_some();
            let answer = fixture.call(method.clone(), &address, &[], "").await;
            assert_eq!(documented, answer.status != 405, "{method} {address}: {}", answer.status);
            assert_ne!(answer.status, 404, "{method} {address}");
        }
    }
}

#[test]
fn the_document_is_openapi_without_loose_ends() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        ids.push(operation["operationId"].as_str().unwrap());
        assert!(operation["responses"]["200"].is_object() && operation["summary"].is_string());
    }
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "nothing uses `{name}`");
        assert!(jsonschema::meta::is_valid(schema), "{name}");
    }
}
