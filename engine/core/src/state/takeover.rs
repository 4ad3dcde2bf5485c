//! Journeys across versions of a project.
//!
//! A new version is made by folding the log again, but nobody travels then: what was sent was sent by the version before.
//! Where people are is taken over from it, step by step by the keys of the steps, and from there on they travel.

use super::checkpoint::ObservationRecord;
use super::travel::keyed;
use super::{State, Turn};
use crate::effect::{Cause, Change, ChangeKind, Effects, JourneyChange, JourneyStep, PersonId, Recall};
use crate::identity::graph::PersonIndex;
use crate::journey::record::TravelsRecord;
use crate::journey::{InstanceId, Outcome};
use crate::names::{NameKey, journey_key, journeys_since};
use crate::profile::Observations;
use sonder_dsl::ir::journey::NodeKind;
use sonder_dsl::ir::{DestinationId, Fingerprint, Journey, JourneyId, Program};
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;

/// Where somebody is in the journeys, for the next version.
#[derive(Debug)]
pub struct Travelling {
    /// Who.
    pub person: PersonId,
    /// Where, by names.
    pub(super) record: Option<TravelsRecord>,
    /// What journeys said of them, by names.
    pub(super) traits: Vec<(NameKey, ObservationRecord)>,
}

impl Travelling {
    /// Who it is.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        self.person
    }
}

/// What journeys of the version before sent, by the key of their names: the steps that send, and where to.
struct Removed(BTreeMap<NameKey, (String, Vec<(Fingerprint, DestinationId)>)>);

impl Removed {
    fn new(before: Option<&Program>, now: &Program) -> Self {
        let destination = |before: &Program, id: DestinationId| {
            let name = &before.destinations.get(id.index())?.name;
            let place = now.destinations.iter().position(|it| it.name == *name)?;
            u32::try_from(place).ok().map(DestinationId)
        };
        let steps = |before: &Program, journey: &Journey| {
            let sends = journey.nodes.iter().filter_map(|node| match node.kind {
                NodeKind::Send { destination: id, .. } => Some((node.key, destination(before, id)?)),
                _ => None,
            });
            (journey_key(&journey.name), (journey.name.clone(), sends.collect()))
        };
        let journeys = before.into_iter().flat_map(|before| before.journeys.iter().map(move |it| steps(before, it)));
        Self(journeys.collect())
    }

    fn call_back(
        &self,
        journey: NameKey,
        instance: InstanceId,
        (person, at): (PersonId, Moment),
        effects: &mut Effects,
    ) {
        let Some((name, sends)) = self.0.get(&journey) else { return };
        for (key, destination) in sends {
            let (id, reason) = (keyed(*key, instance), format!("left {name}: {}", Outcome::Removed.name()));
            effects.recalls.push(Recall { id, destination: *destination, person, at, reason });
        }
    }
}

impl State {
    /// Nobody enters a journey or goes on in one until [`take_over`](Self::take_over).
    pub fn hold_journeys(&mut self) {
        self.journeys_held = true;
    }

    /// Where everybody is, by id. People who are spilled are not in it: see [`travelling_in`](Self::travelling_in).
    #[must_use]
    pub fn travelling(&self) -> Vec<Travelling> {
        let mut all: Vec<Travelling> = self
            .graph
            .people()
            .filter_map(|(person, component)| {
                let it = self.slots[person.index()].body.read(&self.plan)?;
                self.plan.travelling(component.id, &it)
            })
            .collect();
        all.sort_by_key(|it| it.person);
        all
    }

    /// Who is known but not in memory, by id.
    #[must_use]
    pub fn spilled_people(&self) -> Vec<PersonId> {
        let away = self.graph.people().filter(|(person, _)| !self.slots[person.index()].body.is_here());
        let mut people: Vec<PersonId> = away.map(|(_, component)| component.id).collect();
        people.sort_unstable();
        people
    }

    /// Takes over where people are under the version `before`, where it is at hand, and the traits that journeys set. People who
    /// are not known by that id are left out; what is no more ends here. What a journey that is no more sent and still waits is
    /// called back; what was sent at a step that is no more of a journey that goes on is not.
    pub fn take_over(
        &mut self,
        program: &Program,
        before: Option<&Program>,
        travelling: Vec<Travelling>,
        effects: &mut Effects,
    ) {
        let journey_of = journeys_since(program, before);
        let removed = Removed::new(before, program);
        for Travelling { person: id, record, traits } in travelling {
            let Some(person) = self.graph.person(id) else { continue };
            self.touch(person);
            self.wake(person);
            self.say_again(program, person, traits);
            let Some(record) = record else { continue };
            let is_early = self.slots[person.index()].body.awake().is_some_and(|it| it.is_early);
            let journey_of = |key| journey_of(key, is_early);
            for (key, instance) in record.passages().filter(|(key, _)| journey_of(*key).is_none()) {
                removed.call_back(key, instance, (id, self.now), effects);
            }
            let travels = record.into_travels(&self.plan.journeys, &self.plan.names, journey_of);
            for (journey, course) in &travels.courses {
                for left in course.left.iter().filter(|left| left.outcome == Outcome::Removed && left.at == Moment::MAX)
                {
                    let change = JourneyChange {
                        journey: *journey,
                        instance: left.id,
                        what: JourneyStep::Left(Outcome::Removed),
                    };
                    let cause = Cause::Takeover(self.now);
                    effects.changes.push(Change { person: id, at: self.now, cause, what: ChangeKind::Journey(change) });
                }
            }
            self.settle_in(person, travels, effects);
        }
        self.journeys_held = false;
    }

    /// What journeys said of somebody is said again; what follows from it was decided by the version before.
    fn say_again(&mut self, program: &Program, person: PersonIndex, traits: Vec<(NameKey, ObservationRecord)>) {
        for (key, record) in traits {
            let known = self.plan.names.profile_trait(key);
            let Some(id) = known.filter(|id| !self.plan.likely.contains(id)) else { continue };
            let Some(policy) = self.plan.policies.get(id.index()) else { continue };
            let Some(it) = self.slots[person.index()].body.awake_mut() else { return };
            let new = record.into_observation(&self.plan.names);
            match it.profile.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(place) => _ = it.profile[place].1.insert(new, policy, &mut self.dropped),
                Err(place) => it.profile.insert(place, (id, Observations::new(new, policy))),
            }
            self.scratch.touched.extend(&self.plan.rules_of_profile_trait[id.index()]);
        }
        let turn = Turn { person, at: self.now, cause: Cause::Timer(self.now), deliver: false, round: 0 };
        self.decide(program, turn, &mut Effects::default());
    }

    fn settle_in(&mut self, person: PersonIndex, travels: crate::journey::Travels, effects: &mut Effects) {
        let soon = Moment(self.now.0.saturating_add(1));
        let now = self.now;
        let Some(it) = self.slots[person.index()].body.awake_mut() else { return };
        let ours = it.travels.get_or_insert_default();
        let mut merged: Vec<(JourneyId, InstanceId)> = Vec::new();
        for (journey, mut course) in travels.courses {
            for instance in &mut course.instances {
                // What it waits for may be another now.
                instance.until = soon;
                self.standing.come(journey, instance.node);
            }
            for left in &mut course.left {
                left.at = left.at.min(now);
            }
            let again = self.plan.journeys.get(journey).and_then(|plan| plan.journey.again);
            for ended in ours.course_mut(journey).join(course, again, &mut self.dropped) {
                self.standing.leave(journey, ended.node);
                merged.push((journey, ended.id));
            }
        }
        for (destination, sent) in travels.sent {
            let known = crate::person::entry(&mut ours.sent, destination, thin_vec::ThinVec::new);
            crate::journey::course::join_sent(known, &sent);
        }
        let slot = &mut self.slots[person.index()];
        if let Some(it) = slot.body.awake() {
            slot.due = it.due();
        }
        self.schedule(person);
        // Two people who were in one journey are one under this version.
        let turn = Turn { person, at: now, cause: Cause::Takeover(now), deliver: false, round: 0 };
        let Some(id) = self.graph.component(person).map(|component| component.id) else { return };
        for passage in merged {
            self.call_back(passage, id, Outcome::Merged.name(), now, effects);
            self.note(passage, JourneyStep::Left(Outcome::Merged), turn, effects);
        }
    }
}
