//! `sonder query`: read-only SQL, through the running engine where there is one, else from the data directory.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use super::table::{Format, print};

/// Run read-only SQL over events, people, segments and deliveries
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder query 'select event, count(*) from log group by 1 order by 2 desc'\n  \
    sonder query 'select * from ev_order_completed' --format csv > orders.csv")]
pub struct Args {
    /// One statement
    sql: String,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Rows, at most
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let rows = block_on(async {
        match args.place.reach().await? {
            Reach::Engine(client) => {
                let body = serde_json::json!({ "sql": args.sql, "limit": args.limit });
                super::table::from_json(&client.post("/api/v1/query", &body).await?)
            }
            Reach::Data(offline) => offline.query(&args.sql, args.limit),
        }
    })?;
    print(&rows, args.format, output)?;
    if rows.truncated {
        output.note(format!("there are more than {} rows; ask for more with `--limit`", args.limit))?;
    }
    Ok(())
}
