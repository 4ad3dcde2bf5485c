//! Why: the value of a rule for a person at a moment, taken apart.
//!
//! An explanation is the rule's expression as a tree, each part with its value, how far a comparison is from turning, the
//! events that an aggregate is made of, and when the value changes if nothing happens; and the smallest set of conditions
//! that decides (`because`).
//!
//! INVARIANT: values are those of the fold. The messages that bear upon the person are folded by the same
//! [`State`](crate::State) ([`Past`]), and every part is evaluated on what that kept; only the evidence is found in the
//! events themselves. Evidence is enough: an aggregate over nothing but the listed events (where none were left out) has
//! the same value.

mod because;
mod evidence;
mod explanation;
mod margin;
mod moments;
mod past;
mod personal;
mod sequence;
mod tree;

pub use explanation::{
    Because, Change, Counted, Effect, Evidence, Explanation, Group, Margin, Next, Part, PartKind, Progress, Property,
    Reason, Stage, StepProgress,
};
pub use past::{Logged, Past, Who};

use moments::Moments;
use sonder_dsl::ir::{Program, RuleId, RuleKind, Type};
use tree::Builder;

/// Whether values of personal data are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// Only that they are there.
    Hidden,
    /// As they are.
    Shown,
}

/// Whether a rule's value is personal data.
#[must_use]
pub fn is_personal(program: &Program, rule: RuleId) -> bool {
    personal::PersonalRules::new(program).rule(rule)
}

impl Past {
    /// Explains a rule. `None` for an id of another program.
    #[must_use]
    pub fn explain(&self, rule: RuleId, personal: Personal) -> Option<Explanation> {
        let it = self.program.rules.get(rule.index())?;
        let moments = Moments::new(self.state.plan(), &self.body);
        let mut builder = Builder::new(self, moments, personal);
        let kind = if let RuleKind::Trait(kind) = &it.kind { kind } else { &Type::Bool };
        let (root, because) = builder.rule(&it.expression, kind);
        Some(Explanation {
            person: self.person,
            at: self.now,
            rule: it.name.clone(),
            kind: if it.kind == RuleKind::Segment { "segment" } else { "trait" },
            description: it.description.clone(),
            purpose: it.purpose.clone(),
            definition: it.source.clone(),
            place: it.place.clone(),
            value: root.value.clone(),
            personal: root.personal,
            next: root.next.clone(),
            because,
            tree: root,
        })
    }
}
