//! How long it takes from the last byte of a request to the plugin's HTTP call for the segment entry that it caused, while
//! a thousand events a second come in. With journeys, it is what one of them sends, and every event bears upon all of them.
//!
//!     delivery [--rate 1000] [--seconds 10] [--journeys 0]
//!
//! Prints one line of JSON with p50 and p99 in milliseconds.
#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use serde_json::json;
use sonder_tests::{Connection, Engine, Options, Receiver, project};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const CONNECTIONS: u64 = 8;
/// One event in so many makes somebody a buyer.
const ENTRY_EVERY: u64 = 20;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(default)
    };
    let (rate, seconds) = (number("--rate", 1_000), number("--seconds", 10));
    let journeys = number("--journeys", 0);
    let folder = std::env::temp_dir().join(format!("sonder-delivery-{}", std::process::id()));
    let result = measure(&folder, rate, seconds, journeys);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn measure(folder: &Path, rate: u64, seconds: u64, journeys: u64) -> io::Result<()> {
    let receiver = Receiver::start()?;
    let shop = folder.join("project");
    project::keen(&shop, &receiver.address().to_string())?;
    if journeys > 0 {
        std::fs::write(shop.join("rules/journeys.sonder"), rules(journeys))?;
    }
    let engine = Engine::start(&shop, &folder.join("data"), &Options::default())?;
    let begin = Instant::now();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|lane| {
            let address = engine.address();
            std::thread::spawn(move || send(Connection::new(address), lane, rate, seconds, begin))
        })
        .collect();
    let mut sent = BTreeMap::new();
    for thread in threads {
        sent.append(&mut thread.join().map_err(|_| io::Error::other("a connection failed"))??);
    }
    engine.settle(Duration::from_secs(30))?;
    let mut latencies = Vec::new();
    for call in receiver.calls() {
        let is_entry = call.body["type"] == "segment.entered" && call.body["data"]["segment"] == "buyer";
        if (is_entry && journeys == 0) || call.body["type"] == "message" {
            let person = call.body["data"]["person"][0]["value"].as_str().unwrap_or_default();
            latencies.extend(sent.get(person).map(|at| call.at.saturating_duration_since(*at)));
        }
    }
    latencies.sort_unstable();
    let millis = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(0.0, |it| (it.as_secs_f64() * 100_000.0).round() / 100.0)
    };
    println!(
        "{}",
        json!({ "entries": sent.len(), "delivered": latencies.len(), "p50_ms": millis(0.5), "p99_ms": millis(0.99), "max_ms": millis(1.0) })
    );
    engine.stop().map(drop)
}

/// One that writes to each buyer, and others that all events bear upon: some bring people in, who wait.
fn rules(journeys: u64) -> String {
    let greets = "journey greets { enter on order send hook.message { said: \"thanks\" } }\n".to_owned();
    let others = (1..journeys).map(|number| {
        format!(
            "journey j{number} {{\n  enter on view where n == {number} as seen\n  again after 1s\n  goal order\n  \
             wait {number}s\n  if count(view, last 1h) > 1000000 {{ send hook.message {{ product: seen.product }} }}\n}}\n"
        )
    });
    std::iter::once(greets).chain(others).collect()
}

/// Sends its share of the events, evenly; gives when the request of each future buyer was written.
fn send(
    mut connection: Connection,
    lane: u64,
    rate: u64,
    seconds: u64,
    begin: Instant,
) -> io::Result<BTreeMap<String, Instant>> {
    let gap = Duration::from_secs_f64(CONNECTIONS as f64 / rate as f64);
    let mut buyers = BTreeMap::new();
    for n in 0..rate * seconds / CONNECTIONS {
        let due = begin + gap.mul_f64(n as f64 + lane as f64 / CONNECTIONS as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let id = format!("m-{lane}-{n}");
        let message = if n % ENTRY_EVERY == 0 {
            let person = format!("b-{lane}-{n}");
            buyers.insert(person.clone(), Instant::now());
            json!({"type": "track", "event": "order", "messageId": id, "userId": person, "properties": {"total": 9.99}})
        } else {
            json!({"type": "track", "event": "view", "messageId": id, "userId": format!("v{}", n % 500), "properties": {"product": "p", "n": n % 97}})
        };
        connection.post("/v1/track", "wk", &message)?;
    }
    Ok(buyers)
}
