//! `sonder quarantine`: what was kept aside, by what is wrong with it; and that it is given up. `sonder replay quarantine` takes it
//! in after all.

use super::client::{block_on, with_query};
use super::output::{Failure, Output, plain};
use super::reach::{Place, Reach};
use serde_json::{Value as Json, json};

/// Messages of one request: each is a few transactions.
const AT_A_TIME: u64 = 5_000;

/// Show messages that were kept aside, and what is wrong with them
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  sonder quarantine\n  sonder quarantine --reason undeclared_event --messages\n  \
    sonder quarantine --json | jq .groups\n  sonder quarantine dismiss --name 'Debug Ping' --dry-run")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Also the messages themselves, newest first
    #[arg(long)]
    messages: bool,
    #[command(flatten)]
    filter: Filter,
    /// Messages, at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: u64,
    /// As the API answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Give messages up: they are no longer listed, counted or replayed
    #[command(after_help = "Examples:\n  sonder quarantine dismiss 17 18\n  \
        sonder quarantine dismiss --reason undeclared_event --name 'Debug Ping' --dry-run\n\n\
        At least a number, a reason, a source or a name says which. `sonder query` finds them in the table `quarantine`, as\n\
        `dismissed`, for as long as the project keeps what was kept aside.")]
    Dismiss(Dismissal),
}

#[derive(Debug, clap::Args)]
struct Dismissal {
    /// Only these, by the numbers that `sonder quarantine --messages` shows
    ids: Vec<u64>,
    #[command(flatten)]
    filter: Filter,
    /// Show how many would be, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

/// Which messages.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Filter {
    /// Only those with this reason: `schema_violation`, `undeclared_event` …
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    /// Only those from this source
    #[arg(long)]
    pub source: Option<String>,
    /// Only those of this event's name, as it was sent
    #[arg(long)]
    pub name: Option<String>,
}

impl Filter {
    /// As members of a request.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let parts = [("reason", &self.reason), ("source", &self.source), ("name", &self.name)];
        parts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
    }

    /// A request about these of the messages.
    pub fn request(&self, ids: &[u64]) -> Json {
        let mut body = json!({ "ids": ids, "limit": AT_A_TIME });
        for (key, value) in self.parts() {
            body[key] = value.as_str().into();
        }
        body
    }
}

/// So many messages.
pub(super) fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// What only an engine does with the messages.
pub(super) const NEEDED: &str = "start it with `sonder run`: it takes messages in, or gives them up";

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(Action::Dismiss(args)) = &args.action {
        return dismiss(args, output);
    }
    let answer = block_on(async {
        match args.place.reach().await? {
            Reach::Engine(client) => {
                let limit = args.limit.to_string();
                let filter = args.filter.parts().map(|(key, value)| (key, value.as_str()));
                client.get(&with_query("/api/v1/quarantine", filter.chain([("limit", limit.as_str())]))).await
            }
            Reach::Data(offline) => offline.quarantine(&args.filter, args.limit),
        }
    })?;
    if args.json {
        return output.line(answer);
    }
    let text = |value: &Json| plain(value.as_str().unwrap_or("-"));
    if answer["total"] == 0 {
        return output.line("nothing is kept aside");
    }
    let total = answer["total"].as_u64().unwrap_or(0);
    output.line(format!("{} {} kept aside", messages(total), if total == 1 { "is" } else { "are" }))?;
    for group in answer["groups"].as_array().map(Vec::as_slice).unwrap_or_default() {
        output.line("")?;
        output.line(format!(
            "{:>6}  {} of `{}` from {}: {}",
            group["count"].to_string(),
            text(&group["code"]),
            text(&group["name"]),
            text(&group["source"]),
            text(&group["message"]),
        ))?;
        let place = group["path"].as_str().map(|path| format!("at {}, ", plain(path))).unwrap_or_default();
        output.line(format!("        {place}from {} to {}", text(&group["first_at"]), text(&group["last_at"])))?;
    }
    if args.messages {
        for message in answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default() {
            output.line("")?;
            output.line(format!("{}  {}  {}", message["id"], text(&message["received_at"]), text(&message["name"])))?;
            for reason in message["reasons"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let path = reason["path"].as_str().map(|path| format!(" at {}", plain(path))).unwrap_or_default();
                output.line(format!("    {}{path}: {}", text(&reason["code"]), text(&reason["message"])))?;
            }
            output.line(format!("    {}", plain(&message["payload"].to_string())))?;
        }
    }
    output
        .note("mend the project or the messages, then `sonder replay quarantine --dry-run` shows what would come of it")
}

fn dismiss(args: &Dismissal, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut body = args.filter.request(&args.ids);
    body["dry_run"] = args.dry_run.into();
    let dismissed = block_on(async {
        let client = args.place.running(NEEDED).await?;
        let mut dismissed = 0;
        loop {
            let answer = client.post("/api/v1/quarantine/dismiss", &body).await?;
            dismissed += answer["dismissed"].as_u64().unwrap_or(0);
            match answer["next"].as_u64() {
                Some(next) => body["after"] = next.into(),
                None => return Ok::<u64, Failure>(dismissed),
            }
        }
    })?;
    let would = if args.dry_run { " would be" } else { "" };
    output.line(format!("{}{would} given up", messages(dismissed)))
}
