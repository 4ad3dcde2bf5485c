//! What people ask about their data, on an engine that runs: a restriction and an objection count at once, whatever banners say
//! later, and through a crash; what was asked is due by the law of where they live; all that is known of somebody is handed over.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Scene {
    _folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
    receiver: Receiver,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let receiver = Receiver::start().unwrap();
        project::keen(&shop, &receiver.address().to_string()).unwrap();
        let hook = std::fs::read_to_string(shop.join("destinations/hook.yaml")).unwrap();
        let consent = "purposes:\n  analytics: {description: How the shop is used}\n  marketing: {description: Letters}\n\
                       residence: [country]\nregimes: [gdpr, ccpa]\notherwise: gdpr\n";
        let profile = "traits:\n  email: {type: string, purposes: [marketing]}\n  country: {type: string}\n";
        project::write(
            &shop,
            &[
                ("consent.yaml", consent),
                ("profile.yaml", profile),
                ("destinations/hook.yaml", &format!("{hook}purposes: [marketing]\n")),
            ],
        )
        .unwrap();
        Self { _folder: folder, shop, data, receiver }
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }

    /// The types of the calls so far; what a crash had sent again counts once.
    fn told(&self) -> Vec<String> {
        let mut keys = BTreeSet::new();
        let calls = self.receiver.calls().into_iter();
        let calls = calls.filter(|call| keys.insert(call.header("webhook-id").unwrap_or_default().to_owned()));
        calls.map(|call| call.body["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn await_told(&self, engine: &Engine, wanted: &[&str]) {
        let patience = Instant::now() + Duration::from_secs(20);
        while self.told() != wanted {
            assert!(Instant::now() < patience, "{:?}, not {wanted:?}:\n{}", self.told(), engine.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn post(engine: &Engine, path: &str, body: &Json) -> Json {
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", path, &headers, body.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn send(engine: &Engine, batch: &[Json]) {
    let answer = engine.connect().post("/v1/batch", "wk", &json!({ "batch": batch })).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    await_folded(engine);
}

/// Waits until all that is in the log is folded: the answer to a message does not wait for that.
fn await_folded(engine: &Engine) {
    let last = engine.count("select max(seq) from log").unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while engine.get("/api/v1/status").unwrap()["log"]["folded_seq"].as_u64().unwrap() < last {
        assert!(Instant::now() < patience, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn view(id: &str) -> Json {
    json!({"type": "track", "event": "view", "messageId": id, "userId": "ann", "properties": {"product": "p"}})
}

fn allow(id: &str) -> Json {
    json!({"type": "identify", "messageId": id, "userId": "ann", "traits": {"email": "ann@x.example", "country": "US-CA"},
        "context": {"consent": {"purposes": {"marketing": true, "analytics": true}, "method": "banner"}}})
}

fn ann(engine: &Engine) -> Json {
    engine.get("/api/v1/people/user_id:ann").unwrap()
}

fn consents(engine: &Engine) -> Vec<(String, bool, bool)> {
    let known = ann(engine);
    let consent = known["consent"].as_array().unwrap().iter();
    consent.map(|it| (it["purpose"].as_str().unwrap().to_owned(), it["granted"] == true, it["held"] == true)).collect()
}

#[test]
fn what_binds_counts_at_once_whatever_banners_say_until_it_is_lifted() {
    let scene = Scene::new();
    let engine = scene.start();
    send(&engine, &[allow("m0"), view("m1"), view("m2"), view("m3")]);
    scene.await_told(&engine, &["segment.entered"]);

    let asked =
        post(&engine, "/api/v1/privacy/requests", &json!({"kind": "objection", "person": "email:ann@x.example"}));
    assert_eq!((&asked["state"], &asked["purposes"]), (&json!("completed"), &json!(["marketing"])));
    assert_eq!(consents(&engine), [("analytics".into(), true, false), ("marketing".into(), false, true)]);
    scene.await_told(&engine, &["segment.entered", "segment.left"]);

    // Her browser goes on to say what the banner was told long ago; she buys something, and nobody hears of it.
    let order =
        json!({"type": "track", "event": "order", "messageId": "m5", "userId": "ann", "properties": {"total": 5}});
    send(&engine, &[allow("m4"), order]);
    // That she is keen no more either: they had taken her off.
    assert_eq!(consents(&engine)[1], ("marketing".into(), false, true));
    engine.kill().unwrap();
    let engine = scene.start();
    assert_eq!(consents(&engine)[1], ("marketing".into(), false, true));

    // A restriction of everything, and its end, leave the objection alone.
    let restricted =
        post(&engine, "/api/v1/privacy/requests", &json!({"kind": "restriction", "person": "user_id:ann"}));
    assert!(ann(&engine)["restricted_since"].is_string());
    assert!(consents(&engine).iter().all(|(_, granted, held)| !granted && *held));
    let steps = |asked: &Json| format!("/api/v1/privacy/requests/{}/steps", asked["id"].as_str().unwrap());
    let lifted =
        post(&engine, &steps(&restricted), &json!({"action": "lift", "by": "officer", "note": "it is settled"}));
    assert_eq!((&lifted["state"], &lifted["steps"][2]["note"]), (&json!("lifted"), &json!("it is settled")));
    assert!(ann(&engine)["restricted_since"].is_null());
    assert_eq!(consents(&engine), [("analytics".into(), true, false), ("marketing".into(), false, true)]);
    assert_eq!(scene.told(), ["segment.entered", "segment.left"]);

    // What she said meanwhile counts when the objection is lifted: she is a buyer, and no longer keen.
    post(&engine, &steps(&asked), &json!({"action": "lift"}));
    assert_eq!(consents(&engine)[1], ("marketing".into(), true, false));
    scene.await_told(&engine, &["segment.entered", "segment.left", "segment.entered"]);
    let methods = engine.query("select distinct method from consent_ledger where not granted order by 1").unwrap();
    assert_eq!(json!(methods), json!([["objection"], ["restriction"]]));
    // A replay gives the same.
    assert!(engine.stop().unwrap().success());
    for name in ["state.duckdb", "state.duckdb.wal"] {
        let _ = std::fs::remove_file(scene.data.join(name));
    }
    let engine = scene.start();
    assert_eq!(consents(&engine)[1], ("marketing".into(), true, false));
    assert_eq!(scene.told().len(), 3);
}

#[test]
fn who_is_not_known_yet_may_object_and_it_holds_when_they_come() {
    let scene = Scene::new();
    let engine = scene.start();
    let nobody = |right: &str| {
        let body = json!({"kind": right, "person": "user_id:ann"}).to_string();
        let headers = [("content-type", "application/json")];
        engine.connect().send("POST", "/api/v1/privacy/requests", &headers, body.as_bytes()).unwrap().status
    };
    assert_eq!(["access", "portability", "erasure"].map(nobody), [404; 3], "there is nothing of them");
    let wrong = json!({"kind": "objection", "person": "user_id:ann", "regime": "unheard"}).to_string();
    let headers = [("content-type", "application/json")];
    let refused = engine.connect().send("POST", "/api/v1/privacy/requests", &headers, wrong.as_bytes()).unwrap();
    assert_eq!((refused.status, engine.count("select count(*) from log").unwrap()), (400, 0), "{}", refused.text());

    let asked = post(&engine, "/api/v1/privacy/requests", &json!({"kind": "objection", "person": "user_id:ann"}));
    assert_eq!(asked["state"], "completed");
    send(&engine, &[allow("m1"), view("m2"), view("m3"), view("m4")]);
    let marketing = consents(&engine).into_iter().find(|(purpose, ..)| purpose == "marketing");
    assert_eq!(marketing, Some(("marketing".to_owned(), false, true)));
    engine.settle(Duration::from_secs(20)).unwrap();
    assert_eq!(scene.told(), Vec::<String>::new());
}

/// A banner repeats what it has in store, and nobody is asked again by that.
#[test]
fn what_somebody_takes_back_is_not_brought_along_by_the_next_page() {
    let scene = Scene::new();
    let consent = std::fs::read_to_string(scene.shop.join("consent.yaml")).unwrap();
    let collected = format!("{consent}collection: {{purpose: analytics, without: refuse}}\n");
    project::write(&scene.shop, &[("consent.yaml", &collected)]).unwrap();
    let engine = scene.start();
    let stamped = |id: &str| {
        let mut stamped = view(id);
        stamped["context"] = json!({"consent": {"purposes": {"marketing": true, "analytics": true}}});
        stamped
    };
    let put = |purposes: &Json| {
        let (path, body) = ("/api/v1/people/user_id:ann/consent", json!({ "purposes": purposes }).to_string());
        let headers = [("content-type", "application/json")];
        assert_eq!(engine.connect().send("PUT", path, &headers, body.as_bytes()).unwrap().status, 200);
        await_folded(&engine);
    };
    let views = || engine.count("select count(*) from log where event = 'view'").unwrap();
    send(&engine, &[stamped("m1")]);
    put(&json!({"marketing": false}));
    send(&engine, &[stamped("m2")]);
    let granted = || consents(&engine).into_iter().map(|(_, granted, _)| granted).collect::<Vec<_>>();
    assert_eq!((granted(), views()), (vec![true, false], 2));
    // What data is collected for is taken back, too: then nothing more is, with a stamp or without.
    put(&json!({"analytics": false}));
    send(&engine, &[stamped("m3"), view("m4")]);
    assert_eq!((granted(), views()), (vec![false, false], 2));
    // It stays so when all of it is read from the log again.
    assert_eq!(engine.count("select count(*) from consent_ledger where not granted").unwrap(), 2);
    engine.stop().unwrap();
    std::fs::remove_file(scene.data.join("state.duckdb")).unwrap();
    let engine = scene.start();
    let granted = || consents(&engine).into_iter().map(|(_, granted, _)| granted).collect::<Vec<_>>();
    assert_eq!(granted(), [false, false]);
    let put = json!({"purposes": {"marketing": true, "analytics": true}}).to_string();
    let headers = [("content-type", "application/json")];
    engine.connect().send("PUT", "/api/v1/people/user_id:ann/consent", &headers, put.as_bytes()).unwrap();
    await_folded(&engine);
    send(&engine, &[view("m5")]);
    let views = engine.count("select count(*) from log where event = 'view'").unwrap();
    assert_eq!((granted(), views), (vec![true, true], 3));
}

#[test]
fn a_write_key_restricts_nobody_and_frees_nobody() {
    let scene = Scene::new();
    let engine = scene.start();
    send(&engine, &[allow("m0")]);
    post(&engine, "/api/v1/privacy/requests", &json!({"kind": "objection", "person": "user_id:ann"}));
    let release = json!({"type": "release", "messageId": "m1", "userId": "ann",
        "identifiers": [{"kind": "user_id", "value": "ann"}], "purposes": ["marketing"]});
    let answer = engine.connect().post("/v1/batch", "wk", &json!({ "batch": [release] })).unwrap();
    assert!(answer.status < 500, "{}", answer.text());
    await_folded(&engine);
    assert_eq!(consents(&engine)[1], ("marketing".into(), false, true));
}

#[test]
fn requests_are_due_by_the_law_of_where_people_live_and_status_says_so() {
    let scene = Scene::new();
    let engine = scene.start();
    send(&engine, &[allow("m0"), view("m1")]);
    let body =
        json!({"kind": "access", "person": "user_id:ann", "received_at": "2026-03-01T00:00:00Z", "by": "officer"});
    let asked = post(&engine, "/api/v1/privacy/requests", &body);
    assert_eq!((&asked["regime"], &asked["due_at"]), (&json!("ccpa"), &json!("2026-04-15T00:00:00.000000Z")));
    assert_eq!(asked["confirm_by"], "2026-03-11T00:00:00.000000Z");
    let waiting = json!({"kind": "erasure", "person": "user_id:ann", "regime": "gdpr", "wait": true});
    let waiting = post(&engine, "/api/v1/privacy/requests", &waiting);
    assert_eq!((&waiting["state"], &waiting["overdue"]), (&json!("pending"), &json!(false)));
    assert!(engine.get("/api/v1/people/user_id:ann").is_ok(), "nothing is done before it is approved");
    let due = &engine.get("/api/v1/status").unwrap()["privacy"];
    assert_eq!((&due["open"], &due["next_due_at"]), (&json!(2), &asked["due_at"]), "{due}");

    let data = scene.data.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = sonder(&[arguments, &["--data", data]].concat()).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), error)
    };
    let id = asked["id"].as_str().unwrap();
    let (code, listed, _) = run(&["privacy", "list"]);
    assert!(code == 0 && listed.lines().count() == 2 && listed.starts_with(id), "{listed}");
    let (code, extended, _) = run(&["privacy", "step", id, "extend", "--note", "many systems"]);
    assert!(code == 0 && extended.contains("due 2026-05-30T00:00:00.000000Z (ccpa)"), "{extended}");
    let (code, _, refused) = run(&["privacy", "step", id, "extend"]);
    assert!(code == 1 && refused.contains("has no `extend`"), "{refused}");
    let (code, _, _) = run(&["privacy", "step", id, "complete"]);
    assert_eq!(code, 0);
    let (code, _, _) = run(&["privacy", "step", waiting["id"].as_str().unwrap(), "cancel", "--note", "not her"]);
    assert_eq!(code, 0);
    assert_eq!(engine.get("/api/v1/status").unwrap()["privacy"]["open"], 0);
    let (code, certificate, _) = run(&["privacy", "certificate", id]);
    assert!(code == 0 && certificate.contains("\"kind\": \"access\""), "{certificate}");
}

#[test]
fn all_that_is_known_of_somebody_is_handed_over() {
    let scene = Scene::new();
    let engine = scene.start();
    send(&engine, &[allow("m0"), view("m1"), view("m2"), view("m3")]);
    send(
        &engine,
        &[json!({"type": "track", "event": "view", "messageId": "m4", "userId": "bob",
        "properties": {"product": "his"}})],
    );
    let wrong = |id: &str, user: &str| json!({"type": "track", "event": "view", "messageId": id, "userId": user, "properties": {"product": 4711}});
    send(&engine, &[wrong("m5", "ann"), wrong("m6", "bob")]);
    scene.await_told(&engine, &["segment.entered"]);
    let bundle = engine.get("/api/v1/people/user_id:ann/bundle").unwrap();
    let count = |key: &str| bundle[key].as_array().unwrap().len();
    assert_eq!((count("identifiers"), count("messages"), count("segments"), count("deliveries")), (2, 4, 1, 1));
    assert_eq!(bundle["deliveries"][0]["destination"], "hook");
    assert_eq!(bundle["messages"][1]["message"]["properties"]["product"], "p");
    assert_eq!(bundle["statements"].as_array().unwrap().len(), 2);
    assert!(bundle["statements"].as_array().unwrap().iter().all(|it| it["method"].is_string()), "{bundle}");
    assert_eq!((count("kept_aside"), &bundle["kept_aside"][0]["message"]["messageId"]), (1, &json!("m5")));
    let marketing = bundle["purposes"].as_array().unwrap().iter().find(|it| it["purpose"] == "marketing").unwrap();
    assert_eq!((&marketing["traits"], &marketing["destinations"]), (&json!(["email"]), &json!(["hook"])));
    assert!(!bundle.to_string().contains("his"), "nothing of anybody else");

    let page = scene.data.join("ann.html");
    let arguments = ["person", "export", "email:ann@x.example", "--html", "--out", page.to_str().unwrap(), "--data"];
    let output = sonder(&[&arguments[..], &[scene.data.to_str().unwrap()]].concat()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(page).unwrap();
    for part in ["<h1>Your data at keen</h1>", "ann@x.example", "How the shop is used", "hook", "three views"] {
        assert!(page.contains(part), "{part}");
    }
}
