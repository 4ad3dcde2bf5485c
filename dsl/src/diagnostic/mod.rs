//! What is wrong with a project, as data: one model, one renderer a format.

pub mod codes;
pub mod render;
mod report;
pub mod suggest;

pub use report::Report;

use crate::source::Span;

/// Something to tell the author of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `E0204`; see `codes`.
    pub code: &'static str,
    /// Errors keep a project from running, warnings do not.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, the author's own words in backticks.
    pub message: String,
    /// Where; the first is the place itself, others explain. None for the project as a whole.
    pub labels: Vec<Label>,
    /// What to type instead.
    pub help: Vec<String>,
    /// What else is worth knowing, such as where a name is declared.
    pub notes: Vec<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The project does not run.
    Error,
    /// It runs, but is probably not what was meant.
    Warning,
}

/// A place, and what to say right there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What was expected there; may be empty.
    pub text: String,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label { span, text: label.into() }],
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// An error of the project as a whole, which has no place.
    #[must_use]
    pub fn general(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, span, label) }
    }

    /// Adds what to type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds something worth knowing.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds another place that explains.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }
}
