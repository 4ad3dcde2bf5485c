//! What the audit log says of who asked what, and what it does not say.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

mod fixture;

use axum::http::{Method, StatusCode};
use fixture::{Answer, Fixture};
use serde_json::{Value as Json, json};
use sonder_console::audit::{Audited, Chain};
use sonder_console::keys::Scope;
use sonder_dsl::time::Moment;

async fn logged(fixture: &Fixture, query: &str) -> Vec<Audited> {
    let page = fixture.get(&format!("/api/v1/audit{query}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    serde_json::from_value(page.json()["entries"].clone()).unwrap()
}

async fn as_of(fixture: &Fixture, path: &str, secret: &str) -> Answer {
    fixture.call(Method::GET, path, &[("authorization", &format!("Bearer {secret}"))], "").await
}

fn short(entry: &Audited) -> Json {
    let deed = &entry.deed;
    json!([deed.kind.name(), deed.operation, deed.subject, deed.about, deed.status])
}

#[tokio::test]
async fn who_looks_takes_away_or_changes_is_on_record_and_names_nobody() {
    let fixture = Fixture::new();
    fixture.get("/api/v1/status").await;
    fixture.get("/api/v1/people/email:Ann%40Shop.example").await;
    fixture.get("/api/v1/people/email:nobody%40shop.example/timeline").await;
    fixture.get("/api/v1/segments/keen/members").await;
    fixture.call(Method::GET, "/api/v1/segments/keen/members", &[("accept", "text/csv")], "").await;
    let statement = json!({"sql": "select * from log where user_id = 'ann' -- of ann"});
    fixture.post("/api/v1/query", &statement).await;
    fixture.post("/api/v1/explain", &json!({"person": "user_id:ann", "rule": "keen"})).await;
    fixture.post("/api/v1/people/user_id:ann/merge", &json!({"with": "user_id:bob", "reason": "it is ann"})).await;
    let entries = logged(&fixture, "?after=0").await;
    let ann = "pseudonym-of-a";
    assert_eq!(
        entries.iter().map(short).collect::<Vec<_>>(),
        [
            json!(["read", "getPerson", ann, null, 200]),
            json!(["read", "getTimeline", null, null, 404]),
            json!(["read", "listMembers", null, "keen", 200]),
            json!(["export", "listMembers", null, "keen", 200]),
            json!(["read", "query", null, "select * from log where user_id = ?", 200]),
            json!(["read", "explain", ann, null, 200]),
            json!(["change", "mergePeople", ann, null, 200]),
            json!(["change", "mergePeople", "pseudonym-of-b", null, 200]),
        ]
    );
    assert!(entries.iter().all(|entry| entry.deed.actor == "local" && entry.deed.name.is_none()));
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains("ann\"") && !text.contains("shop.example") && !text.contains("it is ann"), "{text}");

    // To read it is a look, too; what is asked of one person is found by them.
    assert_eq!(logged(&fixture, "?limit=1").await[0].deed.operation, "listAudit");
    let of_ann = logged(&fixture, "?who=user_id:ann").await;
    assert!(of_ann.len() >= 2 && of_ann.iter().all(|it| it.deed.subject.as_deref() == Some(ann)));

    let mut chain = Chain::default();
    let mut next = "0".to_owned();
    loop {
        let page = fixture.get(&format!("/api/v1/audit?after={next}&limit=3")).await.json();
        let entries: Vec<Audited> = serde_json::from_value(page["entries"].clone()).unwrap();
        assert!(entries.iter().all(|entry| chain.takes(entry)));
        next = page["next"].as_str().unwrap().to_owned();
        if entries.len() < 3 {
            break;
        }
    }
    assert!(chain.number > 10);
}

#[tokio::test]
async fn looks_are_left_out_where_the_project_says_so() {
    let fixture = Fixture::new();
    let mut program = (*fixture.engine.program).clone();
    program.settings.audits_looks = false;
    let quiet = Fixture::of(program.into(), true, 3);
    quiet.get("/api/v1/people/user_id:ann").await;
    quiet.call(Method::GET, "/api/v1/segments/keen/members", &[("accept", "text/csv")], "").await;
    let entries = logged(&quiet, "?after=0").await;
    assert_eq!(entries.iter().map(short).collect::<Vec<_>>(), [json!(["export", "listMembers", null, "keen", 200])]);
}

#[tokio::test]
async fn the_key_is_named_and_whoever_is_refused_did_nothing() {
    let fixture = Fixture::new();
    let reader = fixture.keys.create("crm", &[Scope::Read], Moment(0)).unwrap();
    let officer = fixture.keys.create("officer", &[Scope::Privacy], Moment(0)).unwrap();
    let ask = async |path: &str, secret: &str| as_of(&fixture, path, secret).await.status;
    assert_eq!(ask("/api/v1/people/user_id:ann", "sonder_wrong").await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("/api/v1/audit", &reader.secret).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("/api/v1/people/user_id:ann", &reader.secret).await, StatusCode::OK);
    let page = as_of(&fixture, "/api/v1/audit?after=0", &officer.secret).await.json();
    let [entry] = page["entries"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&entry["actor"], &entry["name"]), (&json!(reader.key.id), &json!("crm")));
}

#[tokio::test]
async fn what_is_no_place_is_refused() {
    let fixture = Fixture::new();
    fixture.get("/api/v1/people/user_id:ann").await;
    for after in ["-1", "x", "", "99999999999999999999"] {
        let answer = fixture.get(&format!("/api/v1/audit?after={after}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{after}: {}", answer.text);
    }
}
