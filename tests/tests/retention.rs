//! What is kept for a time only goes when that is over: from the log, the tables and the state, which is what a replay of the log
//! gives; who is who and the rest of the golden record stay.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, digest, project, sonder};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SECRET: &str = "very secret article";

struct Scene {
    _folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        project::write(&shop, &files("retention: {quarantine: 30d}\n", "retention: 30d\n")).unwrap();
        Self { _folder: folder, shop, data }
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }
}

fn files<'a>(settings: &'a str, event: &'a str) -> Vec<(&'static str, &'static str)> {
    let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    vec![
        ("sonder.yaml", leaked(format!("name: shop\n{settings}"))),
        ("events/view.yaml", leaked(format!("event: view\nproperties:\n  product: {{type: string}}\n{event}"))),
        ("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"),
        ("identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n"),
        ("profile.yaml", "traits:\n  first_name: {type: string}\n  phone: {type: string, retention: 60d}\n"),
        ("consent.yaml", "purposes:\n  marketing: {description: marketing}\n"),
        ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
        (
            "rules/r.sonder",
            "segment looked { when did(view) }\nsegment buyer { when did(order) }\ntrait views = count(view)\n",
        ),
    ]
}

fn days_ago(engine: &Engine, days: u64) -> String {
    let sql = format!("SELECT strftime(now() AT TIME ZONE 'UTC' - INTERVAL {days} DAY, '%Y-%m-%dT%H:%M:%SZ')");
    engine.query(&sql).unwrap()[0][0].as_str().unwrap().to_owned()
}

/// Ann looked and said who she is long ago, and ordered lately; nothing is known of Bob but a look; Cid ordered long ago; Dan
/// said his name and telephone number long ago.
fn history(engine: &Engine) {
    let said = json!({"traits": {"first_name": "Ann", "phone": "+49 1"}, "consent": {"purposes": {"marketing": true}}});
    let batch = json!({ "batch": [
        {"type": "track", "event": "view", "messageId": "1", "anonymousId": "a", "userId": "ann", "timestamp": days_ago(engine, 100),
            "properties": {"product": SECRET}, "context": said},
        {"type": "track", "event": "view", "messageId": "2", "anonymousId": "b", "timestamp": days_ago(engine, 90),
            "properties": {"product": SECRET}},
        {"type": "track", "event": "order", "messageId": "3", "userId": "cid", "timestamp": days_ago(engine, 90),
            "properties": {"total": 7}},
        {"type": "identify", "messageId": "4", "userId": "dan", "timestamp": days_ago(engine, 70),
            "traits": {"first_name": "Dan", "phone": "+49 2"}},
        {"type": "track", "event": "view", "messageId": "5", "userId": "dan", "timestamp": days_ago(engine, 1),
            "properties": {"product": "shoe"}},
        {"type": "track", "event": "order", "messageId": "6", "userId": "ann", "timestamp": days_ago(engine, 1),
            "properties": {"total": 5}},
    ]});
    let answer = engine.connect().post("/v1/batch", "wk", &batch).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The last message makes a buyer of her.
    let patience = Instant::now() + Duration::from_secs(20);
    while person(engine, "user_id:ann").is_none_or(|ann| !segments(&ann).contains(&"buyer")) {
        assert!(Instant::now() < patience, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn expire(engine: &Engine, body: &Json) -> Json {
    let headers = [("content-type", "application/json")];
    let body = body.to_string();
    let answer = engine.connect().send("POST", "/api/v1/privacy/retention", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn await_done(engine: &Engine) -> Json {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let report = engine.get("/api/v1/privacy/retention").unwrap();
        if report["runs"].as_array().unwrap().iter().all(|run| !run["done_at"].is_null()) {
            return report;
        }
        assert!(Instant::now() < patience, "not done in time: {report}\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn person(engine: &Engine, who: &str) -> Option<Json> {
    engine.get(&format!("/api/v1/people/{who}")).ok()
}

fn segments(person: &Json) -> Vec<&str> {
    person["segments"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

fn traits(person: &Json) -> Vec<(&str, &str)> {
    let traits = person["traits"].as_array().unwrap().iter();
    traits.map(|it| (it["name"].as_str().unwrap(), it["value"].as_str().unwrap())).collect()
}

/// What holds when everything is gone whose time is over.
fn assert_kept(engine: &Engine) {
    let ann = person(engine, "user_id:ann").unwrap();
    assert_eq!(person(engine, "anonymous_id:a").unwrap()["id"], ann["id"], "who is who stays: {ann}");
    assert_eq!(segments(&ann), ["buyer"], "{ann}");
    assert_eq!(traits(&ann), [("first_name", "Ann")], "{ann}");
    assert!(ann.to_string().contains("marketing"), "what she said about consent stays: {ann}");
    assert!(person(engine, "anonymous_id:b").is_none(), "nothing is known of Bob any more");
    assert_eq!(segments(&person(engine, "user_id:cid").unwrap()), ["buyer"], "orders are kept");
    let dan = person(engine, "user_id:dan").unwrap();
    assert_eq!(segments(&dan), ["looked"]);
    assert_eq!(traits(&dan), [("first_name", "Dan")], "{dan}");
    assert_eq!(engine.query("SELECT product FROM ev_view").unwrap(), [json!(["shoe"])]);
    let left = format!("SELECT count(*) FROM log WHERE contains(payload, '{SECRET}') OR contains(payload, '+49')");
    assert_eq!(engine.count(&left).unwrap(), 0);
}

#[test]
fn what_is_over_goes_and_the_rest_stays() {
    let scene = Scene::new();
    let engine = scene.start();
    history(&engine);
    let ann = person(&engine, "user_id:ann").unwrap();
    assert_eq!(segments(&ann), ["buyer", "looked"], "{ann}");
    let expected =
        json!({"events": {"view": 2}, "traits": 1, "people": 1, "quarantined": 0, "decisions": 0, "audit": 0});
    assert_eq!(expire(&engine, &json!({"dry_run": true})), expected);
    assert_eq!(person(&engine, "user_id:ann").unwrap(), ann, "a dry run changes nothing");
    assert_eq!(expire(&engine, &json!({})), expected);
    let report = await_done(&engine);
    assert_eq!(report["runs"][0]["expired"], expected);
    let keeps = json!([{"what": "quarantine", "kept": "30d"}, {"what": "event view", "kept": "30d"}, {"what": "trait phone", "kept": "60d"}]);
    assert_eq!(report["keeps"], keeps);
    assert_kept(&engine);
    assert_eq!(person(&engine, "user_id:ann").unwrap()["id"], ann["id"]);
    let nothing = json!({"events": {}, "traits": 0, "people": 0, "quarantined": 0, "decisions": 0, "audit": 0});
    assert_eq!(expire(&engine, &json!({})), nothing, "what is left stays");
    // It is on the disk, and a crash does not bring anything back.
    engine.kill().unwrap();
    let engine = scene.start();
    assert_kept(&engine);
    engine.stop().unwrap();
    assert_replay_is_the_same(&scene);
    let doctor =
        sonder(&["doctor", "--data", &scene.data.to_string_lossy(), "--project", &scene.shop.to_string_lossy()])
            .unwrap();
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
}

/// A full replay of the log gives the state that runs.
fn assert_replay_is_the_same(scene: &Scene) {
    let known = digest(&scene.data, &scene.shop, &[]).unwrap();
    let replayed = digest(&scene.data, &scene.shop, &["--refold"]).unwrap();
    assert_eq!(known, replayed);
}

#[test]
fn it_is_looked_at_by_itself_and_after_a_crash() {
    let scene = Scene::new();
    // Nothing is over while views are kept for ever.
    project::write(&scene.shop, &files("", "")).unwrap();
    let engine = scene.start();
    history(&engine);
    assert_eq!(segments(&person(&engine, "anonymous_id:b").unwrap()), ["looked"]);
    engine.stop().unwrap();
    project::write(&scene.shop, &files("", "retention: 30d\n")).unwrap();
    // The engine looks at once when it starts, and is killed as soon as rows are gone.
    for _ in 0..3 {
        let engine = scene.start();
        let patience = Instant::now() + Duration::from_secs(30);
        while engine.count("SELECT count(*) FROM ev_view").unwrap() > 1 {
            assert!(Instant::now() < patience, "{}", engine.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        engine.kill().unwrap();
    }
    let engine = scene.start();
    await_done(&engine);
    assert_kept(&engine);
    engine.stop().unwrap();
    assert_replay_is_the_same(&scene);
}

#[test]
fn what_was_kept_aside_and_decided_goes_without_a_new_state() {
    let scene = Scene::new();
    project::write(&scene.shop, &files("retention: {quarantine: 1s, decisions: 1s}\n", "")).unwrap();
    project::write(&scene.shop, &[("profile.yaml", "traits:\n  first_name: {type: string}\n")]).unwrap();
    let engine = scene.start();
    history(&engine);
    let batch = json!({ "batch": [{"type": "track", "event": "order", "messageId": "w", "userId": "ann", "properties": {"total": "much"}}]});
    assert_eq!(engine.connect().post("/v1/batch", "wk", &batch).unwrap().status, 200);
    std::thread::sleep(Duration::from_millis(1_500));
    let before = person(&engine, "user_id:ann").unwrap();
    let would = expire(&engine, &json!({"dry_run": true}));
    let gone = expire(&engine, &json!({}));
    assert_eq!(would, gone);
    assert_eq!((&gone["quarantined"], &gone["events"], &gone["people"]), (&json!(1), &json!({}), &json!(0)));
    assert!(gone["decisions"].as_u64().unwrap() > 0, "{gone}");
    assert_eq!(engine.count("SELECT count(*) FROM quarantine").unwrap(), 0);
    assert_eq!(engine.count("SELECT count(*) FROM changes").unwrap(), 0);
    // It is done at once: the log is what it was.
    let report = engine.get("/api/v1/privacy/retention").unwrap();
    assert_eq!(report["runs"][0]["done_at"], report["runs"][0]["at"], "{report}");
    assert_eq!(person(&engine, "user_id:ann").unwrap(), before);
}

#[test]
fn the_command_tells_what_is_kept() {
    let scene = Scene::new();
    let engine = scene.start();
    history(&engine);
    let said = |more: &[&str]| {
        let data = scene.data.to_string_lossy().into_owned();
        let mut arguments = vec!["privacy", "retention", "--data", &data];
        arguments.extend(more);
        let output = sonder(&arguments).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(said(&["--dry-run"]), "2 of `view`, messages that lose a trait: 1, people: 1\n");
    assert_eq!(said(&["--now"]), "2 of `view`, messages that lose a trait: 1, people: 1\n");
    let report = said(&[]);
    assert!(report.starts_with("quarantine                     kept for 30d\nevent view "), "{report}");
    assert!(report.ends_with("  2 of `view`, messages that lose a trait: 1, people: 1\n"), "{report}");
    assert_eq!(said(&["--now"]), "nothing is over\n");
}
