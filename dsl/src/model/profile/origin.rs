//! `from` of a trait: where its values come from.
//!
//! Mostly that is a list of paths in messages. `identity.probabilistic` is no path: what it says the engine knows of its own, and
//! no message can say otherwise. So everything below `identity` is reserved.

use crate::diagnostic::{Diagnostic, Report, codes, suggest};
use crate::ir::Type;
use crate::yaml::{Entry, Node};

/// Where the values of a trait come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From messages: the first of these paths that is there. INVARIANT: there is one.
    Messages(Vec<Vec<String>>),
    /// From who is who: `true` of whoever is one person only because matching found that likely, and unknown of everybody else.
    LikelyOnly,
}

impl Origin {
    /// The paths in messages; none where it is not read from messages.
    #[must_use]
    pub fn paths(&self) -> &[Vec<String>] {
        match self {
            Self::Messages(paths) => paths,
            Self::LikelyOnly => &[],
        }
    }
}

/// How a project says [`Origin::LikelyOnly`].
pub const LIKELY_ONLY: &str = "identity.probabilistic";

/// Under this nothing is a path in a message.
const RESERVED: &str = "identity";

/// Reads `from` of a trait. `has_matching` is whether the project matches people at all.
pub(super) fn decode(entry: &Entry, has_matching: bool, report: &mut Report) -> Origin {
    let items = || entry.value.get("from").map_or(&[][..], Node::items).iter();
    let texts = || items().filter_map(|item| Some((item, item.text()?)));
    let is_reserved = |text: &str| text.split('.').next() == Some(RESERVED);
    let Some((node, text)) = texts().find(|(_, text)| is_reserved(text)) else {
        let mut paths: Vec<Vec<String>> = texts().map(|(_, text)| crate::model::path(text)).collect();
        if paths.is_empty() {
            paths.push(vec!["traits".to_owned(), entry.key.clone()]);
        }
        return Origin::Messages(paths);
    };
    let mut refuse = |node: &Node, message: String, label: &str, help: String| {
        report.push(Diagnostic::error(codes::BAD_VALUE, message, node.span, label).help(help));
    };
    if text != LIKELY_ONLY {
        let help = suggest::help(text, [LIKELY_ONLY]);
        let help = help.unwrap_or_else(|| format!("`{LIKELY_ONLY}` is all that is read from there"));
        refuse(node, format!("`{text}` is nothing that a trait is read from"), "not part of a message", help);
    } else if items().len() > 1 {
        let message = format!("`{LIKELY_ONLY}` stands among other paths");
        refuse(node, message, "what it says no message says", "give it a trait of its own".to_owned());
    } else if !has_matching {
        let message = format!("`{}` tells who is only likely one person, and nobody is matched", entry.key);
        let help =
            "say in identity.yaml how: `probabilistic: {compare: {email: exact}, link_at: 0.99, review_at: 0.9}`";
        refuse(node, message, "needs `probabilistic` in identity.yaml", help.to_owned());
    }
    Origin::LikelyOnly
}

/// Reports what a trait cannot have that is not read from messages.
pub(super) fn fits(entry: &Entry, kind: Option<&Type>, report: &mut Report) {
    let mut refuse = |node: &Node, message: String, label: &str, help: &str| {
        report.push(Diagnostic::error(codes::BAD_VALUE, message, node.span, label).help(help));
    };
    if kind.is_some_and(|kind| *kind != Type::Bool) {
        let node = entry.value.get("type").unwrap_or(&entry.value);
        let message = format!("`{}` is true or nothing", entry.key);
        refuse(node, message, "not the type of that", "write `type: boolean`");
    }
    for (key, label) in [("merge", "nothing to choose from"), ("retention", "nothing that is kept")] {
        if let Some(node) = entry.value.get(key) {
            let message = format!("`{key}` is about what messages say, and `{}` is read from none", entry.key);
            refuse(node, message, label, "leave it out");
        }
    }
}
