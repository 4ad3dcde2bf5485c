//! `encryption:` of `sonder.yaml`: personal data is encrypted in the files. The keys themselves are never in the project.

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Filled, Format, Key, Shape};
use crate::yaml::Node;

/// Where the keys of the project are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// What personal data that comes in is encrypted under; `None` where no more is encrypted.
    pub key: Option<KeySource>,
    /// What it was encrypted under before.
    pub previous: Vec<KeySource>,
}

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

/// What `encryption` may hold.
pub(super) const KEYS: &[Key] = &[
    Key::optional(
        "key",
        Shape::Object(SOURCE),
        "the project key: 32 bytes as base64 or hexadecimal; without it nothing more is encrypted",
    ),
    Key::optional(
        "previous",
        Shape::List(&Shape::Object(SOURCE), Filled::MayBeEmpty),
        "keys that it was before, until `sonder key rotate` has run",
    ),
];

const SOURCE: &[Key] = &[
    Key::optional(
        "env",
        Shape::Text(Format::Variable),
        "the environment variable that holds it when the engine starts",
    ),
    Key::optional("file", Shape::TEXT, "the file that it is in, by its whole path"),
    Key::optional("command", Shape::TEXT, "what prints it, as the shell runs it"),
];

/// Reads a checked `encryption`.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<Encryption> {
    let fields = Fields::new(node, KEYS);
    let errors = report.errors();
    let key = fields.get("key").and_then(|node| source(node, report));
    let previous = fields.get("previous").map_or(&[][..], Node::items);
    let previous: Vec<KeySource> = previous.iter().filter_map(|node| source(node, report)).collect();
    if key.is_none() && previous.is_empty() {
        if report.errors() == errors {
            let error =
                Diagnostic::error(codes::BAD_VALUE, "`encryption` names no key", node.span, "a key belongs here");
            report.push(error.help("write `key: {env: SONDER_KEY}`"));
        }
        return None;
    }
    Some(Encryption { key, previous })
}

fn source(node: &Node, report: &mut Report) -> Option<KeySource> {
    let fields = Fields::new(node, SOURCE);
    let named = [
        fields.string("env").map(KeySource::Environment),
        fields.string("file").map(KeySource::File),
        fields.string("command").map(KeySource::Command),
    ];
    let mut named = named.into_iter().flatten();
    let (first, more) = (named.next(), named.next());
    let mut wrong = |message: String, label: &str, help: &str| {
        report.push(Diagnostic::error(codes::BAD_VALUE, message, node.span, label).help(help));
    };
    match (first, more) {
        (Some(KeySource::File(path)), None) if !path.starts_with('/') => {
            wrong(
                format!("`{path}` is not the whole path of a file"),
                "begins with no `/`",
                "write it from the root on",
            );
            None
        }
        (Some(source), None) => Some(source),
        (None, _) => {
            // What is there but of the wrong kind is reported already.
            if node.entries().is_empty() {
                wrong("it is not said where the key is".to_owned(), "nothing here", "write `{env: SONDER_KEY}`");
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
