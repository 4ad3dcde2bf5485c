//! Data of an older version is opened, gets the present format, and goes on; a version that is not known is refused by name.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use flate2::read::GzDecoder;
use serde_json::json;
use sonder_tests::{Engine, Options, project, sonder};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

fn unpack(format: &str, files: &[&str], to: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(format);
    fs::create_dir_all(to).unwrap();
    for name in files {
        let mut packed = GzDecoder::new(File::open(folder.join(format!("{name}.gz"))).unwrap());
        std::io::copy(&mut packed, &mut File::create(to.join(name)).unwrap()).unwrap();
    }
}

#[test]
fn data_of_format_2_is_opened_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (old, data) = (folder.path().join("project"), folder.path().join("data"));
    unpack("2", &["sonder.duckdb", "state.duckdb"], &data);
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
    assert_eq!(engine.count("SELECT max(version) FROM sonder_format").unwrap(), 5);
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

/// It had the keys of personal data with the log, and so in its backups. Of one who is erased since, such a backup has a key;
/// what is restored of it beside the data that they were erased from is without them all the same.
#[test]
fn a_backup_of_format_4_is_restored_and_its_keys_move_to_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    unpack("4", &["backup.tar"], folder.path());
    let (old, data, again, backup) = (path("project"), path("data"), path("again"), path("backup.tar"));
    project::write(
        &old,
        &[
            ("sonder.yaml", "name: old\nencryption:\n  key: {command: \"printf '%064d' 7\"}\n"),
            (
                "events/view.yaml",
                "event: view\nproperties:\n  product: {type: string}\n  note: {type: string, pii: personal}\nrequired: [product]\n",
            ),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
            ("identity.yaml", "identifiers: {user_id: {unique: true}, anonymous_id: {}}\n"),
            ("profile.yaml", "traits:\n  street: {type: string, pii: contact}\n"),
            ("rules/r.sonder", "segment keen { when count(view) >= 2 }\n"),
        ],
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let output = sonder(arguments).unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && !text.contains("wrong"), "{text}");
        text
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (old_text, data_text) = (text(&old), text(&data));
    run(&["restore", &text(&backup), "--data", &data_text, "--project", &old_text]);
    assert!(!data.join("keys.duckdb").exists(), "it is as it was");
    let engine = Engine::start(&old, &data, &Options::default()).unwrap();
    let keys = engine.query("SELECT hex(wrapped) FROM keys.subject_keys WHERE wrapped IS NOT NULL").unwrap();
    assert!(keys.len() >= 3, "{keys:?}");
    assert_eq!(engine.count("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'subject_keys'").unwrap(), 1);
    let street =
        |engine: &Engine, who: &str| engine.get(&format!("/api/v1/people/user_id:{who}")).map(|it| it.to_string());
    assert!(street(&engine, "ann").unwrap().contains("Wendeltreppe 7"));
    assert!(street(&engine, "ann").unwrap().contains("keen"));
    assert!(engine.get("/api/v1/quarantine").unwrap().to_string().contains("kept aside"));
    engine.stop().unwrap();
    // Nothing of the keys is left where they were.
    let log = fs::read(data.join("sonder.duckdb")).unwrap();
    for key in &keys {
        let hex = key[0].as_str().unwrap();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        assert!(!log.windows(bytes.len()).any(|window| window == bytes));
    }
    run(&["doctor", "--data", &data_text, "--project", &old_text]);

    let engine = Engine::start(&old, &data, &Options::default()).unwrap();
    run(&["person", "erase", "user_id:ann", "--data", &data_text]);
    engine.stop().unwrap();
    let place = ["--data", &text(&again), "--project", &old_text, "--erased-in", &data_text].map(str::to_owned);
    let restored = run(&[&["restore", &text(&backup)], &place.each_ref().map(String::as_str)[..]].concat());
    assert!(restored.contains("1 people who were erased since are struck"), "{restored}");
    let engine = Engine::start(&old, &again, &Options::default()).unwrap();
    assert!(street(&engine, "ann").is_err());
    assert!(street(&engine, "bob").unwrap().contains("Nieuwe Gracht 3"));
    engine.stop().unwrap();
}
