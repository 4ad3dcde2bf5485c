//! What collection asks the state: whether the people whom a message names allow its being kept.

use super::State;
use crate::consent::collection::Question;
use crate::consent::{only, residence};
use crate::identity::graph::PersonIndex;
use sonder_dsl::ir::Value;

impl State {
    /// Whether a message may be collected, by what the people said whom it names and by where they live; `None` where nobody is
    /// known by them.
    ///
    /// Who refused is collected from no source. A yes in a message that is no express one does not lift an express no. Of whoever
    /// is spilled is known what they consent to and what they refused, not how; then the stricter reading holds.
    #[must_use]
    pub fn collects(&self, question: &Question) -> Option<bool> {
        let Question { who, purpose, said, is_device, .. } = question;
        let purpose = only(*purpose);
        let mut people: Vec<PersonIndex> = who.iter().filter_map(|identifier| self.place_of(identifier)).collect();
        people.dedup();
        let slots = || people.iter().filter_map(|place| self.slots.get(place.index()));
        slots().next()?;
        let agrees = *said == Some(true);
        if slots().any(|slot| slot.refused & purpose != 0) {
            let is_firm =
                |place: &PersonIndex| self.read_at(*place).is_none_or(|person| person.answers.refused() & purpose != 0);
            return Some(agrees && !people.iter().any(is_firm));
        }
        if agrees || !is_device {
            return Some(true);
        }
        // Of a device of somebody who refused nothing: what they agreed to, or else what holds where they live.
        let unasked = |place: Option<String>| self.plan.consent.terms(place.as_deref()).unasked & purpose != 0;
        let stated = &question.residence;
        let states_any = stated.iter().any(Option::is_some);
        let by_message = unasked(residence::place(stated.iter().cloned()));
        let consent = |is: bool| slots().all(|slot| (slot.consents & purpose != 0) == is);
        for outcome in [true, false] {
            if consent(outcome) && (!states_any || by_message == outcome) {
                return Some(outcome);
            }
        }
        let known: Option<Vec<_>> = people.iter().map(|place| self.read_at(*place)).collect();
        let Some(known) = known else { return Some(consent(true)) };
        if known.iter().any(|person| person.answers.latest().yes & purpose != 0) {
            return Some(true);
        }
        let mut lives: Vec<Option<Value>> = stated.clone();
        lives.resize(self.plan.consent.residence.len(), None);
        for person in &known {
            for (stated, known) in lives.iter_mut().zip(self.plan.lives(person)) {
                *stated = stated.take().or(known);
            }
        }
        Some(unasked(residence::place(lives)))
    }
}
