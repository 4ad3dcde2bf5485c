//! `sonder journey`: where people stand, how many came how far, and what the branches of splits brought.

mod picture;

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use serde_json::Value as Json;
use std::path::PathBuf;

/// Look at journeys: where people stand, and how many came how far
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder journey list\n  sonder journey show cart_recovery\n  \
    sonder journey show cart_recovery --svg > cart_recovery.svg")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All journeys, and how many are in each
    #[command(after_help = "Example:\n  sonder journey list")]
    List {
        #[command(flatten)]
        asked: Asked,
    },
    /// One journey: its steps with how many stand and came there, and its splits with what each branch brought
    #[command(after_help = "Examples:\n  sonder journey show cart_recovery\n  \
        sonder journey show cart_recovery --json | jq .splits\n  sonder journey show cart_recovery --svg > cart_recovery.svg")]
    Show {
        /// The journey's name
        name: String,
        /// A picture, with the counts on its steps and ways
        #[arg(long, conflicts_with = "json")]
        svg: bool,
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// As the API answers it
    #[arg(long)]
    json: bool,
    /// The project, when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::List { asked } => {
            let answer = ask(asked, "/api/v1/journeys", |offline, project| offline.journeys(project))?;
            if asked.json { output.line(answer) } else { list(&answer, output) }
        }
        Action::Show { name, svg, asked } => {
            let path = format!("/api/v1/journeys/{name}");
            let answer = ask(asked, &path, |offline, project| offline.journey(name, project))?;
            match (svg, asked.json) {
                (true, _) => output.text(&picture::svg(&answer)),
                (_, true) => output.line(answer),
                _ => show(&answer, output),
            }
        }
    }
}

fn ask(
    asked: &Asked,
    path: &str,
    offline: impl FnOnce(&crate::server::Offline, Option<&std::path::Path>) -> Result<Json, Failure>,
) -> Result<Json, Failure> {
    block_on(async {
        match asked.place.reach().await? {
            Reach::Engine(client) => client.get(path).await,
            Reach::Data(data) => offline(&data, asked.project.as_deref()),
        }
    })
}

fn list(answer: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let journeys = answer["journeys"].as_array().map(Vec::as_slice).unwrap_or_default();
    if journeys.is_empty() {
        return output.line("the project has no journeys");
    }
    let widest = journeys.iter().map(|it| text(&it["name"]).chars().count()).max().unwrap_or(0);
    for it in journeys {
        output.line(format!(
            "{:widest$}  {:>7} in it  {}",
            text(&it["name"]),
            it["waiting"],
            text(&it["description"])
        ))?;
    }
    Ok(())
}

fn show(journey: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let title = [text(&journey["name"]), text(&journey["description"])];
    output.line(title.join("  ").trim_end())?;
    let mut figures = vec![format!("{} in it now", journey["waiting"]), format!("{} entered", journey["entered"])];
    figures.extend(items(&journey["left"]).iter().map(|it| format!("{} {}", it["passages"], text(&it["outcome"]))));
    if let Some(rate) = journey["conversion"].as_f64() {
        figures.push(format!("{} of those who left converted", percent(rate)));
    }
    output.line(figures.join(" · "))?;
    let steps = items(&journey["steps"]);
    let label = |step: &Json| format!("{:>4}  {}", count(&step["line"]), text(&step["step"]));
    let widest = steps.iter().map(|step| label(step).chars().count()).max().unwrap_or(0).max(10);
    output.line(format!("\n{:<widest$}  {:>8} {:>8} {:>8}", "line  step", "here now", "came", "sent"))?;
    for step in steps {
        let sent = match count(&step["sent"]) {
            0 => String::new(),
            sent => sent.to_string(),
        };
        let line =
            format!("{:<widest$}  {:>8} {:>8} {sent:>8}", label(step), count(&step["standing"]), count(&step["came"]));
        output.line(line.trim_end())?;
        let unsent = count(&step["unsent"]);
        if unsent > 0 {
            output.line(format!("{:widest$}  {unsent} not sent: over the cap, or a field was unknown", ""))?;
        }
    }
    for split in items(&journey["splits"]) {
        let step = steps.iter().find(|step| step["key"] == split["step"]);
        let line = step.map_or(Json::Null, |step| step["line"].clone());
        output.line(format!("\nsplit in line {line}, held against `{}`", text(&split["control"])))?;
        for branch in items(&split["branches"]) {
            output.line(format!("  {}", branch_line(branch)))?;
        }
    }
    Ok(())
}

fn branch_line(branch: &Json) -> String {
    let mut line = format!("{}: {} of {} converted", text(&branch["name"]), branch["converted"], branch["passages"]);
    if let Some(rate) = branch["rate"].as_f64() {
        line += &format!(" ({})", percent(rate));
    }
    let estimate = |it: &Json| Some((it["value"].as_f64()?, it["low"].as_f64()?, it["high"].as_f64()?));
    if let Some((value, low, high)) = estimate(&branch["difference"]) {
        let points = |share: f64| format!("{:+.1}", share * 100.0);
        line += &format!(", {} points ({} to {})", points(value), points(low), points(high));
    }
    if let Some((value, low, high)) = estimate(&branch["uplift"]) {
        let signed = |share: f64| format!("{:+.1} %", share * 100.0);
        line += &format!(", uplift {} ({} to {})", signed(value), signed(low), signed(high));
    }
    line
}

fn count(value: &Json) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn items(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(super) fn carts() -> Json {
        let way = |label: &str, to: Json, passages: u64| json!({"label": label, "to": to, "passages": passages});
        let step = |key: &str, line: u64, step: &str, standing: u64, came: u64, sent: u64, ways: Json| {
            json!({"key": key, "line": line, "step": step, "standing": standing, "came": came, "sent": sent, "unsent": 0,
                "ways": ways})
        };
        json!({
            "name": "carts", "description": "Win back a cart", "purpose": "marketing", "place": "rules/carts.sonder:1",
            "fingerprint": "c0ffee", "waiting": 3, "entered": 340,
            "left": [{"outcome": "converted", "passages": 80}, {"outcome": "finished", "passages": 257}],
            "conversion": 0.2374, "start": "1",
            "steps": [
                step("1", 4, "wait 30m", 3, 340, 0, json!([way("", json!("2"), 300)])),
                step("2", 5, "split", 0, 300, 0, json!([way("control", Json::Null, 30), way("treated", json!("3"), 270)])),
                step("3", 8, "if", 0, 270, 0, json!([way("yes", json!("4"), 200), way("no", json!("7"), 70)])),
                step("4", 9, "send email.message", 0, 200, 200, json!([way("", json!("5"), 200)])),
                step("5", 10, "wait for email_clicked up to 24h", 0, 200, 0,
                    json!([way("in time", json!("6"), 60), way("too late", json!("8"), 140)])),
                step("6", 11, "send onsite.banner", 0, 60, 60, json!([way("", Json::Null, 60)])),
                step("7", 16, "send onsite.popup", 0, 70, 70, json!([way("", Json::Null, 70)])),
                step("8", 13, "send email.message", 0, 140, 140, json!([way("", Json::Null, 100)])),
            ],
            "splits": [{"step": "2", "control": "control", "branches": [
                {"name": "control", "share": 0.1, "passages": 30, "converted": 3, "rate": 0.1, "difference": null, "uplift": null},
                {"name": "treated", "share": 0.9, "passages": 270, "converted": 68, "rate": 0.2519,
                    "difference": {"value": 0.1519, "low": 0.0021, "high": 0.2303},
                    "uplift": {"value": 1.519, "low": -0.31, "high": 3.34}},
            ]}],
        })
    }

    #[test]
    fn a_journey_is_shown_in_lines() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
        show(&carts(), &mut output).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
