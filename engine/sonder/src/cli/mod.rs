//! The commands: one file each, thin. Reading arguments, calling the rooms, printing what they say.
//!
//! Exit codes: 0 fine, 1 the user's files, arguments or data are at fault, 2 differences found, 3 the engine failed.

pub mod output;
pub mod table;

mod apply;
mod audit;
mod backup;
mod check;
mod client;
mod codegen;
pub(crate) mod compiled;
mod completions;
mod dev;
mod docs;
mod doctor;
mod eval;
mod explain;
mod fmt;
mod graph;
mod import;
mod init;
mod journey;
mod key;
mod lsp;
mod matching;
mod migrate;
mod person;
mod plan;
mod plugin;
mod preview;
mod privacy;
mod project;
pub(crate) mod quarantine;
mod query;
mod reach;
mod replay;
mod restore;
mod review;
mod run;
mod schema;
mod sql;
mod status;
mod tap;
mod test;
mod top;

use clap::{CommandFactory, Parser, Subcommand};
pub(crate) use client::install_crypto;

use output::{Failure, Output};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Sonder: a customer data platform that is a program.
#[derive(Debug, Parser)]
#[command(name = "sonder", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "Examples:\n  sonder init shop\n  sonder check shop\n  sonder dev shop")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Test(test::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Fmt(fmt::Args),
    Lsp(lsp::Args),
    Run(run::Args),
    Dev(dev::Args),
    Import(Box<import::Args>),
    Eval(eval::Args),
    Explain(explain::Args),
    Match(matching::Args),
    Review(review::Args),
    Preview(preview::Args),
    Person(person::Args),
    Privacy(privacy::Args),
    Journey(journey::Args),
    Query(query::Args),
    Quarantine(quarantine::Args),
    Replay(replay::Args),
    Audit(audit::Args),
    Status(status::Args),
    Top(top::Args),
    Tap(tap::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Doctor(doctor::Args),
    Key(key::Args),
    Schema(schema::Args),
    Codegen(codegen::Args),
    Migrate(migrate::Args),
    Docs(docs::Args),
    Sql(sql::Args),
    Graph(graph::Args),
    Plugin(plugin::Args),
    Completions(completions::Args),
}

/// Runs the program with the arguments of the process, on its real streams.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let stdout = std::io::stdout();
    let stderr = std::io::stderr();
    let (out_is_terminal, err_is_terminal) = (stdout.is_terminal(), stderr.is_terminal());
    let mut out = std::io::BufWriter::new(stdout);
    let mut err = stderr;
    let mut output = Output { out: &mut out, err: &mut err, out_is_terminal, err_is_terminal };
    let code = run(arguments, &mut output);
    match out.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(3),
        _ => code,
    }
}

/// Runs the program on given streams.
pub fn run(arguments: impl IntoIterator<Item = OsString>, output: &mut Output<'_>) -> ExitCode {
    let result = match Cli::try_parse_from(arguments) {
        Ok(cli) => dispatch(cli.command, output),
        Err(error) if error.use_stderr() => {
            drop(write!(output.err, "{}", error.render()));
            return ExitCode::from(1);
        }
        // `--help` and `--version`
        Err(asked) if output.out_is_terminal => output.text(&asked.render().ansi().to_string()),
        Err(asked) => output.text(&asked.render().to_string()),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if !matches!(failure, Failure::Reported | Failure::Different | Failure::Closed) {
        drop(output.out.flush());
        drop(writeln!(output.err, "{failure}"));
    }
    failure.exit_code()
}

fn dispatch(command: Command, output: &mut Output<'_>) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::Test(args) => test::run(&args, output),
        Command::Plan(args) => plan::run(&args, output),
        Command::Apply(args) => apply::run(&args, output),
        Command::Fmt(args) => fmt::run(&args, output),
        Command::Lsp(args) => lsp::run(&args, output),
        Command::Run(args) => run::run(&args, output),
        Command::Dev(args) => dev::run(&args, output),
        Command::Import(args) => import::run(&args, output),
        Command::Eval(args) => eval::run(&args, output),
        Command::Explain(args) => explain::run(&args, output),
        Command::Match(args) => matching::run(&args, output),
        Command::Review(args) => review::run(&args, output),
        Command::Preview(args) => preview::run(&args, output),
        Command::Person(args) => person::run(&args, output),
        Command::Privacy(args) => privacy::run(&args, output),
        Command::Journey(args) => journey::run(&args, output),
        Command::Query(args) => query::run(&args, output),
        Command::Quarantine(args) => quarantine::run(&args, output),
        Command::Replay(args) => replay::run(&args, output),
        Command::Audit(args) => audit::run(&args, output),
        Command::Status(args) => status::run(&args, output),
        Command::Top(args) => top::run(&args, output),
        Command::Tap(args) => tap::run(&args, output),
        Command::Backup(args) => backup::run(&args, output),
        Command::Restore(args) => restore::run(&args, output),
        Command::Doctor(args) => doctor::run(&args, output),
        Command::Key(args) => key::run(&args, output),
        Command::Schema(args) => schema::run(&args, output),
        Command::Codegen(args) => codegen::run(&args, output),
        Command::Migrate(args) => migrate::run(&args, output),
        Command::Docs(args) => docs::run(&args, &Cli::command(), output),
        Command::Sql(args) => sql::run(&args, output),
        Command::Graph(args) => graph::run(&args, output),
        Command::Plugin(args) => plugin::run(&args, output),
        Command::Completions(args) => completions::run(&args, &mut Cli::command(), output),
    }
}
