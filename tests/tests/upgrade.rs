//! Data of an older version is opened, gets the present format, and goes on; a version that is not known is refused by name.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use flate2::read::GzDecoder;
use serde_json::json;
use sonder_tests::{Engine, Options, project, sonder};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

fn unpack(format: &str, data: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(format);
    fs::create_dir_all(data).unwrap();
    for name in ["sonder.duckdb", "state.duckdb"] {
        let mut packed = GzDecoder::new(File::open(folder.join(format!("{name}.gz"))).unwrap());
        std::io::copy(&mut packed, &mut File::create(data.join(name)).unwrap()).unwrap();
    }
}

#[test]
fn data_of_format_2_is_opened_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (old, data) = (folder.path().join("project"), folder.path().join("data"));
    unpack("2", &data);
    project::write(
        &old,
        &[
            ("sonder.yaml", "name: old\n"),
            (
                "events/view.yaml",
                "event: view\nproperties:\n  product: {type: string}\n  n: {type: integer}\nrequired: [product]\n",
            ),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
            ("identity.yaml", "identifiers: {user_id: {}, anonymous_id: {}}\n"),
            ("rules/r.sonder", "segment keen { when count(view) >= 2 }\n"),
        ],
    )
    .unwrap();
    let engine = Engine::start(&old, &data, &Options::default()).unwrap();
    assert!(engine.log().contains("older version of sonder"), "{}", engine.log());
    assert_eq!(engine.count("SELECT max(version) FROM sonder_format").unwrap(), 4);
    assert_eq!(engine.count("SELECT count(*) FROM log").unwrap(), 3);
    let ann = engine.get("/api/v1/people/user_id:ann").unwrap();
    assert!(ann["segments"].to_string().contains("keen"), "{ann}");
    // What was kept aside then can be replayed now, with the time that it says.
    let body = json!({"patch": {"rename": {"/properties/sku": "/properties/product"}}}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/api/v1/quarantine/replay", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.json()["replayed"], 1, "{}", answer.text());
    engine.settle(Duration::from_secs(30)).unwrap();
    let at = engine.query("SELECT occurred_at::VARCHAR FROM log WHERE message_id = 'q1'").unwrap();
    assert_eq!(json!(at), json!([["2026-03-01 12:00:09"]]));
    engine.stop().unwrap();
    let (old, data) = (old.to_str().unwrap(), data.to_str().unwrap());
    let found = sonder(&["doctor", "--data", data, "--project", old]).unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}
