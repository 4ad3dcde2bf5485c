//! Events that are seen for a purpose only, kept so that what people say later can change what was seen.
//!
//! An event counts for a purpose when its person had consented to it by then. Somebody who turns out to be another may
//! have; a statement may arrive late; where somebody lives, and so what holds as long as they say nothing, may be learnt
//! later. Then the aggregates for that purpose are made again of the events that are kept here.
//!
//! Only projects with a `consent.yaml` and rules with a purpose keep any. Beyond [`limits::KEPT_EVENTS`] the older half is
//! settled: it counts as it does by then.

use super::{Purposes, only};
use crate::aggregate::{AggregateState, Occurrence, Spec};
use crate::datum::Known;
use crate::footprint;
use crate::limits;
use crate::person::{Person, entry};
use crate::plan::Plan;
use crate::record::{Event, Seq};
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::{AggregateId, EventId, Value};
use sonder_dsl::time::Moment;
use thin_vec::ThinVec;

/// What one person did, as far as rules with a purpose may ask.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// INVARIANT: sorted by (`at`, `seq`), each once.
    pub kept: Vec<Kept>,
    /// The aggregates of what was settled.
    pub settled: ThinVec<(AggregateId, AggregateState)>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// When it happened.
    pub at: Moment,
    /// Its record.
    pub seq: Seq,
    /// Its type.
    pub event: EventId,
    /// The purposes that it counts for.
    pub admitted: Purposes,
    /// What rules read of it.
    pub properties: Box<[Option<Known>]>,
    /// What rules read of its context.
    pub context: Box<[Option<Known>]>,
}

impl Kept {
    fn as_event(&self) -> Event {
        Event {
            event: Some(self.event),
            occurred_at: self.at,
            properties: plain(&self.properties),
            context: plain(&self.context),
            ..Event::nothing()
        }
    }
}

impl Bound {
    /// Keeps an event, and drops those that no window reaches any more.
    pub fn keep(&mut self, plan: &Plan, event: &Event, seq: Seq, admitted: Purposes, now: Moment) {
        let Some(kind) = event.event else { return };
        let place = self.kept.partition_point(|it| (it.at, it.seq) < (event.occurred_at, seq));
        let new = Kept {
            at: event.occurred_at,
            seq,
            event: kind,
            admitted,
            properties: kept(&event.properties),
            context: kept(&event.context),
        };
        self.kept.insert(place, new);
        if let Some(reach) = plan.bound_reach {
            let gone = self.kept.partition_point(|it| it.at <= now.minus(reach));
            self.kept.drain(..gone);
        }
    }

    /// Takes in what somebody did who turned out to be the same.
    pub fn merge(&mut self, other: Self, plan: &Plan, dropped: &mut u64) {
        self.kept.extend(other.kept);
        self.kept.sort_by_key(|it| (it.at, it.seq));
        for (id, theirs) in other.settled {
            let Some(spec) = plan.aggregates.get(id.index()) else { continue };
            match self.settled.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(place) => self.settled[place].1.merge(theirs, spec, dropped),
                Err(place) => self.settled.insert(place, (id, theirs)),
            }
        }
    }

    /// Settles the older half where there are too many.
    pub fn settle(&mut self, plan: &Plan, now: Moment, dropped: &mut u64) {
        if self.kept.len() <= limits::KEPT_EVENTS {
            return;
        }
        let half = self.kept.len() / 2;
        for kept in self.kept.drain(..half).collect::<Vec<_>>() {
            let event = kept.as_event();
            for id in plan.bound_aggregates_of(kept.event, kept.admitted) {
                let spec = &plan.aggregates[id.index()];
                if let Some(occurrence) = occurrence(spec, &event, kept.seq, now) {
                    let state = entry(&mut self.settled, id, || AggregateState::new(spec));
                    state.insert(&occurrence, spec, dropped);
                }
            }
        }
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        let values = |all: &[Option<Known>]| {
            let heap: usize = all.iter().flatten().map(Known::heap).sum();
            footprint::block(size_of_val(all)) + heap
        };
        footprint::block(size_of::<Self>())
            + footprint::block(self.kept.capacity() * size_of::<Kept>())
            + self.kept.iter().map(|it| values(&it.properties) + values(&it.context)).sum::<usize>()
            + footprint::list(&self.settled)
            + self.settled.iter().map(|(_, state)| state.heap()).sum::<usize>()
    }
}

fn kept(values: &[Option<Value>]) -> Box<[Option<Known>]> {
    values.iter().map(|value| value.clone().map(Known)).collect()
}

fn plain(values: &[Option<Known>]) -> Box<[Option<Value>]> {
    values.iter().map(|value| value.as_ref().map(|it| it.0.clone())).collect()
}

/// Decides again which of somebody's events count, and makes the aggregates anew that this changes: gives back which.
pub fn rebind(plan: &Plan, person: &mut Person, now: Moment, dropped: &mut u64) -> Vec<AggregateId> {
    let Some(mut bound) = person.bound.take() else { return Vec::new() };
    let terms = plan.terms(person);
    let mut changed: Purposes = 0;
    for kept in &mut bound.kept {
        let admitted = plan.admitted(&person.answers, terms, kept.at, kept.seq);
        changed |= admitted ^ kept.admitted;
        kept.admitted = admitted;
    }
    let concerned = |id: &&AggregateId| {
        let purpose = plan.aggregates.get(id.index()).and_then(|spec| spec.purpose);
        purpose.is_some_and(|purpose| changed & only(purpose) != 0)
    };
    let again: Vec<AggregateId> = plan.bound.iter().filter(concerned).copied().collect();
    for id in &again {
        let (spec, purpose) = (&plan.aggregates[id.index()], plan.aggregates[id.index()].purpose);
        let settled = bound.settled.binary_search_by_key(id, |(id, _)| *id).ok();
        let mut state = settled.map(|place| bound.settled[place].1.clone());
        for kept in bound.kept.iter().filter(|it| purpose.is_some_and(|purpose| it.admitted & only(purpose) != 0)) {
            let event = kept.as_event();
            if spec.wants(kept.event)
                && let Some(occurrence) = occurrence(spec, &event, kept.seq, now)
            {
                state.get_or_insert_with(|| AggregateState::new(spec)).insert(&occurrence, spec, dropped);
            }
        }
        match (person.aggregates.binary_search_by_key(id, |(id, _)| *id), state) {
            (Ok(place), Some(state)) => person.aggregates[place].1 = state,
            (Ok(place), None) => _ = person.aggregates.remove(place),
            (Err(place), Some(state)) => person.aggregates.insert(place, (*id, state)),
            (Err(_), None) => {}
        }
    }
    person.bound = Some(bound);
    again
}

/// An event as an aggregate sees it; `None` when it makes no difference to it.
pub fn occurrence<'e>(spec: &Spec, event: &'e Event, seq: Seq, now: Moment) -> Option<Occurrence<'e>> {
    event.event?;
    if !spec.admits(event.occurred_at, now) {
        return None;
    }
    let counts = spec.sequence.is_some() || spec.fits(event);
    if !counts && spec.session.is_none() {
        return None;
    }
    let property = |slot: Option<sonder_dsl::ir::PropertySlot>| event.properties.get(slot?.index())?.as_ref();
    Some(Occurrence {
        at: event.occurred_at,
        seq,
        now,
        value: property(spec.value),
        group: property(spec.per),
        counts,
        event,
    })
}
