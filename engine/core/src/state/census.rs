//! Everybody, some at a time: for evaluators that look at all people and must not hold the state for long.

use super::State;
use crate::consent::ANYTHING;
use crate::effect::PersonId;
use crate::identity::graph::PersonIndex;
use crate::view::{self, AnswerView};
use sonder_dsl::ir::{ProfileTraitId, Program, RuleId};

/// Somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Resident {
    /// Who.
    pub id: PersonId,
    /// What they are found by.
    pub identifiers: Vec<ResidentIdentifier>,
    /// What is known of the traits asked for, by name, as views show it. `None` while spilled.
    pub profile: Option<serde_json::Map<String, serde_json::Value>>,
    /// All that they said about consent. `None` while spilled.
    pub answers: Option<Vec<AnswerView>>,
    /// The segments that they are in.
    pub segments: Vec<RuleId>,
    /// Whether they restrict whatever is done with their data. `None` while spilled.
    pub is_restricted: Option<bool>,
}

/// An identifier of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentIdentifier {
    /// The name of its kind.
    pub kind: String,
    /// Normalised.
    pub value: String,
    /// It is shared by too many to say whose an event is, if there is another.
    pub generic: bool,
}

impl State {
    /// The people at up to `count` places from a place on, and the next place; `None` after the last. Somebody who joins
    /// another between two calls may be here twice, or once as the other.
    #[must_use]
    pub fn census(
        &self,
        program: &Program,
        traits: &[ProfileTraitId],
        from: u32,
        count: u32,
    ) -> (Vec<Resident>, Option<u32>) {
        let places = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let end = from.saturating_add(count).min(places);
        let residents = (from..end).filter_map(|place| self.resident(program, traits, PersonIndex(place)));
        (residents.collect(), (end < places).then_some(end))
    }

    fn resident(&self, program: &Program, traits: &[ProfileTraitId], place: PersonIndex) -> Option<Resident> {
        let component = self.graph.component(place)?;
        let kind = |id: sonder_dsl::ir::IdentifierKindId| program.identity.identifiers.get(id.index());
        let nodes = component.nodes.iter().filter_map(|node| self.graph.node(*node));
        let current = nodes.filter(|(_, node)| !node.former);
        let current = current.filter_map(|(it, node)| {
            let kind = kind(it.kind)?.name.clone();
            Some(ResidentIdentifier { kind, value: it.value.to_string(), generic: node.generic })
        });
        let slot = self.slots.get(place.index())?;
        let person = slot.body.read(&self.plan);
        let answers = person.as_ref().map(|person| view::answers(&self.plan, person));
        let is_restricted = person.as_ref().map(|person| person.answers.held_since(ANYTHING).is_some());
        let profile = person.map(|person| {
            let shown = traits.iter().filter_map(|id| {
                let declared = program.profile.get(id.index())?;
                let value = person.profile_value(*id);
                value.is_known().then(|| (declared.name.clone(), value.to_json(&declared.kind)))
            });
            shown.collect()
        });
        Some(Resident {
            id: component.id,
            identifiers: current.collect(),
            profile,
            answers,
            segments: self.plan.shown(&slot.segments).map(|(rule, _)| rule).collect(),
            is_restricted,
        })
    }
}
