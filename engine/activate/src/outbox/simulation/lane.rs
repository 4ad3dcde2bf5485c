//! Lanes under a virtual clock: for many seeds, whatever the destination and the store do, the promises hold.
//!
//! The simulated world answers at random (from the seed): delivered, refused, later, unauthorized, a plugin that traps on
//! poisoned items, batches that come back out of order, a store that is late, and a crash after which everything without
//! a recorded outcome comes again.

use super::super::lane::{FlightId, Lane, Step};
use super::super::policy::Policy;
use super::super::transport::{Answer, BatchFailure, Item};
use super::Chance;
use crate::outcome::{Outcome, Verdict};
use sonder_core::effect::{Cause, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::DestinationId;
use sonder_dsl::model::{Destination, Rate};
use sonder_dsl::time::{Duration, Moment};
use std::collections::{BTreeMap, BTreeSet};

const DELIVERIES: u128 = 400;
const PEOPLE: u128 = 40;

#[test]
fn for_every_seed_nothing_is_lost_doubled_or_out_of_order() {
    for seed in 0..1_000 {
        World::new(seed).run();
    }
}

#[test]
fn the_same_seed_takes_the_same_course() {
    for seed in 0..20 {
        let course = |seed| {
            let mut world = World::new(seed);
            world.run();
            world.course
        };
        assert_eq!(course(seed), course(seed));
    }
}

#[test]
fn an_outage_of_an_hour_loses_nothing_and_costs_few_calls() {
    let mut world = World::new(1);
    world.outage = Some(Moment::from_millis(3_600_000));
    world.run();
    assert!(world.calls_in_outage < 60, "{} calls", world.calls_in_outage);
    let given_up = world.outcomes.values().filter(|outcome| matches!(outcome.verdict, Verdict::Dead { .. })).count();
    assert_eq!(given_up, world.dead_for_cause(), "only what was refused or poisoned is given up");
}

#[test]
fn a_disk_that_is_full_for_an_hour_loses_nothing() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.full = Some(Moment::from_millis(3_600_000));
        world.run();
    }
}

struct World {
    chance: Chance,
    lane: Lane,
    now: Moment,
    // What the fold decided, in its order; those before `enqueued` were handed over.
    decided: Vec<Delivery>,
    enqueued: usize,
    // How many of them the store has: it lags behind.
    stored: usize,
    // Batches under way: when they come back.
    flights: BTreeMap<(Moment, FlightId), Flying>,
    outcomes: BTreeMap<EffectId, Outcome>,
    heard: Vec<EffectId>,
    outage: Option<Moment>,
    // Until when the store takes nothing.
    full: Option<Moment>,
    calls_in_outage: u32,
    course: Vec<String>,
    recalled: BTreeSet<EffectId>,
    // The same, without those that a crash made it forget.
    not_to_send: BTreeSet<EffectId>,
}

enum Flying {
    Sent(Vec<Item>),
    Recording(Vec<Outcome>),
    Loading(usize, Option<EffectId>),
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let lane = lane(&mut chance, false);
        let decided =
            (1..=DELIVERIES).map(|id| delivery(id, PersonId(u128::from(chance.below(PEOPLE as u64))))).collect();
        Self {
            chance,
            lane,
            now: Moment(0),
            decided,
            enqueued: 0,
            stored: 0,
            flights: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            heard: Vec::new(),
            outage: None,
            full: None,
            calls_in_outage: 0,
            course: Vec::new(),
            recalled: BTreeSet::new(),
            not_to_send: BTreeSet::new(),
        }
    }

    fn run(&mut self) {
        let crash_at = self.chance.below(DELIVERIES as u64 * 2) as usize;
        let mut crashed = false;
        for round in 0..2_000_000 {
            if self.enqueued < self.decided.len() && self.chance.below(4) == 0 {
                self.hand_over();
            }
            if !crashed && self.outcomes.len() >= crash_at {
                self.crash();
                crashed = true;
            }
            match self.lane.next(self.now) {
                Step::Send(flight, items) => self.send(flight, items),
                Step::Record(flight, outcomes) => self.later(flight, Flying::Recording(outcomes)),
                Step::Load { after, limit } => {
                    assert!(
                        !self.flights.keys().any(|(_, flight)| *flight == FlightId::LOADING),
                        "two loads at a time"
                    );
                    self.later(FlightId::LOADING, Flying::Loading(limit, after));
                }
                Step::Wait(until) if !self.pass(until) => {
                    assert_eq!(
                        self.outcomes.len(),
                        self.decided.len(),
                        "round {round}: it stopped with deliveries left"
                    );
                    self.check();
                    return;
                }
                Step::Wait(_) => {}
            }
        }
        panic!("it never ends: {:?}", self.lane.stats());
    }

    fn has_room(&self) -> bool {
        self.full.is_none_or(|end| self.now >= end)
    }

    /// Time passes to whatever comes first; `false` when nothing will ever come.
    fn pass(&mut self, until: Option<Moment>) -> bool {
        if self.enqueued < self.decided.len() {
            self.hand_over();
            return true;
        }
        if self.has_room() {
            self.stored = self.decided.len();
        }
        let back = self.flights.keys().next().copied();
        match (back, until) {
            (Some((moment, flight)), until) if until.is_none_or(|until| moment <= until) => {
                self.now = self.now.max(moment);
                if let Some(flying) = self.flights.remove(&(moment, flight)) {
                    self.come_back(flight, flying);
                }
                true
            }
            (_, Some(until)) => {
                assert!(until > self.now, "it waits for the past");
                self.now = until;
                true
            }
            (_, None) => false,
        }
    }

    fn come_back(&mut self, flight: FlightId, flying: Flying) {
        match flying {
            Flying::Sent(items) => {
                let result = self.answers(&items);
                self.course.push(format!("{} {flight:?} {result:?}", self.now));
                let outcomes = self.lane.judge(flight, result, self.now);
                self.later(flight, Flying::Recording(outcomes));
            }
            Flying::Recording(outcomes) => {
                for outcome in outcomes {
                    if outcome.is_final() {
                        let before = self.outcomes.insert(outcome.id, outcome);
                        assert!(before.is_none(), "two final outcomes: {before:?}");
                    }
                }
                self.lane.settle(flight);
            }
            Flying::Loading(limit, after) => {
                if self.chance.below(10) == 0 {
                    self.lane.loaded(None, limit, self.now);
                    return;
                }
                let start = after.and_then(|after| self.decided.iter().position(|delivery| delivery.id == after));
                let stored = self.decided[..self.stored].iter().skip(start.map_or(0, |start| start + 1));
                let open = stored.filter(|delivery| !self.outcomes.contains_key(&delivery.id));
                let found: Vec<Delivery> = open.take(limit).cloned().collect();
                self.lane.loaded(Some(found), limit, self.now);
            }
        }
    }

    fn send(&mut self, flight: FlightId, items: Vec<Item>) {
        let people: BTreeSet<PersonId> = items.iter().map(|item| item.delivery.person).collect();
        assert_eq!(people.len(), items.len(), "two items of one person in a batch");
        for item in &items {
            assert!(!self.outcomes.contains_key(&item.delivery.id), "sent after its outcome: {item:?}");
            assert!(!self.not_to_send.contains(&item.delivery.id), "sent though it was called back: {item:?}");
            let others = self.flights.values().filter_map(|flying| match flying {
                Flying::Sent(others) => Some(others),
                _ => None,
            });
            assert!(
                others.flatten().all(|other| other.delivery.person != item.delivery.person),
                "a person is in two batches"
            );
        }
        self.later(flight, Flying::Sent(items));
    }

    fn answers(&mut self, items: &[Item]) -> Result<Vec<Answer>, BatchFailure> {
        if self.outage.is_some_and(|end| self.now < end) {
            self.calls_in_outage += 1;
            return Ok(vec![Answer::RetryAfter { seconds: 0, reason: "down".to_owned() }; items.len()]);
        }
        if items.iter().any(|item| is_poisoned(item.delivery.id)) {
            return Err(BatchFailure::Plugin("trap".to_owned()));
        }
        let refusing = self.chance.below(40) == 0;
        if self.chance.below(50) == 0 {
            return Err(BatchFailure::Machine("no thread".to_owned()));
        }
        let mut answers = Vec::new();
        for item in items {
            let id = item.delivery.id;
            answers.push(match self.chance.below(20) {
                _ if refusing => Answer::Unauthorized("no key".to_owned()),
                _ if is_refused(id) => Answer::Rejected("no".to_owned()),
                0..=3 => Answer::RetryAfter { seconds: 0, reason: "busy".to_owned() },
                4 => Answer::RetryAfter { seconds: 7, reason: "busy".to_owned() },
                _ => Answer::Delivered,
            });
            if !matches!(answers.last(), Some(Answer::RetryAfter { .. } | Answer::Unauthorized(_))) {
                self.heard.push(id);
            }
        }
        Ok(answers)
    }

    fn hand_over(&mut self) {
        for _ in 0..=self.chance.below(30) {
            let Some(delivery) = self.decided.get(self.enqueued) else { break };
            self.lane.enqueue(delivery.clone());
            self.enqueued += 1;
        }
        if self.enqueued > 0 && self.chance.below(4) == 0 {
            let id = EffectId(u128::from(1 + self.chance.below(self.enqueued as u64)));
            if !is_poisoned(id) && !is_refused(id) && !self.outcomes.contains_key(&id) {
                self.lane.recall(id, "over");
                self.recalled.insert(id);
                self.not_to_send.insert(id);
            }
        }
        // The store follows, and never has what was not decided.
        let more = self.chance.below(30) as usize;
        if self.has_room() {
            self.stored = (self.stored + more).min(self.enqueued);
        }
    }

    /// The process dies: flights are lost, the store keeps what was recorded. Recovery hands over again, from the first.
    fn crash(&mut self) {
        let resume = self.chance.below(2) == 0;
        self.flights.clear();
        // What was called back is called back again by the fold where it decides that again; here it is forgotten.
        self.not_to_send.clear();
        self.lane = lane(&mut self.chance, resume);
        self.stored = self.enqueued;
        if !resume {
            for delivery in &self.decided[..self.enqueued] {
                if !self.outcomes.contains_key(&delivery.id) {
                    self.lane.enqueue(delivery.clone());
                }
            }
        }
        self.heard.retain(|id| self.outcomes.contains_key(id));
        self.course.push(format!("{} crash", self.now));
    }

    fn later(&mut self, flight: FlightId, flying: Flying) {
        let back = self.now.plus(Duration(1 + self.chance.below(200_000) as i64));
        self.flights.insert((back, flight), flying);
    }

    fn check(&self) {
        // Each item that the other side took was final in the order in which the fold decided, for each person.
        let mut last: BTreeMap<PersonId, EffectId> = BTreeMap::new();
        for id in &self.heard {
            let delivery = &self.decided[usize::try_from(id.0).unwrap() - 1];
            let before = last.insert(delivery.person, *id);
            assert!(before.is_none_or(|before| before < *id), "{before:?} before {id:?}");
        }
        for (id, outcome) in &self.outcomes {
            match &outcome.verdict {
                Verdict::Delivered => assert!(!is_poisoned(*id) && !is_refused(*id)),
                Verdict::Dead { reason } => {
                    assert!(is_poisoned(*id) || is_refused(*id), "{id:?} was given up: {reason}")
                }
                Verdict::Cancelled { .. } => assert!(self.recalled.contains(id), "{id:?} was called back by nobody"),
                Verdict::Retry { .. } => panic!("not final"),
            }
        }
    }

    fn dead_for_cause(&self) -> usize {
        self.decided.iter().filter(|delivery| is_poisoned(delivery.id) || is_refused(delivery.id)).count()
    }
}

fn is_poisoned(id: EffectId) -> bool {
    id.0.is_multiple_of(61)
}

fn is_refused(id: EffectId) -> bool {
    id.0.is_multiple_of(37)
}

fn delivery(id: u128, person: PersonId) -> Delivery {
    Delivery {
        id: EffectId(id),
        destination: DestinationId(0),
        person,
        at: Moment(0),
        cause: Cause::Record(Seq(1)),
        kind: ItemKind::SegmentEntered,
        name: "vip".to_owned(),
        identifiers: Vec::new(),
        payload: "{}".to_owned(),
    }
}

fn lane(chance: &mut Chance, resume: bool) -> Lane {
    let rate = (chance.below(3) == 0).then_some(Rate { count: 20, per: Duration::from_secs(1) });
    let destination = Destination {
        name: "d".to_owned(),
        plugin: "fake".to_owned(),
        allow: Vec::new(),
        allow_private: false,
        secrets: Vec::new(),
        config: serde_json::Value::Null,
        purposes: Vec::new(),
        segments: Vec::new(),
        profile_traits: Vec::new(),
        computed_traits: Vec::new(),
        events: Vec::new(),
        identifiers: Vec::new(),
        rate,
        pseudonymous: false,
        excludes_probabilistic: false,
        cap_per_person: None,
        memory_limit: 64 << 20,
        batch_limit: 1 + chance.below(20) as u32,
        time_limit: Duration::from_secs(2),
        regions: Vec::new(),
        transfers: Vec::new(),
    };
    let window_items = 1 + chance.below(500) as usize;
    let policy = Policy { window_items, in_flight: 1 + chance.below(5) as usize, ..Policy::default() };
    Lane::new(DestinationId(0), &destination, policy, resume, Moment(0))
}
