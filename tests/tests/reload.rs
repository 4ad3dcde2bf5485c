//! A project that changes all the time under load: segments come, go, mean something else, and break. In the end everybody is
//! where the whole log says, and a destination has heard of each real difference, once and in order.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::traffic::{Client, Crowd, Dice};
use sonder_tests::{Connection, Engine, Options, Receiver, project, sonder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the project changes; `SONDER_RELOADS` says otherwise.
const RELOADS: u64 = 12;

/// Events a second that are offered; `SONDER_RATE` says otherwise. What the machine can't take comes later.
const RATE: u64 = 5_000;

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The segments there are, each with how many views of a product it takes.
type Version = BTreeMap<String, u64>;

/// Written like an editor does: beside the file, then put in its place.
fn replace(path: &Path, text: &str) {
    let aside = path.with_extension("tmp");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, path).unwrap();
}

fn rules(version: &Version) -> String {
    let segment = |(name, views): (&String, &u64)| {
        let product = name.trim_start_matches('s');
        format!(
            "segment {name} \"{views} views of one product\" {{\n  when count(view where product == \"p{product}\", \
             last 24h) >= {views}\n}}\n"
        )
    };
    version.iter().map(segment).collect()
}

fn put(folder: &Path, version: &Version, receiver: &str) {
    let names: Vec<&str> = version.keys().map(String::as_str).collect();
    replace(
        &folder.join("destinations/hook.yaml"),
        &project::hook(receiver, &format!("segments: [{}]", names.join(", "))),
    );
    replace(&folder.join("rules/r.sonder"), &rules(version));
}

fn reloads(engine: &Engine, outcome: &str) -> u64 {
    let metrics = engine.connect().get("/metrics").unwrap().text();
    let line = format!("sonder_reloads_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// Does something to the project and waits until the engine says that it came to `outcome`.
fn change(engine: &Engine, outcome: &str, edit: impl FnOnce()) {
    let before = reloads(engine, outcome);
    edit();
    let patience = Instant::now() + Duration::from_secs(120);
    while reloads(engine, outcome) == before {
        assert!(Instant::now() < patience, "the change was not {outcome}:\n{}", engine.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(row: &Json, place: usize) -> String {
    row[place].as_str().unwrap_or_default().to_owned()
}

/// By segment, who is in it: what `eval` says of the whole log.
fn evaluated(engine: &Engine, folder: &Path, total: u64) -> BTreeMap<String, BTreeSet<String>> {
    let mut lines = String::new();
    for page in 0..=total / 50_000 {
        let sql = format!(
            "select payload, strftime(received_at, '%Y-%m-%dT%H:%M:%S.%fZ') from log
             where seq > {0} and seq <= {0} + 50000 order by seq",
            page * 50_000
        );
        for row in engine.query(&sql).unwrap() {
            let mut message: Json = serde_json::from_str(&text(&row, 0)).unwrap();
            message["receivedAt"] = json!(text(&row, 1));
            lines.push_str(&message.to_string());
            lines.push('\n');
        }
    }
    let events = folder.with_file_name("events.ndjson");
    fs::write(&events, lines).unwrap();
    let last = engine.query("select strftime(max(received_at), '%Y-%m-%dT%H:%M:%S.%fZ') from log").unwrap();
    let (folder, events) = (folder.to_str().unwrap(), events.to_str().unwrap());
    let output = sonder(&["eval", folder, "--events", events, "--at", &text(&last[0], 0), "--engine", "sql"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        for segment in line["segments"].as_array().unwrap() {
            let person = line["person"][0].as_str().unwrap().to_owned();
            members.entry(segment.as_str().unwrap().to_owned()).or_default().insert(person);
        }
    }
    members
}

/// By segment, who is in it as far as the receiver was told. Whoever is told to enter is not in it yet, and the other way.
fn heard(receiver: &Receiver) -> (BTreeMap<String, BTreeSet<String>>, usize) {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for call in receiver.calls() {
        if !keys.insert(call.header("webhook-id").unwrap().to_owned()) {
            continue;
        }
        let data = &call.body["data"];
        let (segment, who) = (data["segment"].as_str().unwrap(), &data["person"][0]);
        let person = format!("{}:{}", who["kind"].as_str().unwrap(), who["value"].as_str().unwrap());
        let known = members.entry(segment.to_owned()).or_default();
        let is_news = match call.body["type"].as_str().unwrap() {
            "segment.entered" => known.insert(person.clone()),
            "segment.left" => known.remove(&person),
            other => panic!("unexpected {other}"),
        };
        assert!(is_news, "no difference: {} of {person} and {segment}", call.body["type"]);
    }
    members.retain(|_, people| !people.is_empty());
    (members, keys.len())
}

#[test]
fn reloads_under_load_tell_exactly_the_differences() {
    let (wanted, rate) = (asked("SONDER_RELOADS", RELOADS), asked("SONDER_RATE", RATE));
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
    let receiver = Receiver::start().unwrap();
    let hook = receiver.address().to_string();
    project::keen(&folder, &hook).unwrap();
    let mut version: Version = (0..4).map(|n| (format!("s{n}"), 2)).collect();
    put(&folder, &version, &hook);

    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    let clients: Vec<_> = (0..4).map(|n| Arc::new(Mutex::new(Client::new(&format!("c{n}"), 150)))).collect();
    let crowd = Crowd::start_at(engine.address(), &clients, 50, rate);
    let begin = Instant::now();
    let mut dice = Dice::new(20_260_401);
    let mut done: BTreeMap<&str, u64> = BTreeMap::new();
    for round in 0..wanted {
        let names: Vec<String> = version.keys().cloned().collect();
        let some = names[dice.below(names.len() as u64) as usize].clone();
        let what = match dice.below(10) {
            _ if round % 6 == 5 => "broken",
            0..4 if names.len() < 10 => "added",
            4..6 if names.len() > 2 => "removed",
            6 => "rewritten",
            _ => "changed",
        };
        match what {
            "broken" => {
                change(&engine, "rejected", || {
                    replace(&folder.join("rules/r.sonder"), "segment s0 { when did(vieww) ")
                });
                let reload = engine.get("/api/v1/status").unwrap()["reload"].clone();
                assert!(
                    reload["errors"].to_string().contains("rules/r.sonder:1:23: E0201: `vieww` is not an event"),
                    "{reload}"
                );
                change(&engine, "unchanged", || put(&folder, &version, &hook));
            }
            "rewritten" => {
                let text = format!("# Said otherwise, {round}.\n{}", rules(&version).replace("\n  when", " when"));
                change(&engine, "unchanged", || replace(&folder.join("rules/r.sonder"), &text));
            }
            _ => {
                match what {
                    "added" => _ = version.insert(format!("s{}", 10 + round), 1 + dice.below(3)),
                    "removed" => _ = version.remove(&some),
                    _ => _ = version.entry(some).and_modify(|views| *views = *views % 4 + 1),
                }
                change(&engine, "applied", || put(&folder, &version, &hook));
            }
        }
        *done.entry(what).or_default() += 1;
    }
    crowd.stop();
    let seconds = begin.elapsed().as_secs_f64();
    let mut connection = Connection::new(engine.address());
    for client in &clients {
        let mut client = client.lock().unwrap();
        while !client.is_done() {
            client.turn(&mut connection, 50).unwrap();
        }
    }
    engine.settle(Duration::from_secs(120)).unwrap();

    let total = engine.count("select count(*) from log").unwrap();
    let acknowledged: usize = clients.iter().map(|client| client.lock().unwrap().acknowledged.len()).sum();
    assert_eq!(total, acknowledged as u64, "the log has each message once");
    let expected = evaluated(&engine, &folder, total);
    assert!(!expected.is_empty(), "somebody is in something");
    for name in version.keys() {
        let page = engine.get(&format!("/api/v1/segments/{name}")).unwrap();
        let size = expected.get(name).map_or(0, BTreeSet::len);
        assert_eq!(page["size"].as_u64(), Some(size as u64), "size of {name}: {page}");
    }
    let (told, items) = heard(&receiver);
    println!("{done:?} reloads, {total} events in {seconds:.0} s, {items} items told");
    assert_eq!(told, expected, "what the destination was told adds up to who is in what");
}

/// What the hook was told, one after the other.
fn said(receiver: &Receiver) -> Vec<String> {
    let line = |body: &Json| {
        let name = body["data"]["segment"].as_str().unwrap_or_default();
        format!("{} {name}", body["type"].as_str().unwrap_or_default())
    };
    receiver.calls().iter().map(|call| line(&call.body)).collect()
}

/// Waits until the hook was told this, after `before` other things; and no more a moment later.
fn is_told(engine: &Engine, receiver: &Receiver, before: usize, expected: &[&str]) {
    let patience = Instant::now() + Duration::from_secs(30);
    while said(receiver).len() < before + expected.len() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    engine.settle(Duration::from_secs(30)).unwrap();
    assert_eq!(said(receiver)[before..], *expected);
}

fn view(engine: &Engine, who: &str, count: usize) {
    let view = |n: usize| {
        json!({"type": "track", "event": "view", "messageId": format!("{who}-{n}"), "userId": who,
            "properties": {"product": "p"}})
    };
    let batch: Vec<Json> = (0..count).map(view).collect();
    assert_eq!(engine.connect().post("/v1/batch", "wk", &json!({ "batch": batch })).unwrap().status, 200);
    engine.settle(Duration::from_secs(30)).unwrap();
}

/// A new name is told, and nobody comes or goes. A start under another version is a change like any other: it may be a new name,
/// too, and is told once.
#[test]
fn names_change_while_the_engine_runs_and_while_it_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
    let receiver = Receiver::start().unwrap();
    let hook = receiver.address().to_string();
    project::keen(&folder, &hook).unwrap();
    let write = |segment: &str, least: u32, received: &str| {
        replace(&folder.join("rules/r.sonder"), &format!("segment {segment} {{ when count(view) >= {least} }}\n"));
        replace(&folder.join("destinations/hook.yaml"), &project::hook(&hook, &format!("segments: [{received}]")));
    };
    write("keen", 3, "keen");
    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    view(&engine, "ann", 3);
    view(&engine, "bob", 1);
    is_told(&engine, &receiver, 0, &["segment.entered keen"]);
    change(&engine, "applied", || write("lookers was keen", 3, "lookers"));
    is_told(&engine, &receiver, 1, &["segment.left keen", "segment.entered lookers"]);
    let moves = "select count(*) from changes where kind in ('entered', 'left')";
    assert_eq!(engine.count(moves).unwrap(), 1, "nobody came or went");
    engine.stop().unwrap();

    write("visitors was lookers, keen", 3, "visitors");
    // Whoever only looks tells nothing.
    let status = sonder(&["status", "--data", data.to_str().unwrap()]).unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    is_told(&engine, &receiver, 3, &["segment.left lookers", "segment.entered visitors"]);
    assert_eq!(engine.count(moves).unwrap(), 1);
    engine.kill().unwrap();

    // A start after a crash knows which version ran last, too. Bob is in it now.
    write("visitors was lookers, keen", 1, "visitors");
    for _ in 0..2 {
        let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
        is_told(&engine, &receiver, 5, &["segment.entered visitors"]);
        assert_eq!(engine.count(moves).unwrap(), 2);
        engine.kill().unwrap();
    }
}

/// What a journey that is no more has sent and still waits is called back, and the plan says so.
#[test]
fn a_journey_that_is_taken_out_sends_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path().join("project"), dir.path().join("data"));
    // Nobody listens there.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    project::carts(&folder, &nowhere.to_string()).unwrap();
    let engine = Engine::start(&folder, &data, &Options::default()).unwrap();
    let add = json!({"type": "track", "event": "add", "messageId": "m1", "userId": "ann", "properties": {"cart": "c"}});
    assert_eq!(engine.connect().post("/v1/batch", "wk", &json!({ "batch": [add] })).unwrap().status, 200);
    let state = "select count(*) from delivery_states where name = 'message' and destination = 'hook' and state";
    let patience = Instant::now() + Duration::from_secs(60);
    while engine.count(&format!("{state} in ('pending', 'retry')")).unwrap() == 0 {
        assert!(Instant::now() < patience, "nothing waits");
        std::thread::sleep(Duration::from_millis(20));
    }
    let rules = fs::read_to_string(folder.join("rules/carts.sonder")).unwrap();
    let kept = &rules[rules.find("journey carts").unwrap()..];
    let next = dir.path().join("next");
    project::carts(&next, &nowhere.to_string()).unwrap();
    fs::write(next.join("rules/carts.sonder"), kept).unwrap();
    let plan = sonder(&["plan", next.to_str().unwrap(), "--data", data.to_str().unwrap()]).unwrap();
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("- journey hello") && plan.contains("1 messages that wait are called back"), "{plan}");
    change(&engine, "applied", || replace(&folder.join("rules/carts.sonder"), kept));
    let cancelled = format!("{state} = 'cancelled' and detail = 'left hello: removed'");
    while engine.count(&cancelled).unwrap() == 0 {
        assert!(Instant::now() < patience, "{:?}", engine.query("from delivery_states").unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}
