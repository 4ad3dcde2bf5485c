//! `pseudonyms:` of `sonder.yaml`: what identifiers are replaced with where a destination or an export asks for it. The keys
//! themselves are never in the project.

use super::key_source::{self, KeySource};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Filled, Key, Shape};
use crate::yaml::Node;

/// What pseudonyms are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudonymKeys {
    /// What all that leaves is made with.
    pub current: PseudonymKey,
    /// What it was made with before: whoever is erased is named by these, too.
    pub previous: Vec<PseudonymKey>,
}

/// A key, and how pseudonyms say that they are of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudonymKey {
    /// Where it is.
    pub source: KeySource,
    /// `2` for pseudonyms that begin with `v2:`. Another key has another one.
    pub version: u32,
}

/// What `pseudonyms` may hold.
pub(super) const KEYS: &[Key] = &[
    Key::required("key", Shape::Object(key_source::KEYS), "what they are made with: 32 bytes as base64 or hexadecimal"),
    Key::optional("version", VERSION, "which key this is: they begin with `v2:`; raised with each new one; default 1"),
    Key::optional(
        "previous",
        Shape::List(&Shape::Object(PREVIOUS), Filled::MayBeEmpty),
        "keys before it, by which destinations still find whom to erase",
    ),
];

const PREVIOUS: &[Key] = &[
    Key::required("key", Shape::Object(key_source::KEYS), "where it is"),
    Key::optional("version", VERSION, "which it was; default 1"),
];

const VERSION: Shape = Shape::Integer(1, 1_000_000);

/// Reads a checked `pseudonyms`.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<PseudonymKeys> {
    let fields = Fields::new(node, KEYS);
    let current = key(&fields, report);
    let mut seen = vec![(fields.integer("version").unwrap_or(1), node.span)];
    let mut previous = Vec::new();
    for node in fields.get("previous").map_or(&[][..], Node::items) {
        let Some(earlier) = key(&Fields::new(node, PREVIOUS), report) else { continue };
        if let Some((_, first)) = seen.iter().find(|(version, _)| *version == earlier.version) {
            let message = format!("two keys have version {}", earlier.version);
            let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "the second one");
            report.push(error.label(*first, "the first one").help("each new key has a `version` of its own"));
            continue;
        }
        seen.push((earlier.version, node.span));
        previous.push(earlier);
    }
    Some(PseudonymKeys { current: current?, previous })
}

fn key(fields: &Fields<'_>, report: &mut Report) -> Option<PseudonymKey> {
    let source = key_source::decode(fields.get("key")?, report)?;
    Some(PseudonymKey { source, version: fields.integer("version").unwrap_or(1) })
}
