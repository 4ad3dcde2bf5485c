//! `encryption:` of `sonder.yaml`: personal data is encrypted in the files. The keys themselves are never in the project.

use super::key_source::{self, KeySource};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Filled, Key, Shape};
use crate::yaml::Node;

/// Where the keys of the project are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// What personal data that comes in is encrypted under; `None` where no more is encrypted.
    pub key: Option<KeySource>,
    /// What it was encrypted under before.
    pub previous: Vec<KeySource>,
    /// The folder in which the engine keeps a copy of the keys that data is encrypted under, by its whole path.
    pub copy_to: Option<String>,
}

/// What `encryption` may hold.
pub(super) const KEYS: &[Key] = &[
    Key::optional(
        "key",
        Shape::Object(key_source::KEYS),
        "the project key: 32 bytes as base64 or hexadecimal; without it nothing more is encrypted",
    ),
    Key::optional(
        "previous",
        Shape::List(&Shape::Object(key_source::KEYS), Filled::MayBeEmpty),
        "keys that it was before, until `sonder key rotate` has run",
    ),
    Key::optional(
        "copy_to",
        Shape::TEXT,
        "the folder that backups are kept in, by its whole path: they have no keys, so the engine keeps a copy of them there, and puts another in its place when somebody is erased",
    ),
];

/// Reads a checked `encryption`.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<Encryption> {
    let fields = Fields::new(node, KEYS);
    let errors = report.errors();
    let key = fields.get("key").and_then(|node| key_source::decode(node, report));
    let previous = fields.get("previous").map_or(&[][..], Node::items);
    let previous: Vec<KeySource> = previous.iter().filter_map(|node| key_source::decode(node, report)).collect();
    let copy_to = fields.get("copy_to").zip(fields.string("copy_to"));
    let copy_to = copy_to.filter(|(node, path)| key_source::whole_path(path, "folder", node, report).is_some());
    let copy_to = copy_to.map(|(_, path)| path);
    if key.is_none() && previous.is_empty() {
        if report.errors() == errors {
            let error =
                Diagnostic::error(codes::BAD_VALUE, "`encryption` names no key", node.span, "a key belongs here");
            report.push(error.help("write `key: {env: SONDER_PROJECT_KEY}`"));
        }
        return None;
    }
    Some(Encryption { key, previous, copy_to })
}
