//! `sonder query`: read-only SQL, through the running engine where there is one, else from the data directory.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use super::table::{Format, print};
use sonder_dsl::time::Moment;
use std::path::PathBuf;

/// Run read-only SQL over events, people, segments and deliveries
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder query 'select event, count(*) from log group by 1 order by 2 desc'\n  \
    sonder query 'select * from ev_order_completed' --format csv > orders.csv\n  \
    sonder query 'select segment, count(*) from memberships group by 1' --at 2026-03-01T00:00:00Z")]
pub struct Args {
    /// One statement
    sql: String,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Rows, at most
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// Ask for what was there at this moment: the log is folded again up to then
    #[arg(long, value_name = "TIME", value_parser = super::eval::moment)]
    at: Option<Moment>,
    /// The project, with `--at` and when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let rows = block_on(async {
        match args.place.reach().await? {
            Reach::Engine(client) => {
                let at = args.at.map(|at| at.to_string());
                let body = serde_json::json!({ "sql": args.sql, "limit": args.limit, "at": at });
                super::table::from_json(&client.post("/api/v1/query", &body).await?)
            }
            Reach::Data(offline) => {
                offline.query(&args.sql, args.limit, args.at.map(|at| (at, args.project.as_deref())))
            }
        }
    })?;
    print(&rows, args.format, output)?;
    if rows.truncated {
        output.note(format!("there are more than {} rows; ask for more with `--limit`", args.limit))?;
    }
    Ok(())
}
