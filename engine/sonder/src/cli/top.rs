//! `sonder top`: the engine at a glance, again and again: on a terminal a page that is drawn anew, elsewhere a line each time.

use super::client::{Client, block_on};
use super::output::{Failure, Output, plain};
use super::reach::Place;
use serde_json::Value as Json;
use std::time::{Duration, Instant};

/// Segments that are shown, the largest first.
const SEGMENTS: usize = 10;

/// Watch the engine: rates, lag by stage, destinations, segments
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder top\n  sonder top --every 5 --count 12 > minute.log")]
pub struct Args {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Look so many times, then end
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    place: Place,
}

/// What was seen at one moment.
struct Look {
    at: Instant,
    status: Json,
    segments: Json,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    block_on(async {
        let client = args.place.running("start it with `sonder run`").await?;
        let mut before: Option<Look> = None;
        let mut left = args.count.unwrap_or(u64::MAX);
        loop {
            let now = look(&client).await?;
            let rates = Rates::between(before.as_ref(), &now);
            if output.out_is_terminal {
                // To the upper left corner, and what is left of the page before goes.
                output.text(&format!("\u{1b}[H\u{1b}[J{}", page(&now, &rates)))?;
            } else {
                output.line(line(&now, &rates))?;
            }
            output.out.flush()?;
            before = Some(now);
            left -= 1;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(args.every)).await;
        }
    })
}

async fn look(client: &Client) -> Result<Look, Failure> {
    let status = client.get("/api/v1/status").await?;
    let segments = client.get("/api/v1/segments").await?;
    Ok(Look { at: Instant::now(), status, segments })
}

/// Per second, since the look before.
struct Rates {
    events: f64,
    aside: f64,
    delivered: f64,
}

impl Rates {
    fn between(before: Option<&Look>, now: &Look) -> Self {
        let Some(before) = before else { return Self { events: 0.0, aside: 0.0, delivered: 0.0 } };
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
        let rate =
            |read: &dyn Fn(&Json) -> u64| read(&now.status).saturating_sub(read(&before.status)) as f64 / seconds;
        Self {
            events: rate(&|status| number(&status["log"]["seq"])),
            aside: rate(&|status| number(&status["log"]["quarantined"])),
            delivered: rate(&|status| list(&status["destinations"]).iter().map(|it| number(&it["delivered"])).sum()),
        }
    }
}

fn line(look: &Look, rates: &Rates) -> String {
    let Look { status, .. } = look;
    let (log, lag) = (&status["log"], &status["lag"]);
    format!(
        "{} events={} events_per_s={:.1} quarantined={} people={} queued={} unfolded={} undelivered={} delivered_per_s={:.1} memory_mib={}",
        text(&status["stage"]),
        log["seq"],
        rates.events,
        log["quarantined"],
        status["people"],
        lag["queued"],
        lag["unfolded"],
        lag["undelivered"],
        rates.delivered,
        number(&status["memory"]["resident"]) >> 20,
    )
}

fn page(look: &Look, rates: &Rates) -> String {
    let Look { status, segments, .. } = look;
    let (log, lag) = (&status["log"], &status["lag"]);
    let mut page = format!(
        "{}  {}  since {}  version {}\n\n",
        text(&status["project"]),
        text(&status["stage"]),
        text(&status["started_at"]),
        text(&status["fingerprint"])
    );
    page += &format!("events      {:>12}  {:>10.1}/s\n", number(&log["seq"]), rates.events);
    page += &format!("quarantine  {:>12}  {:>10.1}/s\n", number(&log["quarantined"]), rates.aside);
    page += &format!("people      {:>12}\n", number(&status["people"]));
    page += &format!(
        "lag         {} queued, {} not folded, {} not delivered (oldest {} s), clock {} ms\n",
        lag["queued"],
        lag["unfolded"],
        lag["undelivered"],
        number(&lag["oldest_undelivered_ms"]) / 1_000,
        lag["clock_ms"]
    );
    page += &format!("memory      {} MiB\n", number(&status["memory"]["resident"]) >> 20);
    if status["reload"]["outcome"] == "rejected" {
        page += "reload      the files on disk have errors; the version before runs on\n";
    }
    if !list(&status["destinations"]).is_empty() {
        page += "\ndestination           delivered    pending    retried   given up\n";
    }
    for it in list(&status["destinations"]) {
        let trouble = it["last_error"].as_str().map(|error| format!("  {}", plain(error))).unwrap_or_default();
        let paused = if it["paused"] == true { "  paused" } else { "" };
        page += &format!(
            "{:<20} {:>10} {:>10} {:>10} {:>10}{paused}{trouble}\n",
            text(&it["name"]),
            number(&it["delivered"]),
            number(&it["pending"]),
            number(&it["retried"]),
            number(&it["dead"]),
        );
    }
    let mut sizes: Vec<(u64, String)> =
        list(&segments["segments"]).iter().map(|it| (number(&it["size"]), text(&it["name"]))).collect();
    sizes.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    if !sizes.is_empty() {
        page += "\nsegment                           people\n";
    }
    for (size, name) in sizes.into_iter().take(SEGMENTS) {
        page += &format!("{name:<30} {size:>9}\n");
    }
    page + "\nCtrl-C ends this\n"
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), plain)
}

fn number(value: &Json) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_shows_rates_lag_destinations_and_the_largest_segments() {
        let status = |seq: u64, delivered: u64| {
            json!({
                "project": "shop", "stage": "running", "started_at": "2026-03-01T12:00:00.000000Z", "fingerprint": "0123456789abcdef",
                "log": {"seq": seq, "quarantined": 3}, "people": 12,
                "lag": {"queued": 0, "unfolded": 4, "undelivered": 2, "oldest_undelivered_ms": 4_200, "clock_ms": 0},
                "memory": {"resident": 64 << 20}, "reload": {"outcome": "rejected"},
                "destinations": [{"name": "crm", "delivered": delivered, "pending": 2, "retried": 1, "dead": 0, "paused": true,
                    "last_error": "status 503"}],
            })
        };
        let begin = Instant::now();
        let look = |seconds: u64, status: Json| Look {
            at: begin + Duration::from_secs(seconds),
            status,
            segments: json!({"segments": [{"name": "small", "size": 1}, {"name": "large", "size": 9}]}),
        };
        let (before, now) = (look(0, status(100, 0)), look(2, status(300, 10)));
        let rates = Rates::between(Some(&before), &now);
        insta::assert_snapshot!(format!("{}\n{}", page(&now, &rates), line(&now, &rates)));
    }
}
