//! All that rules declare, of whatever kind.

use super::readers::Kind;
use sonder_dsl::ir::{Program, RuleKind};

/// The kinds of items, and what several of them are called.
pub(super) const KINDS: [(Kind, &str); 7] = [
    (Kind::Segment, "Segments"),
    (Kind::Trait, "Computed traits"),
    (Kind::Journey, "Journeys"),
    (Kind::Funnel, "Funnels"),
    (Kind::Experiment, "Experiments"),
    (Kind::Experience, "Experiences"),
    (Kind::Prediction, "Predictions"),
];

/// One item, of whatever kind.
pub(super) struct Item<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub purpose: Option<&'a str>,
    /// What it says, where it is short enough to show.
    pub source: Option<&'a str>,
    pub place: &'a str,
}

/// All of them, by kind and name.
pub(super) fn items(program: &Program) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    items.extend(program.rules.iter().map(|it| Item {
        kind: if it.kind == RuleKind::Segment { Kind::Segment } else { Kind::Trait },
        name: &it.name,
        description: it.description.as_deref(),
        purpose: it.purpose.as_deref(),
        source: Some(&it.source),
        place: &it.place,
    }));
    macro_rules! others {
        ($($list:ident $kind:ident;)+) => {$(
            items.extend(program.$list.iter().map(|it| Item {
                kind: Kind::$kind,
                name: &it.name,
                description: it.description.as_deref(),
                purpose: it.purpose.as_deref(),
                source: None,
                place: &it.place,
            }));
        )+};
    }
    others! {
        journeys Journey;
        funnels Funnel;
        experiments Experiment;
        experiences Experience;
        predictions Prediction;
    }
    items.sort_by_key(|item| (item.kind, item.name));
    items
}
