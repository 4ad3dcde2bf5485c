//! Everybody, some at a time: for evaluators that look at all people and must not hold the state for long.

use super::State;
use super::rest::Body;
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
    /// The segments that they are in.
    pub segments: Vec<RuleId>,
    /// What was asked for. `None` while that is spilled.
    pub particulars: Option<Particulars>,
}

/// What is asked for of everybody, beside who they are. Nothing costs least: people who rest need not be unpacked then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Traits of the golden record.
    pub traits: &'a [ProfileTraitId],
    /// What they said about consent.
    pub consent: bool,
}

/// What was asked for of somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Particulars {
    /// What is known of the traits, by name, as views show it.
    pub profile: serde_json::Map<String, serde_json::Value>,
    /// What they said about consent, where that was asked for.
    pub consent: Option<ConsentGiven>,
}

/// What somebody said about consent.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentGiven {
    /// All their answers.
    pub answers: Vec<AnswerView>,
    /// Whether they restrict whatever is done with their data.
    pub is_restricted: bool,
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
    pub fn census(&self, program: &Program, asked: Asked<'_>, from: u32, count: u32) -> (Vec<Resident>, Option<u32>) {
        let places = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let end = from.saturating_add(count).min(places);
        let residents = (from..end).filter_map(|place| self.resident(program, asked, PersonIndex(place)));
        (residents.collect(), (end < places).then_some(end))
    }

    fn resident(&self, program: &Program, asked: Asked<'_>, place: PersonIndex) -> Option<Resident> {
        let component = self.graph.component(place)?;
        let kind = |id: sonder_dsl::ir::IdentifierKindId| program.identity.identifiers.get(id.index());
        let nodes = component.nodes.iter().filter_map(|node| self.graph.node(*node));
        let current = nodes.filter(|(_, node)| !node.former);
        let current = current.filter_map(|(it, node)| {
            let kind = kind(it.kind)?.name.clone();
            Some(ResidentIdentifier { kind, value: it.value.to_string(), generic: node.generic })
        });
        let slot = self.slots.get(place.index())?;
        Some(Resident {
            id: component.id,
            identifiers: current.collect(),
            segments: self.plan.shown(&slot.segments).map(|(rule, _)| rule).collect(),
            particulars: self.particulars(program, asked, &slot.body),
        })
    }

    fn particulars(&self, program: &Program, asked: Asked<'_>, body: &Body) -> Option<Particulars> {
        if asked.traits.is_empty() && !asked.consent {
            return Some(Particulars::default());
        }
        let person = body.read(&self.plan)?;
        let shown = asked.traits.iter().filter_map(|id| {
            let declared = program.profile.get(id.index())?;
            let value = person.profile_value(*id);
            value.is_known().then(|| (declared.name.clone(), value.to_json(&declared.kind)))
        });
        let consent = asked.consent.then(|| ConsentGiven {
            answers: view::answers(&self.plan, &person),
            is_restricted: person.answers.held_since(ANYTHING).is_some(),
        });
        Some(Particulars { profile: shown.collect(), consent })
    }
}
