//! How two identifiers stand to each other: what is said of them, and what a probabilistic link between them would meet.

use super::State;
use crate::identity::graph::{Grade, Reason};
use crate::record::{Identifier, Likelihood};

/// How two identifiers stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// One of them is nobody's.
    Unknown,
    /// They are one person's, because somebody decided so.
    Decided,
    /// They are one person's, because matching found it likely.
    Linked,
    /// They are one person's, whatever was said of just these two.
    One,
    /// Somebody decided that their people are two.
    Apart,
    /// Their people are two, and nothing is against their being one.
    Two,
    /// Their people are two, and a rule is against their being one because that is likely: `unique`, `limit` … Somebody may
    /// decide so all the same.
    Against(&'static str),
    /// They are never one person's, whoever says so.
    Never,
}

impl State {
    /// How two identifiers stand to each other, where they are as likely as that one person's.
    #[must_use]
    pub fn relation(&self, one: &Identifier, other: &Identifier, likelihood: Likelihood) -> Relation {
        let find = |it: &Identifier| {
            let node = self.graph.find(it)?;
            let person = self.graph.node(node)?.1.person;
            Some((node, person, self.graph.component(person)?))
        };
        let (Some((one, first, component)), Some((other, second, _))) = (find(one), find(other)) else {
            return Relation::Unknown;
        };
        if first == second {
            return match component.edge(one, other).map(|edge| edge.grade) {
                Some(Grade::Decided) => Relation::Decided,
                Some(Grade::Probable) => Relation::Linked,
                _ => Relation::One,
            };
        }
        if self.graph.apart_from(one).contains(&other) {
            return Relation::Apart;
        }
        let against = |grade, likelihood| self.plan.links.against(&self.graph, (one, other), (grade, likelihood));
        let Some(reason) = against(Grade::Probable, likelihood) else { return Relation::Two };
        match against(Grade::Decided, Likelihood::NONE) {
            None => Relation::Against(reason.as_str()),
            Some(Reason::Decided) => Relation::Apart,
            Some(_) => Relation::Never,
        }
    }
}
