//! One destination's way out, as a machine without clock, threads or I/O: the worker asks what to do
//! [`next`](Lane::next), does it, and says how it went. So all of it can be simulated.
//!
//! A batch goes through three calls: `next` puts its items in flight, [`judge`](Lane::judge) decides what becomes of
//! them, and [`settle`](Lane::settle) lets them go once that is durable. No item of the same person is sent in between.
//!
//! Memory is bounded by a window. What does not fit is only counted, and read back from the store when there is room,
//! in the same order; while anything waits there, new deliveries queue up behind it.

use super::breaker::{Breaker, Permit};
use super::judge::Flight;
use super::policy::Policy;
use super::queue::Queue;
use super::rate::{Bucket, Cap};
use super::stats::{DestinationStats, Histogram};
use super::transport::Item;
use crate::limits;
use crate::outcome::{Outcome, REMOVED, Verdict};
use sonder_core::effect::{Delivery, EffectId, ItemKind, PersonId};
use sonder_dsl::ir::DestinationId;
use sonder_dsl::model::Destination;
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state of one destination's way out.
#[derive(Debug)]
pub struct Lane {
    pub(super) name: Arc<str>,
    pub(super) destination: DestinationId,
    pub(super) policy: Policy,
    pub(super) queue: Queue,
    pub(super) breaker: Breaker,
    pub(super) cap: Option<Cap>,
    pub(super) flights: BTreeMap<FlightId, Flight>,
    pub(super) tally: Tally,
    // What is called back, and why, as far as it may still be waiting.
    recalled: BTreeMap<EffectId, String>,
    batch_limit: usize,
    rate: Option<Bucket>,
    spill: Option<Spill>,
    // The last delivery that was taken into memory: the store's come after it.
    tail: Option<EffectId>,
    next_flight: u64,
    closed: bool,
    stopping: bool,
}

/// A batch, from being sent to being settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(u64);

#[cfg(test)]
impl FlightId {
    /// A number that no lane gives out, for what a test keeps beside flights.
    pub(super) const LOADING: Self = Self(u64::MAX);
}

/// What to do now.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Send these, then `judge`.
    Send(FlightId, Vec<Item>),
    /// Nothing is to be sent for these: record the outcomes, then `settle`.
    Record(FlightId, Vec<Outcome>),
    /// Read from the store, then `loaded`.
    Load {
        /// From after this one.
        after: Option<EffectId>,
        /// No more than this.
        limit: usize,
    },
    /// Nothing, until a moment, or until something happens.
    Wait(Option<Moment>),
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub delivered: u64,
    pub retried: u64,
    pub dead: u64,
    pub unauthorized: Option<String>,
    pub last_error: Option<String>,
    pub latency: Histogram,
}

/// What waits in the store.
#[derive(Debug, Default)]
struct Spill {
    // The last of them; `None` when it is not known how many the store has.
    last: Option<EffectId>,
    count: u64,
    loading: bool,
    not_before: Moment,
    in_vain: u32,
}

/// After so many answers with nothing new, about two minutes, it is time to say so. They are asked for until they come: on a
/// full disk, what was decided is written when there is room again.
const VAIN_LOADS: u32 = 30;

impl Lane {
    /// An empty one. With `resume`, it begins with what the store has without an outcome.
    #[must_use]
    pub fn new(id: DestinationId, destination: &Destination, policy: Policy, resume: bool, now: Moment) -> Self {
        Self {
            cap: destination.cap_per_person.map(Cap::new),
            batch_limit: (destination.batch_limit as usize).max(1),
            rate: destination.rate.map(|rate| Bucket::new(rate, now)),
            spill: resume.then(Spill::default),
            ..Self::empty(id, &destination.name, policy)
        }
    }

    /// The closed lane of a destination that is no more: what the store has for it without an outcome is given up.
    #[must_use]
    pub fn abandoned(name: &str, policy: Policy) -> Self {
        Self { spill: Some(Spill::default()), closed: true, ..Self::empty(REMOVED, name, policy) }
    }

    fn empty(destination: DestinationId, name: &str, policy: Policy) -> Self {
        Self {
            name: Arc::from(name),
            destination,
            policy,
            queue: Queue::default(),
            breaker: Breaker::default(),
            cap: None,
            flights: BTreeMap::new(),
            tally: Tally::default(),
            recalled: BTreeMap::new(),
            batch_limit: 1,
            rate: None,
            spill: None,
            tail: None,
            next_flight: 0,
            closed: false,
            stopping: false,
        }
    }

    /// Another version of the project: what waits stays, rates and bounds are the new ones. A breaker that is open is
    /// asked at once, for the new version may have cured it.
    pub fn reconfigure(&mut self, id: DestinationId, destination: &Destination, now: Moment) {
        self.destination = id;
        self.batch_limit = (destination.batch_limit as usize).max(1);
        self.rate = destination.rate.map(|rate| Bucket::new(rate, now));
        self.cap = match (self.cap.take(), destination.cap_per_person) {
            (Some(cap), Some(rate)) => Some(cap.with_rate(rate)),
            (None, rate) => rate.map(Cap::new),
            (Some(_), None) => None,
        };
        if let Breaker::Open { until, .. } = &mut self.breaker {
            *until = now;
        }
        self.closed = false;
    }

    /// The destination is no more: whatever waits is given up.
    pub fn close(&mut self) {
        self.closed = true;
        self.destination = REMOVED;
        self.queue.hurry();
    }

    /// Nothing more is read from the store; what is ready still goes.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// A closed lane with nothing left in it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.closed && self.queue.len() == 0 && self.spill.is_none()
    }

    /// Whether nothing can be done before time passes or somebody adds something.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty() && (!self.queue.has_ready() || self.breaker.is_open())
    }

    /// What people got before the start, for the cap.
    pub fn remember(&mut self, got: &[(PersonId, Moment)]) {
        if let Some(cap) = &mut self.cap {
            for (person, at) in got {
                cap.count(*person, *at);
            }
        }
    }

    /// Takes in a delivery, or counts it among those that wait in the store.
    pub fn enqueue(&mut self, delivery: Delivery) {
        // Who comes to a step again after they left is sent what waits for them after all.
        self.recalled.remove(&delivery.id);
        let full = self.queue.len() >= self.policy.window_items || self.queue.bytes() >= self.policy.window_bytes;
        if full || self.spill.is_some() {
            let spill = self.spill.get_or_insert_with(Spill::default);
            spill.last = Some(delivery.id);
            spill.count += 1;
            return;
        }
        let id = delivery.id;
        if self.queue.push(Arc::new(delivery)) {
            self.tail = Some(id);
        }
    }

    /// How many more deliveries it has room for in memory.
    #[must_use]
    pub fn room(&self) -> usize {
        self.policy.window_items.saturating_sub(self.queue.len())
    }

    /// Takes in deliveries that had been given up, behind what waits in memory.
    pub fn replay(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.recalled.remove(&delivery.id);
            self.queue.push(Arc::new(delivery));
        }
    }

    /// Calls a delivery back: it is not sent, unless it is under way or was sent already. False when that is known.
    pub fn recall(&mut self, id: EffectId, reason: &str) -> bool {
        let may_wait = self.spill.is_some() || self.queue.knows(id);
        if may_wait {
            self.recalled.insert(id, reason.to_owned());
        }
        may_wait
    }

    /// What to do now. To be asked again after each answer but `Wait`.
    pub fn next(&mut self, now: Moment) -> Step {
        self.queue.wake(now);
        if let Some(load) = self.next_load(now) {
            return load;
        }
        if self.closed {
            return self.give_up(now);
        }
        match self.breaker.permit(now, &self.policy) {
            Permit::Batches(limit) if self.flights.len() >= limit => Step::Wait(None),
            Permit::Batches(_) => self.next_batch(self.batch_limit, now),
            Permit::Probe if !self.flights.is_empty() => Step::Wait(None),
            Permit::Probe => {
                let step = self.next_batch(1, now);
                if matches!(step, Step::Send(..)) {
                    self.breaker.probe();
                }
                step
            }
            Permit::After(moment) => Step::Wait(Some(moment)),
            Permit::AfterProbe => Step::Wait(None),
        }
    }

    /// What was asked of the store by `Step::Load`; `None` when it could not be read.
    pub fn loaded(&mut self, deliveries: Option<Vec<Delivery>>, limit: usize, now: Moment) {
        let Some(spill) = &mut self.spill else { return };
        spill.loading = false;
        let Some(deliveries) = deliveries else {
            spill.not_before = now.plus(Duration::from_secs(1));
            return;
        };
        let found = deliveries.len();
        spill.in_vain = if found == 0 { spill.in_vain + 1 } else { 0 };
        let mut complete = spill.last.is_none() && found < limit;
        for delivery in deliveries {
            complete |= spill.last == Some(delivery.id);
            spill.count = spill.count.saturating_sub(1);
            self.tail = Some(delivery.id);
            self.queue.push(Arc::new(delivery));
        }
        // The last few may not be in the store yet: the fold hands over before it writes.
        let wait = Duration::from_millis(20_i64 << spill.in_vain.min(8));
        spill.not_before = if found < limit { now.plus(wait) } else { now };
        if spill.in_vain == VAIN_LOADS {
            tracing::warn!(destination = &*self.name, expected = spill.count, "deliveries are not in the store yet");
        }
        if complete {
            self.spill = None;
            self.recalled.retain(|id, _| self.queue.knows(*id));
        }
        if self.closed {
            self.queue.hurry();
        }
    }

    /// The outcomes of a flight are durable: what is done with leaves, the rest waits for its next attempt.
    pub fn settle(&mut self, flight: FlightId) {
        let Some(flight) = self.flights.remove(&flight) else { return };
        for decided in flight.decided {
            match decided.outcome.verdict {
                Verdict::Retry { next, .. } => self.queue.put_back(decided.outcome.person, next, decided.alone),
                Verdict::Delivered | Verdict::Dead { .. } | Verdict::Cancelled { .. } => {
                    self.recalled.remove(&decided.outcome.id);
                    self.queue.finish(decided.outcome.person);
                }
            }
        }
        if self.closed {
            self.queue.hurry();
        }
    }

    /// What is in memory, in the order of arrival, for the destination's place in the program that runs now.
    #[must_use]
    pub fn pending(&self) -> Vec<Delivery> {
        let in_program = |delivery: Arc<Delivery>| Delivery { destination: self.destination, ..(*delivery).clone() };
        self.queue.deliveries().into_iter().map(in_program).collect()
    }

    /// How it does.
    #[must_use]
    pub fn stats(&self) -> DestinationStats {
        let spilled = self.spill.as_ref().map_or(0, |spill| spill.count);
        DestinationStats {
            name: self.name.to_string(),
            pending: self.queue.len() as u64 + spilled,
            spilled,
            in_flight: self.flights.values().map(|flight| flight.people.len() as u64).sum(),
            delivered: self.tally.delivered,
            retried: self.tally.retried,
            dead: self.tally.dead,
            breaker: self.breaker,
            unauthorized: self.tally.unauthorized.clone(),
            last_error: self.tally.last_error.clone(),
            oldest: self.queue.oldest(),
            p50: self.tally.latency.quantile(0.5),
            p99: self.tally.latency.quantile(0.99),
        }
    }

    fn next_load(&mut self, now: Moment) -> Option<Step> {
        let room =
            self.queue.len() <= self.policy.window_items / 2 && self.queue.bytes() <= self.policy.window_bytes / 2;
        let spill = self.spill.as_mut()?;
        if spill.loading || self.stopping || !room || now < spill.not_before {
            return None;
        }
        spill.loading = true;
        let limit = limits::REFILL_ITEMS.min(self.policy.window_items.div_ceil(2)).max(1);
        Some(Step::Load { after: self.tail, limit })
    }

    fn next_batch(&mut self, limit: usize, now: Moment) -> Step {
        if !self.queue.has_ready() {
            return Step::Wait(self.next_moment());
        }
        if let Some((people, reason)) = self.called_back() {
            return self.without_sending(&people, &Verdict::Cancelled { reason }, now);
        }
        let over_cap = self.over_cap(now);
        if !over_cap.is_empty() {
            let reason = self.cap.as_ref().map(Cap::reason).unwrap_or_default();
            return self.without_sending(&over_cap, &Verdict::Dead { reason }, now);
        }
        let limit = match &mut self.rate {
            None => limit,
            Some(bucket) => match bucket.available(now) {
                0 => return Step::Wait(earliest(Some(bucket.next(now)), self.next_moment())),
                available => limit.min(available),
            },
        };
        let people = self.batch(limit, now);
        if let Some(bucket) = &mut self.rate {
            bucket.take(people.len());
        }
        let items = people.iter().filter_map(|person| {
            let waiting = self.queue.take(*person)?;
            waiting.first_attempt.get_or_insert(now);
            Some(Item { delivery: Arc::clone(&waiting.delivery), attempt: waiting.attempts.saturating_add(1) })
        });
        let items = items.collect();
        Step::Send(self.take_off(people), items)
    }

    /// The people whose items make the next batch: those who wait longest, but an item that is to go alone goes alone.
    fn batch(&self, limit: usize, now: Moment) -> Vec<PersonId> {
        let mut people = Vec::new();
        let mut bytes = 0;
        let may_go = |delivery: &Delivery| self.may_get(delivery, now) && !self.recalled.contains_key(&delivery.id);
        for waiting in self.queue.ready().filter(|waiting| may_go(&waiting.delivery)) {
            bytes += waiting.delivery.payload.len();
            if people.len() >= limit || (bytes > limits::BATCH_BYTES && !people.is_empty()) {
                break;
            }
            if waiting.alone {
                if people.is_empty() {
                    return vec![waiting.delivery.person];
                }
                continue;
            }
            people.push(waiting.delivery.person);
        }
        people
    }

    /// Those among the next ones whose items are called back for one reason.
    fn called_back(&self) -> Option<(Vec<PersonId>, String)> {
        if self.recalled.is_empty() {
            return None;
        }
        let next = self.queue.ready().take(self.batch_limit);
        let mut recalled =
            next.filter_map(|it| Some((it.delivery.person, self.recalled.get(&it.delivery.id)?))).peekable();
        let reason = recalled.peek()?.1.clone();
        Some((recalled.filter(|(_, why)| **why == reason).map(|(person, _)| person).collect(), reason))
    }

    /// Those among the next ones who got enough lately. Whoever asked to be forgotten is never in that way.
    fn over_cap(&self, now: Moment) -> Vec<PersonId> {
        let next = self.queue.ready().take(self.batch_limit).map(|waiting| &waiting.delivery);
        next.filter(|delivery| !self.may_get(delivery, now)).map(|delivery| delivery.person).collect()
    }

    fn may_get(&self, delivery: &Delivery, now: Moment) -> bool {
        let Some(cap) = &self.cap else { return true };
        delivery.kind == ItemKind::Erase || cap.allows(delivery.person, now)
    }

    fn give_up(&mut self, now: Moment) -> Step {
        let people: Vec<PersonId> =
            self.queue.ready().take(limits::REFILL_ITEMS).map(|waiting| waiting.delivery.person).collect();
        if people.is_empty() {
            return Step::Wait(self.next_moment());
        }
        let reason = "the destination is no longer in the project".to_owned();
        self.without_sending(&people, &Verdict::Dead { reason }, now)
    }

    fn without_sending(&mut self, people: &[PersonId], verdict: &Verdict, now: Moment) -> Step {
        for person in people {
            self.queue.take(*person);
        }
        let flight = self.take_off(people.to_vec());
        let outcomes = self.end(flight, verdict, now);
        Step::Record(flight, outcomes)
    }

    fn take_off(&mut self, people: Vec<PersonId>) -> FlightId {
        self.next_flight += 1;
        let id = FlightId(self.next_flight);
        self.flights.insert(id, Flight { people, decided: Vec::new() });
        id
    }

    /// When there may be something to do without anybody calling.
    fn next_moment(&self) -> Option<Moment> {
        earliest(self.queue.next_due(), self.next_load_at())
    }

    /// When the store may be asked for more; `None` while there is nothing to ask for, or no room for it.
    fn next_load_at(&self) -> Option<Moment> {
        let room =
            self.queue.len() <= self.policy.window_items / 2 && self.queue.bytes() <= self.policy.window_bytes / 2;
        let spill = self.spill.as_ref().filter(|spill| room && !spill.loading && !self.stopping)?;
        Some(spill.not_before)
    }
}

fn earliest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
