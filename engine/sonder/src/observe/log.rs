//! Structured logs on standard error: readable lines for a person, JSON for a machine.

use super::super::cli::output::Failure;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What a command that serves says about its logs.
#[derive(Clone, Debug, clap::Args)]
pub struct LogOptions {
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `sonder=debug,warn`
    #[arg(long, env = "SONDER_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Starts logging; in a process that logs already (a test's second engine) it changes nothing.
///
/// # Errors
/// When the filter is not one.
pub fn set_up(options: &LogOptions, colours: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&options.log).map_err(|error| {
        Failure::user(format!("`{}` is not a log filter: {error}", options.log))
            .help("write `info`, or `sonder=debug,warn`")
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // A second engine in one process keeps the first one's log.
    let _first = match options.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(colours)).try_init().is_ok(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init().is_ok(),
    };
    Ok(())
}
