//! What becomes of deliveries in a scenario: destinations answer as its steps say, and what has to wait is tried again when the
//! outbox would. Somebody's deliveries to one destination keep their order; what is called back while it waits is not sent.

use sonder_activate::outbox::Policy;
use sonder_core::effect::{Delivery, EffectId, PersonId, Recall};
use sonder_dsl::ir::DestinationId;
use sonder_dsl::scenario::{Answer, Outcome};
use sonder_dsl::time::{Duration, Moment};
use std::collections::{BTreeMap, VecDeque};

/// All deliveries of a scenario that have not been expected yet.
#[derive(Debug, Default)]
pub struct Post {
    policy: Policy,
    answers: BTreeMap<DestinationId, Answer>,
    /// For each destination and person, what waits; only the first is tried.
    lanes: BTreeMap<(DestinationId, PersonId), VecDeque<Waiting>>,
    recalls: Vec<Recall>,
    /// What has ended since it was asked last, in that order.
    ended: Vec<(Outcome, Delivery)>,
}

#[derive(Debug)]
struct Waiting {
    delivery: Delivery,
    /// Attempts that failed.
    attempts: u32,
    /// When it is tried next, once it is the first.
    due: Moment,
}

impl Post {
    /// From now on a destination answers so.
    pub fn answer(&mut self, destination: DestinationId, answer: Answer) {
        self.answers.insert(destination, answer);
    }

    /// Takes what was decided and what was called back up to a moment, and lets destinations answer up to it.
    pub fn take(&mut self, deliveries: &[Delivery], recalls: Vec<Recall>, until: Moment) {
        for delivery in deliveries {
            let waiting = Waiting { delivery: delivery.clone(), attempts: 0, due: delivery.at };
            self.lanes.entry((delivery.destination, delivery.person)).or_default().push_back(waiting);
        }
        self.recalls.extend(recalls);
        self.recalls.sort_by_key(|it| it.at);
        while let Some((at, lane)) = self.next().filter(|(at, _)| *at <= until) {
            if self.recall_up_to(at) {
                // Another may be the first now.
                continue;
            }
            self.attempt(lane, at);
        }
        self.recall_up_to(until);
    }

    /// What has ended since this was asked last, and what waits.
    pub fn outcomes(&mut self) -> Vec<(Outcome, Delivery)> {
        let mut found = std::mem::take(&mut self.ended);
        let waiting = self.lanes.values().flatten().map(|it| (Outcome::Waiting, it.delivery.clone()));
        found.extend(waiting);
        found
    }

    fn next(&self) -> Option<(Moment, (DestinationId, PersonId))> {
        let firsts = self.lanes.iter().filter_map(|(lane, all)| Some((all.front()?.due, *lane)));
        firsts.min()
    }

    /// Whether anything was called back.
    fn recall_up_to(&mut self, at: Moment) -> bool {
        let due = self.recalls.partition_point(|it| it.at <= at);
        let recalls: Vec<Recall> = self.recalls.drain(..due).collect();
        let mut is_any = false;
        for recall in recalls {
            is_any |= self.call_back(recall.id, recall.at);
        }
        is_any
    }

    fn call_back(&mut self, id: EffectId, at: Moment) -> bool {
        let mut is_any = false;
        for lane in self.lanes.values_mut() {
            let Some(place) = lane.iter().position(|it| it.delivery.id == id) else { continue };
            let Some(recalled) = lane.remove(place) else { continue };
            self.ended.push((Outcome::Recalled, recalled.delivery));
            is_any = true;
            if let Some(first) = lane.front_mut().filter(|_| place == 0) {
                first.due = first.due.max(at);
            }
        }
        is_any
    }

    fn attempt(&mut self, lane: (DestinationId, PersonId), at: Moment) {
        let answer = self.answers.get(&lane.0).copied().unwrap_or(Answer::Delivered);
        let Some(waiting) = self.lanes.get_mut(&lane) else { return };
        let Some(first) = waiting.front_mut() else { return };
        first.attempts += 1;
        let is_tired = first.attempts >= self.policy.attempts && at.since(first.delivery.at) >= self.policy.patience;
        let outcome = match answer {
            Answer::Delivered => Outcome::Delivered,
            Answer::Rejected => Outcome::GivenUp,
            Answer::Retry(_) if is_tired => Outcome::GivenUp,
            Answer::Retry(None) => {
                let wait = self.policy.back_off(first.delivery.id, first.attempts);
                first.due = at.plus(wait.max(Duration(1)));
                return;
            }
            Answer::Retry(Some(wait)) => {
                let seconds = u32::try_from(wait.0 / 1_000_000).unwrap_or(u32::MAX);
                first.due = at.plus(self.policy.told_to_wait(first.delivery.id, first.attempts, seconds));
                return;
            }
        };
        if let Some(ended) = waiting.pop_front() {
            self.ended.push((outcome, ended.delivery));
        }
        match waiting.front_mut() {
            Some(first) => first.due = first.due.max(at),
            None => _ = self.lanes.remove(&lane),
        }
    }
}
