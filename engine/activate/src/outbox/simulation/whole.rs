//! All of it under a virtual clock: people do things, the fold decides, lanes deliver to destinations that fail in every way,
//! the process dies and starts again, and the project is read again meanwhile.
//!
//! What should have come of it is known from the log alone, folded once and without a break. Held against that: the state;
//! that each message got there, under the key that the log gives it and no other; the order for each person; and that
//! nothing left for somebody who had ordered, withdrawn, or left the journey otherwise.

use super::super::lane::{FlightId, Lane, Step};
use super::super::policy::Policy;
use super::super::transport::{Answer, BatchFailure, Item};
use super::Chance;
use super::traffic::{Deed, deed, is_poisoned, is_refused, shop};
use crate::outcome::{Outcome, Verdict};
use sonder_core::State;
use sonder_core::effect::{Delivery, EffectId, Effects, PersonId, Recall};
use sonder_core::record::{Fact, Identifier, Record, Seq};
use sonder_dsl::ir::{DestinationId, Program};
use sonder_dsl::time::{Duration, Moment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DEEDS: u64 = 120;
const SEEDS: u64 = 2_000;
/// What was decided is written within this.
const FLUSH: i64 = 20_000;

#[test]
fn whatever_happens_the_log_says_what_was_sent() {
    let program = shop();
    let mut told = Told::default();
    for seed in 0..asked("SONDER_SEEDS").unwrap_or(SEEDS) {
        let mut world = World::new(seed, &program);
        world.run();
        told.add(&world.check());
    }
    println!("{told:?}");
    // Of everything that is promised there was something to see.
    for count in [told.delivered, told.cancelled, told.dead, told.crashes, told.reloads, told.repeated] {
        assert!(count > 100, "{told:?}");
    }
}

/// One seed, to look at: `SONDER_SEED=17`.
#[test]
fn the_same_seed_takes_the_same_course() {
    let program = shop();
    for seed in asked("SONDER_SEED").map_or(0..5, |seed| seed..seed + 1) {
        let course = || {
            let mut world = World::new(seed, &program);
            world.run();
            world.check();
            (world.heard, world.outcomes)
        };
        assert_eq!(course(), course());
    }
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// What was seen.
#[derive(Debug, Default)]
struct Told {
    delivered: u64,
    cancelled: u64,
    dead: u64,
    crashes: u64,
    reloads: u64,
    /// Heard more than once, under one key.
    repeated: u64,
}

impl Told {
    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.cancelled += other.cancelled;
        self.dead += other.dead;
        self.crashes += other.crashes;
        self.reloads += other.reloads;
        self.repeated += other.repeated;
    }
}

/// A checkpoint.
#[derive(Default)]
struct Kept {
    meta: Vec<u8>,
    people: BTreeMap<PersonId, Vec<u8>>,
}

/// What is decided and not written.
#[derive(Default)]
struct Unwritten {
    deliveries: Vec<(Seq, Delivery)>,
    recalls: Vec<(Seq, Recall)>,
}

/// The disk.
#[derive(Default)]
struct Disk {
    log: Vec<Record>,
    deliveries: Vec<(Seq, Delivery)>,
    recalls: Vec<(Seq, Recall)>,
    checkpoint: Option<Kept>,
    /// Up to here, what was decided stays.
    kept: (Seq, Moment),
}

struct World {
    chance: Chance,
    program: Arc<Program>,
    now: Moment,
    disk: Disk,
    // The process.
    state: State,
    effects: Effects,
    folded: usize,
    unwritten: Unwritten,
    lanes: Vec<Lane>,
    flights: BTreeMap<(Moment, usize, FlightId), Flying>,
    // When it is time for that.
    fold_at: Option<Moment>,
    write_at: Option<Moment>,
    outcomes: BTreeMap<EffectId, Verdict>,
    // The destinations.
    heard: Vec<EffectId>,
    repeated: u64,
    // What is known of people, as far as it is folded.
    deeds: Vec<Deed>,
    ordered: BTreeSet<String>,
    withdrew: BTreeMap<String, Moment>,
    called_back: BTreeSet<EffectId>,
    crashes: u64,
    reloads: u64,
}

enum Flying {
    Sent(Vec<Item>),
    Recording(Vec<Outcome>),
    Loading(usize, Option<EffectId>),
}

impl World {
    fn new(seed: u64, program: &Arc<Program>) -> Self {
        let mut world = Self {
            chance: Chance::new(seed),
            program: Arc::clone(program),
            now: Moment(1_800_000_000_000_000),
            disk: Disk { kept: (Seq(0), Moment::MIN), ..Disk::default() },
            state: State::new(program),
            effects: Effects::default(),
            folded: 0,
            unwritten: Unwritten::default(),
            lanes: Vec::new(),
            flights: BTreeMap::new(),
            fold_at: None,
            write_at: None,
            outcomes: BTreeMap::new(),
            heard: Vec::new(),
            repeated: 0,
            deeds: Vec::new(),
            ordered: BTreeSet::new(),
            withdrew: BTreeMap::new(),
            called_back: BTreeSet::new(),
            crashes: 0,
            reloads: 0,
        };
        world.open_lanes();
        world
    }

    fn open_lanes(&mut self) {
        let chance = &mut self.chance;
        let lane = |(place, destination)| {
            let window_items = 1 + chance.below(12) as usize;
            let policy = Policy { window_items, in_flight: 1 + chance.below(3) as usize, ..Policy::default() };
            Lane::new(DestinationId(place), destination, policy, true, self.now)
        };
        self.lanes = (0..).zip(&self.program.destinations).map(lane).collect();
    }

    fn run(&mut self) {
        let mut next_deed = self.now;
        for _ in 0..200_000 {
            let idle_until = self.pump();
            let has_deeds = (self.deeds.len() as u64) < DEEDS;
            let timer = self.state.next_timer().filter(|_| self.fold_at.is_none());
            let flight = self.flights.keys().next().map(|(moment, ..)| *moment);
            let deed = Some(next_deed).filter(|_| has_deeds);
            let all = [idle_until, timer, flight, deed, self.fold_at, self.write_at];
            let Some(next) = all.into_iter().flatten().min() else { return };
            self.now = self.now.max(next);
            if self.write_at.is_some_and(|at| at <= self.now) {
                self.write();
            }
            if self.fold_at.is_some_and(|at| at <= self.now) {
                self.fold();
            }
            if self.fold_at.is_none() && self.state.next_timer().is_some_and(|at| at <= self.now) {
                self.let_time_pass();
            }
            while let Some(entry) = self.flights.first_entry().filter(|it| it.key().0 <= self.now) {
                let ((_, lane, flight), flying) = entry.remove_entry();
                self.come_back(lane, flight, flying);
            }
            if deed.is_some_and(|at| at <= self.now) {
                self.live();
                next_deed = self.now.plus(Duration(1 + self.chance.below(12_000_000) as i64));
            }
        }
        panic!("it never ends");
    }

    /// Somebody does something, and now and then something happens to the process.
    fn live(&mut self) {
        let number = self.deeds.len() as u64;
        let carts: Vec<(String, String)> = self
            .deeds
            .iter()
            .filter(|it| it.is(&self.program, "add"))
            .filter_map(|it| Some((it.cart.clone()?, it.device.clone())))
            .collect();
        let deed = deed(&self.program, &mut self.chance, number, &carts);
        let late = if self.chance.one_in(8) { self.chance.below(40_000_000) as i64 } else { 0 };
        self.disk.log.push(deed.logged(number + 1, self.now, late));
        self.deeds.push(deed);
        let wait = self.chance.below(50_000) as i64;
        self.fold_at.get_or_insert(self.now.plus(Duration(wait)));
        match self.chance.below(60) {
            0..=1 => self.crash(),
            2..=4 => self.keep(),
            5 => self.reload(),
            _ => {}
        }
    }

    fn fold(&mut self) {
        self.fold_at = None;
        while let Some(record) = self.disk.log.get(self.folded).cloned() {
            step(&mut self.state, &self.program, &record, &mut self.effects, &self.disk.log);
            self.note(self.folded);
            self.folded += 1;
            self.hand_over();
        }
    }

    /// What a message that is folded says, without asking the core.
    fn note(&mut self, place: usize) {
        let (deed, record) = (&self.deeds[place], &self.disk.log[place]);
        let Fact::Event(event) = &record.fact;
        if deed.is(&self.program, "order")
            && let Some(cart) = &deed.cart
        {
            // On the same device, so by the same person whoever that is; and not, by the clock, before it was filled.
            let added = self.deeds.iter().position(|it| it.is(&self.program, "add") && it.cart == deed.cart);
            let added = added.map(|place| (&self.deeds[place].device, &self.disk.log[place]));
            let is_after = added.is_some_and(|(device, record)| {
                let Fact::Event(added) = &record.fact;
                *device == deed.device && event.occurred_at > added.occurred_at
            });
            if is_after && !self.withdrew.contains_key(&deed.device) {
                self.ordered.insert(cart.clone());
            }
        }
        if event.said.to != 0 && event.said.yes == 0 && event.occurred_at == record.received_at {
            self.withdrew.insert(deed.device.clone(), record.received_at);
        }
    }

    fn let_time_pass(&mut self) {
        self.state.advance(&self.program, self.now, &mut self.effects).unwrap();
        self.hand_over();
    }

    /// Deliveries leave at once, and are written soon.
    fn hand_over(&mut self) {
        let as_of = self.state.as_of().0;
        for delivery in self.effects.deliveries.drain(..) {
            self.called_back.remove(&delivery.id);
            // What had ended before a crash may be decided once more by the clock.
            if !self.outcomes.contains_key(&delivery.id) {
                self.lanes[delivery.destination.index()].enqueue(delivery.clone());
            }
            self.unwritten.deliveries.push((as_of, delivery));
        }
        for recall in self.effects.recalls.drain(..) {
            self.called_back.insert(recall.id);
            if self.lanes[recall.destination.index()].recall(recall.id, &recall.reason) {
                self.unwritten.recalls.push((as_of, recall));
            }
        }
        self.effects.changes.clear();
        self.write_at.get_or_insert(self.now.plus(Duration(1 + self.chance.below(FLUSH as u64) as i64)));
    }

    fn write(&mut self) {
        self.write_at = None;
        self.disk.deliveries.append(&mut self.unwritten.deliveries);
        self.disk.recalls.append(&mut self.unwritten.recalls);
    }

    /// A checkpoint: of what is folded, when all that was decided by then is written.
    fn keep(&mut self) {
        self.write();
        let taken = self.state.checkpoint();
        let kept = self.disk.checkpoint.get_or_insert_default();
        kept.meta = taken.meta;
        for (id, bytes) in taken.people {
            match bytes {
                Some(bytes) => kept.people.insert(id, bytes),
                None => kept.people.remove(&id),
            };
        }
        self.disk.kept = (taken.seq, taken.now);
    }

    /// The same project is read again: its state is made from the log, but for where people are.
    fn reload(&mut self) {
        self.reloads += 1;
        let (seq, now) = self.state.as_of();
        let mut next = State::new(&self.program);
        next.hold_journeys();
        let mut unheard = Effects::default();
        for record in self.disk.log.iter().take_while(|record| record.seq <= seq) {
            step(&mut next, &self.program, record, &mut unheard, &self.disk.log);
        }
        next.advance(&self.program, now, &mut unheard).unwrap();
        next.take_over(&self.program, None, self.state.travelling(), &mut self.effects);
        self.state = next;
        for (place, lane) in (0..).zip(&mut self.lanes) {
            lane.reconfigure(DestinationId(place), &self.program.destinations[place as usize], self.now);
        }
        self.hand_over();
        self.keep();
    }

    /// The process dies, and starts again from what is on the disk.
    fn crash(&mut self) {
        self.crashes += 1;
        for flying in std::mem::take(&mut self.flights).into_values() {
            if let Flying::Sent(items) = flying {
                for item in items {
                    if self.chance.one_in(2) {
                        self.hear(item.delivery.id);
                    }
                }
            }
        }
        (self.fold_at, self.write_at, self.unwritten) = (None, None, Unwritten::default());
        let (seq, now) = self.disk.kept;
        let is_kept = |as_of: Seq, at: Moment| as_of < seq || (as_of == seq && at <= now);
        self.disk.deliveries.retain(|(as_of, it)| is_kept(*as_of, it.at));
        self.disk.recalls.retain(|(as_of, it)| is_kept(*as_of, it.at));
        self.state = match &self.disk.checkpoint {
            Some(Kept { meta, people }) => {
                State::restore(&self.program, &Arc::default(), meta, people.iter().map(|(id, it)| (*id, it))).unwrap()
            }
            None => State::new(&self.program),
        };
        self.effects = Effects::default();
        let before = self.folded;
        self.folded = self.state.as_of().0.0 as usize;
        while let Some(record) = self.disk.log.get(self.folded).cloned() {
            step(&mut self.state, &self.program, &record, &mut self.effects, &self.disk.log);
            if self.folded >= before {
                self.note(self.folded);
            }
            self.folded += 1;
            self.decide_again();
        }
        self.now = self.now.plus(Duration(1 + self.chance.below(3_000_000) as i64));
        self.state.advance(&self.program, self.now, &mut self.effects).unwrap();
        self.decide_again();
        for (_, recall) in std::mem::take(&mut self.disk.recalls) {
            let last = self.disk.deliveries.iter().rev().find(|(_, it)| it.id == recall.id);
            if last.is_some_and(|(_, it)| it.at <= recall.at) && !self.outcomes.contains_key(&recall.id) {
                self.outcomes.insert(recall.id, Verdict::Cancelled { reason: recall.reason });
            }
        }
        self.open_lanes();
    }

    /// What the tail of the log decides once more goes to the disk: from there, lanes read it.
    fn decide_again(&mut self) {
        let as_of = self.state.as_of().0;
        for delivery in self.effects.deliveries.drain(..) {
            self.called_back.remove(&delivery.id);
            self.disk.deliveries.push((as_of, delivery));
        }
        for recall in self.effects.recalls.drain(..) {
            self.called_back.insert(recall.id);
            self.disk.recalls.push((as_of, recall));
        }
        self.effects.changes.clear();
    }

    /// Lets all lanes do what they can now; gives the next moment at which one can do more.
    fn pump(&mut self) -> Option<Moment> {
        let mut next: Option<Moment> = None;
        for lane in 0..self.lanes.len() {
            loop {
                match self.lanes[lane].next(self.now) {
                    Step::Send(flight, items) => {
                        items.iter().for_each(|item| self.look_at(item));
                        self.later(lane, flight, Flying::Sent(items));
                    }
                    Step::Record(flight, outcomes) => self.later(lane, flight, Flying::Recording(outcomes)),
                    Step::Load { after, limit } => {
                        self.later(lane, FlightId::LOADING, Flying::Loading(limit, after));
                    }
                    Step::Wait(until) => {
                        let until = until.map(|until| until.max(Moment(self.now.0 + 1)));
                        next = [next, until].into_iter().flatten().min();
                        break;
                    }
                }
            }
        }
        next
    }

    /// Right before it leaves: is it still wanted?
    fn look_at(&self, item: &Item) {
        let Delivery { id, at, payload, .. } = &*item.delivery;
        assert!(!self.called_back.contains(id), "sent though it was called back: {payload}");
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        if let (Some(cart), Some(device)) = (payload["cart"].as_str(), payload["who"].as_str()) {
            assert!(!self.ordered.contains(cart), "{cart} was ordered");
            assert!(self.withdrew.get(device).is_none_or(|withdrew| at > withdrew), "{device} had withdrawn");
        }
    }

    fn later(&mut self, lane: usize, flight: FlightId, flying: Flying) {
        let back = self.now.plus(Duration(1 + self.chance.below(400_000) as i64));
        self.flights.insert((back, lane, flight), flying);
    }

    fn come_back(&mut self, lane: usize, flight: FlightId, flying: Flying) {
        match flying {
            Flying::Sent(items) => {
                let result = self.answers(&items);
                let outcomes = self.lanes[lane].judge(flight, result, self.now);
                self.later(lane, flight, Flying::Recording(outcomes));
            }
            Flying::Recording(outcomes) => {
                for outcome in outcomes.into_iter().filter(Outcome::is_final) {
                    self.outcomes.insert(outcome.id, outcome.verdict);
                }
                self.lanes[lane].settle(flight);
            }
            Flying::Loading(limit, after) => {
                let found = (!self.chance.one_in(10)).then(|| self.read_back(lane, limit, after));
                self.lanes[lane].loaded(found, limit, self.now);
            }
        }
    }

    /// What waits on the disk for a destination.
    fn read_back(&self, lane: usize, limit: usize, after: Option<EffectId>) -> Vec<Delivery> {
        let place = |id: EffectId| self.disk.deliveries.iter().rposition(|(_, it)| it.id == id);
        let waiting = self.disk.deliveries.iter().skip(after.and_then(place).map_or(0, |place| place + 1));
        let open = waiting.map(|(_, it)| it).filter(|it| it.destination.index() == lane);
        open.filter(|it| !self.outcomes.contains_key(&it.id)).take(limit).cloned().collect()
    }

    fn answers(&mut self, items: &[Item]) -> Result<Vec<Answer>, BatchFailure> {
        if self.chance.one_in(40) {
            return Err(BatchFailure::Machine("no thread".to_owned()));
        }
        if self.chance.one_in(40) {
            return Ok(vec![Answer::Unauthorized("no key".to_owned()); items.len()]);
        }
        let mut answers = Vec::new();
        for item in items {
            let id = item.delivery.id;
            if is_poisoned(id) {
                // Those before it got through, and nobody will know.
                return Err(BatchFailure::Plugin("trap".to_owned()));
            }
            answers.push(match self.chance.below(12) {
                _ if is_refused(id) => Answer::Rejected("no".to_owned()),
                0 => Answer::RetryAfter { seconds: 0, reason: "busy".to_owned() },
                1 => Answer::RetryAfter { seconds: 7, reason: "busy".to_owned() },
                2 => {
                    self.hear(id);
                    Answer::RetryAfter { seconds: 0, reason: "the answer was lost".to_owned() }
                }
                _ => {
                    self.hear(id);
                    Answer::Delivered
                }
            });
        }
        Ok(answers)
    }

    /// A destination that honours keys.
    fn hear(&mut self, id: EffectId) {
        if is_poisoned(id) || is_refused(id) {
            return;
        }
        if self.heard.contains(&id) {
            self.repeated += 1;
        } else {
            self.heard.push(id);
        }
    }

    /// Holds all of it against the log, folded once more.
    fn check(&self) -> Told {
        let mut effects = Effects::default();
        let mut state = State::new(&self.program);
        for record in &self.disk.log {
            step(&mut state, &self.program, record, &mut effects, &self.disk.log);
        }
        state.advance(&self.program, self.state.as_of().1, &mut effects).unwrap();
        assert_eq!(state.as_of(), self.state.as_of());
        assert_eq!(state.digest(), self.state.digest(), "the state is that of the log");
        let mut told =
            Told { crashes: self.crashes, reloads: self.reloads, repeated: self.repeated, ..Told::default() };
        let recalls: BTreeSet<EffectId> = effects.recalls.iter().map(|it| it.id).collect();
        let mut places: BTreeMap<EffectId, (usize, &Delivery)> = BTreeMap::new();
        let mut decided_again = BTreeSet::new();
        for (place, delivery) in effects.deliveries.iter().enumerate() {
            if places.insert(delivery.id, (place, delivery)).is_some() {
                decided_again.insert(delivery.id);
            }
            let is_heard = self.heard.contains(&delivery.id);
            match self.outcomes.get(&delivery.id) {
                Some(Verdict::Delivered) => {
                    assert!(is_heard, "{delivery:?} was delivered, and nobody heard of it");
                    told.delivered += 1;
                }
                Some(Verdict::Cancelled { .. }) => {
                    assert!(recalls.contains(&delivery.id), "{delivery:?} was called back by nobody");
                    told.cancelled += 1;
                }
                Some(Verdict::Dead { reason }) => {
                    assert!(is_poisoned(delivery.id) || is_refused(delivery.id), "{delivery:?}: {reason}");
                    told.dead += 1;
                }
                other => panic!("{delivery:?} was lost: {other:?}"),
            }
        }
        let mut last: BTreeMap<(PersonId, DestinationId), usize> = BTreeMap::new();
        for id in &self.heard {
            let Some((place, delivery)) = places.get(id) else { panic!("the log knows no {id:?}") };
            let before = last.insert((delivery.person, delivery.destination), *place);
            let is_in_order = before.is_none_or(|before| before < *place);
            assert!(is_in_order || decided_again.contains(id), "out of order: {delivery:?}");
        }
        told
    }
}

/// Takes a record in; what it asks of the log, it gets.
fn step(state: &mut State, program: &Program, record: &Record, effects: &mut Effects, log: &[Record]) {
    while let Err(missing) = state.step(program, record, effects) {
        assert!(missing.people.is_empty(), "nobody is spilled here");
        let carries = |identifier: &Identifier| missing.histories.contains(identifier);
        let earlier = log.iter().take_while(|it| it.seq < record.seq);
        let records = earlier.filter(|it| {
            let Fact::Event(event) = &it.fact;
            event.identifiers.iter().any(carries)
        });
        let records = records.cloned().collect();
        state.recall(missing.histories, records);
    }
}
