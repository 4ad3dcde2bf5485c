//! Load for benchmarks: batches or single events over several connections, with the time until each was acknowledged.
//!
//!     load 127.0.0.1:8080 --key wk --connections 8 --batch 100 --seconds 10 [--rate 1000] [--people 10000]
//!
//! Prints one line of JSON: events and requests a second, refusals, and the latency's p50, p90, p99 and maximum in
//! milliseconds. With `--rate` it sends so many events a second, evenly, and counts latency from the moment a batch was due,
//! so that a stall is not hidden by the wait that it causes.
#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use serde_json::{Value as Json, json};
use sonder_tests::http::Connection;
use sonder_tests::traffic::Dice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone)]
struct Plan {
    address: SocketAddr,
    key: String,
    connections: u64,
    batch: u64,
    seconds: u64,
    /// Events a second; 0 for as many as go.
    rate: u64,
    people: u64,
    event: String,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    events: u64,
    refused: u64,
    latencies: Vec<Duration>,
}

fn main() -> Result<(), String> {
    let plan = plan(&std::env::args().skip(1).collect::<Vec<_>>())?;
    let begin = Instant::now();
    let threads: Vec<_> = (0..plan.connections)
        .map(|number| {
            let plan = plan.clone();
            std::thread::spawn(move || run(&plan, number, begin))
        })
        .collect();
    let mut all = Seen::default();
    for thread in threads {
        let seen = thread.join().map_err(|_| "a connection failed".to_owned())?.map_err(|error| error.to_string())?;
        all.events += seen.events;
        all.refused += seen.refused;
        all.latencies.extend(seen.latencies);
    }
    let took = begin.elapsed().as_secs_f64();
    all.latencies.sort_unstable();
    let millis = |share: f64| {
        let place = ((all.latencies.len() as f64 * share) as usize).min(all.latencies.len().saturating_sub(1));
        all.latencies.get(place).map_or(0.0, |it| (it.as_secs_f64() * 100_000.0).round() / 100.0)
    };
    println!(
        "{}",
        json!({
            "events_per_s": (all.events as f64 / took).round(),
            "requests_per_s": (all.latencies.len() as f64 / took).round(),
            "events": all.events,
            "refused": all.refused,
            "p50_ms": millis(0.5), "p90_ms": millis(0.9), "p99_ms": millis(0.99), "max_ms": millis(1.0),
        })
    );
    Ok(())
}

fn run(plan: &Plan, number: u64, begin: Instant) -> std::io::Result<Seen> {
    let mut connection = Connection::new(plan.address);
    let mut dice = Dice::new(number + 1);
    let mut seen = Seen::default();
    let end = begin + Duration::from_secs(plan.seconds);
    // Connections take turns, so that the events are spread evenly over time.
    let gap =
        (plan.rate > 0).then(|| Duration::from_secs_f64((plan.batch * plan.connections) as f64 / plan.rate as f64));
    let mut due = begin + gap.unwrap_or_default().mul_f64(number as f64 / plan.connections as f64);
    let mut sent = 0;
    loop {
        if gap.is_some() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        } else {
            due = Instant::now();
        }
        if Instant::now() >= end {
            return Ok(seen);
        }
        let messages: Vec<Json> = (0..plan.batch).map(|_| message(plan, number, &mut sent, &mut dice, begin)).collect();
        let answer = if plan.batch == 1 {
            connection.post("/v1/track", &plan.key, &messages.into_iter().next().unwrap_or(Json::Null))?
        } else {
            connection.post("/v1/batch", &plan.key, &json!({ "batch": messages }))?
        };
        if answer.status == 200 {
            seen.events += plan.batch;
            seen.latencies.push(due.elapsed());
        } else {
            seen.refused += plan.batch;
            std::thread::sleep(Duration::from_millis(50));
        }
        due += gap.unwrap_or_default();
    }
}

fn message(plan: &Plan, number: u64, sent: &mut u64, dice: &mut Dice, begin: Instant) -> Json {
    *sent += 1;
    let id = format!("load-{}-{number}-{sent}", std::process::id());
    json!({
        "type": "track", "event": plan.event, "messageId": id, "userId": format!("u{}", dice.below(plan.people)),
        "properties": { "product": format!("p{}", dice.below(500)), "n": begin.elapsed().as_millis() as u64 },
        "context": { "library": { "name": "load", "version": "1" }, "ip": "203.0.113.9" },
    })
}

fn plan(arguments: &[String]) -> Result<Plan, String> {
    let usage = || {
        "load ADDRESS [--key K] [--connections N] [--batch N] [--seconds N] [--rate N] [--people N] [--event E]"
            .to_owned()
    };
    let mut plan = Plan {
        address: arguments.first().and_then(|text| text.parse().ok()).ok_or_else(usage)?,
        key: "wk".to_owned(),
        connections: 8,
        batch: 100,
        seconds: 10,
        rate: 0,
        people: 10_000,
        event: "view".to_owned(),
    };
    for pair in arguments[1..].chunks(2) {
        let [name, value] = pair else { return Err(usage()) };
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is not a number"));
        match name.as_str() {
            "--key" => plan.key = value.clone(),
            "--event" => plan.event = value.clone(),
            "--connections" => plan.connections = number()?.max(1),
            "--batch" => plan.batch = number()?.max(1),
            "--seconds" => plan.seconds = number()?,
            "--rate" => plan.rate = number()?,
            "--people" => plan.people = number()?.max(1),
            _ => return Err(usage()),
        }
    }
    Ok(plan)
}
