//! `sonder sql`: a rule as one readable SQL statement.

use super::output::{Failure, Output};
use super::project::load;
use sonder_dsl::ir::RuleId;
use sonder_dsl::ir::sql::{Clock, Dialect, DuckDb, lower, lower_funnel};
use sonder_dsl::time::Moment;
use std::path::PathBuf;

/// Print the SQL of segments and traits, or of a funnel
///
/// The statement reads `people(person)`, `profile(person, …)` and one relation an event type,
/// `ev_<event>(person, seq, occurred_at, …)`, and gives a column for each rule. That of a
/// funnel gives a row for each step and value of its breakdowns: how many people reached it, and how many were lost right before.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder sql abandoned_cart --project shop\n  \
    sonder sql lifetime_value favourite_category --project shop --at 2026-03-01T12:00:00Z")]
pub struct Args {
    /// Segments and traits, several of which share their scans of the same events; or one funnel
    #[arg(required = true, value_name = "RULE")]
    rules: Vec<String>,
    /// The project's folder
    #[arg(long, default_value = ".", value_name = "DIR")]
    project: PathBuf,
    /// The moment to evaluate at; default: when the statement runs
    #[arg(long, value_name = "TIME", value_parser = super::eval::moment)]
    at: Option<Moment>,
    /// Whose SQL
    #[arg(long, value_enum, default_value_t = Database::Duckdb)]
    dialect: Database,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Database {
    /// DuckDB 1.5
    Duckdb,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let program = load(&args.project, output)?.program;
    let dialect: &dyn Dialect = match args.dialect {
        Database::Duckdb => &DuckDb,
    };
    let clock = args.at.map_or(Clock::Now, Clock::At);
    if let [name] = args.rules.as_slice()
        && let Some(funnel) = program.funnel_named(name)
    {
        return output.line(format_args!("{};", lower_funnel(&program, funnel, clock, dialect)));
    }
    if let Some(name) = args.rules.iter().find(|name| program.funnel_named(name).is_some()) {
        return Err(Failure::user(format!("`{name}` is a funnel, and a funnel is a statement of its own"))
            .help(format!("ask for it alone: `sonder sql {name}`")));
    }
    let rules: Vec<RuleId> = super::eval::rules(&program, &args.rules)?;
    let query = lower(&program, &rules, clock, dialect);
    output.line(format_args!("{query};"))
}
