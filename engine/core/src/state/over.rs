//! Passages that are over: how they end, what is called back then, and goals that count although they come later.

use super::travel::{Passage, step_id};
use super::{State, Turn};
use crate::consent::{Purposes, only};
use crate::effect::{Effects, JourneyStep, PersonId, Recall};
use crate::journey::{Instance, InstanceId, JourneyPlan, Left, Outcome};
use crate::record::{Event, Seq};
use sonder_dsl::ir::JourneyId;
use sonder_dsl::ir::journey::{NodeId, NodeKind};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

impl State {
    /// Ends the passages whose goal the event is, and converts those that had ended without it.
    pub(super) fn convert(&mut self, journey: JourneyId, event: &Event, seq: Seq, turn: Turn, effects: &mut Effects) {
        let Some(plan) = self.plan.journeys.get(journey) else { return };
        let here = (event.occurred_at, seq);
        let is_goal = |carried: &[_]| plan.goals.are_met(event, carried);
        let (key, again) = (plan.key_of(event), plan.journey.again);
        let reached =
            self.instances(turn, journey).iter().filter(|it| it.is_reached_by(key.as_ref()) && here > it.began);
        let reached: Vec<InstanceId> = reached.filter(|it| is_goal(&it.values)).map(|it| it.id).collect();
        let course = self.travels(turn).and_then(|travels| travels.course(journey));
        let over = course.iter().flat_map(|course| {
            let last = course.left.iter().filter(|left| course.place(left.key.as_ref()).is_none());
            last.filter(|left| left.may_convert_by(key.as_ref(), here, again))
        });
        let over: Vec<InstanceId> = over.filter(|left| is_goal(&left.values)).map(|left| left.id).collect();
        // It may arrive before the event that it follows, or before it is known that it is the same person's.
        let noted = plan.goals.of(event, key.as_ref(), here);
        for instance in reached {
            self.leave((journey, instance), Outcome::Converted, turn, effects);
        }
        for instance in over {
            self.convert_after_all((journey, instance), turn, effects);
        }
        if let (Some(goal), Some(person)) = (noted, self.slots[turn.person.index()].body.awake_mut()) {
            person.travels.get_or_insert_default().course_mut(journey).note_goal(goal, &mut self.dropped);
        }
    }

    /// Converts what has ended without a goal that is known by now.
    pub(super) fn convert_late(&mut self, turn: Turn, effects: &mut Effects) {
        let converted = |state: &Self| {
            state.travels(turn)?.courses.iter().find_map(|(journey, course)| {
                let plan = state.plan.journeys.get(*journey)?;
                Some((*journey, course.converted_late(&plan.goals, plan.journey.again)?))
            })
        };
        while let Some(passage) = converted(self) {
            self.convert_after_all(passage, turn, effects);
        }
    }

    fn convert_after_all(&mut self, (journey, id): Passage, turn: Turn, effects: &mut Effects) {
        let person = self.slots.get_mut(turn.person.index()).and_then(|slot| slot.body.awake_mut());
        let Some(travels) = person.and_then(|person| person.travels.as_mut()) else { return };
        let Some(left) = travels.course_mut(journey).left.iter_mut().find(|left| left.id == id) else { return };
        left.outcome = Outcome::Converted;
        self.end((journey, id), Outcome::Converted, turn, effects);
    }

    /// Takes somebody out of a journey.
    pub(super) fn leave(&mut self, (journey, id): Passage, outcome: Outcome, turn: Turn, effects: &mut Effects) {
        let Some(person) = self.slots[turn.person.index()].body.awake_mut() else { return };
        let Some(travels) = &mut person.travels else { return };
        let course = travels.course_mut(journey);
        let Some(place) = course.instances.iter().position(|it| it.id == id) else { return };
        let Instance { key, began, entered, values, node, passed, .. } = course.instances.remove(place);
        let is_asked =
            outcome.may_convert() && self.plan.journeys.get(journey).is_some_and(|it| it.goals.are_correlated());
        let values = if is_asked { values } else { ThinVec::new() };
        course.note_left(Left { id, key, began, entered, values, at: turn.at, outcome }, &mut self.dropped);
        if passed > 0 {
            self.standing.leave(journey, node);
        }
        self.end((journey, id), outcome, turn, effects);
    }

    /// Says how a passage ended, and calls back what is not wanted any more.
    fn end(&self, passage: Passage, outcome: Outcome, turn: Turn, effects: &mut Effects) {
        if let (true, Some(component)) = (outcome.calls_back(), self.graph.component(turn.person)) {
            self.call_back(passage, component.id, outcome.name(), turn.at, effects);
        }
        self.note(passage, JourneyStep::Left(outcome), turn, effects);
    }

    /// Calls back whatever a passage may have sent: where that has not been handed over yet, it is not.
    pub(super) fn call_back(
        &self,
        (journey, id): Passage,
        person: PersonId,
        why: &str,
        at: Moment,
        effects: &mut Effects,
    ) {
        let Some(plan) = self.plan.journeys.get(journey) else { return };
        let reason = format!("left {}: {why}", plan.journey.name);
        for (index, node) in plan.journey.nodes.iter().enumerate() {
            if let NodeKind::Send { destination, .. } = node.kind {
                let id = step_id(plan, NodeId(index as u32), id);
                effects.recalls.push(Recall { id, destination, person, at, reason: reason.clone() });
            }
        }
    }

    /// Somebody takes back their consent to purposes: what journeys for these sent and have ended since is called back, too.
    pub(super) fn withdraw(&self, purposes: Purposes, turn: Turn, effects: &mut Effects) {
        let (Some(travels), Some(component)) = (self.travels(turn), self.graph.component(turn.person)) else { return };
        let is_for = |plan: &JourneyPlan| plan.purpose.is_some_and(|purpose| purposes & only(purpose) != 0);
        for (journey, course) in &travels.courses {
            if self.plan.journeys.get(*journey).is_some_and(is_for) {
                for left in course.left.iter().filter(|left| left.outcome == Outcome::Finished) {
                    self.call_back((*journey, left.id), component.id, Outcome::Withdrawn.name(), turn.at, effects);
                }
            }
        }
    }
}
