//! Deciding: the touched rules of a person, in order; what changed becomes changes and deliveries.

use super::{State, Turn};
use crate::datum::Known;
use crate::deliver;
use crate::effect::{Change, ChangeKind, Effects};
use crate::person::entry;
use crate::rules::{Memo, value_of};
use sonder_dsl::ir::{Program, RuleId};
use sonder_dsl::time::Moment;
use std::cmp::Ordering;

/// What evaluating a rule said.
#[derive(Debug)]
pub(super) struct Verdict {
    rule: RuleId,
    outcome: Outcome,
    until: Moment,
}

#[derive(Debug)]
enum Outcome {
    Same,
    Entered,
    Left,
    /// A trait that somebody watches has another value.
    Value(Option<Known>),
}

impl State {
    /// Evaluates the rules that were touched, and forgets that they were.
    pub(super) fn decide(&mut self, program: &Program, turn: Turn, effects: &mut Effects) {
        if self.scratch.touched.is_empty() {
            return;
        }
        let mut verdicts = std::mem::take(&mut self.scratch.verdicts);
        self.judge(turn, &mut verdicts);
        self.scratch.touched.clear();
        self.apply(turn, &mut verdicts);
        self.tell(program, turn, &mut verdicts, effects);
        verdicts.clear();
        self.scratch.verdicts = verdicts;
        self.schedule(turn.person);
    }

    fn judge(&self, turn: Turn, verdicts: &mut Vec<Verdict>) {
        let slot = &self.slots[turn.person.index()];
        let Some(person) = slot.body.awake() else { return };
        let (mut memo, mut place) = (Memo::default(), 0);
        for rule in self.scratch.touched.iter() {
            let Some(plan) = self.plan.rule(rule) else { continue };
            let answer = value_of(&self.plan, person, rule, turn.at, &mut memo);
            let outcome = if plan.is_segment {
                match (slot.segments.get_after(&mut place, rule).is_some(), answer.datum.is_true()) {
                    (false, true) => Outcome::Entered,
                    (true, false) => Outcome::Left,
                    _ => Outcome::Same,
                }
            } else {
                let announced = person.announced.binary_search_by_key(&rule, |(rule, _)| *rule);
                let before = match announced {
                    Ok(place) => person.announced[place].1.as_ref().map(Known::datum),
                    Err(_) => Some(plan.value_of_nothing()),
                };
                let before = before.unwrap_or(crate::datum::Datum::Unknown);
                let is_same = match answer.datum.compare(before) {
                    Some(order) => order == Ordering::Equal,
                    None => !answer.datum.is_known() && !before.is_known(),
                };
                if is_same { Outcome::Same } else { Outcome::Value(answer.datum.to_value().map(Known)) }
            };
            // INVARIANT: a timer lies ahead, or time would stand still.
            debug_assert!(answer.until > turn.at, "{} would fire at once, again and again", plan.name);
            let until = answer.until.max(Moment(turn.at.0.saturating_add(1)));
            verdicts.push(Verdict { rule, outcome, until });
        }
    }

    fn apply(&mut self, turn: Turn, verdicts: &mut [Verdict]) {
        let Some(component) = self.graph.component(turn.person) else { return };
        let slot = &mut self.slots[turn.person.index()];
        let Some(person) = slot.body.awake_mut() else { return };
        // INVARIANT: they were touched before: by the record, or when their time came.
        debug_assert_eq!(slot.changed, self.epoch, "somebody changes whom a checkpoint does not know of");
        let (mut soonest, mut first_moved, mut place) = (Moment::MAX, false, 0);
        for verdict in verdicts {
            let before = match verdict.until {
                Moment::MAX => person.timers.remove_after(&mut place, verdict.rule),
                until => person.timers.set_after(&mut place, verdict.rule, until),
            };
            first_moved |= before == Some(slot.due);
            soonest = soonest.min(verdict.until);
            match &verdict.outcome {
                Outcome::Same => {}
                Outcome::Entered => {
                    slot.segments.set(verdict.rule, turn.at);
                    self.members.insert(verdict.rule, turn.person, component.id);
                }
                Outcome::Left => {
                    slot.segments.remove(verdict.rule);
                    self.members.remove(verdict.rule, turn.person, component.id);
                }
                Outcome::Value(value) => *entry(&mut person.announced, verdict.rule, || None) = value.clone(),
            }
        }
        // Timers of rules that were not touched are where they were: all of them are looked at only when the first moved.
        slot.due = if first_moved { person.due() } else { soonest.min(slot.due) };
    }

    fn tell(&mut self, program: &Program, turn: Turn, verdicts: &mut [Verdict], effects: &mut Effects) {
        let Some(component) = self.graph.component(turn.person) else { return };
        for Verdict { rule, outcome, .. } in verdicts {
            if let Some(journey) = self.plan.entered_by(*rule) {
                // What was imported brings nobody in.
                if turn.deliver && matches!(outcome, Outcome::Entered) {
                    self.scratch.begun.push(journey);
                }
                continue;
            }
            let what = match outcome {
                Outcome::Same => continue,
                Outcome::Entered => ChangeKind::Entered(*rule),
                Outcome::Left => ChangeKind::Left(*rule),
                Outcome::Value(value) => ChangeKind::TraitChanged { rule: *rule, value: value.take().map(|it| it.0) },
            };
            let is_heard = turn.deliver || self.scratch.refuses && matches!(what, ChangeKind::Left(_));
            if is_heard && let Some(subject) = self.subject(program, turn) {
                deliver::rule(&subject, *rule, &what, effects);
            }
            effects.changes.push(Change { person: component.id, at: turn.at, cause: turn.cause, what });
        }
    }
}
