//! What no schema declares of an event that is taken in is nowhere: not in the log, not in a file, not at a destination.

use serde_json::{Value as Json, json};
use sonder_tests::{Engine, Options, Receiver, project, sonder, traces};
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// In what is taken in, and in what is imported.
const SECRETS: [&str; 2] = ["Ring-Twice-Ann", "Ring-Never-Eve"];

fn view(who: &str, properties: &Json) -> Json {
    json!({"type": "track", "event": "view", "userId": who, "properties": properties})
}

#[test]
fn what_no_schema_declares_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let receiver = Receiver::start().unwrap();
    let address = receiver.address().to_string();
    project::keen(&shop, &address).unwrap();
    let hook = project::hook(&address, "events: [view, order]");
    let open = "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\nadditionalProperties: true\n";
    project::write(&shop, &[("destinations/hook.yaml", &hook), ("events/order.yaml", open)]).unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let send = |message: &Json| assert_eq!(engine.connect().post("/v1/track", "wk", message).unwrap().status, 200);
    send(&view("ann", &json!({"product": "p1", "note": SECRETS[0]})));
    let rows = folder.path().join("rows.ndjson");
    fs::write(&rows, view("eve", &json!({"product": "p2", "note": SECRETS[1]})).to_string()).unwrap();
    let [rows, data_text] = [&rows, &data].map(|path| path.to_str().unwrap());
    let imported = sonder(&["import", rows, "--source", "server", "--data", data_text]).unwrap();
    assert!(imported.status.success(), "{imported:?}");
    send(&json!({"event": "order", "userId": "ann", "properties": {"total": 5, "gift": "Wrapped-In-Paper"}}));
    engine.settle(PATIENCE).unwrap();

    let labels = engine.query("SELECT user_id, labels FROM log WHERE event = 'view' ORDER BY user_id").unwrap();
    assert_eq!(json!(labels), json!([["ann", ["minimised"]], ["eve", ["minimised"]]]));
    assert_eq!(traces::in_tables(&engine, &SECRETS).unwrap(), Vec::<String>::new());
    let told = receiver.calls();
    let has = |text: &str| told.iter().any(|call| call.body.to_string().contains(text));
    assert!(has("p1") && has("Wrapped-In-Paper") && !SECRETS.iter().any(|secret| has(secret)));
    // What looks for them finds what is stored.
    assert!(!traces::in_tables(&engine, &["Wrapped-In-Paper"]).unwrap().is_empty());
    engine.stop().unwrap();
    assert_eq!(traces::in_files(&data, &SECRETS).unwrap(), Vec::<String>::new());
}
