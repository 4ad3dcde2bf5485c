//! A roll-out: the rules of now and those before, in one program.
//!
//! What differs becomes one rule that is the new one for those who are early and the old one for all others; so whoever reads it
//! reads, for each person, rules of one version only. A journey that differs becomes two, and people are in the one that is theirs.
//! Traits are computed for everybody, whether they are new or are no more, as long as nothing else reads them for some people only.
//! Funnels, experiments, experiences and predictions say nothing of single people: their new version holds.
//!
//! INVARIANT: at a share of everybody the program means what the new rules say, at nobody what the old ones say.

use super::lower::Written;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{BinaryOperator, UnaryOperator};
use crate::model::{Gate, Rollout};
use crate::source::Span;
use crate::syntax::ast::{Body, Branches, Expression, ExpressionKind, Item, ItemKind, Name, Node};

/// Behind the name of a journey as it was, for those who are not early. No journey can be called so.
pub const BEFORE: &str = " (before)";

/// Joins the rules before to those of now.
pub(super) fn merge(written: &mut Written, before: Written, rollout: Rollout, diagnostics: &mut Vec<Diagnostic>) {
    let gate = |early: bool| Gate { rollout, early };
    let mut added: Vec<Item> = Vec::new();
    for old in &before.items {
        let place = written.items.binary_search_by(|item| item.name.value.cmp(&old.name.value));
        let Ok(place) = place else {
            let renamed = written.items.iter().flat_map(|item| &item.was).find(|was| was.value == old.name.value);
            match renamed {
                Some(was) => diagnostics.push(
                    refused(format!("`{}` gets another name while it is rolled out", old.name.value), was.span)
                        .label(old.name.span, "what it was")
                        .help("apply the new name to everybody first, then roll out what it means"),
                ),
                None => added.extend(kept(old, gate(false))),
            }
            continue;
        };
        let Some(new) = written.items.get_mut(place) else { continue };
        if new.kind() != old.kind() {
            let message = format!("`{}` is {} now, and was {}", new.name.value, new.kind().noun(), old.kind().noun());
            diagnostics.push(
                refused(message, new.name.span)
                    .label(old.name.span, "what it was")
                    .help("give it a name of its own, or apply it to everybody at once"),
            );
        } else if new.kind() != ItemKind::Journey && new.purpose != old.purpose {
            let message = format!("`{}` has another purpose than before", new.name.value);
            diagnostics.push(
                refused(message, new.purpose.as_ref().map_or(new.name.span, |purpose| purpose.span))
                    .label(old.purpose.as_ref().map_or(old.name.span, |purpose| purpose.span), "as it was")
                    .help("give it a name of its own, or apply it to everybody at once"),
            );
        } else if new.body != old.body || new.purpose != old.purpose {
            added.extend(joined(new, old, rollout));
        }
    }
    let is_new = |item: &&mut Item| !before.items.iter().any(|old| old.name.value == item.name.value);
    for item in written.items.iter_mut().filter(is_new) {
        match &mut item.body {
            Body::Segment(condition) => narrow(condition, rollout, true),
            Body::Journey(journey) => journey.gate = Some(gate(true)),
            _ => {}
        }
    }
    for (name, place) in before.unreadable {
        if written.items.binary_search_by(|item| item.name.value.as_str().cmp(&name)).is_err() {
            written.unreadable.push((name, place));
        }
    }
    written.items.extend(added);
    written.items.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    written.unreadable.sort();
}

fn refused(message: String, place: Span) -> Diagnostic {
    Diagnostic::error(codes::WRONG_ROLLOUT, message, place, "for some people only that cannot be")
}

/// What is no more, for whom it still is.
fn kept(old: &Item, gate: Gate) -> Option<Item> {
    let mut item = old.clone();
    match &mut item.body {
        Body::Segment(condition) => narrow(condition, gate.rollout, false),
        Body::Journey(journey) => journey.gate = Some(gate),
        Body::Trait(_) => {}
        _ => return None,
    }
    Some(item)
}

/// Makes an item that differs both versions; what it was becomes an item of its own where that is a journey.
fn joined(new: &mut Item, old: &Item, rollout: Rollout) -> Option<Item> {
    match (&mut new.body, &old.body) {
        (Body::Segment(now), Body::Segment(was)) | (Body::Trait(now), Body::Trait(was)) => {
            let span = now.span;
            let then = std::mem::replace(now, Node { value: ExpressionKind::Faulty, span });
            let branches = Branches { condition: early(rollout, span), then, otherwise: was.clone() };
            now.value = ExpressionKind::If(Box::new(branches));
            None
        }
        (Body::Journey(now), Body::Journey(_)) => {
            now.gate = Some(Gate { rollout, early: true });
            let mut before = old.clone();
            before.was.insert(0, old.name.clone());
            before.name = Name { value: format!("{}{BEFORE}", old.name.value), span: old.name.span };
            if let Body::Journey(journey) = &mut before.body {
                journey.gate = Some(Gate { rollout, early: false });
            }
            Some(before)
        }
        _ => None,
    }
}

fn early(rollout: Rollout, span: Span) -> Expression {
    Node { value: ExpressionKind::Early(rollout), span }
}

/// A condition for those who are early, or for all others.
fn narrow(condition: &mut Expression, rollout: Rollout, is_early: bool) {
    let span = condition.span;
    let own = std::mem::replace(condition, Node { value: ExpressionKind::Faulty, span });
    let gate = early(rollout, span);
    let gate = match is_early {
        true => gate,
        false => Node { value: ExpressionKind::Unary(Node { value: UnaryOperator::Not, span }, Box::new(gate)), span },
    };
    let and = Node { value: BinaryOperator::And, span };
    condition.value = ExpressionKind::Binary(Box::new(gate), and, Box::new(own));
}
