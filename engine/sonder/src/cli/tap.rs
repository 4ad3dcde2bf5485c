//! `sonder tap`: what goes through the engine while it happens.

use super::client::{block_on, with_query};
use super::output::{Failure, Output, plain};
use super::reach::Place;
use serde_json::Value as Json;

/// Watch what goes through the engine while it happens
///
/// Everything is shown once it is durable: messages, what is kept aside, what comes true about people, deliveries and how
/// attempts at them end. Whoever is too slow misses some, and is told how many.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder tap\n  sonder tap quarantine --json | jq .reasons\n  \
    sonder tap change --name abandoned_cart\n  sonder tap log --text ann@shop.example\n  sonder tap log --sample 0.01")]
pub struct Args {
    /// Only these stages
    #[arg(value_enum)]
    stages: Vec<Stage>,
    /// Only what is about these events, segments, traits, journeys or destinations
    #[arg(long, value_delimiter = ',')]
    name: Vec<String>,
    /// Only what has this text somewhere in it
    #[arg(long)]
    text: Option<String>,
    /// Show this share of it, such as 0.01
    #[arg(long, value_name = "SHARE")]
    sample: Option<f64>,
    /// End after so many
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// As JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// Messages that were logged
    Log,
    /// Messages that were kept aside
    Quarantine,
    /// What came true about people
    Change,
    /// Deliveries that were decided
    Delivery,
    /// How attempts at deliveries ended
    Outcome,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Quarantine => "quarantine",
            Self::Change => "change",
            Self::Delivery => "delivery",
            Self::Outcome => "outcome",
        }
    }
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let stages: Vec<&str> = args.stages.iter().map(|stage| stage.name()).collect();
    let (stages, names) = (stages.join(","), args.name.join(","));
    let sample = args.sample.map(|share| share.to_string()).unwrap_or_default();
    let asked = [
        ("stage", stages.as_str()),
        ("name", &names),
        ("text", args.text.as_deref().unwrap_or_default()),
        ("sample", &sample),
    ];
    let path = with_query("/api/v1/live", asked.into_iter().filter(|(_, value)| !value.is_empty()));
    block_on(async {
        let client = args.place.running("start it with `sonder run`").await?;
        let mut left = args.count.unwrap_or(u64::MAX);
        client
            .lines(&path, |line| {
                let Some(data) = line.strip_prefix("data: ") else { return Ok(left > 0) };
                let shown =
                    if args.json { data.to_owned() } else { shown(&serde_json::from_str(data).unwrap_or_default()) };
                output.line(shown)?;
                output.out.flush()?;
                left -= 1;
                Ok(left > 0)
            })
            .await
    })
}

/// One line for people.
fn shown(it: &Json) -> String {
    let text = |key: &str| plain(it[key].as_str().unwrap_or("-"));
    let head = format!("{}  {:<10}", text("at"), text("stage"));
    match it["stage"].as_str() {
        Some("log") => {
            let said = ["properties", "traits"].into_iter().find_map(|key| it["payload"].get(key));
            let said = said.map(|said| plain(&said.to_string())).unwrap_or_default();
            format!("{head}  #{} {} from {}  {said}", it["seq"], text("event"), text("source"))
        }
        Some("quarantine") => {
            let reason = &it["reasons"][0];
            let path = reason["path"].as_str().map(|path| format!("{}: ", plain(path))).unwrap_or_default();
            let why = plain(reason["message"].as_str().unwrap_or_default());
            format!("{head}  {} from {}  {path}{why}", text("event"), text("source"))
        }
        Some("change") => format!("{head}  {} {} {}", text("person"), text("kind"), text("name")),
        Some("delivery") => {
            format!("{head}  {} {} {} to {}", text("person"), text("kind"), text("name"), text("destination"))
        }
        Some("outcome") => {
            let detail = it["detail"].as_str().map(|detail| format!("  {}", plain(detail))).unwrap_or_default();
            format!("{head}  {} {} at attempt {}{detail}", text("delivery"), text("state"), it["attempt"])
        }
        _ => format!("{} of them were too fast and are not shown", it["count"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_stage_is_one_line() {
        let at = "2026-03-01T12:00:00.000000Z";
        let lines = [
            json!({"stage": "log", "at": at, "seq": 7, "event": "view", "source": "web", "payload": {"properties": {"a": "\n"}}}),
            json!({"stage": "quarantine", "at": at, "event": "view", "source": "web",
                "reasons": [{"code": "x", "path": "/properties/a", "message": "must be a number"}]}),
            json!({"stage": "change", "at": at, "person": "0a", "kind": "entered", "name": "keen"}),
            json!({"stage": "delivery", "at": at, "person": "0a", "kind": "segment_entered", "name": "keen", "destination": "crm"}),
            json!({"stage": "outcome", "at": at, "delivery": "0d", "state": "retry", "attempt": 2, "detail": "status 503"}),
            json!({"stage": "skipped", "count": 12}),
        ];
        let lines: Vec<String> = lines.iter().map(shown).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
