//! An engine is watched while it runs: by metrics, by what goes through, by traces. Its log says nothing about people.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn send(engine: &Engine, message: &Json) {
    let answer = engine.connect().post("/v1/batch", "wk", &json!({ "batch": [message] })).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Ann is known by her address, and becomes keen; one of her messages is kept aside.
fn ann(engine: &Engine) {
    let traits = json!({"email": "ann.secret@shop.example"});
    send(engine, &json!({"type": "identify", "messageId": "m0", "userId": "ann-secret", "traits": traits}));
    for n in 1..=3 {
        send(
            engine,
            &json!({"type": "track", "event": "view", "messageId": format!("m{n}"), "userId": "ann-secret",
                "properties": {"product": "p", "n": n}}),
        );
    }
    send(
        engine,
        &json!({"type": "track", "event": "view", "messageId": "bad", "userId": "ann-secret",
            "properties": {"product": "ann.secret@shop.example", "n": "x"}}),
    );
}

fn started(folder: &Path, receiver: &Receiver, options: &Options) -> (Engine, PathBuf) {
    let (shop, data) = (folder.join("project"), folder.join("data"));
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    (Engine::start(&shop, &data, options).unwrap(), data)
}

#[test]
fn metrics_tell_events_rules_and_destinations_apart_and_the_log_names_nobody() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    let arguments = ["--log", "debug", "--log-format", "json"].map(str::to_owned).to_vec();
    let (engine, _) = started(folder.path(), &receiver, &Options { arguments, ..Options::default() });
    ann(&engine);
    engine.settle(PATIENCE).unwrap();
    let metrics = engine.connect().get("/metrics").unwrap().text();
    for line in [
        "sonder_events_total{event=\"view\",source=\"server\"} 3",
        "sonder_events_total{event=\"identify\",source=\"server\"} 1",
        "sonder_quarantined_total{source=\"server\",reason=\"schema_violation\"} 1",
        "sonder_quarantined_messages 1",
        "sonder_rule_changes_total{rule=\"keen\",change=\"entered\"} 1",
        "sonder_segment_people{segment=\"keen\"} 1",
        "sonder_delivery_decisions_total{destination=\"hook\",kind=\"segment_entered\"} 1",
        "sonder_delivery_attempts_total{destination=\"hook\",outcome=\"delivered\"} 1",
        "sonder_destination_paused{destination=\"hook\"} 0",
        "sonder_writable 1",
        "sonder_write_failures_total 0",
        "sonder_log_seq 4",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
    let log = engine.log();
    engine.stop().unwrap();
    for line in log.lines() {
        let json: Json = serde_json::from_str(line).unwrap();
        assert!(json["message"].is_string() && json["level"].is_string(), "{line}");
    }
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn whoever_looks_on_sees_what_is_wanted_as_it_happens() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    let (engine, data) = started(folder.path(), &receiver, &Options::default());
    let data = data.to_str().unwrap().to_owned();
    let watch = |arguments: &'static [&'static str]| {
        let data = data.clone();
        std::thread::spawn(move || sonder(&[&["tap", "--data", &data], arguments].concat()).unwrap())
    };
    let all = watch(&["--json", "--count", "8"]);
    let entered = watch(&["change", "--name", "keen", "--count", "1"]);
    let bad = watch(&["--text", "expected type", "--json", "--count", "1"]);
    // They look on once the engine counts them; nothing tells from here when that is.
    std::thread::sleep(Duration::from_secs(2));
    ann(&engine);
    let printed = |thread: std::thread::JoinHandle<std::process::Output>| {
        let begin = Instant::now();
        while !thread.is_finished() {
            assert!(begin.elapsed() < PATIENCE, "nothing more is shown");
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = thread.join().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut stages: BTreeMap<String, u32> = BTreeMap::new();
    for line in printed(all).lines() {
        let json: Json = serde_json::from_str(line).unwrap();
        *stages.entry(json["stage"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(stages.contains_key("log") && stages.values().sum::<u32>() == 8, "{stages:?}");
    assert!(printed(entered).trim_end().ends_with("entered keen"));
    assert_eq!(serde_json::from_str::<Json>(&printed(bad)).unwrap()["stage"], "quarantine");
    let looked = sonder(&["top", "--data", &data, "--every", "1", "--count", "2"]).unwrap();
    let looked = String::from_utf8(looked.stdout).unwrap();
    assert_eq!(looked.lines().count(), 2, "{looked}");
    assert!(
        looked.lines().last().unwrap().starts_with("running events=4 events_per_s=0.0 quarantined=1 people=1"),
        "{looked}"
    );
    // A page elsewhere whose name leads to this machine gets nothing.
    for path in ["/api/v1/live", "/api/v1/backup"] {
        let mut stream = TcpStream::connect(engine.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 403"), "{path}: {line}");
    }
    let wrong = engine.connect().get("/api/v1/live?stage=lgo").unwrap();
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}

#[test]
fn a_message_is_traced_from_its_arrival_to_its_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let (receiver, collector) = (Receiver::start().unwrap(), Receiver::start().unwrap());
    let otlp = format!("http://{}", collector.address());
    let arguments = ["--otlp", &otlp, "--trace-sample", "1"].map(str::to_owned).to_vec();
    let (engine, _) = started(folder.path(), &receiver, &Options { arguments, ..Options::default() });
    ann(&engine);
    engine.settle(PATIENCE).unwrap();
    let begin = Instant::now();
    let spans = loop {
        let calls = collector.calls();
        let spans: Vec<Json> = calls
            .iter()
            .flat_map(|call| {
                call.body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned().unwrap_or_default()
            })
            .collect();
        if spans.iter().any(|span| span["name"] == "deliver hook") {
            break spans;
        }
        assert!(begin.elapsed() < PATIENCE, "{spans:#?}\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(50));
    };
    let delivered = spans.iter().find(|span| span["name"] == "deliver hook").unwrap();
    let trace: BTreeMap<&str, &Json> = spans
        .iter()
        .filter(|span| span["traceId"] == delivered["traceId"])
        .map(|span| (span["name"].as_str().unwrap(), span))
        .collect();
    assert_eq!(trace.keys().copied().collect::<Vec<_>>(), ["collect view", "deliver hook", "fold", "log"]);
    let nanos = |span: &Json, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    let root = trace["collect view"];
    assert!(root["parentSpanId"].is_null());
    for (name, span) in &trace {
        assert!(nanos(span, "startTimeUnixNano") <= nanos(span, "endTimeUnixNano"), "{name}");
        assert!(*name == "collect view" || span["parentSpanId"] == root["spanId"], "{name}");
        assert!(nanos(root, "startTimeUnixNano") <= nanos(span, "startTimeUnixNano"), "{name}");
    }
    assert!(!json!(spans).to_string().contains("secret"), "spans name nobody");
}
