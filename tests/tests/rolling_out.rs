//! New rules are rolled out to more and more people, survive a restart, and are taken back: who has them is told, and both evaluators
//! say the same.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const PEOPLE: usize = 150;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = sonder(arguments).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn members(engine: &Engine) -> BTreeSet<String> {
    let page = engine.get("/api/v1/segments/keen/members?limit=1000").unwrap();
    let members = page["members"].as_array().unwrap().iter();
    members.map(|it| it["identifiers"][0]["value"].as_str().unwrap().to_owned()).collect()
}

/// Waits until what is there is what is wanted, and says what it is.
fn until(engine: &Engine, receiver: &Receiver, wanted: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        engine.settle(Duration::from_secs(30)).unwrap();
        let (are, told) = (members(engine), told(receiver));
        if wanted(&are) && are == told {
            return are;
        }
        assert!(Instant::now() < patience, "{} are in it: {are:?}; {} as far as was told", are.len(), told.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Who is in the segment as far as the hook was told.
fn told(receiver: &Receiver) -> BTreeSet<String> {
    let mut people = BTreeSet::new();
    for call in receiver.calls() {
        let who = call.body["data"]["person"][0]["value"].as_str().unwrap().to_owned();
        let is_news = match call.body["type"].as_str().unwrap() {
            "segment.entered" => people.insert(who),
            _ => people.remove(&who),
        };
        assert!(is_news, "{} is no news", call.body);
    }
    people
}

/// Who is in the segment by an evaluator, over the files of a folder.
fn evaluated(folder: &Path, messages: &[Json], engine: &str) -> BTreeSet<String> {
    let events = folder.with_file_name("events.ndjson");
    let lines = messages.iter().map(|message| {
        let mut message = message.clone();
        message["receivedAt"] = json!("2026-03-01T12:00:00Z");
        message["timestamp"] = json!("2026-03-01T12:00:00Z");
        format!("{message}\n")
    });
    fs::write(&events, lines.collect::<String>()).unwrap();
    let (folder, events) = (folder.to_str().unwrap(), events.to_str().unwrap());
    let arguments = ["eval", folder, "--events", events, "--at", "2026-03-01T12:00:00Z", "--engine", engine];
    let (code, out, said) = run(&arguments);
    assert_eq!(code, Some(0), "{said}");
    let lines = out.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let keen = lines.filter(|line| line["segments"].as_array().unwrap().contains(&json!("keen")));
    keen.map(|line| line["person"][0].as_str().unwrap().trim_start_matches("user_id:").to_owned()).collect()
}

#[test]
fn new_rules_reach_more_and_more_people() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, next, data) = (dir.path().join("project"), dir.path().join("next"), dir.path().join("data"));
    let receiver = Receiver::start().unwrap();
    let hook = receiver.address().to_string();
    for (folder, least) in [(&folder, 3), (&next, 2)] {
        project::keen(folder, &hook).unwrap();
        fs::write(folder.join("rules/r.sonder"), format!("segment keen {{ when count(view) >= {least} }}\n")).unwrap();
        fs::write(folder.join("destinations/hook.yaml"), project::hook(&hook, "segments: [keen]")).unwrap();
    }
    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    // Everybody but the first ten views twice; those view three times.
    let view = |who: usize, n: usize| {
        json!({"type": "track", "event": "view", "messageId": format!("m{who}-{n}"), "userId": format!("u{who}"),
            "properties": {"product": "p"}})
    };
    let messages: Vec<Json> =
        (0..PEOPLE).flat_map(|who| (0..if who < 10 { 3 } else { 2 }).map(move |n| view(who, n))).collect();
    assert_eq!(engine.connect().post("/v1/batch", "wk", &json!({ "batch": messages })).unwrap().status, 200);
    let first: BTreeSet<String> = (0..10).map(|who| format!("u{who}")).collect();
    until(&engine, &receiver, |are| *are == first);

    let (next_text, data_text) = (next.to_str().unwrap().to_owned(), data.to_str().unwrap().to_owned());
    let apply = |more: &[&str]| {
        let (code, out, said) = run(&[&["apply", "--yes", "--data", &data_text], more].concat());
        assert_eq!(code, Some(0), "{more:?}: {out}{said}");
        out
    };
    let (code, out, _) = run(&["plan", &next_text, "--data", &data_text, "--percent", "20"]);
    assert!(code == Some(2) && out.contains("for 20% of people") && out.contains("people -> "), "{out}");
    apply(&[&next_text, "--percent", "20"]);
    let some = until(&engine, &receiver, |are| are.is_superset(&first) && are.len() > 15 && are.len() < 70);
    assert!(out.contains(&format!("10 people -> {}", some.len())), "the plan said so: {out}");
    let status = engine.get("/api/v1/status").unwrap();
    assert_eq!(status["rollout"], json!({"share": "20%", "rules": ["keen"]}));
    assert!(run(&["status", "--data", &data_text]).1.contains("new for 20% of people: keen"));
    for evaluator in ["incremental", "sql"] {
        assert_eq!(evaluated(&folder, &messages, evaluator), some, "{evaluator}");
    }
    let why = run(&["explain", &format!("user_id:{}", some.last().unwrap()), "keen", "--data", &data_text]).1;
    assert!(why.contains("20%"), "{why}");

    // A restart changes nothing, and a larger part only adds people.
    engine.stop().unwrap();
    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    until(&engine, &receiver, |are| *are == some);
    apply(&[&next_text, "--percent", "60"]);
    let is_more = |are: &BTreeSet<String>| are.is_superset(&some) && are.len() > some.len() && are.len() < PEOPLE;
    until(&engine, &receiver, is_more);

    // Taken back: all is as it was, also in the folder.
    let said = apply(&["--abandon"]);
    assert!(said.contains("for nobody any more, was for 60% of people"), "{said}");
    until(&engine, &receiver, |are| *are == first);
    assert!(!folder.join("rollout.yaml").exists() && !folder.join("rollout/rules/r.sonder").exists());
    assert!(fs::read_to_string(folder.join("rules/r.sonder")).unwrap().contains(">= 3"));
    let (code, _, said) = run(&["apply", "--abandon", "--yes", "--data", &data_text]);
    assert!(code == Some(1) && said.contains("nothing is being rolled out"), "{said}");

    // And then for everybody.
    apply(&[&next_text, "--percent", "20"]);
    until(&engine, &receiver, |are| *are == some);
    apply(&[&next_text, "--percent", "100"]);
    until(&engine, &receiver, |are| are.len() == PEOPLE);
    assert!(!folder.join("rollout.yaml").exists());
    assert_eq!(engine.get("/api/v1/status").unwrap()["rollout"], Json::Null);
    engine.stop().unwrap();
}
