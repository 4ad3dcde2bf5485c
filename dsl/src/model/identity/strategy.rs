//! `strategy:`: what becomes of somebody unknown who turns out to be known.
//!
//! Each of them says which links that messages make hold at all. What an `alias` or a decision says is said on purpose, and
//! holds with each.

use super::Identity;
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::Word;
use crate::yaml::Node;

/// What becomes of somebody unknown who turns out to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// All identifiers of a message are one person's: what was done before is the known person's.
    #[default]
    Link,
    /// Somebody unknown becomes the known person who is new with that message; whoever was known before gets nothing of it.
    Conversion,
    /// Nobody unknown ever becomes somebody known.
    Isolation,
    /// A message is of the person of its first identifier, who gets the identifiers that are new; nobody is joined.
    BestMatch,
}

/// What `strategy` takes.
pub(super) const STRATEGIES: &[Word] = &[
    Word {
        word: "link",
        doc: "all identifiers of a message are one person's; what was done before is the known person's",
    },
    Word {
        word: "conversion",
        doc: "somebody unknown becomes whoever signs up; whoever is known already and signs in gets nothing of what was done before",
    },
    Word { word: "isolation", doc: "what was done before is never the known person's" },
    Word {
        word: "best_match",
        doc: "a message is of the person of its first identifier, who gets those that are new; two people are never joined",
    },
];

impl Strategy {
    /// The strategy of that name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "link" => Self::Link,
            "conversion" => Self::Conversion,
            "isolation" => Self::Isolation,
            "best_match" => Self::BestMatch,
            _ => return None,
        })
    }
}

/// Reads a checked `strategy`.
pub(super) fn decode(node: Option<&Node>, identity: &Identity, report: &mut Report) -> Strategy {
    let Some(strategy) = node.and_then(Node::text).and_then(Strategy::named) else { return Strategy::default() };
    let tells_apart = matches!(strategy, Strategy::Conversion | Strategy::Isolation);
    let all = |anonymous| identity.identifiers.iter().all(|kind| kind.anonymous == anonymous);
    if let Some(node) = node.filter(|_| tells_apart && (all(true) || all(false))) {
        let what = if all(true) { "somebody known" } else { "a device" };
        let message = format!("no kind of identifier is of {what}, so the strategy makes no difference");
        let help = if all(true) {
            "declare one that is of a person, or write `anonymous: false` for it"
        } else {
            "write `anonymous: true` for a kind that is of whoever uses a device"
        };
        report.push(Diagnostic::error(codes::BAD_VALUE, message, node.span, "without effect").help(help));
    }
    strategy
}
