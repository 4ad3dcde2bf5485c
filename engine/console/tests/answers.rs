//! What each endpoint answers.

mod fixture;

use axum::http::{Method, StatusCode};
use fixture::{COLD_BOB, Fixture, other_program};
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::json;
use sonder_console::engine::{Engine, Stage, Trouble};
use sonder_console::limits;

#[tokio::test]
async fn a_person_is_found_by_any_identifier_and_by_id() {
    let fixture = Fixture::new();
    let by_email = fixture.get("/api/v1/people/email:Ann%40Shop.example").await;
    assert_eq!(by_email.status, StatusCode::OK);
    assert_json_snapshot!(by_email.json());
    for same in ["/api/v1/people/user_id:ann", "/api/v1/people/0000000000000000000000000000000a"] {
        assert_eq!(fixture.get(same).await.json(), by_email.json(), "{same}");
    }
    assert!(fixture.engine.asked.lock().is_empty(), "the store was not touched");
}

#[tokio::test]
async fn a_cold_person_comes_from_the_store() {
    let fixture = Fixture::new();
    let person = fixture.get(&format!("/api/v1/people/{COLD_BOB}")).await.json();
    assert_eq!(person["identifiers"][0]["value"], "bob");
    assert_eq!(*fixture.engine.asked.lock(), ["load_person"]);
}

#[tokio::test]
async fn fields_pick_parts() {
    let fixture = Fixture::new();
    let part = fixture.get("/api/v1/people/user_id:ann?fields=segments,computed").await;
    assert_json_snapshot!(part.json());
}

#[tokio::test]
async fn a_timeline_reads_the_same_in_one_page_and_in_many() {
    let fixture = Fixture::new();
    let whole = fixture.get("/api/v1/people/user_id:ann/timeline").await.json();
    assert_json_snapshot!(whole);
    for limit in 1..=3 {
        let mut entries = Vec::new();
        let mut before = String::new();
        loop {
            let page = fixture.get(&format!("/api/v1/people/user_id:ann/timeline?limit={limit}{before}")).await.json();
            entries.extend(page["entries"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            before = format!("&before={next}");
        }
        assert_eq!(json!(entries), whole["entries"], "{limit} at a time");
    }
    let before_all = fixture.get("/api/v1/people/user_id:ann/timeline?before=2026-01-01T00:00:00Z").await.json();
    assert_eq!(before_all["entries"], json!([]));
}

#[tokio::test]
async fn segments_say_what_they_are_and_how_large() {
    let fixture = Fixture::new();
    let redacted = insta::dynamic_redaction(|value, _| {
        assert_eq!(value.as_str().unwrap().len(), 16);
        "[fingerprint]"
    });
    assert_json_snapshot!(fixture.get("/api/v1/segments").await.json(), { ".segments[].fingerprint" => redacted });
    assert_eq!(fixture.get("/api/v1/segments/keen").await.json()["size"], 3);
}

#[tokio::test]
async fn an_answer_is_of_one_version_of_the_project() {
    let fixture = Fixture::new();
    *fixture.engine.other.lock() = Some(other_program());
    let mut counts = std::collections::BTreeSet::new();
    for round in 0..8 {
        // Questions take turns: where a round asks an even number of them, these rounds begin with the other version.
        if round == 4 {
            fixture.engine.program();
        }
        let all = fixture.get("/api/v1/segments").await.json();
        let sizes: Vec<_> = all["segments"].as_array().unwrap().iter().map(|it| (&it["name"], &it["size"])).collect();
        counts.insert(sizes.len());
        for (name, size) in sizes {
            assert_eq!(*size, json!(if name == "keen" { 3 } else { 0 }), "{name}");
        }
        assert_eq!(fixture.get("/api/v1/segments/keen").await.json()["size"], 3);
        let page = fixture.get("/api/v1/segments/keen/members?limit=2").await.json();
        assert_eq!((&page["size"], page["members"].as_array().unwrap().len()), (&json!(3), 2));
    }
    assert_eq!(counts.len(), 2, "both versions answered");
}

#[tokio::test]
async fn a_segment_that_goes_away_meanwhile_is_not_there() {
    let fixture = Fixture::new();
    *fixture.engine.other.lock() = Some(other_program());
    fixture.engine.program();
    let gone = fixture.get("/api/v1/segments/early/members").await;
    assert_eq!((gone.status, &gone.json()["error"]["code"]), (StatusCode::NOT_FOUND, &json!("no_such_segment")));
}

#[tokio::test]
async fn members_page_by_id() {
    let fixture = Fixture::new();
    let first = fixture.get("/api/v1/segments/keen/members?limit=2").await.json();
    assert_json_snapshot!(first);
    let next = first["next"].as_str().unwrap();
    let second = fixture.get(&format!("/api/v1/segments/keen/members?limit=2&after={next}")).await.json();
    assert_eq!(second["members"][0]["person"], "00000000000000000000000000000003");
    assert_eq!(second["next"], json!(null));
}

#[tokio::test]
async fn members_come_as_an_audience_knows_them() {
    let fixture = Fixture::new();
    let path = "/api/v1/segments/keen/members?pseudonyms=lake&limit=2";
    let first = fixture.get(path).await.json();
    assert_json_snapshot!(first);
    let next = first["next"].as_str().unwrap();
    let second = fixture.get(&format!("{path}&after={next}")).await.json();
    assert_eq!(second["members"].as_array().unwrap().len(), 1);
    assert_eq!(second["next"], json!(null));
    let csv =
        fixture.call(Method::GET, "/api/v1/segments/keen/members?pseudonyms=lake", &[("accept", "text/csv")], "").await;
    assert_eq!(csv.text.lines().count(), 4);
    for text in [first.to_string(), second.to_string(), csv.text] {
        assert!(text.contains("v1:lake_") && !text.contains("shop.example"), "{text}");
        assert!(!text.contains("00000000000000000000000000000001"), "{text}");
    }
    let none = fixture.get("/api/v1/segments/keen/members?pseudonyms=nobody").await;
    assert_eq!((none.status, &none.json()["error"]["code"]), (StatusCode::CONFLICT, &json!("no_pseudonyms")));
    let refused = ["pseudonyms=", "pseudonyms=The%20Lake", "pseudonyms=lake&after=00000000000000000000000000000001"];
    for query in refused {
        let answer = fixture.get(&format!("/api/v1/segments/keen/members?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn who_does_not_consent_is_left_out_and_counted() {
    let fixture = Fixture::new();
    let path = "/api/v1/segments/keen/members?purpose=marketing";
    let some = fixture.get(path).await.json();
    let people: Vec<&str> = some["members"].as_array().unwrap().iter().filter_map(|it| it["person"].as_str()).collect();
    assert_eq!(people, ["00000000000000000000000000000001", "00000000000000000000000000000003"]);
    assert_eq!([&some["size"], &some["left_out"]], [&json!(3), &json!(1)]);
    let all = fixture.get("/api/v1/segments/keen/members").await.json();
    assert_eq!((all["members"].as_array().unwrap().len(), &all["left_out"]), (3, &json!(0)));
    for media in ["text/csv", "application/vnd.apache.parquet"] {
        let file = fixture.call(Method::GET, path, &[("accept", media)], "").await;
        assert_eq!(file.headers["x-sonder-left-out"], "1", "{media}");
        assert!(!file.text.contains("00000000000000000000000000000002"), "{media}");
    }
    let unheard = fixture.get("/api/v1/segments/keen/members?purpose=unheard").await;
    assert_eq!(unheard.status, StatusCode::BAD_REQUEST);
    assert!(unheard.text.contains("`marketing`"), "{}", unheard.text);
}

#[tokio::test]
async fn members_stream_as_csv_over_all_pages() {
    let many = 2 * limits::PAGE_MOST as u128 + 5;
    let fixture = Fixture::with(true, many);
    let csv = fixture.call(Method::GET, "/api/v1/segments/keen/members", &[("accept", "text/csv")], "").await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(csv.text.lines().count() as u128, 1 + many);
    assert_snapshot!(csv.text.lines().take(3).collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn members_come_as_one_file_over_all_pages() {
    let many = 2 * limits::PAGE_MOST as u128 + 5;
    let fixture = Fixture::with(true, many);
    let parquet = [("accept", "application/vnd.apache.parquet")];
    let file = fixture.call(Method::GET, "/api/v1/segments/keen/members", &parquet, "").await;
    assert_eq!(file.headers["content-type"], "application/vnd.apache.parquet");
    assert_eq!(file.headers["content-length"].to_str().unwrap(), file.text.len().to_string());
    assert_eq!(file.text.lines().count() as u128, many);
    let rest = "/api/v1/segments/keen/members?after=00000000000000000000000000000002";
    assert_eq!(fixture.call(Method::GET, rest, &parquet, "").await.text.lines().count() as u128, many - 2);
    let hidden = fixture.call(Method::GET, "/api/v1/segments/keen/members?pseudonyms=lake", &parquet, "").await.text;
    assert!(hidden.contains("v1:lake_") && !hidden.contains("shop.example"), "{hidden}");
    let nobody = fixture.call(Method::GET, "/api/v1/segments/lapsed/members", &parquet, "").await;
    assert_eq!((nobody.status, nobody.text.len()), (StatusCode::OK, 0));
    // What cannot be made is an error, not half a file; nor does SQL come in it.
    *fixture.engine.trouble.lock() = Some(Trouble::Internal("disk".to_owned()));
    let failed = fixture.call(Method::GET, "/api/v1/segments/keen/members", &parquet, "").await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    *fixture.engine.trouble.lock() = None;
    let sql = [("accept", parquet[0].1), ("content-type", "application/json")];
    let refused = fixture.call(Method::POST, "/api/v1/query", &sql, &json!({"sql": "select 1"}).to_string()).await;
    assert_eq!(refused.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn only_so_many_files_are_made_and_sent_at_once() {
    let fixture = Fixture::with(true, 20_000);
    let ask = async || {
        let request = axum::http::Request::get("/api/v1/segments/keen/members");
        let request =
            request.header("accept", "application/vnd.apache.parquet").body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(sonder_console::router(fixture.api.clone()), request).await.unwrap()
    };
    // Answers that nobody has read yet; each is longer than what is read ahead.
    let mut unread = Vec::new();
    for _ in 0..limits::EXPORTS_AT_ONCE {
        unread.push(ask().await);
        assert_eq!(unread.last().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(ask().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(unread);
    assert_eq!(ask().await.status(), StatusCode::OK, "who leaves makes room");
}

#[tokio::test]
async fn a_stream_that_fails_is_broken_off_not_cut_short() {
    let fixture = Fixture::new();
    *fixture.engine.trouble.lock() = Some(Trouble::Internal("disk".to_owned()));
    let request = axum::http::Request::get("/api/v1/segments/keen/members").header("accept", "text/csv");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(sonder_console::router(fixture.api.clone()), request).await.unwrap();
    assert!(http_body_util::BodyExt::collect(response.into_body()).await.is_err());
}

#[tokio::test]
async fn sql_comes_as_json_or_csv() {
    let fixture = Fixture::new();
    let sql = json!({"sql": "select event, count(*) from log group by all"});
    assert_json_snapshot!(fixture.post("/api/v1/query", &sql).await.json());
    let headers = [("accept", "text/csv"), ("content-type", "application/json; charset=utf-8")];
    let csv = fixture
        .call(Method::POST, "/api/v1/query", &headers, &json!({"sql": "select 1", "limit": 1}).to_string())
        .await;
    assert_eq!(csv.headers["sonder-truncated"], "true");
    assert_snapshot!(csv.text);
    assert_eq!(fixture.engine.asked.lock().last().unwrap(), "query 1 select 1");
}

#[tokio::test]
async fn what_was_given_up_is_replayed_for_whom_it_is_asked() {
    let fixture = Fixture::new();
    let answer =
        fixture.post("/api/v1/deliveries/replay", &json!({"destination": "crm", "person": "user_id:ann"})).await;
    assert_eq!(answer.json(), json!({"replayed": 3, "left": 1}));
    assert_eq!(fixture.post("/api/v1/deliveries/replay", &json!({"destinations": "crm"})).await.status, 400);
}

#[tokio::test]
async fn quarantine_and_deliveries_pass_their_filters_on() {
    let fixture = Fixture::new();
    let quarantine = "/api/v1/quarantine?reason=schema_violation&source=web&name=Product+Viewed&before=9&limit=1";
    assert_json_snapshot!(fixture.get(quarantine).await.json());
    let deliveries =
        fixture.get("/api/v1/deliveries?destination=crm&state=dead&person=user_id:ann&limit=1").await.json();
    assert_json_snapshot!(deliveries);
    let next = deliveries["next"].as_str().unwrap();
    fixture.get(&format!("/api/v1/deliveries?before={next}")).await;
    assert_json_snapshot!(*fixture.engine.asked.lock());
}

#[tokio::test]
async fn status_metrics_and_health() {
    let fixture = Fixture::new();
    assert_json_snapshot!(fixture.get("/api/v1/status").await.json());
    for path in ["/metrics", "/api/v1/metrics"] {
        let metrics = fixture.get(path).await;
        assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
        assert!(metrics.text.contains("sonder_events_total 10"));
    }
    assert_eq!(fixture.get("/readyz").await.status, StatusCode::OK);
    *fixture.engine.stage.lock() = Stage::Recovering;
    let not_ready = fixture.get("/readyz").await;
    assert_eq!(
        (not_ready.status, &not_ready.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"2".parse().unwrap())
    );
    assert_eq!(fixture.get("/healthz").await.json(), json!({"ok": true}));
}

#[tokio::test]
async fn every_answer_says_how_long_it_took_and_stays_out_of_caches() {
    let fixture = Fixture::new();
    for path in ["/api/v1/people/user_id:ann", "/api/v1/nothing", "/healthz"] {
        let headers = fixture.get(path).await.headers;
        assert!(headers["server-timing"].to_str().unwrap().starts_with("total;dur="), "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn an_explanation_shows_what_is_missing() {
    let fixture = Fixture::new();
    let answer = fixture.post("/api/v1/explain", &json!({"person": "email:ANN@shop.example", "rule": "keen"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let explanation = answer.json();
    assert_eq!((&explanation["value"], &explanation["because"]["effect"]), (&json!(false), &json!("missing")));
    assert_eq!(
        (&explanation["tree"]["margin"]["value"], &explanation["tree"]["margin"]["missing"]),
        (&json!(2), &json!(1))
    );
    let asked = fixture.engine.asked.lock().join("\n");
    assert!(asked.contains("named: Some((IdentifierKindId(1), \"ANN@shop.example\"))"), "{asked}");
}

#[tokio::test]
async fn an_explanation_is_of_somebody_and_of_a_rule_that_is_there() {
    let fixture = Fixture::new();
    for (body, status, code, help) in [
        (json!({"person": "user_id:ann", "rule": "kean"}), 404, "no_such_rule", "did you mean `keen`?"),
        (json!({"person": "user_id:carl", "rule": "keen"}), 404, "no_such_person", "identifiers are compared"),
        (json!({"person": "carl", "rule": "keen"}), 400, "bad_identifier", "write `kind:value`"),
        (json!({"person": "user_id:ann", "rule": "keen", "at": "noon"}), 400, "bad_body", "it is a timestamp"),
        (json!({"person": "user_id:ann"}), 400, "bad_body", "send a JSON object"),
        (
            json!({"person": "user_id:ann", "rule": "keen", "at": "2020-01-01T00:00:00Z"}),
            404,
            "no_such_person",
            "later",
        ),
    ] {
        let answer = fixture.post("/api/v1/explain", &body).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status.as_u16(), error["code"].as_str().unwrap_or_default()), (status, code), "{body}");
        assert!(error["help"].as_str().unwrap_or_default().contains(help), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_preview_tells_what_is_wrong_or_what_would_be() {
    let fixture = Fixture::new();
    let answer =
        fixture.post("/api/v1/preview", &json!({"source": "segment keener { when did(product_viewed) }"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let preview = answer.json();
    assert_eq!(
        (&preview["rules"][0]["kind"], &preview["rules"][0]["overlap"][0]["both"]),
        (&json!("segment"), &json!(1))
    );
    assert_eq!((&preview["rules"][1]["kind"], &preview["rules"][1]["top"][0]["people"]), (&json!("trait"), &json!(2)));
    let wrong = fixture.post("/api/v1/preview", &json!({"source": "oops"})).await;
    assert_eq!((wrong.status, wrong.json()["rules"].clone()), (StatusCode::OK, json!([])));
    assert!(!wrong.json()["diagnostics"].as_array().unwrap().is_empty());
    for (length, status) in [(limits::PREVIEW_CHARS, 200), (limits::PREVIEW_CHARS + 1, 400), (0, 400)] {
        let answer = fixture.post("/api/v1/preview", &json!({ "source": "#".repeat(length) })).await;
        assert_eq!(answer.status.as_u16(), status, "{length}");
    }
}
