//! Where commands write (data to standard output, everything else to standard error), and how they fail.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// The two streams of a command; tests put buffers in their place.
pub struct Output<'a> {
    /// Data: what a pipe should get.
    pub out: &'a mut dyn Write,
    /// Progress, summaries and errors.
    pub err: &'a mut dyn Write,
    /// Whether `out` is a terminal: decides on colours and live lines.
    pub out_is_terminal: bool,
    /// Whether `err` is a terminal: decides on progress bars.
    pub err_is_terminal: bool,
}

impl Output<'_> {
    /// Writes one line of data.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn line(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Writes data as it is.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// The columns that lines of data may have: those of the terminal, `COLUMNS` where it is set.
    #[must_use]
    pub fn width(&self) -> usize {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size().filter(|_| self.out_is_terminal);
        asked.or_else(|| terminal().map(|(columns, _)| usize::from(columns.0))).unwrap_or(100)
    }

    /// Tells the person at the terminal something that is not data.
    ///
    /// # Errors
    /// When standard error is gone.
    pub fn note(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.err, "{text}")?)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The user's arguments, files or data are at fault.
    #[error("{0}")]
    User(Complaint),
    /// The engine failed.
    #[error("{0}")]
    Engine(Complaint),
    /// The user's files are at fault, and that has been printed already.
    #[error("the files have errors")]
    Reported,
    /// What was compared differs, and that has been printed already.
    #[error("differences found")]
    Different,
    /// Whoever read our output has gone; nobody is left to tell.
    #[error("standard output was closed")]
    Closed,
}

/// What is wrong, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Lower case, no full stop, the user's words in backticks.
    pub message: String,
    /// What helps, where something does.
    pub help: Option<String>,
}

impl Failure {
    /// The user's doing.
    #[must_use]
    pub fn user(message: impl Into<String>) -> Self {
        Self::User(Complaint { message: message.into(), help: None })
    }

    /// The engine's doing.
    #[must_use]
    pub fn engine(message: impl Into<String>) -> Self {
        Self::Engine(Complaint { message: message.into(), help: None })
    }

    /// The same, with what to type.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        if let Self::User(complaint) | Self::Engine(complaint) = &mut self {
            complaint.help = Some(help.into());
        }
        self
    }

    /// The exit code it ends with: 0 fine, 1 the user's files or data, 2 differences found, 3 the engine failed.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::User(_) | Self::Reported => ExitCode::from(1),
            Self::Different => ExitCode::from(2),
            Self::Engine(_) => ExitCode::from(3),
            Self::Closed => ExitCode::SUCCESS,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::engine(error.to_string())
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n help: {help}"),
            None => Ok(()),
        }
    }
}

/// What others wrote, on one line: control characters of it never reach the terminal.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure_of_ours() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(failure, Failure::Closed));
        assert_eq!(failure.exit_code(), ExitCode::SUCCESS);
    }

    #[test]
    fn a_complaint_says_what_is_wrong_and_then_what_to_type() {
        let failure = Failure::user("there is no project in `x`").help("type `sonder init x`");
        assert_eq!(failure.to_string(), "error: there is no project in `x`\n help: type `sonder init x`");
        assert_eq!(failure.exit_code(), ExitCode::from(1));
    }
}
