//! Renames: `segment keen_buyers was keen` goes on with what is known of `keen`.
//!
//! An old name says something about two versions of a project only: it counts where the version before has a rule of that
//! name and kind, and none of the new name. So it may stand for as long as anybody likes.

use super::{JourneyId, Program, RuleId, RuleKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::source::Span;
use crate::syntax::ast::{Item, ItemKind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the rules and journeys of one version are in the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Successors {
    /// By `RuleId` of the version before; `None` for what is no more. A segment stays a segment and a trait a trait, whatever
    /// they mean.
    pub rules: Vec<Option<RuleId>>,
    /// By `JourneyId` of the version before.
    pub journeys: Vec<Option<JourneyId>>,
}

/// Whether it is a segment, and its name.
type Key<'p> = (bool, &'p str);

impl Successors {
    /// Of all rules and journeys of `before` in `after`.
    #[must_use]
    pub fn new(before: &Program, after: &Program) -> Self {
        let is_segment = |kind: &RuleKind| *kind == RuleKind::Segment;
        let old: Vec<Key<'_>> = before.rules.iter().map(|it| (is_segment(&it.kind), it.name.as_str())).collect();
        let new = after.rules.iter().map(|it| ((is_segment(&it.kind), it.name.as_str()), it.was.as_slice()));
        let rules = successors(&old, &new.collect::<Vec<_>>());
        let old: Vec<Key<'_>> = before.journeys.iter().map(|it| (false, it.name.as_str())).collect();
        let new = after.journeys.iter().map(|it| ((false, it.name.as_str()), it.was.as_slice()));
        let journeys = successors(&old, &new.collect::<Vec<_>>());
        Self {
            rules: rules.into_iter().map(|place| u32::try_from(place?).ok().map(RuleId)).collect(),
            journeys: journeys.into_iter().map(|place| u16::try_from(place?).ok().map(JourneyId)).collect(),
        }
    }
}

/// For each old key, the place of what it is now.
fn successors(old: &[Key<'_>], new: &[(Key<'_>, &[String])]) -> Vec<Option<usize>> {
    let known: HashSet<Key<'_>> = old.iter().copied().collect();
    let mut now: HashMap<Key<'_>, usize> = HashMap::new();
    for (place, ((is_segment, _), was)) in new.iter().enumerate().filter(|(_, (key, _))| !known.contains(key)) {
        let latest = was.iter().map(|was| (*is_segment, was.as_str())).find(|it| known.contains(it));
        if let Some(key) = latest {
            now.insert(key, place);
        }
    }
    // What still has its name is what it was.
    now.extend(
        new.iter().enumerate().filter(|(_, (key, _))| known.contains(key)).map(|(place, (key, _))| (*key, place)),
    );
    old.iter().map(|key| now.get(key).copied()).collect()
}

/// What an item was called.
pub(crate) fn names(item: &Item) -> Vec<String> {
    item.was.iter().map(|name| name.value.clone()).collect()
}

/// An old name is one that nothing has any more, and that one rule claims.
pub(super) fn check(items: &[Item], unreadable: &[(String, Span)], diagnostics: &mut Vec<Diagnostic>) {
    let declared: BTreeMap<&str, Span> = unreadable
        .iter()
        .map(|(name, place)| (name.as_str(), *place))
        .chain(items.iter().map(|item| (item.name.value.as_str(), item.name.span)))
        .collect();
    let mut claimed: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    let mut claims: Vec<_> = items.iter().flat_map(|item| item.was.iter().map(move |old| (item, old))).collect();
    // The second claim is the one further down.
    claims.sort_by_key(|(_, old)| old.span);
    for (item, old) in claims {
        let name = item.name.value.as_str();
        let wrong = |message: String, label: &str| Diagnostic::error(codes::WRONG_RENAME, message, old.span, label);
        let keeps = matches!(item.kind(), ItemKind::Segment | ItemKind::Trait | ItemKind::Journey);
        if !keeps {
            let message = format!("nothing is kept of {} under its name", item.kind().noun());
            diagnostics.push(wrong(message, "").help("leave `was` out: call it what you like"));
        } else if old.value == name {
            let message = format!("`{name}` was called `{name}`");
            diagnostics
                .push(wrong(message, "its name now").help("write the name that it had before, or leave `was` out"));
        } else if let Some(place) = declared.get(old.value.as_str()) {
            let message = format!("`{name}` was called `{}`, which something else is called", old.value);
            let error = wrong(message, "is declared, too").label(*place, "here");
            diagnostics.push(error.help("`was` names what is there no more: leave it out, or take the other one out"));
        } else if let Some((first, place)) = claimed.get(old.value.as_str()) {
            let message = match *first == name {
                true => format!("`{name}` was called `{}` twice", old.value),
                false => format!("`{first}` and `{name}` were both called `{}`", old.value),
            };
            let error = wrong(message, "the second time").label(*place, "the first time");
            diagnostics.push(error.help("what was known under that name goes on under one name: leave the other out"));
        } else {
            claimed.insert(old.value.as_str(), (name, old.span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_counts_where_the_new_one_was_not_known() {
        let was = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let after = |old: &[Key<'_>], name: &str, names: &[&str]| successors(old, &[((true, name), &was(names))]);
        assert_eq!(after(&[(true, "a")], "b", &["a"]), [Some(0)]);
        assert_eq!(after(&[(true, "a")], "c", &["b", "a"]), [Some(0)]);
        // Both were there: one is no more.
        assert_eq!(after(&[(true, "a"), (true, "b")], "b", &["a"]), [None, Some(0)]);
        assert_eq!(after(&[(true, "a"), (true, "b")], "c", &["b", "a"]), [None, Some(0)]);
        // A trait is no segment.
        assert_eq!(after(&[(false, "a")], "b", &["a"]), [None]);
    }
}
