//! `sonder privacy`: what people ask about their data, by when it is due, and what was done about it.

use super::client::{Client, block_on};
use super::output::{Failure, Output};
use super::reach::Place;
use serde_json::{Value as Json, json};

/// Enter what people ask about their data, and see what is due
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  sonder privacy request objection email:ann@shop.example --note \"letter of 3 March\"\n  \
    sonder privacy list\n  sonder privacy step 0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11 lift"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Enter a request: access, portability, erasure, restriction, objection, opt_out
    #[command(after_help = "Examples:\n  sonder privacy request access email:ann@shop.example\n  \
        sonder privacy request objection user_id:u7 --purpose marketing")]
    Request {
        /// access, portability, erasure, restriction, objection or opt_out
        kind: String,
        /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
        person: String,
        /// A purpose that an objection or an opt-out is about; default those that the law names
        #[arg(long = "purpose", value_name = "PURPOSE")]
        purposes: Vec<String>,
        /// The law that it is dealt with by; default that of where they live
        #[arg(long)]
        regime: Option<String>,
        /// When they asked; default now
        #[arg(long, value_name = "TIME")]
        received_at: Option<String>,
        /// Do nothing before it is approved, such as before it is known who asks
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Requests, those that are due first
    #[command(after_help = "Example:\n  sonder privacy list --all --json | jq '.requests[] | select(.overdue)'")]
    List {
        /// Closed ones, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        common: Common,
    },
    /// How far a request is
    #[command(after_help = "Example:\n  sonder privacy show 0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11")]
    Show {
        /// The request's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Do something about a request: approve, cancel, extend, complete, lift
    #[command(
        after_help = "Example:\n  sonder privacy step 0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11 extend --note \"many systems\""
    )]
    Step {
        /// The request's id
        id: String,
        /// approve, cancel, extend, complete or lift
        action: String,
        #[command(flatten)]
        common: Common,
    },
    /// What is kept how long, and what went as that was over; or let it go now, which happens once a day by itself
    #[command(after_help = "Examples:\n  sonder privacy retention\n  sonder privacy retention --dry-run\n  \
        sonder privacy retention --now")]
    Retention {
        /// Let what is kept no longer go now
        #[arg(long)]
        now: bool,
        /// Tell what would go now
        #[arg(long, conflicts_with = "now")]
        dry_run: bool,
        /// As the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Print that a request was dealt with: what was erased, and who was told
    #[command(
        after_help = "Example:\n  sonder privacy certificate 0e4f6a9e-6a5c-4d0e-9a53-0d1f6f6f2c11 > certificate.json"
    )]
    Certificate {
        /// The request's id
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Why, for the record
    #[arg(long)]
    note: Option<String>,
    /// Who does it, for the record
    #[arg(long, env = "USER")]
    by: Option<String>,
    /// As the API answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

const REQUESTS: &str = "/api/v1/privacy/requests";
const RETENTION: &str = "/api/v1/privacy/retention";

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::Request { kind, person, purposes, regime, received_at, wait, common } => {
            let mut body = json!({"kind": kind, "person": person, "wait": wait});
            let purposes = (!purposes.is_empty()).then(|| json!(purposes));
            let given = [("purposes", purposes), ("regime", of(regime)), ("received_at", of(received_at))];
            for (key, value) in given.into_iter().chain(common.notes()) {
                if let Some(value) = value {
                    body[key] = value;
                }
            }
            let answer = reach(&common.place, async |client| client.post(REQUESTS, &body).await)?;
            common.show(&answer, output)
        }
        Action::List { all, common } => {
            let path = format!("{REQUESTS}?all={all}");
            let answer = reach(&common.place, async |client| client.get(&path).await)?;
            if common.json {
                return output.line(answer);
            }
            let requests = answer["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
            if requests.is_empty() {
                return output.line("nobody asks for anything");
            }
            requests.iter().try_for_each(|request| output.line(line(request)))
        }
        Action::Show { id, common } => {
            let path = format!("{REQUESTS}/{id}");
            let answer = reach(&common.place, async |client| client.get(&path).await)?;
            common.show(&answer, output)
        }
        Action::Step { id, action, common } => {
            let mut body = json!({"action": action});
            for (key, value) in common.notes() {
                if let Some(value) = value {
                    body[key] = value;
                }
            }
            let path = format!("{REQUESTS}/{id}/steps");
            let answer = reach(&common.place, async |client| client.post(&path, &body).await)?;
            common.show(&answer, output)
        }
        Action::Retention { now, dry_run, json, place } => {
            let answer = if *now || *dry_run {
                let body = json!({"dry_run": dry_run});
                reach(place, async |client| client.post(RETENTION, &body).await)?
            } else {
                reach(place, async |client| client.get(RETENTION).await)?
            };
            match (*json, *now || *dry_run) {
                (true, _) => output.line(answer),
                (false, true) => output.line(expired(&answer)),
                (false, false) => retention(&answer, output),
            }
        }
        Action::Certificate { id, place } => {
            let path = format!("{REQUESTS}/{id}/certificate");
            let answer = reach(place, async |client| client.get(&path).await)?;
            output.line(serde_json::to_string_pretty(&answer).unwrap_or_default())
        }
    }
}

fn of(text: &Option<String>) -> Option<Json> {
    text.as_deref().map(Json::from)
}

fn reach(place: &Place, ask: impl AsyncFnOnce(Client) -> Result<Json, Failure>) -> Result<Json, Failure> {
    block_on(async {
        let client = place.running("what people ask is dealt with by an engine: start it with `sonder run`").await?;
        ask(client).await
    })
}

impl Common {
    fn notes(&self) -> [(&'static str, Option<Json>); 2] {
        [("by", of(&self.by)), ("note", of(&self.note))]
    }

    fn show(&self, request: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
        if self.json {
            return output.line(request);
        }
        output.line(line(request))?;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        for step in request["steps"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let by = step["by"].as_str().map_or_else(String::new, |by| format!(" by {by}"));
            let note = step["note"].as_str().map_or_else(String::new, |note| format!(": {note}"));
            output.line(format!("  {}  {}{by}{note}", text(&step["at"]), text(&step["step"])))?;
        }
        destinations(&request["erasure"], output)
    }
}

/// What came of telling destinations of an erasure.
pub(super) fn destinations(erasure: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    for told in erasure["destinations"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let detail = told["detail"].as_str().map_or_else(String::new, |why| format!("  ({why})"));
        output.line(format!("  destination `{}`: {}{detail}", text("destination"), text("state")))?;
    }
    Ok(())
}

/// What is kept how long, and what went.
fn retention(answer: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let list = |key: &str| answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    for kept in list("keeps") {
        output.line(format!("{:<30} kept for {}", text(&kept["what"]), text(&kept["kept"])))?;
    }
    for run in list("runs") {
        output.line(format!("{}  {}", text(&run["at"]), expired(&run["expired"])))?;
    }
    Ok(())
}

/// ``3 of `order`, 1 of `page_viewed`, people: 2``
fn expired(gone: &Json) -> String {
    let events = gone["events"].as_object().into_iter().flatten();
    let mut parts: Vec<String> = events.map(|(name, count)| format!("{count} of `{name}`")).collect();
    let others = [
        ("traits", "messages that lose a trait"),
        ("people", "people"),
        ("quarantined", "messages that were kept aside"),
        ("decisions", "changes and deliveries"),
        ("audit", "entries of the audit log"),
    ];
    let others = others.iter().filter(|(key, _)| gone[*key].as_u64().unwrap_or(0) > 0);
    parts.extend(others.map(|(key, what)| format!("{what}: {}", gone[*key])));
    if parts.is_empty() { "nothing is over".to_owned() } else { parts.join(", ") }
}

fn line(request: &Json) -> String {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let who = request["subject"].as_str().unwrap_or("somebody who was erased");
    let late = if request["overdue"] == true { ", late" } else { "" };
    let until = match request["closed_at"].as_str() {
        Some(at) => format!("since {at}"),
        None => format!("due {} ({}){late}", text("due_at"), text("regime")),
    };
    format!("{}  {:<11} {:<11} {who}  {until}", text("id"), text("kind"), text("state"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line() {
        let mut request = json!({"id": "i", "kind": "access", "state": "in_progress", "subject": "email:a@x.example",
            "due_at": "2026-03-31", "regime": "gdpr", "overdue": true, "closed_at": null});
        assert_eq!(line(&request), "i  access      in_progress email:a@x.example  due 2026-03-31 (gdpr), late");
        request["subject"] = Json::Null;
        request["closed_at"] = "2026-03-09".into();
        assert_eq!(line(&request), "i  access      in_progress somebody who was erased  since 2026-03-09");
    }
}
