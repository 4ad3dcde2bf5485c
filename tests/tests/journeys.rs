//! Journeys that send, killed with `kill -9` at random moments under load, while the project is reloaded, the receiver is
//! down now and then, and one plugin traps. In the end the log says what should have been sent: all of it was, under one
//! key each, and nothing that was not wanted any more when the engine started again.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::{Value as Json, json};
use sonder_tests::traffic::{Client, Crowd, Dice, add_or_order};
use sonder_tests::{Connection, Engine, Options, Receiver, digest, project};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the engine is killed; `SONDER_CRASHES` says otherwise.
const CRASHES: u64 = 12;
/// `wait` of the journey, in microseconds.
const WAIT: i64 = 300_000;

/// Rows that are read at a time: some are large.
const PAGE: u64 = 2_000;

/// What the log says of a cart.
#[derive(Default)]
struct Cart {
    person: String,
    added: i64,
    ordered: Option<i64>,
    is_heavy: bool,
}

/// What the receiver heard of a cart.
#[derive(Default)]
struct Heard {
    keys: BTreeSet<String>,
    last: Option<Instant>,
}

struct Setting {
    _folder: tempfile::TempDir,
    receiver: Receiver,
    shop: PathBuf,
    data: PathBuf,
    clients: Vec<Arc<Mutex<Client>>>,
    /// When each run of the engine began, and how many messages of each client were acknowledged by then.
    lives: Vec<(Instant, Vec<usize>)>,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
        let receiver = Receiver::start().unwrap();
        project::carts(&shop, &receiver.address().to_string()).unwrap();
        let client = |n| Arc::new(Mutex::new(Client::saying(&format!("c{n}"), 25, add_or_order)));
        Self { _folder: folder, receiver, shop, data, clients: (0..4).map(client).collect(), lives: Vec::new() }
    }

    fn start(&mut self) -> Engine {
        let acknowledged = self.clients.iter().map(|client| client.lock().unwrap().acknowledged.len()).collect();
        self.lives.push((Instant::now(), acknowledged));
        Engine::start(&self.shop, &self.data, &Options::default()).unwrap()
    }

    /// Changes the project without changing what journeys do.
    fn reload(&self, round: u64) {
        let rules = format!("segment busy \"adds much\" {{ when count(add) >= {} }}\n", round + 1);
        std::fs::write(self.shop.join("rules/busy.sonder"), rules).unwrap();
    }

    /// For each message, when the engine began to run that started next after it was acknowledged.
    fn restarts(&self) -> BTreeMap<String, Instant> {
        let mut restarts = BTreeMap::new();
        for (index, client) in self.clients.iter().enumerate() {
            for (place, message) in client.lock().unwrap().acknowledged.iter().enumerate() {
                let next = self.lives.iter().find(|(_, acknowledged)| acknowledged[index] > place);
                restarts.extend(next.map(|(began, _)| (message.clone(), *began)));
            }
        }
        restarts
    }

    fn heard(&self) -> BTreeMap<(String, String), Heard> {
        let mut heard: BTreeMap<(String, String), Heard> = BTreeMap::new();
        let mut meaning: BTreeMap<String, Json> = BTreeMap::new();
        for call in self.receiver.calls() {
            let key = call.header("webhook-id").unwrap().to_owned();
            let told = meaning.entry(key.clone()).or_insert_with(|| call.body["data"].clone());
            assert_eq!(*told, call.body["data"], "one key, two meanings");
            let of = |name: &str| call.body["data"]["fields"][name].as_str().unwrap().to_owned();
            let entry = heard.entry((of("what"), of("cart"))).or_default();
            entry.keys.insert(key);
            entry.last = entry.last.max(Some(call.at));
        }
        heard
    }
}

fn pages(engine: &Engine, total: u64, sql: impl Fn(u64, u64) -> String) -> Vec<Json> {
    (0..=total / PAGE).flat_map(|page| engine.query(&sql(page * PAGE, (page + 1) * PAGE)).unwrap()).collect()
}

/// All that is on record of a cart, for when something is wrong with it.
fn story(engine: &Engine, cart: &str) -> String {
    let logged = format!("select seq, event, received_at from log where (payload->>'$.properties.cart') = '{cart}'");
    let happened = format!(
        "with e as (select (value->>'$.passage') as passage from changes where (value->>'$.per') = '{cart}')
         select id, as_of_seq, changed_at, name, value from changes
         where (value->>'$.passage') in (select passage from e) order by id"
    );
    let told = format!(
        "select number, as_of_seq, decided_at, (payload->>'$.what'), state, attempts, ended_at, detail from delivery_states
         where (payload->>'$.cart') = '{cart}' order by number"
    );
    let asked = [logged, happened, told, "from takeovers".to_owned(), "from checkpoints".to_owned()];
    asked.iter().map(|sql| format!("{:#?}\n", engine.query(sql).map_err(|error| error.to_string()))).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_journeys_send_survives_crashes_as_the_log_says() {
    let crashes = std::env::var("SONDER_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASHES);
    let mut setting = Setting::new();
    let mut dice = Dice::new(20_261_125);
    for round in 0..crashes {
        let engine = setting.start();
        let crowd = Crowd::start(engine.address(), &setting.clients, 7);
        // Down for some rounds in a row, so that what people do meanwhile calls back what waits.
        setting.receiver.answer_with(if round % 5 >= 3 { 503 } else { 200 });
        if round % 4 == 1 {
            setting.reload(round);
        }
        std::thread::sleep(Duration::from_millis(50 + dice.below(700)));
        if round % 7 == 6 {
            crowd.stop();
            assert!(engine.stop().unwrap().success());
        } else {
            engine.kill().unwrap();
            crowd.stop();
        }
    }
    setting.receiver.answer_with(200);
    let engine = setting.start();
    let mut connection = Connection::new(engine.address());
    for client in &setting.clients {
        let mut client = client.lock().unwrap();
        while !client.is_done() {
            client.turn(&mut connection, 7).unwrap();
        }
    }
    std::thread::sleep(Duration::from_micros(WAIT as u64 * 3));
    engine.settle(Duration::from_secs(120)).unwrap();

    // What the log says.
    let total = engine.count("select count(*) from log").unwrap();
    let acknowledged: usize = setting.clients.iter().map(|client| client.lock().unwrap().acknowledged.len()).sum();
    assert_eq!(total, acknowledged as u64, "the log has each message once");
    let mut carts: BTreeMap<String, Cart> = BTreeMap::new();
    let mut orders: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for row in pages(&engine, total, |from, to| {
        format!(
            "select event, (payload->>'$.properties.cart'), epoch_us(received_at), user_id, message_id,
             (payload->>'$.properties.note') is not null from log where seq > {from} and seq <= {to} order by seq"
        )
    }) {
        let (cart, at) = (text(&row[1]), row[2].as_i64().unwrap());
        if row[0] == "add" {
            let is_heavy = row[5] == true;
            carts.insert(cart, Cart { person: text(&row[3]), added: at, ordered: None, is_heavy });
        } else {
            orders.entry(cart).or_default().push((at, text(&row[4])));
        }
    }
    // An order of a cart that was put into the log later is none of it.
    for (name, cart) in &mut carts {
        cart.ordered = orders.get(name).and_then(|it| it.iter().map(|(at, _)| *at).find(|at| *at >= cart.added));
    }

    // Which branch each cart took that came to the split.
    let branches: BTreeMap<String, String> = engine
        .query(
            "select (e.value->>'$.per'), (b.value->>'$.branch') from changes e join changes b
             on (e.value->>'$.passage') = (b.value->>'$.passage')
             where e.kind = 'journey' and e.name = 'carts' and (e.value->>'$.what') = 'entered'
                 and b.kind = 'journey' and b.name = 'carts' and (b.value->>'$.what') = 'branched'",
        )
        .unwrap()
        .iter()
        .map(|row| (text(&row[0]), text(&row[1])))
        .collect();
    let mut of_person: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (cart, branch) in &branches {
        of_person.entry(&carts[cart].person).or_default().insert(branch);
    }
    assert!(of_person.values().all(|branches| branches.len() == 1), "a split is stable: {of_person:?}");
    let outcomes: BTreeMap<(String, String), (String, String)> = pages(&engine, total * 3, |from, to| {
        format!(
            "select (payload->>'$.what'), (payload->>'$.cart'), state, detail from delivery_states
             where number > {from} and number <= {to}"
        )
    })
    .iter()
    .map(|row| ((text(&row[0]), text(&row[1])), (text(&row[2]), text(&row[3]))))
    .collect();
    let (heard, restarts) = (setting.heard(), setting.restarts());
    let twice: Vec<_> = heard.iter().filter(|(_, heard)| heard.keys.len() != 1).map(|(what, _)| what).collect();
    assert!(twice.is_empty(), "more than one key: {twice:?}");

    let (mut reminded, mut cancelled, mut dead) = (0, 0, 0);
    for (name, cart) in &carts {
        let is_heard = |what: &str| heard.get(&(what.to_owned(), name.clone()));
        let outcome = |what: &str| outcomes.get(&(what.to_owned(), name.clone()));
        assert!(is_heard("hello").is_some(), "{name} was not greeted: {:?}", outcome("hello"));
        let is_due = cart.ordered.is_none_or(|at| at >= cart.added + WAIT);
        let has_come = branches.contains_key(name);
        assert!(has_come == is_due, "{name} came to the split: {has_come}; {}", story(&engine, name));
        let is_treated = branches.get(name).is_some_and(|branch| branch == "treated");
        for what in ["remind", "small"] {
            let Some((state, detail)) = outcome(what) else {
                assert!(!(is_treated && is_due), "{name}: no {what} was decided");
                assert!(is_heard(what).is_none(), "{name}: {what} was never decided");
                continue;
            };
            assert!(is_treated && is_due, "{name}: {what} was decided");
            match state.as_str() {
                "delivered" => reminded += 1,
                "cancelled" => cancelled += 1,
                "dead" => dead += 1,
                other => panic!("{name}: {what} is {other}"),
            }
            if state == "cancelled" {
                assert!(cart.ordered.is_some() && detail == "left carts: converted", "{name}: {what}: {detail}");
            } else {
                assert_eq!(state == "dead", cart.is_heavy && what == "small", "{name}: {what}: {detail}");
                assert_eq!(is_heard(what).is_some(), state == "delivered", "{name}: {what} is {state}");
            }
        }
        // Whoever had ordered when the engine started was not reminded by it.
        let first = orders.get(name).and_then(|it| it.iter().find(|(at, _)| Some(*at) == cart.ordered));
        let restarted = first.and_then(|(_, message)| restarts.get(message));
        for what in ["remind", "small"] {
            if let (Some(restarted), Some(heard)) = (restarted, is_heard(what)) {
                assert!(heard.last < Some(*restarted), "{name}: {what} went out after a start that knew of the order");
            }
        }
    }
    println!(
        "{crashes} crashes, {total} events, {} carts, {} calls; {reminded} delivered, {cancelled} cancelled, {dead} dead",
        carts.len(),
        setting.receiver.calls().len()
    );
    assert!(reminded > 0 && dead > 0, "there was something to send");
    assert!(crashes < 50 || cancelled > 0, "something was called back");

    // What the counts say is what the log says.
    let figures = engine.get("/api/v1/journeys/carts").unwrap();
    let converted = carts.values().filter(|cart| cart.ordered.is_some()).count();
    assert_eq!(figures["entered"], carts.len());
    let left: BTreeMap<String, u64> = figures["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(&it["outcome"]), it["passages"].as_u64().unwrap()))
        .collect();
    let expected = [("converted", converted), ("finished", carts.len() - converted)];
    assert_eq!(left, expected.into_iter().map(|(name, count)| (name.to_owned(), count as u64)).collect());
    assert_eq!(figures["waiting"], 0);
    assert!(engine.stop().unwrap().success());
    let (kept, refolded) = (
        digest(&setting.data, &setting.shop, &[]).unwrap(),
        digest(&setting.data, &setting.shop, &["--refold"]).unwrap(),
    );
    assert_eq!(kept, refolded, "the log, folded again from its beginning, gives the same state");
}

/// A client writes to the log what the engine is to be held against: so the test can fail.
#[test]
fn carts_are_ordered_after_they_were_filled() {
    let mut dice = Dice::new(1);
    let messages: Vec<Json> = (0..400).map(|n| add_or_order("c0", &mut dice, n, 5)).collect();
    let people: BTreeMap<&str, &Json> = messages
        .iter()
        .filter(|it| it["event"] == "add")
        .map(|it| (it["properties"]["cart"].as_str().unwrap(), &it["userId"]))
        .collect();
    for order in messages.iter().filter(|it| it["event"] == "order" && it["properties"]["cart"] != json!("c0-0")) {
        assert_eq!(people.get(order["properties"]["cart"].as_str().unwrap()), Some(&&order["userId"]));
    }
}
