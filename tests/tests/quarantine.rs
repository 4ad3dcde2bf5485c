//! What was kept aside is listed by what is wrong, mended, tried, and taken in once: with the id and the time that it had.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn send(engine: &Engine, message: &Json) {
    let answer = engine.connect().post("/v1/batch", "wk", &json!({ "batch": [message] })).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn replay(engine: &Engine, body: &Json) -> (u16, Json) {
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/api/v1/quarantine/replay", &headers, body.to_string().as_bytes());
    let answer = answer.unwrap();
    (answer.status, answer.json())
}

fn view(id: &str, properties: &Json) -> Json {
    json!({"type": "track", "event": "view", "messageId": id, "userId": "ann", "timestamp": "2026-03-01T12:00:00Z",
        "properties": properties})
}

/// The digest of the state, from the last checkpoint and from the whole log.
fn digests(shop: &Path, data: &Path) -> [Json; 2] {
    [&[][..], &["--refold"]].map(|more| {
        let (shop, data) = (shop.to_str().unwrap(), data.to_str().unwrap());
        let output = sonder(&[&["status", "--digest", "--project", shop, "--data", data], more].concat()).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

#[test]
fn what_was_kept_aside_is_mended_and_taken_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    // So that a client may send what was refused again, mended by itself.
    std::fs::write(shop.join("sonder.yaml"), "name: keen\ndedup: 1s\n").unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    send(&engine, &view("q1", &json!({"sku": "a", "n": "3"})));
    send(&engine, &view("q2", &json!({"sku": "b"})));
    send(&engine, &view("q3", &json!({"product": "c", "n": "three"})));
    std::thread::sleep(Duration::from_millis(1_100));
    send(&engine, &view("q2", &json!({"product": "b"})));

    let listed = engine.get("/api/v1/quarantine").unwrap();
    assert_eq!(listed["total"], 3);
    let found: Vec<String> =
        listed["groups"].as_array().unwrap().iter().map(|it| format!("{} {}", it["count"], it["path"])).collect();
    assert_eq!(found, ["2 \"/properties/n\"", "2 \"/properties/product\""], "{listed:#}");

    let patch = json!({"rename": {"/properties/sku": "/properties/product"}, "cast": {"/properties/n": "integer"}});
    let (_, tried) = replay(&engine, &json!({"patch": patch, "dry_run": true}));
    assert_eq!(engine.get("/api/v1/quarantine").unwrap()["total"], 3, "nothing has changed");
    let (status, done) = replay(&engine, &json!({"patch": patch}));
    assert_eq!(status, 200);
    for answer in [&tried, &done] {
        let counts = ["matched", "replayed", "duplicates", "refused"].map(|key| answer[key].as_u64().unwrap());
        assert_eq!(counts, [3, 1, 1, 1], "{answer:#}");
    }
    let outcomes: Vec<&str> =
        tried["samples"].as_array().unwrap().iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["replayed", "duplicate", "refused"]);
    assert_eq!(tried["samples"][0]["payload"]["properties"], json!({"n": 3, "product": "a"}));

    engine.settle(PATIENCE).unwrap();
    let logged = engine.query("SELECT message_id, occurred_at::VARCHAR, labels FROM log ORDER BY message_id").unwrap();
    let at = "2026-03-01 12:00:00";
    assert_eq!(json!(logged), json!([["q1", at, ["replayed"]], ["q2", at, []]]));
    let left = engine.query("SELECT message_id, resolution FROM quarantine ORDER BY id").unwrap();
    assert_eq!(json!(left), json!([["q1", "replayed"], ["q2", "duplicate"], ["q3", null]]));
    assert_eq!(engine.get("/api/v1/status").unwrap()["log"]["quarantined"], 1);
    let ann = engine.get("/api/v1/people/user_id:ann").unwrap();
    assert!(ann.to_string().contains("\"name\":\"views\",\"value\":2"), "{ann}");

    // Once more, by its number, and as its client sends it again: it is there already.
    assert_eq!(replay(&engine, &json!({"ids": [1, 2], "patch": patch})).1["matched"], 0);
    send(&engine, &view("q1", &json!({"product": "a"})));
    assert_eq!(engine.count("SELECT count(*) FROM log").unwrap(), 2);
    let (status, refused) = replay(&engine, &json!({"patch": {"remove": ["/messageId"]}}));
    assert_eq!((status, refused["error"]["message"].as_str()), (400, Some("`/messageId` stays as it was sent")));

    let data_text = data.to_str().unwrap();
    let command = ["replay", "quarantine", "--data", data_text, "--set", "/properties/n=3"];
    let shown = sonder(&["quarantine", "--data", data_text]).unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).starts_with("1 message is kept aside"), "{shown:?}");
    let done = sonder(&command).unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "1 message: 1 taken in, 0 refused again\n", "{done:?}");
    let again = sonder(&command).unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout), "0 messages: 0 taken in, 0 refused again\n");
    engine.settle(PATIENCE).unwrap();
    engine.stop().unwrap();
    let shown = sonder(&["quarantine", "--data", data_text]).unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "nothing is kept aside\n");
    let [kept, again] = digests(&shop, &data);
    assert_eq!(kept, again, "a replay of the log gives the same");
}

#[test]
fn what_is_noise_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    for number in 0..1_200 {
        let event = if number % 2 == 0 { "ping" } else { "pong" };
        send(&engine, &json!({"type": "track", "event": event, "messageId": format!("n{number}"), "userId": "ann"}));
    }
    let data_text = data.to_str().unwrap();
    let said = |arguments: &[&str]| {
        let output = sonder(&[&["quarantine"], arguments, &["--data", data_text]].concat()).unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let nothing = said(&["dismiss"]);
    assert!(nothing.contains("nothing says which messages are given up"), "{nothing}");
    assert_eq!(said(&["dismiss", "--name", "ping", "--dry-run"]), "600 messages would be given up\n");
    assert!(said(&[]).starts_with("1200 messages are kept aside"));
    assert_eq!(said(&["dismiss", "--name", "ping"]), "600 messages given up\n");
    assert_eq!(said(&["dismiss", "--name", "ping"]), "0 messages given up\n", "once is enough");
    assert_eq!(said(&["dismiss", "2", "4"]), "2 messages given up\n");
    assert!(said(&[]).starts_with("598 messages are kept aside"), "{}", said(&[]));
    assert_eq!(engine.get("/api/v1/status").unwrap()["log"]["quarantined"], 598);
    assert_eq!(replay(&engine, &json!({"name": "ping"})).1["matched"], 0, "it is not taken in any more");
    assert_eq!(engine.count("SELECT count(*) FROM quarantine WHERE resolution = 'dismissed'").unwrap(), 602);

    engine.kill().unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    assert_eq!(engine.get("/api/v1/status").unwrap()["log"]["quarantined"], 598, "it stays so");
    engine.stop().unwrap();
}
