//! Conditions that never hold, always hold, or decide nothing.
//!
//! A small abstract interpreter over typed expressions: [`values`] are sets of values, [`facts`] what is known of leaves,
//! [`assume`] what follows from a condition, [`report`] what is said about it and where.
//!
//! INVARIANT: no false alarm. Whatever is called never true is true for no history and no event that the engine lets in;
//! what is called always true holds for every one. `tests` hold this against a naive evaluation. Where the analysis runs out
//! of steps ([`limits::SATISFIABLE_STEPS`]) it says nothing.
//!
//! What can never hold is an error: nobody means it. What always holds, is there twice or is never reached is a warning:
//! it may be on the way to something else.

mod assume;
mod facts;
mod report;
#[cfg(test)]
mod tests;
mod values;

use crate::diagnostic::Diagnostic;
use crate::ir::{AggregateId, Lowered, RuleKind};
use crate::limits;
use crate::model::Declarations;
use crate::source::SourceSet;
use crate::syntax::ast::Expression;
use assume::{Mind, State};
use report::Reader;
use std::cell::Cell;

/// Looks at all rules of a project; `written` finds the text of one by its name.
pub(crate) fn check<'w>(
    sources: &SourceSet,
    declarations: &Declarations,
    lowered: &Lowered,
    written: impl Fn(&str) -> Option<&'w Expression>,
) -> Vec<Diagnostic> {
    let steps = Cell::new(0);
    let mut aggregates = Vec::with_capacity(lowered.aggregates.len());
    for id in 0..lowered.aggregates.len() as u32 {
        steps.set(limits::SATISFIABLE_STEPS);
        aggregates.push(facts::of_aggregate(declarations, lowered, AggregateId(id), &steps));
    }
    let mut diagnostics = Vec::new();
    let mut rules = Vec::with_capacity(lowered.rules.len());
    for rule in &lowered.rules {
        steps.set(limits::SATISFIABLE_STEPS);
        let leaves = facts::OfPerson { declarations, aggregates: &aggregates, rules: &rules };
        let mind = Mind { leaves: &leaves, steps: &steps };
        if let Some(text) = written(&rule.name) {
            let reader = Reader { sources, declarations, lowered, mind: Mind { ..mind } };
            match rule.kind {
                RuleKind::Segment => reader.condition(text, &rule.expression, &mut diagnostics),
                RuleKind::Trait(_) => reader.value(text, &rule.expression, &vec![State::default()], &mut diagnostics),
            }
        }
        let fact = mind.value(&rule.expression, &State::default());
        rules.push(fact);
    }
    diagnostics
}
