//! What a start finds, and what goes on while the engine runs: the same state from checkpoint and log, deliveries that
//! waited, windows that slide without an event, a project that changes.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::traffic::{Client, Crowd};
use sonder_tests::{Connection, Engine, Options, Receiver, digest, project, sonder};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Setting {
    _folder: tempfile::TempDir,
    receiver: Receiver,
    shop: PathBuf,
    data: PathBuf,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let receiver = Receiver::start().unwrap();
        project::keen(&shop, &receiver.address().to_string()).unwrap();
        Self { _folder: folder, receiver, shop, data }
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }

    fn entries_heard(&self, segment: &str) -> Vec<String> {
        let calls = self.receiver.calls();
        let heard = calls
            .iter()
            .filter(|call| call.body["type"] == "segment.entered" && call.body["data"]["segment"] == segment);
        heard.map(|call| call.header("webhook-id").unwrap().to_owned()).collect()
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(engine: &Engine, event: &str, person: &str, properties: &Json) {
    let id = format!("{event}-{person}-{}", Instant::now().elapsed().as_nanos() + rand());
    let message = json!({"type": "track", "event": event, "userId": person, "messageId": id, "properties": properties});
    let answer = engine.connect().post("/v1/track", "wk", &message).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Something that is different each time, for message ids.
fn rand() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

/// One log: folded live in whatever batches came, over crashes and orderly stops, or again from its beginning.
#[test]
fn the_same_log_gives_the_same_state_byte_for_byte() {
    let setting = Setting::new();
    let clients: Vec<_> = (0..3).map(|n| Arc::new(Mutex::new(Client::new(&format!("c{n}"), 30)))).collect();
    for round in 0..6 {
        let engine = setting.start();
        let crowd = Crowd::start(engine.address(), &clients, [1, 13, 200][round % 3]);
        std::thread::sleep(Duration::from_millis(250));
        if round % 2 == 0 {
            engine.kill().unwrap();
            crowd.stop();
        } else {
            crowd.stop();
            engine.settle(Duration::from_secs(30)).unwrap();
            assert!(engine.stop().unwrap().success());
        }
        let recovered = digest(&setting.data, &setting.shop, &[]).unwrap();
        let refolded = digest(&setting.data, &setting.shop, &["--refold"]).unwrap();
        assert_eq!(recovered, refolded, "round {round}");
    }
}

#[test]
fn a_second_start_is_quick_and_has_everything() {
    let setting = Setting::new();
    let engine = setting.start();
    let mut connection = Connection::new(engine.address());
    let mut client = Client::new("c", 500);
    for _ in 0..100 {
        assert!(client.turn(&mut connection, 200).unwrap());
    }
    let before = engine.settle(Duration::from_secs(60)).unwrap();
    assert!(engine.stop().unwrap().success());
    let begin = Instant::now();
    let engine = setting.start();
    let took = begin.elapsed();
    let after = engine.get("/api/v1/status").unwrap();
    assert_eq!(after["people"], before["people"]);
    assert_eq!(after["log"]["seq"], 20_000);
    assert_eq!(after["recovery"]["records"], 0, "an orderly stop leaves nothing to fold again");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    engine.stop().unwrap();
}

#[test]
fn deliveries_that_waited_are_delivered_after_a_crash_with_the_same_key() {
    let setting = Setting::new();
    setting.receiver.answer_with(503);
    let engine = setting.start();
    send(&engine, "order", "u1", &json!({"total": 1.5}));
    eventually("the delivery is decided and stored", || {
        engine.count("select count(*) from deliveries where name = 'buyer'").unwrap() == 1
    });
    let id = engine.query("select id::varchar from deliveries where name = 'buyer'").unwrap()[0][0]
        .as_str()
        .unwrap()
        .replace('-', "");
    engine.kill().unwrap();
    setting.receiver.answer_with(200);
    let engine = setting.start();
    eventually("it is delivered", || setting.entries_heard("buyer") == [id.clone()]);
    engine.settle(Duration::from_secs(30)).unwrap();
    assert!(engine.stop().unwrap().success());
    let engine = setting.start();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(setting.entries_heard("buyer").len(), 1, "what was delivered is not delivered again");
    engine.stop().unwrap();
}

/// More people than memory may hold: cold ones leave it and come back, and nobody can tell.
#[test]
fn people_who_leave_memory_come_back_as_they_were() {
    let setting = Setting::new();
    fs::write(setting.shop.join("sonder.yaml"), "name: keen\nlimits: {state_memory: 64 KiB}\n").unwrap();
    fs::write(setting.shop.join("sources/history.yaml"), "source: history\nkind: file\n").unwrap();
    let file = setting.shop.with_file_name("history.ndjson");
    let mut lines = String::new();
    for n in 0..260_000_u64 {
        let person = n * 7_919 % 20_011;
        let (event, properties) = if n % 9 == 0 {
            ("order", json!({"total": 0.5}))
        } else {
            ("view", json!({"product": format!("p{}", n % 11)}))
        };
        let time = format!("2026-01-01T00:{:02}:{:02}Z", n / 60 % 60, n % 60);
        let message = json!({"type": "track", "event": event, "userId": format!("u{person}"), "timestamp": time, "properties": properties});
        lines.push_str(&format!("{message}\n"));
    }
    fs::write(&file, lines).unwrap();
    let (shop, data) = (setting.shop.to_str().unwrap(), setting.data.to_str().unwrap());
    let output =
        sonder(&["import", file.to_str().unwrap(), "--project", shop, "--data", data, "--source", "history"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let refolded = digest(&setting.data, &setting.shop, &["--refold"]).unwrap();
    assert_eq!(digest(&setting.data, &setting.shop, &[]).unwrap(), refolded);
    assert_eq!(refolded["people"], 20_011);
    let again =
        sonder(&["import", file.to_str().unwrap(), "--project", shop, "--data", data, "--source", "history"]).unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("imported 0 rows"), "importing again adds nothing");

    let engine = setting.start();
    let person = engine.get("/api/v1/people/user_id:u17").unwrap();
    let views = engine.count("select count(*) from log where user_id = 'u17' and event = 'view'").unwrap();
    assert_eq!(person["computed"].as_array().unwrap().iter().find(|it| it["name"] == "views").unwrap()["value"], views);
    assert!(setting.receiver.calls().is_empty(), "history is not delivered");
    engine.stop().unwrap();
}

#[test]
fn a_window_slides_without_an_event() {
    let setting = Setting::new();
    fs::write(
        setting.shop.join("rules/recent.sonder"),
        "segment recent \"viewed just now\" { when did(view, last 2s) }\n",
    )
    .unwrap();
    let engine = setting.start();
    send(&engine, "view", "u1", &json!({"product": "p"}));
    let size = || engine.get("/api/v1/segments/recent").unwrap()["size"].as_u64().unwrap();
    eventually("they enter", || size() == 1);
    let entered = Instant::now();
    eventually("they leave", || size() == 0);
    assert!(entered.elapsed() < Duration::from_millis(2_600), "after {:?}", entered.elapsed());
    let moment =
        "select epoch_us(changed_at), epoch_us(cause_time) from changes where name = 'recent' and kind = 'left'";
    eventually("the exit is recorded", || !engine.query(moment).unwrap().is_empty());
    let seen = engine.query("select epoch_us(occurred_at) from log").unwrap()[0][0].as_i64().unwrap();
    let left = engine.query(moment).unwrap();
    assert_eq!(left[0][0].as_i64(), Some(seen + 2_000_000), "at its exact moment");
    assert_eq!(left[0][0], left[0][1], "time brought it about");
    engine.stop().unwrap();
}

#[test]
fn a_changed_project_takes_over_while_events_go_on() {
    let setting = Setting::new();
    let engine = setting.start();
    let clients = vec![Arc::new(Mutex::new(Client::new("c", 20)))];
    let crowd = Crowd::start(engine.address(), &clients, 5);
    eventually("there is traffic", || engine.get("/api/v1/status").unwrap()["log"]["seq"].as_u64().unwrap() > 300);

    let rules = setting.shop.join("rules/new.sonder");
    fs::write(&rules, "segment viewers \"viewed once\" { when count(veiw) >= 1 }\n").unwrap();
    let reload = || engine.get("/api/v1/status").unwrap()["reload"].clone();
    eventually("the error is reported", || reload()["outcome"] == "rejected");
    let errors = reload()["errors"].to_string();
    assert!(errors.contains("rules/new.sonder:1:") && errors.contains("veiw"), "{errors}");
    assert_eq!(engine.connect().get("/api/v1/segments/viewers").unwrap().status, 404, "the old version runs");

    fs::write(&rules, "segment viewers \"viewed once\" { when count(view) >= 1 }\n").unwrap();
    eventually("the good version takes over", || reload()["outcome"] == "applied");
    crowd.stop();
    engine.settle(Duration::from_secs(30)).unwrap();
    let size = engine.get("/api/v1/segments/viewers").unwrap()["size"].as_u64().unwrap();
    let viewers = engine.count("select count(distinct user_id) from log where event = 'view'").unwrap();
    assert_eq!(size, viewers, "the new segment has everybody, over all history");
    assert!(engine.stop().unwrap().success());
    let recovered = digest(&setting.data, &setting.shop, &[]).unwrap();
    assert_eq!(recovered, digest(&setting.data, &setting.shop, &["--refold"]).unwrap());
}

/// What the version before decided stays as it was decided, though no checkpoint has it when the engine is killed.
#[test]
fn a_crash_after_a_change_of_the_project_decides_nothing_again() {
    let setting = Setting::new();
    let engine = setting.start();
    send(&engine, "order", "u1", &json!({"total": 5}));
    eventually("the entry is heard of", || setting.entries_heard("buyer").len() == 1);
    engine.settle(Duration::from_secs(30)).unwrap();
    // Under the new version they would never have been in it.
    let rules = setting.shop.join("rules/new.sonder");
    fs::write(&rules, "segment once \"ordered\" { when count(order) >= 1 }\n").unwrap();
    let before = setting.receiver.calls().len();
    eventually("the new version takes over", || {
        engine.get("/api/v1/status").unwrap()["reload"]["outcome"] == "applied"
    });
    let decided = "select kind, name, person, changed_at from changes order by id";
    let changes = engine.query(decided).unwrap();
    engine.kill().unwrap();
    let engine = setting.start();
    engine.settle(Duration::from_secs(30)).unwrap();
    assert_eq!(engine.query(decided).unwrap(), changes);
    let takeovers = engine.query("select as_of_seq from takeovers").unwrap();
    assert_eq!(takeovers, [json!([1])]);
    send(&engine, "order", "u2", &json!({"total": 5}));
    eventually("the new version decides", || setting.entries_heard("buyer").len() == 2);
    assert_eq!(setting.receiver.calls().len(), before + 1, "nobody hears of anything twice");
    assert!(engine.stop().unwrap().success());
}

/// No record of the log brings it about, so a start refolds the tail without it, and the clock decides it again.
#[test]
fn what_time_brought_about_is_not_sent_again_after_a_crash() {
    let setting = Setting::new();
    let mut destinations = fs::read_dir(setting.shop.join("destinations")).unwrap();
    let destination = destinations.next().unwrap().unwrap().path();
    let text = fs::read_to_string(&destination).unwrap().replace("segments: [", "segments: [recent, ");
    assert!(text.contains("recent"), "{text}");
    fs::write(&destination, text).unwrap();
    let recent = "segment recent \"viewed just now\" { when did(view, last 1s) }\n";
    fs::write(setting.shop.join("rules/recent.sonder"), recent).unwrap();
    let exits = || setting.receiver.calls().iter().filter(|call| call.body["type"] == "segment.left").count();
    let engine = setting.start();
    send(&engine, "view", "u1", &json!({"product": "p"}));
    eventually("the exit is heard of", || exits() == 1);
    eventually("its outcome is stored", || {
        engine
            .count("select count(*) from delivery_states where kind = 'segment_left' and state = 'delivered'")
            .unwrap()
            == 1
    });
    engine.kill().unwrap();
    let engine = setting.start();
    // The same person again, in order behind whatever would be sent again.
    send(&engine, "view", "u1", &json!({"product": "p"}));
    eventually("the second exit is heard of", || exits() >= 2);
    engine.settle(Duration::from_secs(30)).unwrap();
    assert_eq!(exits(), 2);
    assert!(engine.stop().unwrap().success());
}

#[test]
fn a_hostile_plugin_harms_nobody_but_its_own_destination() {
    let setting = Setting::new();
    let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/activate/tests/fixtures/hostile.wasm");
    fs::create_dir_all(setting.shop.join("plugins")).unwrap();
    fs::copy(wasm, setting.shop.join("plugins/hostile.wasm")).unwrap();
    for does in ["loop", "hog", "panic"] {
        let destination = format!(
            "destination: hostile_{does}\nplugin: plugins/hostile.wasm\nallow: [\"a.example\"]\nconfig: {{do: {does}}}\n\
             receives:\n  segments: [buyer]\n"
        );
        fs::write(setting.shop.join(format!("destinations/hostile_{does}.yaml")), destination).unwrap();
    }
    let engine = setting.start();
    for person in 0..5 {
        send(&engine, "order", &format!("u{person}"), &json!({"total": 1.5}));
    }
    eventually("the good destination has all", || setting.entries_heard("buyer").len() == 5);
    eventually("the others say what is wrong", || {
        let status = engine.get("/api/v1/status").unwrap();
        let destinations = status["destinations"].as_array().unwrap();
        destinations
            .iter()
            .filter(|it| it["name"].as_str().unwrap().starts_with("hostile") && it["last_error"].is_string())
            .count()
            == 3
    });
    send(&engine, "view", "u0", &json!({"product": "p"}));
    assert_eq!(engine.get("/readyz").unwrap()["ok"], true);
    engine.stop().unwrap();
}
