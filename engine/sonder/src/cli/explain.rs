//! `sonder explain`: why somebody is in a segment, or is not.

mod page;
mod words;

use super::client::block_on;
use super::output::{Failure, Output};
use super::project::colour;
use super::reach::{Place, Reach};
use crate::server::Asked;
use page::Page;
use sonder_core::explain::Personal;
use sonder_dsl::time::Moment;
use std::path::PathBuf;

/// Why a person is in a segment, or is not, or has a value of a computed trait
///
/// Shows the rule's expression with the value of each part, how far a comparison is from turning, the events that made it,
/// and the exact moment at which it changes if nothing happens.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder explain email:ann@shop.example abandoned_cart\n  \
    sonder explain user_id:u7 lifetime_value --at 2026-03-01T12:00:00Z --format json | jq .tree")]
pub struct Args {
    /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
    person: String,
    /// A segment or a computed trait
    rule: String,
    /// The moment to look at; what was received after it does not count; default: now
    #[arg(long, value_name = "TIME", value_parser = super::eval::moment)]
    at: Option<Moment>,
    /// Show values of personal data, too
    #[arg(long)]
    personal: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The project, when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For reading
    Text,
    /// As the API answers it
    Json,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let Args { person, rule, at, .. } = args;
    let explanation = block_on(async {
        match args.place.reach().await? {
            Reach::Engine(client) => {
                let at = at.map(|at| at.to_string());
                let body = serde_json::json!({ "person": person, "rule": rule, "at": at, "personal": args.personal });
                client.post("/api/v1/explain", &body).await
            }
            Reach::Data(offline) => {
                let personal = if args.personal { Personal::Shown } else { Personal::Hidden };
                offline.explain(&Asked { person, rule, at: *at, personal }, args.project.as_deref())
            }
        }
    })?;
    match args.format {
        Format::Json => output.line(explanation),
        Format::Text => {
            let mut page = Page::new(colour(output.out_is_terminal), output.width());
            page::explanation(&mut page, person, &explanation);
            output.text(&page.text())
        }
    }
}
