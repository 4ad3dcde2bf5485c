//! `sonder doctor`: whether data at rest is in order.

use super::output::{Failure, Output};
use crate::backup::{ExamineError, Examined, examine};
use crate::server::{Offline, key_failure, store_failure};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check data at rest: the log, what hangs on it, and that the state is what the log gives
///
/// Nothing is changed. Stop the engine first, or check a backup by restoring it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder doctor --data /var/lib/sonder\n  sonder doctor --quick --json")]
pub struct Args {
    /// The data directory
    #[arg(long, default_value = "./.sonder", value_name = "DIR")]
    data: PathBuf,
    /// The project; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    /// Do not fold the log again, which takes as long as the log is
    #[arg(long)]
    quick: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if !args.json {
        return check(&args.data, args.project.as_deref(), args.quick, output);
    }
    let (examined, skipped) = look(&args.data, args.project.as_deref(), args.quick)?;
    let findings = examined.findings.iter().map(|it| json!({"check": it.check, "wrong": it.wrong, "note": it.note}));
    output.line(json!({"sound": examined.is_sound(), "findings": findings.collect::<Vec<_>>(), "skipped": skipped}))?;
    if examined.is_sound() { Ok(()) } else { Err(Failure::Reported) }
}

/// Checks, and prints what was found.
pub(super) fn check(data: &Path, project: Option<&Path>, quick: bool, output: &mut Output<'_>) -> Result<(), Failure> {
    let (examined, skipped) = look(data, project, quick)?;
    for finding in &examined.findings {
        let note = if finding.note.is_empty() { String::new() } else { format!(" ({})", finding.note) };
        match &finding.wrong {
            None => output.line(format!("ok     {}{note}", finding.check))?,
            Some(wrong) => output.line(format!("wrong  {}: {wrong}{note}", finding.check))?,
        }
    }
    if let Some(why) = skipped {
        output.line(format!("       the state was not held against the log: {why}"))?;
    }
    if examined.is_sound() {
        return Ok(());
    }
    output.note(
        "restore the last backup that `sonder doctor` finds sound; what came later is in the log that was found wrong",
    )?;
    Err(Failure::Reported)
}

/// What was found, and why the log was not folded again where it was not.
fn look(data: &Path, project: Option<&Path>, quick: bool) -> Result<(Examined, Option<String>), Failure> {
    let offline = Offline::open(data)?;
    let (program, skipped) = match offline.program(project) {
        Ok(program) if quick => (Some(program), Some("`--quick`".to_owned())),
        Err(_) if quick && project.is_none() => (None, Some("`--quick`".to_owned())),
        Ok(program) => (Some(program), None),
        // A project that was named must be right; that nobody knows which it was is no fault of the data.
        Err(failure) if project.is_some() => return Err(failure),
        Err(_) => (None, Some("the project is not there; name it with `--project`".to_owned())),
    };
    let examined = examine(data, program.as_ref(), quick).map_err(|error| match error {
        ExamineError::Store(error) => store_failure(&error),
        ExamineError::Key(error) => key_failure(&error),
        ExamineError::Refold(error) => Failure::engine(error.to_string()),
    })?;
    Ok((examined, skipped))
}
