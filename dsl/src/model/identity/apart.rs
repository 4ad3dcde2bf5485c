//! `apart:`: identifiers that are never one person's, whoever says so.

use super::{Identity, unknown_kind};
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::IdentifierKindId;
use crate::limits;
use crate::shape::{Filled, Format, Shape};
use crate::yaml::Node;

/// Identifiers no two of which are one person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Each with its value, made comparable.
    pub identifiers: Vec<(IdentifierKindId, String)>,
}

/// What `apart` takes.
pub(super) const APART: Shape =
    Shape::List(&Shape::List(&Shape::Text(Format::Identifier), Filled::AtLeastOne), Filled::MayBeEmpty);

/// Reads a checked `apart`.
pub(super) fn decode(node: Option<&Node>, identity: &Identity, report: &mut Report) -> Vec<Apart> {
    let Some(node) = node else { return Vec::new() };
    let groups = node.items();
    let largest = groups.iter().map(|group| group.items().len()).max().unwrap_or_default();
    if groups.len() > limits::APART || largest > limits::APART {
        let message = format!("`apart` has more than {} of them", limits::APART);
        let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "too many");
        report.push(error.help("a kind whose values are never one person's is `unique: always`"));
        return Vec::new();
    }
    groups.iter().map(|group| group_of(group, identity, report)).collect()
}

fn group_of(node: &Node, identity: &Identity, report: &mut Report) -> Apart {
    let mut identifiers: Vec<(IdentifierKindId, String)> = Vec::new();
    let mut is_sound = true;
    for item in node.items() {
        let Some((name, value)) = item.text().and_then(|text| text.split_once(':')) else {
            is_sound = false;
            continue;
        };
        let Some(kind) = identity.kind_named(name) else {
            unknown_kind(name, item.span, identity, report);
            is_sound = false;
            continue;
        };
        let declared = identity.identifiers.get(kind.index());
        let comparable = declared.and_then(|it| it.normalized(value.trim(), &|_| None));
        let trouble = match comparable {
            None => Some((format!("`{name}:{value}` identifies nobody"), "it is blocked, or no value of its kind")),
            Some(value) if identifiers.iter().any(|(it, known)| *it == kind && *known == *value) => {
                Some((format!("`{name}:{value}` is there twice"), "the same identifier, made comparable"))
            }
            Some(value) => {
                identifiers.push((kind, value.into_owned()));
                None
            }
        };
        if let Some((message, label)) = trouble {
            is_sound = false;
            report.push(Diagnostic::error(codes::BAD_VALUE, message, item.span, label).help("take it out, or mend it"));
        }
    }
    if is_sound && identifiers.len() == 1 {
        let message = "one identifier is apart from nobody";
        let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "two or more belong here");
        report.push(error.help("for example `[user_id:u1, user_id:u2]`"));
    }
    Apart { identifiers }
}
