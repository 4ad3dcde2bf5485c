//! `sonder eval`: memberships and traits of everybody from files of events at a moment, with no server.

use super::output::{Failure, Output};
use super::project::load;
use sonder_core::eval::{Evaluation, History, Request, lines};
use sonder_core::message::Quarantined;
use sonder_dsl::ir::{Program, RuleId, SourceId};
use sonder_dsl::model::SourceKind;
use sonder_dsl::time::Moment;
use sonder_store::evaluation::SqlEvaluation;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// Evaluate a project's rules over files of events at a moment
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder eval shop --events events.ndjson --at 2026-03-01T12:00:00Z\n  \
    sonder eval shop --events events.ndjson --at 2026-03-01T12:00:00Z --rules abandoned_cart --trace\n  \
    sonder eval shop --events events.ndjson --at 2026-03-01T12:00:00Z --funnel checkout")]
pub struct Args {
    /// The project's folder
    project: PathBuf,
    /// NDJSON: one Segment-shaped message a line, in the order of the log; `-` for standard input. What has no `receivedAt`
    /// arrived at its `timestamp`
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    events: Vec<PathBuf>,
    /// The moment to look at; messages received later are not taken in
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Moment,
    /// Which evaluator
    #[arg(long, value_enum, default_value_t = Engine::Incremental)]
    engine: Engine,
    /// Only these segments and traits
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    rules: Option<Vec<String>>,
    /// Print how many people came how far through this funnel instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rules", "trace"])]
    funnel: Option<String>,
    /// Print each entry and exit with its exact time and cause instead
    #[arg(long)]
    trace: bool,
    /// The source that the messages are of; default: the first that is a server
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// The one that runs live
    Incremental,
    /// SQL over the log
    Sql,
    /// SQL on an engine that speaks Spark Connect
    Spark,
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "a moment is written like `2026-03-01T12:00:00Z`".to_owned())
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if args.engine == Engine::Spark {
        return Err(Failure::user("the Spark evaluator is not in this version of sonder")
            .help("use `--engine incremental` or `--engine sql`"));
    }
    if args.engine == Engine::Sql && args.trace {
        return Err(Failure::user("SQL answers for one moment, so it has no `--trace`")
            .help("leave `--engine` out: the incremental evaluator knows the exact times"));
    }
    let program = load(&args.project, output)?.program;
    let rules = args.rules.as_deref().map(|names| rules(&program, names)).transpose()?;
    let funnel = args
        .funnel
        .as_deref()
        .map(|name| program.funnel_named(name).ok_or_else(|| Failure::user(format!("there is no funnel `{name}`"))));
    let funnel = funnel.transpose()?;
    let source = source(&program, args.source.as_deref())?;
    let request = Request { at: args.at, source, rules: rules.clone(), trace: args.trace };
    let mut evaluation = Evaluation::new(&program, request);
    if args.engine == Engine::Sql || funnel.is_some() {
        evaluation = evaluation.keeping_history();
    }
    let mut refused = 0;
    for path in &args.events {
        let name = path.display().to_string();
        for (number, line) in open(path)?.lines().enumerate() {
            let line = line.map_err(|error| Failure::user(format!("could not read `{name}`: {error}")))?;
            if line.trim().is_empty() {
                continue;
            }
            if let Err(quarantined) = evaluation.take(&line) {
                refused += 1;
                tell(&name, number + 1, &quarantined, refused, output)?;
            }
        }
    }
    if refused > TOLD {
        output.note(format!("{} more messages were kept aside", refused - TOLD))?;
    }
    let lines = match (args.engine, funnel) {
        (Engine::Incremental | Engine::Spark, None) => evaluation.finish(),
        (engine, Some(funnel)) => {
            evaluation.look(args.at);
            let groups = if engine == Engine::Sql {
                SqlEvaluation::new(&program, &evaluation.history())
                    .and_then(|sql| sql.funnel(funnel, args.at))
                    .map_err(|error| Failure::engine(error.to_string()))?
            } else {
                evaluation.funnel(funnel)
            };
            sonder_core::funnel::lines(funnel, groups)
        }
        (Engine::Sql, None) => {
            evaluation.look(args.at);
            by_sql(&program, &evaluation.history(), rules, args.at)?
        }
    };
    for line in lines {
        output.line(line)?;
    }
    Ok(())
}

/// The same lines, from the rules' SQL over the same history.
fn by_sql(
    program: &Program,
    history: &History,
    rules: Option<Vec<RuleId>>,
    at: Moment,
) -> Result<Vec<String>, Failure> {
    let rules = rules.unwrap_or_else(|| (0..program.rules.len() as u32).map(RuleId).collect());
    let values = SqlEvaluation::new(program, history)
        .and_then(|evaluation| evaluation.values(&rules, at))
        .map_err(|error| Failure::engine(error.to_string()))?;
    Ok(lines(program, &history.people, &rules, &values))
}

/// Messages that are kept aside are no reason to stop, but somebody should know of the first few.
const TOLD: usize = 10;

fn tell(file: &str, line: usize, message: &Quarantined, count: usize, output: &mut Output<'_>) -> Result<(), Failure> {
    if count > TOLD {
        return Ok(());
    }
    let reasons: Vec<String> = message
        .reasons
        .iter()
        .map(|reason| match &reason.path {
            Some(path) => format!("{path}: {}", reason.message),
            None => reason.message.clone(),
        })
        .collect();
    output.note(format!("{file}:{line}: kept aside: {}", reasons.join("; ")))
}

fn open(path: &PathBuf) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file =
        File::open(path).map_err(|error| Failure::user(format!("could not read `{}`: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(256 << 10, file)))
}

pub(super) fn rules(program: &Program, names: &[String]) -> Result<Vec<RuleId>, Failure> {
    names
        .iter()
        .map(|name| {
            let found = program.rule_named(name.trim()).map(|(id, _)| id);
            found.ok_or_else(|| Failure::user(format!("there is no segment or trait `{name}`")))
        })
        .collect()
}

fn source(program: &Program, name: Option<&str>) -> Result<SourceId, Failure> {
    let sources = &program.sources;
    let place = match name {
        Some(name) => sources.iter().position(|source| source.name == name),
        None => {
            sources.iter().position(|source| source.kind == SourceKind::Server).or((!sources.is_empty()).then_some(0))
        }
    };
    match (place.and_then(|place| u32::try_from(place).ok()), name) {
        (Some(place), _) => Ok(SourceId(place)),
        (None, Some(name)) => Err(Failure::user(format!("there is no source `{name}`"))),
        (None, None) => Err(Failure::user("the project has no source").help("declare one in `sources/`")),
    }
}
