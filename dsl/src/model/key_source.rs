//! Where a key is: in the environment, in a file, or with whatever prints it. It is never in the project itself.

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Format, Key, Shape};
use crate::yaml::Node;

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In an environment variable.
    Environment(String),
    /// In a file, by its whole path.
    File(String),
    /// A command prints it.
    Command(String),
}

/// What says it.
pub(super) const KEYS: &[Key] = &[
    Key::optional(
        "env",
        Shape::Text(Format::Variable),
        "the environment variable that holds it when the engine starts",
    ),
    Key::optional("file", Shape::TEXT, "the file that it is in, by its whole path"),
    Key::optional("command", Shape::TEXT, "what prints it, as the shell runs it"),
];

/// Reads a checked place of a key.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<KeySource> {
    let fields = Fields::new(node, KEYS);
    let named = [
        fields.string("env").map(KeySource::Environment),
        fields.string("file").map(KeySource::File),
        fields.string("command").map(KeySource::Command),
    ];
    let mut named = named.into_iter().flatten();
    let (first, more) = (named.next(), named.next());
    if let (Some(KeySource::File(path)), None) = (&first, &more) {
        whole_path(path, "file", node, report)?;
    }
    let mut wrong = |message: String, label: &str, help: &str| {
        report.push(Diagnostic::error(codes::BAD_VALUE, message, node.span, label).help(help));
    };
    match (first, more) {
        (Some(source), None) => Some(source),
        (None, _) => {
            // What is there but of the wrong kind is reported already.
            if node.entries().is_empty() {
                wrong(
                    "it is not said where the key is".to_owned(),
                    "nothing here",
                    "write `{env: SONDER_PROJECT_KEY}`",
                );
            }
            None
        }
        (Some(_), Some(_)) => {
            let message = "a key is in one place".to_owned();
            wrong(message, "several of `env`, `file` and `command`", "keep one of them");
            None
        }
    }
}

/// Whether a path begins at the root: where an engine is started makes no difference then.
pub(super) fn whole_path(path: &str, of: &str, node: &Node, report: &mut Report) -> Option<()> {
    if path.starts_with('/') {
        return Some(());
    }
    let message = format!("`{path}` is not the whole path of a {of}");
    let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "begins with no `/`");
    report.push(error.help("write it from the root on"));
    None
}
