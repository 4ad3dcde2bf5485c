//! A version of the project is pushed to an engine that runs: after its plan, against the version that it was planned against,
//! with deliveries or without; it is still there after a restart.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::json;
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = sonder(arguments).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn rules(folder: &Path, segments: &str) {
    fs::write(folder.join("rules/r.sonder"), segments).unwrap();
}

fn told(engine: &Engine) -> Vec<String> {
    engine.settle(Duration::from_secs(30)).unwrap();
    let rows = engine.query("SELECT kind || ' ' || name FROM deliveries ORDER BY number").unwrap();
    rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pushed_version_runs_stays_and_tells_only_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let next = folder.path().join("next");
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    project::keen(&next, &receiver.address().to_string()).unwrap();
    let rule =
        |least: u32| format!("segment keen {{ when count(view) >= {least} }}\nsegment buyer {{ when did(order) }}\n");
    rules(&shop, &rule(3));
    fs::write(shop.join("rules/old.sonder"), "segment gone { when did(view) }\n").unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let view = |n: u32| json!({"type": "track", "event": "view", "messageId": format!("m{n}"), "userId": "ann", "properties": {"product": "p"}});
    let batch: Vec<_> = (0..2).map(view).collect();
    assert_eq!(engine.connect().post("/v1/batch", "wk", &json!({ "batch": batch })).unwrap().status, 200);
    engine.settle(Duration::from_secs(30)).unwrap();
    let (next_text, data_text) = (next.to_str().unwrap().to_owned(), data.to_str().unwrap().to_owned());
    let apply = |more: &[&str]| run(&[&["apply", &next_text, "--data", &data_text], more].concat());

    rules(&next, &rule(2));
    let plan = folder.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    assert_eq!(run(&["plan", &next_text, "--data", &data_text, "--out", plan]).0, Some(2));
    let (code, _, said) = apply(&[]);
    assert!(code == Some(1) && said.contains("--yes"), "{said}");
    let (code, shown, said) = apply(&["--silent", "--yes"]);
    assert!(
        code == Some(0) && shown.contains("~ segment keen") && shown.contains("destinations are told nothing"),
        "{shown}{said}"
    );
    assert!(engine.get("/api/v1/people/user_id:ann").unwrap()["segments"].to_string().contains("keen"));
    assert_eq!(told(&engine), Vec::<String>::new());
    // Who planned against the version before is told so.
    let (code, _, said) = run(&["apply", plan, "--data", &data_text, "--yes"]);
    assert!(code == Some(1) && said.contains("plan again"), "{said}");

    rules(&next, &rule(3));
    assert_eq!(apply(&["--yes"]).0, Some(0));
    assert_eq!(told(&engine), ["segment_left keen"]);
    assert!(apply(&["--yes"]).1.contains("nothing changes"));
    rules(&next, "segment keen { when count(vieww) >= 2 }\n");
    let (code, _, said) = apply(&["--yes"]);
    assert!(code == Some(1) && said.contains("did you mean `view`"), "{said}");

    // The folder has the new files and no others, and whoever watches it finds nothing new.
    assert!(!shop.join("rules/old.sonder").exists() && !shop.join(".sonder-apply").exists());
    assert_eq!(fs::read_to_string(shop.join("rules/r.sonder")).unwrap(), rule(3));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        assert_ne!(engine.get("/api/v1/status").unwrap()["reload"]["outcome"], "rejected");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(told(&engine), ["segment_left keen"]);
    engine.stop().unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    assert_eq!(told(&engine), ["segment_left keen"]);
    engine.stop().unwrap();
}
