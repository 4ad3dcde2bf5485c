//! `kill -9` at random moments under load. Clients behave as real SDKs do: what was not acknowledged is sent again with the
//! same message id. In the end every event is in the log exactly once, and a destination has heard of every entry, with
//! one idempotency key each.

use serde_json::Value as Json;
use sonder_tests::traffic::{Client, Crowd, Dice};
use sonder_tests::{Connection, Engine, Options, Receiver, project};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often the engine is killed; `SONDER_CRASHES` says otherwise.
const CRASHES: u64 = 50;

fn texts(rows: &[Json]) -> Vec<String> {
    rows.iter().map(|row| row[0].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_counts_twice() {
    let crashes = std::env::var("SONDER_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASHES);
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    let clients: Vec<_> = (0..4).map(|n| Arc::new(Mutex::new(Client::new(&format!("c{n}"), 40)))).collect();
    let mut dice = Dice::new(20_260_301);
    for round in 0..crashes {
        let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
        let crowd = Crowd::start(engine.address(), &clients, 7);
        std::thread::sleep(Duration::from_millis(20 + dice.below(180)));
        // Now and then the receiver is down when it happens, so that deliveries wait.
        receiver.answer_with(if round % 5 == 3 { 503 } else { 200 });
        engine.kill().unwrap();
        crowd.stop();
    }
    receiver.answer_with(200);

    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let mut connection = Connection::new(engine.address());
    for client in &clients {
        let mut client = client.lock().unwrap();
        while !client.is_done() {
            client.turn(&mut connection, 7).unwrap();
        }
    }
    engine.settle(Duration::from_secs(120)).unwrap();

    let acknowledged: BTreeSet<String> =
        clients.iter().flat_map(|client| client.lock().unwrap().acknowledged.clone()).collect();
    assert!(acknowledged.len() as u64 > crashes, "there was load: {} messages", acknowledged.len());
    let total = engine.count("select count(*) from log").unwrap();
    assert_eq!(total, acknowledged.len() as u64, "the log has each message once");
    assert_eq!(engine.count("select count(distinct message_id) from log").unwrap(), total);
    let mut logged = BTreeSet::new();
    for page in 0..=total / 50_000 {
        let sql = format!("select message_id from log where seq > {0} and seq <= {0} + 50000", page * 50_000);
        logged.extend(texts(&engine.query(&sql).unwrap()));
    }
    assert!(logged == acknowledged, "the log has other messages than were acknowledged");

    // Whoever ordered is a buyer for ever: one entry, one change, one key.
    let buyers: BTreeSet<String> =
        texts(&engine.query("select distinct l.user_id from ev_order e join log l using (seq)").unwrap())
            .into_iter()
            .collect();
    assert_eq!(
        engine.count("select count(*) from changes where kind = 'entered' and name = 'buyer'").unwrap(),
        buyers.len() as u64
    );
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut bodies: BTreeMap<String, Json> = BTreeMap::new();
    for call in receiver.calls() {
        let key = call.header("webhook-id").unwrap().to_owned();
        let known = bodies.entry(key.clone()).or_insert_with(|| call.body.clone());
        assert_eq!(*known, call.body, "one key, two meanings");
        if call.body["type"] == "segment.entered" && call.body["data"]["segment"] == "buyer" {
            let person = call.body["data"]["person"][0]["value"].as_str().unwrap().to_owned();
            keys.entry(person).or_default().insert(key);
        }
    }
    assert_eq!(keys.keys().cloned().collect::<BTreeSet<_>>(), buyers, "the receiver heard of every buyer");
    let twice: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() != 1).collect();
    assert!(twice.is_empty(), "entries with more than one key: {twice:?}");

    // Everything that was decided was delivered, under the keys that are in the store.
    let decided: BTreeSet<String> = texts(&engine.query("select id::varchar from deliveries").unwrap())
        .into_iter()
        .map(|id| id.replace('-', ""))
        .collect();
    let heard: BTreeSet<String> = bodies.into_keys().collect();
    println!("{crashes} crashes, {total} events, {} deliveries, {} buyers", decided.len(), buyers.len());
    assert!(decided.is_subset(&heard), "{} deliveries were not heard of", decided.difference(&heard).count());

    // And what the state says is what the log says.
    for row in engine.query("select user_id, count(*) filter (event = 'view') from log group by all").unwrap() {
        let (person, views) = (row[0].as_str().unwrap(), row[1].as_u64().unwrap());
        let known = engine.get(&format!("/api/v1/people/user_id:{person}?fields=computed")).unwrap();
        let computed = known["computed"].as_array().unwrap().iter().find(|it| it["name"] == "views").unwrap();
        assert_eq!(computed["value"], views, "views of {person}");
    }
    let status = engine.stop().unwrap();
    assert!(status.success());
}
