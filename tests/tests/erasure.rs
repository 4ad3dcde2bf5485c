//! Somebody is erased from an engine that runs: no file has a byte of them, nobody else changes, a replay gives the same, and
//! `kill -9` at any moment only delays it.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::traffic::{Client, Crowd, Dice};
use sonder_tests::{Connection, Engine, Options, Receiver, lake, project, sonder, traces};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the engine is killed while somebody is erased.
const CRASHES: u64 = 12;

/// What Ada is known by.
const TRACES: [&str; 4] = ["ada.lovelace@analytical.example", "ada-user-1815", "ada-browser-7f3a", "Lovelace"];

struct Scene {
    _folder: tempfile::TempDir,
    shop: PathBuf,
    data: PathBuf,
    receiver: Receiver,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let receiver = Receiver::start().unwrap();
        project::keen(&shop, &receiver.address().to_string()).unwrap();
        Self { _folder: folder, shop, data, receiver }
    }

    /// The bodies of the calls that told the destination of an erasure.
    fn erasures(&self) -> Vec<Json> {
        let bodies = self.receiver.calls().into_iter().map(|call| call.body);
        bodies.filter(|body| body["type"] == "person.erase").collect()
    }

    fn start(&self) -> Engine {
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }
}

fn send(engine: &Engine, message: &Json) {
    let batch = json!({ "batch": [message] });
    let answer = engine.connect().post("/v1/batch", "wk", &batch).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Ada comes, first unknown; others speak of her, and one of her messages is kept aside.
fn ada(engine: &Engine, round: u64) {
    let id = |n: u32| format!("m{round}-{n}");
    for n in 0..4 {
        send(
            engine,
            &json!({"type": "track", "event": "view", "messageId": id(n), "anonymousId": TRACES[2],
                "properties": {"product": format!("gift for {}", TRACES[3])}}),
        );
    }
    send(
        engine,
        &json!({"type": "identify", "messageId": id(4), "anonymousId": TRACES[2], "userId": TRACES[1],
            "traits": {"email": TRACES[0].to_uppercase()}}),
    );
    send(
        engine,
        &json!({"type": "track", "event": "order", "messageId": id(5), "userId": TRACES[1],
            "properties": {"total": 12.5}}),
    );
    send(
        engine,
        &json!({"type": "track", "event": "order", "messageId": id(6), "userId": TRACES[1],
            "properties": {"total": "much"}}),
    );
    // Bob's messages are his, and stay.
    send(
        engine,
        &json!({"type": "track", "event": "view", "messageId": id(7), "userId": "bob",
            "properties": {"product": format!("mailto:{}?subject=x", TRACES[0])}}),
    );
}

fn request(engine: &Engine, person: &str) -> Json {
    let body = json!({"kind": "erasure", "person": person}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/api/v1/privacy/requests", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn await_completed(engine: &Engine, id: &str) -> Json {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = engine.get(&format!("/api/v1/privacy/requests/{id}")).unwrap();
        if answer["state"] == "completed" {
            return answer;
        }
        assert!(Instant::now() < patience, "not completed in time: {answer}\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is known of somebody, once what they did is folded: the answer to a message does not wait for that.
fn await_person(engine: &Engine, who: &str) -> Json {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match engine.get(&format!("/api/v1/people/{who}")) {
            Ok(known) => return known,
            Err(error) => assert!(Instant::now() < patience, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All that is known of everybody in the log who has a user id.
fn everybody(engine: &Engine) -> Vec<Json> {
    engine.settle(Duration::from_secs(60)).unwrap();
    let people = engine.query("select distinct user_id from log where user_id is not null order by 1").unwrap();
    let known = people.iter().filter(|row| row[0] != TRACES[1]);
    known.map(|row| engine.get(&format!("/api/v1/people/user_id:{}", row[0].as_str().unwrap())).unwrap()).collect()
}

#[test]
fn the_bytes_go_and_nobody_else_changes() {
    let scene = Scene::new();
    let engine = scene.start();
    let clients = [Arc::new(Mutex::new(Client::new("c", 20)))];
    let crowd = Crowd::start(engine.address(), &clients, 7);
    std::thread::sleep(Duration::from_millis(300));
    ada(&engine, 0);
    std::thread::sleep(Duration::from_millis(300));
    crowd.stop();
    let before = everybody(&engine);
    assert!(before.len() > 10, "there are others: {}", before.len());
    assert!(
        !traces::in_files(&scene.data, &TRACES).unwrap().is_empty()
            && !traces::in_tables(&engine, &TRACES).unwrap().is_empty()
    );
    assert_eq!(engine.count("select count(*) from quarantine").unwrap(), 1);
    let total = engine.count("select count(*) from log").unwrap();

    let asked = request(&engine, &format!("email:{}", TRACES[0]));
    assert_eq!((&asked["erasure"]["messages"], &asked["erasure"]["redacted"]), (&json!(6), &json!(1)));
    assert_eq!((&asked["state"], &asked["subject"]), (&json!("in_progress"), &Json::Null));
    // What is still to be told to a destination has them.
    let may_have = |it: &String| ["erasures", "state", "\"deliveries\""].iter().any(|table| it.contains(table));
    assert!(traces::in_tables(&engine, &TRACES[..3]).unwrap().iter().all(may_have));
    let done = await_completed(&engine, asked["id"].as_str().unwrap());
    let erasure = &done["erasure"];
    assert!(erasure["erased_at"].is_string());
    assert_eq!(erasure["destinations"].as_array().unwrap().len(), 1);
    assert_eq!(erasure["destinations"][0]["state"], "delivered", "{done}");
    let certificate = format!("/api/v1/privacy/requests/{}/certificate", done["id"].as_str().unwrap());
    let certificate = engine.get(&certificate).unwrap();
    assert_eq!((&certificate["erased"]["messages"], &certificate["unconfirmed"]), (&json!(6), &json!([])));
    let told = scene.erasures();
    assert_eq!(told.len(), 1, "{told:?}");
    // She was keen before she said who she was.
    assert_eq!(told[0]["data"]["person"][0], json!({"kind": "anonymous_id", "value": TRACES[2]}), "{told:?}");

    assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());
    assert_eq!(traces::in_tables(&engine, &TRACES).unwrap(), Vec::<String>::new());
    assert_eq!(everybody(&engine), before);
    assert_eq!(engine.count("select count(*) from log").unwrap(), total, "the log is dense");
    for trace in [format!("email:{}", TRACES[0]), format!("user_id:{}", TRACES[1])] {
        let answer = engine.connect().get(&format!("/api/v1/people/{trace}")).unwrap();
        assert_eq!(answer.status, 404, "{}", answer.text());
    }

    // What she did before is not taken in again, what she does now is.
    let late = json!({"type": "track", "event": "view", "messageId": "late", "userId": TRACES[1],
        "timestamp": "2020-01-01T00:00:00Z", "properties": {"product": "p"}});
    send(&engine, &late);
    assert_eq!(engine.count("select count(*) from log").unwrap(), total);
    // Nor is what nobody could have taken in kept aside.
    let wrong = json!({"type": "track", "event": "order", "messageId": "wrong", "userId": TRACES[1],
        "timestamp": "2020-01-01T00:00:00Z", "properties": {"total": "much"}});
    send(&engine, &wrong);
    assert_eq!(engine.count("select count(*) from quarantine").unwrap(), 0);
    assert!(engine.stop().unwrap().success());
    assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());

    // A replay of the whole log: the same people.
    for name in ["state.duckdb", "state.duckdb.wal"] {
        let _ = fs::remove_file(scene.data.join(name));
    }
    let engine = scene.start();
    assert_eq!(everybody(&engine), before);
    let again = json!({"type": "track", "event": "view", "messageId": "again", "userId": TRACES[1],
        "properties": {"product": "p"}});
    send(&engine, &again);
    let anew = await_person(&engine, &format!("user_id:{}", TRACES[1]));
    assert_eq!(anew["computed"].as_array().unwrap().iter().find(|it| it["name"] == "views").unwrap()["value"], 1);
}

#[test]
fn a_crash_only_delays_it() {
    let scene = Scene::new();
    let mut dice = Dice::new(1815);
    let clients = [Arc::new(Mutex::new(Client::new("c", 30)))];
    for round in 0..CRASHES {
        let engine = scene.start();
        let crowd = Crowd::start(engine.address(), &clients, 7);
        // Some of it may wait to be sent.
        scene.receiver.answer_with(if round % 3 == 0 { 503 } else { 200 });
        ada(&engine, round);
        await_person(&engine, &format!("user_id:{}", TRACES[1]));
        let asked = request(&engine, &format!("user_id:{}", TRACES[1]));
        let id = asked["id"].as_str().unwrap();
        std::thread::sleep(Duration::from_millis(dice.below(250)));
        engine.kill().unwrap();
        crowd.stop();
        scene.receiver.answer_with(200);
        let engine = scene.start();
        await_completed(&engine, id);
        assert_eq!(traces::in_tables(&engine, &TRACES).unwrap(), Vec::<String>::new(), "round {round}");
        engine.kill().unwrap();
        assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new(), "round {round}");
    }
    scene.receiver.answer_with(200);
    let engine = scene.start();
    let before = everybody(&engine);
    assert!(before.len() > 10, "there was load: {}", before.len());
    assert!(engine.stop().unwrap().success());
    for name in ["state.duckdb", "state.duckdb.wal"] {
        let _ = fs::remove_file(scene.data.join(name));
    }
    assert_eq!(everybody(&scene.start()), before);
}

#[test]
fn a_destination_that_does_not_answer_is_told_later_and_once() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 0);
    await_person(&engine, &format!("user_id:{}", TRACES[1]));
    let patience = Instant::now() + Duration::from_secs(20);
    while scene.receiver.calls().is_empty() {
        assert!(Instant::now() < patience, "the hook hears of a keen visitor:\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    scene.receiver.answer_with(503);
    let asked = request(&engine, &format!("user_id:{}", TRACES[1]));
    let id = asked["id"].as_str().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let erased = loop {
        let answer = engine.get(&format!("/api/v1/privacy/requests/{id}")).unwrap();
        if answer["erasure"]["state"] == "erased" {
            break answer;
        }
        assert!(Instant::now() < patience, "not erased in time: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(
        ["pending", "retry"].contains(&erased["erasure"]["destinations"][0]["state"].as_str().unwrap()),
        "{erased}"
    );
    assert!(
        traces::in_tables(&engine, &TRACES).unwrap().iter().all(|it| it.contains(".\"deliveries\"")),
        "nothing but what is to be told"
    );
    engine.kill().unwrap();

    let engine = scene.start();
    scene.receiver.answer_with(200);
    let done = await_completed(&engine, id);
    assert_eq!(done["erasure"]["destinations"][0]["state"], "delivered", "{done}");
    assert_eq!(scene.erasures().len(), 1);
    assert_eq!(traces::in_tables(&engine, &TRACES).unwrap(), Vec::<String>::new());
    assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());
    assert!(engine.stop().unwrap().success());
    assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());
}

/// Whoever comes back while their erasure still goes on is somebody new: it is on record, and destinations are told of them behind
/// what tells of the erasure.
#[test]
fn who_is_back_while_they_are_erased_is_told_of_as_somebody_new() {
    let scene = Scene::new();
    let engine = scene.start();
    let order = |id: &str| json!({"type": "track", "event": "order", "messageId": id, "userId": TRACES[1], "properties": {"total": 2}});
    send(&engine, &order("o1"));
    let told = |scene: &Scene| {
        let bodies =
            scene.receiver.calls().into_iter().map(|call| call.body["type"].as_str().unwrap_or_default().to_owned());
        bodies.collect::<Vec<_>>()
    };
    let patience = Instant::now() + Duration::from_secs(20);
    while told(&scene).is_empty() {
        assert!(Instant::now() < patience, "{}", engine.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = request(&engine, &format!("user_id:{}", TRACES[1]));
    send(&engine, &order("o2"));
    engine.kill().unwrap();
    let engine = scene.start();
    await_completed(&engine, asked["id"].as_str().unwrap());
    let entered = "select count(*) from changes where kind = 'entered' and name = 'buyer'";
    let delivered = "select count(*) from delivery_states where kind = 'segment_entered' and state = 'delivered'";
    let patience = Instant::now() + Duration::from_secs(20);
    while engine.count(delivered).unwrap() == 0 {
        assert!(Instant::now() < patience, "{:?}\n{:?}", engine.query("from delivery_states"), told(&scene));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(engine.count(entered).unwrap(), 1);
    let told = told(&scene);
    assert!(
        told.iter().rposition(|it| it == "person.erase") < told.iter().rposition(|it| it == "segment.entered"),
        "{told:?}"
    );
    engine.stop().unwrap();
    let (data, shop) = (scene.data.to_str().unwrap(), scene.shop.to_str().unwrap());
    let found = sonder(&["doctor", "--data", data, "--project", shop]).unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}

/// What others wait to be told of, and what is told of others, when somebody is erased: nobody else loses anything, and they are
/// named to nobody any more. So it is when the engine goes on, and when it was killed.
#[test]
fn what_waits_about_others_is_told_without_them() {
    for is_killed in [false, true] {
        let scene = Scene::new();
        let hook = project::hook(&scene.receiver.address().to_string(), "events: [view], traits: [seen]");
        project::write(
            &scene.shop,
            &[("destinations/hook.yaml", &hook), ("rules/seen.sonder", "trait seen = last(view.product)\n")],
        )
        .unwrap();
        scene.receiver.answer_with(503);
        let engine = scene.start();
        ada(&engine, 0);
        let view = json!({"type": "track", "event": "view", "messageId": "b", "userId": "bob", "properties": {"product": "p1"}});
        send(&engine, &view);
        let rows = |engine: &Engine, what: &str| {
            engine.query(&format!("select {what} from deliveries where kind <> 'erase' order by number")).unwrap()
        };
        let patience = Instant::now() + Duration::from_secs(20);
        let of_bob = |engine: &Engine| {
            let rows = rows(engine, "id, name, payload, identifiers");
            rows.into_iter().filter(|row| row.to_string().contains("bob")).collect::<Vec<_>>()
        };
        while of_bob(&engine).len() < 4 || engine.count("select count(*) from delivery_outcomes").unwrap() == 0 {
            assert!(Instant::now() < patience, "{:?}", rows(&engine, "kind, identifiers, payload"));
            std::thread::sleep(Duration::from_millis(20));
        }
        let before = of_bob(&engine);
        let asked = request(&engine, &format!("user_id:{}", TRACES[1]));
        let mut engine = Some(engine);
        if is_killed {
            engine.take().unwrap().kill().unwrap();
            engine = Some(scene.start());
        }
        let engine = engine.unwrap();
        scene.receiver.answer_with(200);
        await_completed(&engine, asked["id"].as_str().unwrap());
        let expected: Vec<String> = before
            .iter()
            .map(|row| row.to_string().replace(&format!("mailto:{}?", TRACES[0]), "mailto:erased?"))
            .collect();
        assert!(expected.iter().any(|row| row.contains("erased")), "{before:#?}");
        let after: Vec<String> = of_bob(&engine).iter().take(expected.len()).map(Json::to_string).collect();
        assert_eq!(after, expected, "killed: {is_killed}");
        let waiting = "select count(*) from delivery_states where state in ('pending', 'retry')";
        let patience = Instant::now() + Duration::from_secs(30);
        while engine.count(waiting).unwrap() > 0 {
            assert!(Instant::now() < patience, "{:?}", engine.query("from delivery_states"));
            std::thread::sleep(Duration::from_millis(20));
        }
        let taken = scene.receiver.calls().into_iter().map(|call| call.body);
        let taken: Vec<Json> = taken.filter(|body| body["type"] != "person.erase").collect();
        let text = json!(taken).to_string().to_lowercase();
        assert!(text.contains("mailto:erased") && text.contains("p1"), "{text}");
        assert!(!TRACES.iter().any(|trace| text.contains(&trace.to_lowercase())), "killed: {is_killed}: {text}");
        engine.stop().unwrap();
        assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());
        let (data, shop) = (scene.data.to_str().unwrap(), scene.shop.to_str().unwrap());
        let found = sonder(&["doctor", "--data", data, "--project", shop]).unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
    }
}

/// What comes while they are erased has happened before or after; what happened before stays out.
#[test]
fn nothing_that_happened_before_comes_in_while_they_are_erased() {
    let scene = Scene::new();
    let engine = scene.start();
    let is_over = Arc::new(AtomicBool::new(false));
    let address = engine.address();
    let senders = (0..8).map(|sender| {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            let mut connection = Connection::new(address);
            for n in 0.. {
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                let view = |id: &str, user: &str| {
                    json!({"type": "track", "event": "view", "messageId": format!("{id}-{sender}-{n}"), "userId": user,
                        "properties": {"product": "p"}})
                };
                let batch = json!({"batch": [view("v", "vic-who-is-erased"), view("o", &format!("other-{sender}"))]});
                assert_eq!(connection.post("/v1/batch", "wk", &batch).unwrap().status, 200);
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    await_person(&engine, "user_id:vic-who-is-erased");
    // Striking somebody takes longer the more there is, and more comes meanwhile.
    std::thread::sleep(Duration::from_secs(3));
    let asked = request(&engine, "user_id:vic-who-is-erased");
    await_completed(&engine, asked["id"].as_str().unwrap());
    is_over.store(true, Ordering::Release);
    senders.into_iter().for_each(|it| it.join().unwrap());
    let before = "select count(*) from log where user_id = 'vic-who-is-erased'
        and occurred_at <= (select max(requested_at) from erasures)";
    assert_eq!(engine.count(before).unwrap(), 0);
    assert!(engine.count("select count(*) from log where user_id like 'other-%'").unwrap() > 0);
}

#[test]
fn somebody_whose_identifiers_contain_theirs_stays_as_they_are() {
    let scene = Scene::new();
    let engine = scene.start();
    for (n, user, product) in [
        (0, "user-1", "mine"),
        (1, "user-10", "user-10 likes joan@mail.example"),
        (2, "my-user-1", "SKU-user-1-x"),
        (3, "joan", "an@mail.example.org"),
    ] {
        send(
            &engine,
            &json!({"type": "identify", "messageId": format!("i{n}"), "userId": user,
                "traits": {"email": if n == 0 { "an@mail.example".to_owned() } else { format!("{n}an@mail.example") }}}),
        );
        send(
            &engine,
            &json!({"type": "track", "event": "view", "messageId": format!("v{n}"), "userId": user,
                "properties": {"product": product}}),
        );
        await_person(&engine, &format!("user_id:{user}"));
    }
    engine.settle(Duration::from_secs(30)).unwrap();
    let sql = "select payload, identifiers from log where user_id <> 'user-1' order by seq";
    let others = || ["user-10", "my-user-1", "joan"].map(|it| await_person(&engine, &format!("user_id:{it}")));
    let before = (engine.query(sql).unwrap(), others());
    let asked = request(&engine, "user_id:user-1");
    assert_eq!((&asked["erasure"]["messages"], &asked["erasure"]["redacted"]), (&json!(2), &json!(0)));
    await_completed(&engine, asked["id"].as_str().unwrap());
    assert_eq!((engine.query(sql).unwrap(), others()), before);
}

/// A shop whose referrals are kept in files: as lines, as Parquet, and under pseudonyms.
fn referrals(folder: &Path) {
    let files = |name: &str, format: &str, more: &str| {
        format!(
            "destination: {name}\nplugin: sonder/files@1\nconfig: {{format: {format}, rows: 3}}\n\
             receives:\n  events: [referral]\n{more}"
        )
    };
    fs::create_dir_all(folder).unwrap();
    let key = folder.join("pseudonyms.key");
    fs::write(&key, "01".repeat(32)).unwrap();
    project::write(
        folder,
        &[
            ("sonder.yaml", &format!("name: shop\npseudonyms: {{key: {{file: {}}}}}\n", key.display())),
            (
                "events/referral.yaml",
                "event: referral\nproperties:\n  friend: {type: string}\n  note: {type: string}\n  n: {type: number}\n",
            ),
            (
                "identity.yaml",
                "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase, drop_tag]}\n  anonymous_id: {}\n",
            ),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
            ("destinations/lines.yaml", &files("lines", "ndjson", "")),
            ("destinations/columns.yaml", &files("columns", "parquet", "")),
            ("destinations/masked.yaml", &files("masked", "ndjson", "identifiers: pseudonyms\n")),
        ],
    )
    .unwrap();
}

/// All lines in a folder of files, once there are so many.
fn await_lines(folder: &Path, count: usize) -> Vec<String> {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let journals = fs::read_dir(folder.join(".journal")).into_iter().flatten().flatten().map(|it| it.path());
        let texts = journals.chain(lake::finished(folder)).filter_map(|path| fs::read_to_string(path).ok());
        let mut lines: Vec<String> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.sort();
        if lines.len() == count {
            return lines;
        }
        assert!(Instant::now() < patience, "{lines:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Somebody whom others name, and how they are written.
const VIC: [&str; 4] =
    ["vic.tim@analytical.example", "vic-user-1815", "vic.tim%40analytical.example", "vic.tim+shop@analytical.example"];

/// Four people refer to them, each in another way, and one of these is nobody.
fn refer(engine: &Engine) {
    let vic = json!({"type": "identify", "messageId": "v", "userId": VIC[1],
        "traits": {"email": "Vic.Tim+Shop@Analytical.example"}});
    send(engine, &vic);
    for (n, (user, friend, note)) in [
        ("ann", "x@y.example", format!("see /p?m={}", VIC[2])),
        ("bob", "y@y.example", format!("{} and {}0 sent me", VIC[1].to_uppercase(), "vic-user-181")),
        ("eve", "tim@analytical.example", "vic-user-181 is nobody".to_owned()),
        ("joe", "Vic.Tim+Shop@Analytical.example", "hello".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        send(
            engine,
            &json!({"type": "track", "event": "referral", "messageId": format!("m{n}"), "userId": user,
                "properties": {"friend": friend, "note": note, "n": 1.0}}),
        );
    }
}

/// What others said of somebody is in their rows, whatever the files got about the person: here nothing.
#[test]
fn files_no_longer_name_them_and_nobody_elses_row_changes() {
    let scene = Scene::new();
    fs::remove_dir_all(&scene.shop).unwrap();
    referrals(&scene.shop);
    let engine = scene.start();
    refer(&engine);
    let files = scene.data.join("files");
    let before = await_lines(&files.join("lines"), 4);
    await_lines(&files.join("masked"), 4);
    assert!(!traces::in_files(&files, &VIC).unwrap().is_empty());
    // Three rows are in a file, and one is in a journal.
    assert_eq!(lake::finished(&files.join("lines")).len(), 1);

    let asked = request(&engine, &format!("user_id:{}", VIC[1]));
    let done = await_completed(&engine, asked["id"].as_str().unwrap());
    let told = done["erasure"]["destinations"].as_array().unwrap();
    assert_eq!(told.iter().filter(|it| it["state"] == "delivered").count(), 3, "{done}");
    let after = await_lines(&files.join("lines"), 4);
    for (before, after) in before.iter().zip(&after) {
        let expected = before
            .replace("see /p?m=vic.tim%40analytical.example", "see /p?m=erased")
            .replace("VIC-USER-1815", "erased")
            .replace("Vic.Tim+Shop@Analytical.example", "erased");
        assert_eq!(*after, expected);
    }
    assert_eq!(after.iter().filter(|line| line.contains("erased")).count(), 3);
    assert_eq!(await_lines(&files.join("masked"), 4).iter().filter(|line| line.contains("erased")).count(), 3);
    let columns = lake::parquet(&lake::finished(&files.join("columns")), scene.data.parent().unwrap()).unwrap();
    let payload = |line: &String| serde_json::from_str::<Json>(line).unwrap()["payload"].clone();
    let mut of_lines: Vec<String> = after.iter().map(|line| payload(line)["properties"].to_string()).collect();
    let mut of_columns: Vec<String> = columns.iter().map(|(_, payload)| payload["properties"].to_string()).collect();
    of_lines.sort();
    of_columns.sort();
    assert_eq!(of_columns, of_lines);
    engine.kill().unwrap();
    assert_eq!(traces::in_files(&scene.data, &VIC).unwrap(), Vec::<String>::new());
}

/// A destination that is no more is told nothing. What it left in the data directory is gone through all the same.
#[test]
fn files_that_no_destination_writes_to_any_more_lose_them_too() {
    let scene = Scene::new();
    fs::remove_dir_all(&scene.shop).unwrap();
    referrals(&scene.shop);
    let engine = scene.start();
    refer(&engine);
    // Rows about them, by their identifiers and by pseudonyms of these.
    let own = |n: u32| json!({"type": "track", "event": "referral", "messageId": format!("o{n}"), "userId": VIC[1], "properties": {"n": 2}});
    (0..2).for_each(|n| send(&engine, &own(n)));
    let files = scene.data.join("files");
    for name in ["lines", "masked"] {
        await_lines(&files.join(name), 6);
    }
    engine.stop().unwrap();
    // One is no more, one writes elsewhere from now on, and one had a folder in a folder.
    fs::remove_file(scene.shop.join("destinations/lines.yaml")).unwrap();
    fs::remove_file(scene.shop.join("destinations/masked.yaml")).unwrap();
    fs::create_dir_all(files.join("lake")).unwrap();
    fs::rename(files.join("columns"), files.join("lake/columns")).unwrap();
    let engine = scene.start();
    let told = |files: &Path| traces::in_files(files, &VIC).unwrap();
    assert!(!told(&files).is_empty());
    let asked = request(&engine, &format!("user_id:{}", VIC[1]));
    let done = await_completed(&engine, asked["id"].as_str().unwrap());
    let told_of = |name: &str| {
        let mut of = done["erasure"]["destinations"].as_array().unwrap().iter();
        of.find(|it| it["destination"] == name).unwrap_or(&Json::Null).clone()
    };
    assert_eq!(told_of("columns")["state"], "delivered", "{done}");
    for name in ["lines", "masked"] {
        let it = told_of(name);
        assert_eq!(
            (&it["state"], &it["detail"]),
            (&json!("cancelled"), &json!("the destination is no more")),
            "{done}"
        );
    }
    engine.kill().unwrap();
    assert_eq!(told(&scene.data), Vec::<String>::new());
    for name in ["lines", "masked"] {
        let left = await_lines(&files.join(name), 4);
        assert_eq!(left.iter().filter(|line| line.contains("erased")).count(), 3, "{name}: {left:#?}");
    }
    let columns = lake::parquet(&lake::finished(&files.join("lake/columns")), scene.data.parent().unwrap()).unwrap();
    assert_eq!(columns.len(), 4);
}

#[test]
fn the_command_waits_until_the_bytes_are_gone() {
    let scene = Scene::new();
    let engine = scene.start();
    ada(&engine, 0);
    await_person(&engine, &format!("email:{}", TRACES[0]));
    let data = scene.data.to_str().unwrap();
    let person = format!("email:{}", TRACES[0]);
    let output = sonder(&["person", "erase", &person, "--data", data]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("completed: messages 6, of others 1; request "), "{text}");
    assert_eq!(traces::in_files(&scene.data, &TRACES).unwrap(), Vec::<String>::new());
    let output = sonder(&["person", "erase", &person, "--data", data]).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
