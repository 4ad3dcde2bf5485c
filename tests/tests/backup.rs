//! A backup is taken while traffic goes on, restored elsewhere, and is what the engine was at one moment; what is not whole is
//! refused; whoever was erased since can be erased from it, too.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::traffic::{Client, Crowd};
use sonder_tests::{Engine, Options, Receiver, lake, project, sonder};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
    _receiver: Receiver,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let receiver = Receiver::start().unwrap();
        project::keen(&shop, &receiver.address().to_string()).unwrap();
        Self { folder, shop, data, _receiver: receiver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs a command: its exit code, what it printed, what it said.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = sonder(arguments).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_under_traffic_is_whole_and_restores_to_what_the_log_gives() {
    let scene = Scene::new();
    let engine = Engine::start(&scene.shop, &scene.data, &Options::default()).unwrap();
    let (backup, restored) = (scene.path("shop.tar"), scene.path("restored"));
    let client = Arc::new(Mutex::new(Client::new("c", 200)));
    let crowd = Crowd::start(engine.address(), std::slice::from_ref(&client), 20);
    std::thread::sleep(Duration::from_millis(1_500));
    let (code, printed, said) = run(&["backup", text(&backup), "--data", text(&scene.data)]);
    assert_eq!(code, Some(0), "{said}");
    let records: u64 = printed.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    crowd.stop();
    let sent = client.lock().unwrap().acknowledged.len() as u64;
    assert!(records > 0 && records < sent, "in the midst of traffic: {records} of {sent}");
    assert_eq!(run(&["backup", text(&backup), "--data", text(&scene.data)]).0, Some(1), "no backup is overwritten");
    engine.stop().unwrap();

    let (code, printed, said) = run(&["restore", text(&backup), "--data", text(&restored)]);
    assert_eq!(code, Some(0), "{printed}{said}");
    assert!(printed.contains("ok     the state is what the log gives"), "{printed}");
    assert!(!printed.contains("wrong"), "{printed}");
    let rows = ["query", "select count(*), max(seq) from log", "--format", "csv", "--data"];
    assert_eq!(
        run(&[&rows[..], &[text(&restored)]].concat()).1.lines().nth(1),
        Some(format!("{records},{records}").as_str())
    );
    // It goes on as if it had never been elsewhere, at an address of its own.
    let engine = Engine::start(&scene.shop, &restored, &Options::default()).unwrap();
    engine.settle(PATIENCE).unwrap();
    engine.stop().unwrap();
    let (code, printed, _) = run(&["doctor", "--data", text(&restored), "--json"]);
    let found: Json = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &found["sound"], &found["skipped"]), (Some(0), &json!(true), &Json::Null), "{printed}");
}

/// Files of destinations are renamed all the time as they are finished. A backup has every row once all the same.
#[test]
fn files_that_are_finished_meanwhile_are_in_a_backup_once() {
    let scene = Scene::new();
    let lake = "destination: lake\nplugin: sonder/files@1\nconfig: {format: ndjson, rows: 3}\nreceives:\n  events: [view, order]\n";
    project::write(&scene.shop, &[("destinations/lake.yaml", lake)]).unwrap();
    let engine = Engine::start(&scene.shop, &scene.data, &Options::default()).unwrap();
    let client = Arc::new(Mutex::new(Client::new("c", 200)));
    let crowd = Crowd::start(engine.address(), std::slice::from_ref(&client), 20);
    std::thread::sleep(Duration::from_millis(500));
    let backups: Vec<_> = (0..40).map(|n| scene.path(&format!("{n}.tar"))).collect();
    for backup in &backups {
        let (code, _, said) = run(&["backup", text(backup), "--data", text(&scene.data)]);
        assert_eq!(code, Some(0), "{said}");
    }
    crowd.stop();
    engine.stop().unwrap();
    let left = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("snapshot-")).count()
    };
    assert_eq!(left(&scene.data), 0);
    for (n, backup) in backups.iter().enumerate().skip(37) {
        let restored = scene.path(&format!("restored{n}"));
        let (code, printed, said) = run(&["restore", text(backup), "--data", text(&restored)]);
        assert_eq!(code, Some(0), "{printed}{said}");
        let engine = Engine::start(&scene.shop, &restored, &Options::default()).unwrap();
        engine.settle(PATIENCE).unwrap();
        let decided = "SELECT replace(id::VARCHAR, '-', '') FROM deliveries WHERE destination = 'lake' ORDER BY 1";
        let decided: Vec<String> =
            engine.query(decided).unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
        let waits = "SELECT count(*) FROM delivery_states WHERE destination = 'lake' AND state <> 'delivered'";
        let end = Instant::now() + PATIENCE;
        while engine.count(waits).unwrap() > 0 {
            assert!(Instant::now() < end, "{}", engine.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        engine.stop().unwrap();
        // Another start finishes what this one left.
        Engine::start(&scene.shop, &restored, &Options::default()).unwrap().stop().unwrap();
        let mut ids = Vec::new();
        let folder = restored.join("files/lake");
        let journals = fs::read_dir(folder.join(".journal")).unwrap().map(|it| it.unwrap().path());
        for file in lake::finished(&folder).into_iter().chain(journals) {
            let rows = fs::read_to_string(file).unwrap();
            let row_id = |row: &str| serde_json::from_str::<Json>(row).unwrap()["id"].as_str().unwrap().to_owned();
            ids.extend(rows.lines().map(row_id));
        }
        ids.sort();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "none is there twice in {n}");
        // There may be more: of what was logged after the moment that the backup is of.
        assert!(!decided.is_empty() && decided.iter().all(|id| ids.binary_search(id).is_ok()), "all are in {n}");
    }
}

#[test]
fn what_is_not_whole_is_refused_and_leaves_nothing() {
    let scene = Scene::new();
    let engine = Engine::start(&scene.shop, &scene.data, &Options::default()).unwrap();
    let view =
        json!({"type": "track", "event": "view", "messageId": "m1", "userId": "ann", "properties": {"product": "p"}});
    engine.connect().post("/v1/batch", "wk", &json!({ "batch": [view] })).unwrap();
    engine.settle(PATIENCE).unwrap();
    engine.stop().unwrap();
    let backup = scene.path("shop.tar");
    assert_eq!(run(&["backup", text(&backup), "--data", text(&scene.data)]).0, Some(0), "at rest");
    let whole = fs::read(&backup).unwrap();
    let (torn, changed, restored) = (scene.path("torn.tar"), scene.path("changed.tar"), scene.path("restored"));
    fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
    let mut other = whole.clone();
    other[whole.len() / 3] ^= 1;
    fs::write(&changed, &other).unwrap();
    for file in [&torn, &changed] {
        for arguments in [&["backup", "--check", text(file)][..], &["restore", text(file), "--data", text(&restored)]] {
            let (code, printed, said) = run(arguments);
            assert_eq!(code, Some(1), "{printed}{said}");
        }
    }
    assert!(!restored.exists() && !scene.path("restored.restoring").exists());
    assert_eq!(run(&["backup", "--check", text(&backup)]).0, Some(0));
    let (code, _, said) = run(&["restore", text(&backup), "--data", text(&scene.data)]);
    assert!(code == Some(1) && said.contains("there is something in"), "{said}");
}

#[test]
fn whoever_was_erased_after_the_backup_is_erased_from_what_is_restored() {
    let scene = Scene::new();
    let engine = Engine::start(&scene.shop, &scene.data, &Options::default()).unwrap();
    for (id, who) in [("m1", "ada-user-1815"), ("m2", "bob")] {
        let view =
            json!({"type": "track", "event": "view", "messageId": id, "userId": who, "properties": {"product": "p"}});
        engine.connect().post("/v1/batch", "wk", &json!({ "batch": [view] })).unwrap();
    }
    engine.settle(PATIENCE).unwrap();
    let (backup, restored) = (scene.path("shop.tar"), scene.path("restored"));
    assert_eq!(run(&["backup", text(&backup), "--data", text(&scene.data)]).0, Some(0));
    let (code, _, said) = run(&["person", "erase", "user_id:ada-user-1815", "--data", text(&scene.data)]);
    assert_eq!(code, Some(0), "{said}");
    engine.stop().unwrap();
    let arguments = ["restore", text(&backup), "--data", text(&restored), "--erased-in", text(&scene.data)];
    let (code, printed, said) = run(&arguments);
    assert_eq!(code, Some(0), "{printed}{said}");
    assert!(printed.contains("1 people who were erased since are struck"), "{printed}");
    let engine = Engine::start(&scene.shop, &restored, &Options::default()).unwrap();
    let end = Instant::now() + PATIENCE;
    while engine.count("SELECT count(*) FROM erasures WHERE state = 'erased'").unwrap() < 1 {
        assert!(Instant::now() < end, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(engine.get("/api/v1/people/user_id:ada-user-1815").is_err());
    engine.get("/api/v1/people/user_id:bob").unwrap();
    engine.stop().unwrap();
    for file in ["sonder.duckdb", "state.duckdb", "keys.duckdb"] {
        let bytes = fs::read(restored.join(file)).unwrap();
        let is_there = bytes.windows(13).any(|window| window == b"ada-user-1815");
        assert!(!is_there, "{file}");
    }
}
