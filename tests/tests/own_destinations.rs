//! The engine's own destinations, end to end: pages that ask for their visitor's feed, and files that have each item once
//! although the engine is killed while it writes them.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::traffic::{Client, Crowd, Dice};
use sonder_tests::{Connection, Engine, Options, lake, project};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FEED: [(&str, &str); 9] = [
    ("sonder.yaml", "name: shop\n"),
    ("events/view.yaml", "event: view\nproperties:\n  product: {type: string}\nrequired: [product]\n"),
    ("identity.yaml", "identifiers:\n  user_id: {}\n  anonymous_id: {}\n"),
    ("profile.yaml", "traits:\n  city: {type: string, merge: most_recent}\n"),
    ("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk]\norigins: ['http://shop.localhost']\n"),
    ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk_server]\n"),
    ("rules/segments.sonder", "segment keen \"two views\" { when count(view, last 24h) >= 2 }\n"),
    (
        "rules/welcome.sonder",
        "journey welcome {\n  enter on view as it\n  send onsite.show { slot: \"hero\", text: \"Hello\", product: it.product }\n}\n",
    ),
    (
        "destinations/onsite.yaml",
        "destination: onsite\nplugin: sonder/onsite@1\nreceives:\n  segments: [keen]\n  traits: [city]\n",
    ),
];

fn feed(engine: &Engine, query: &str) -> Json {
    let answer = engine.connect().get(&format!("/v1/feed?{query}")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn send(engine: &Engine, key: &str, message: Json) {
    let answer = Connection::new(engine.address()).post("/v1/batch", key, &json!({"batch": [message]})).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    engine.settle(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_page_shows_what_its_visitor_is_told_also_after_a_crash_and_another_browser() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    project::write(&shop, &FEED).unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let nothing = json!({"segments": [], "traits": {}, "messages": []});
    assert_eq!(feed(&engine, "writeKey=wk&anonymousId=a1"), nothing);
    let view = |n: u32, anonymous: &str| json!({"type": "track", "event": "view", "messageId": format!("m{n}"), "anonymousId": anonymous, "properties": {"product": "p1"}});
    send(&engine, "wk", view(1, "a1"));
    send(&engine, "wk", view(2, "a1"));
    let told = feed(&engine, "writeKey=wk&anonymousId=a1");
    assert_eq!(told["segments"][0]["name"], "keen", "{told}");
    assert_eq!(told["messages"][0]["fields"], json!({"slot": "hero", "text": "Hello", "product": "p1"}), "{told}");
    assert_eq!(feed(&engine, "writeKey=wk&anonymousId=a2"), nothing, "somebody else");

    engine.kill().unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    assert_eq!(feed(&engine, "writeKey=wk&anonymousId=a1"), told);

    // Who logs in on the telephone is told the same there.
    for (n, anonymous) in [(3, "a1"), (4, "a2")] {
        let known = json!({"type": "identify", "messageId": format!("m{n}"), "anonymousId": anonymous, "userId": "u1", "traits": {"city": "Kyoto"}});
        send(&engine, "wk_server", known);
    }
    let everywhere = feed(&engine, "writeKey=wk&anonymousId=a2");
    assert_eq!(everywhere["messages"], told["messages"]);
    assert_eq!(everywhere["traits"], json!({"city": "Kyoto"}));
    assert_eq!(feed(&engine, "writeKey=wk_server&userId=u1"), everywhere);

    // A browser's own rules: a page of the shop reads it, another site does not.
    let page = |origin: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/feed-page.mjs");
        let output = Command::new("node")
            .arg(script)
            .args([&format!("http://{}", engine.address()), "wk", origin])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Json>(&output.stdout).unwrap()
    };
    let read = page("http://shop.localhost");
    assert_eq!((&read["first"]["body"], &read["again"]["status"]), (&told["messages"][0]["fields"], &json!(304)));
    assert_eq!(page("http://evil.localhost")["first"], json!({"status": 403, "code": "origin_not_allowed"}));
}

/// Rows of all finished files, by id.
fn rows(folder: &Path) -> BTreeMap<String, Vec<Json>> {
    let mut rows: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for file in lake::finished(folder) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let row: Json = serde_json::from_str(line).unwrap();
            rows.entry(row["id"].as_str().unwrap().to_owned()).or_default().push(row);
        }
    }
    rows
}

#[test]
fn each_item_is_one_row_although_the_engine_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    project::keen(&shop, "127.0.0.1:9").unwrap();
    let files = |format: &str, rows: u32| {
        format!(
            "destination: {format}\nplugin: sonder/files@1\nconfig: {{format: {format}, rows: {rows}}}\nreceives:\n  segments: [keen, buyer]\n  events: [order]\n"
        )
    };
    std::fs::remove_file(shop.join("destinations/hook.yaml")).unwrap();
    project::write(
        &shop,
        &[("destinations/ndjson.yaml", &files("ndjson", 7)), ("destinations/parquet.yaml", &files("parquet", 50))],
    )
    .unwrap();
    let clients: Vec<_> = (0..4).map(|n| Arc::new(Mutex::new(Client::new(&format!("c{n}"), 40)))).collect();
    let mut dice = Dice::new(20_260_302);
    for _ in 0..12 {
        let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
        let crowd = Crowd::start(engine.address(), &clients, 7);
        std::thread::sleep(Duration::from_millis(20 + dice.below(250)));
        engine.kill().unwrap();
        crowd.stop();
    }
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    engine.settle(Duration::from_secs(120)).unwrap();
    let decided = |destination: &str| {
        let sql = format!(
            "select replace(id::varchar, '-', '') from deliveries where destination = '{destination}' order by 1"
        );
        let rows = engine.query(&sql).unwrap();
        rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (ndjson, parquet) = (decided("ndjson"), decided("parquet"));
    assert!(ndjson.len() > 50, "there was load: {}", ndjson.len());
    engine.stop().unwrap();

    // Another engine finishes what this one left.
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    engine.stop().unwrap();
    let rows = rows(&data.join("files/ndjson"));
    assert_eq!(rows.keys().cloned().collect::<Vec<_>>(), ndjson);
    let twice: Vec<_> = rows.values().filter(|rows| rows.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let orders = rows.values().filter(|rows| rows[0]["kind"] == "event").count();
    assert!(orders > 0 && rows.values().all(|rows| rows[0]["payload"].is_object()), "{orders} orders");
    let of_parquet = lake::parquet(&lake::finished(&data.join("files/parquet")), folder.path()).unwrap();
    assert_eq!(of_parquet.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), parquet);
    assert_eq!(std::fs::read_dir(data.join("files/parquet/.journal")).unwrap().count(), 0);
}
