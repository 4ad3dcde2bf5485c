//! What waits for one destination: first come, first served, but for each person one after the other.
//!
//! A person's next item is ready only when the one before is done with; meanwhile other people's go on. All operations
//! are O(log n) in the number of people who wait.

use rustc_hash::{FxHashMap, FxHashSet};
use sonder_core::effect::{Delivery, EffectId, PersonId};
use sonder_dsl::time::Moment;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A delivery that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What is told.
    pub delivery: Arc<Delivery>,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first attempt began.
    pub first_attempt: Option<Moment>,
    /// A batch with it failed as a whole: it is tried on its own.
    pub alone: bool,
    arrival: u64,
}

/// The queue of one destination.
#[derive(Debug, Default)]
pub struct Queue {
    // INVARIANT: no line is empty; the head of a line is in `ready`, in `due`, or taken.
    people: FxHashMap<PersonId, VecDeque<Waiting>>,
    ready: BTreeMap<u64, PersonId>,
    due: BTreeSet<(Moment, u64, PersonId)>,
    known: FxHashSet<EffectId>,
    bytes: usize,
    arrivals: u64,
}

impl Queue {
    /// Adds a delivery at the end; `false` when it is there already.
    pub fn push(&mut self, delivery: Arc<Delivery>) -> bool {
        if !self.known.insert(delivery.id) {
            return false;
        }
        self.bytes += bytes(&delivery);
        self.arrivals += 1;
        let (person, arrival) = (delivery.person, self.arrivals);
        let line = self.people.entry(person).or_default();
        line.push_back(Waiting { delivery, attempts: 0, first_attempt: None, alone: false, arrival });
        if line.len() == 1 {
            self.ready.insert(arrival, person);
        }
        true
    }

    /// Whether a delivery is in it.
    pub fn knows(&self, id: EffectId) -> bool {
        self.known.contains(&id)
    }

    /// Makes ready what is due.
    pub fn wake(&mut self, now: Moment) {
        while let Some(&(moment, arrival, person)) = self.due.first()
            && moment <= now
        {
            self.due.pop_first();
            self.ready.insert(arrival, person);
        }
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(moment, ..)| *moment)
    }

    /// What could go now, one for each person, in the order of arrival.
    pub fn ready(&self) -> impl Iterator<Item = &Waiting> {
        self.ready.values().filter_map(|person| self.people.get(person)?.front())
    }

    /// Whether anything could go now.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes a person's head out of `ready`; it stays at its place until [`finish`](Self::finish) or [`put_back`](Self::put_back).
    pub fn take(&mut self, person: PersonId) -> Option<&mut Waiting> {
        let head = self.people.get_mut(&person)?.front_mut()?;
        self.ready.remove(&head.arrival)?;
        Some(head)
    }

    /// A person's head as it is, taken or not.
    pub fn head(&self, person: PersonId) -> Option<&Waiting> {
        self.people.get(&person)?.front()
    }

    /// The same, to be changed.
    pub fn head_mut(&mut self, person: PersonId) -> Option<&mut Waiting> {
        self.people.get_mut(&person)?.front_mut()
    }

    /// The taken head is done with: the person's next is ready.
    pub fn finish(&mut self, person: PersonId) {
        let Some(line) = self.people.get_mut(&person) else { return };
        if let Some(done) = line.pop_front() {
            self.known.remove(&done.delivery.id);
            self.bytes -= bytes(&done.delivery);
        }
        match line.front() {
            Some(next) => {
                self.ready.insert(next.arrival, person);
            }
            None => {
                self.people.remove(&person);
            }
        }
    }

    /// The taken head is tried again, not before a moment.
    pub fn put_back(&mut self, person: PersonId, next: Moment, alone: bool) {
        if let Some(head) = self.people.get_mut(&person).and_then(VecDeque::front_mut) {
            head.alone |= alone;
            self.due.insert((next, head.arrival, person));
        }
    }

    /// Makes everything that waits for its moment ready at once.
    pub fn hurry(&mut self) {
        self.wake(Moment::MAX);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// How much memory their texts take.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of them, in the order of arrival.
    pub fn deliveries(&self) -> Vec<Arc<Delivery>> {
        let mut all: Vec<(u64, &Arc<Delivery>)> =
            self.people.values().flatten().map(|waiting| (waiting.arrival, &waiting.delivery)).collect();
        all.sort_unstable_by_key(|(arrival, _)| *arrival);
        all.into_iter().map(|(_, delivery)| Arc::clone(delivery)).collect()
    }

    /// When the oldest was decided.
    pub fn oldest(&self) -> Option<Moment> {
        self.people.values().filter_map(|line| Some(line.front()?.delivery.at)).min()
    }
}

/// What a delivery takes of memory, about.
fn bytes(delivery: &Delivery) -> usize {
    let identifiers: usize = delivery.identifiers.iter().map(|(kind, value)| kind.len() + value.len() + 48).sum();
    256 + delivery.payload.len() + delivery.name.len() + identifiers
}
