//! Aggregates: what rules ask of a person's history, one file a kind of state.
//!
//! Each state is a commutative monoid: [`insert`](AggregateState::insert) takes an event in whenever it arrives,
//! [`merge`](AggregateState::merge) joins two people's states, and both give what inserting all the events in any order
//! would have given. [`read`](AggregateState::read) gives the value as of `now` and until when it holds if no event
//! comes: no event between those two moments changes it, because windows slide by known amounts.
//!
//! `now` never goes back, so a state may drop what has left its window. Nothing is dropped by reading: a state is a
//! function of the log alone, however often somebody looked at it.

pub mod cells;
mod count;
mod distinct;
mod extremum;
mod first_last;
mod keyed;
mod moments;
mod sequence;
mod session;
mod since;
pub mod spec;
mod sum;
#[cfg(test)]
mod tests;
mod timeline;
mod top;

use crate::evaluate::Answer;
use crate::footprint;
use crate::record::{Event, Seq};
use count::Count;
use distinct::Distinct;
use extremum::Extremum;
use first_last::Boundary;
use keyed::Keyed;
use sequence::Sequence;
use serde::{Deserialize, Serialize};
use session::Session;
use since::Since;
use sonder_dsl::ir::Value;
use sonder_dsl::time::Moment;
use spec::Kind;
pub use spec::Spec;
use sum::Sum;
use top::Top;

/// What one person's history amounts to, for one aggregate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AggregateState {
    /// `count`, `did`
    Count(Count),
    /// `sum`, `avg`
    Sum(Box<Sum>),
    /// `min`, `max`
    Extremum(Extremum),
    /// `first`, `last`
    Boundary(Boundary),
    /// `distinct`
    Distinct(Distinct),
    /// `top`
    Top(Box<Top>),
    /// `since`
    Since(Since),
    /// `sequence`
    Sequence(Sequence),
    /// Any of these, `per` something.
    Keyed(Keyed),
    /// Any of these, over `this session`.
    Session(Session),
}

/// An event, as the states see it.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence<'e> {
    /// When it happened.
    pub at: Moment,
    /// Its place in the log: orders events of one instant.
    pub seq: Seq,
    /// The moment of the fold; never before `at`.
    pub now: Moment,
    /// The property that the aggregate takes.
    pub value: Option<&'e Value>,
    /// The property that it groups by.
    pub group: Option<&'e Value>,
    /// Whether the aggregate's pattern fits it; sessions hear of other events too, and sequences look for themselves.
    pub counts: bool,
    /// All of it: sequences look at the whole event.
    pub event: &'e Event,
}

impl AggregateState {
    /// No history.
    pub fn new(spec: &Spec) -> Self {
        if spec.session.is_some() { Self::Session(Session::default()) } else { Self::of_all_time(spec) }
    }

    /// No history, where sessions play no part.
    fn of_all_time(spec: &Spec) -> Self {
        if spec.keyed { Self::Keyed(Keyed::default()) } else { Self::ungrouped(spec) }
    }

    /// No history, within one group.
    fn ungrouped(spec: &Spec) -> Self {
        match spec.kind {
            Kind::Count | Kind::Did => Self::Count(Count::new(spec)),
            Kind::Sum | Kind::Avg => Self::Sum(Box::new(Sum::new(spec))),
            Kind::Min | Kind::Max => Self::Extremum(Extremum::default()),
            Kind::First | Kind::Last => Self::Boundary(Boundary::default()),
            Kind::Distinct => Self::Distinct(Distinct::default()),
            Kind::Top => Self::Top(Box::default()),
            Kind::Since => Self::Since(Since::default()),
            Kind::Sequence => Self::Sequence(Sequence::default()),
        }
    }

    /// This state for `spec`, if it can be one: a checkpoint may be of a program in which it was another kind, or in
    /// which more of it mattered.
    pub fn adapt(self, spec: &Spec) -> Option<Self> {
        match self {
            Self::Session(session) => spec.session.is_some().then_some(Self::Session(session)),
            _ if spec.session.is_some() => None,
            Self::Keyed(keyed) if spec.keyed => keyed.adapt(spec).map(Self::Keyed),
            other if !spec.keyed => other.adapt_ungrouped(spec),
            _ => None,
        }
    }

    fn adapt_ungrouped(self, spec: &Spec) -> Option<Self> {
        match self {
            Self::Count(count) if matches!(spec.kind, Kind::Count | Kind::Did) => count.adapt(spec).map(Self::Count),
            other => other.fits(spec).then_some(other),
        }
    }

    fn fits(&self, spec: &Spec) -> bool {
        match self {
            Self::Sum(sum) => matches!(spec.kind, Kind::Sum | Kind::Avg) && sum.fits(spec),
            Self::Extremum(_) => matches!(spec.kind, Kind::Min | Kind::Max),
            Self::Boundary(_) => matches!(spec.kind, Kind::First | Kind::Last),
            Self::Distinct(_) => spec.kind == Kind::Distinct,
            Self::Top(_) => spec.kind == Kind::Top,
            Self::Since(_) => spec.kind == Kind::Since,
            Self::Sequence(_) => spec.kind == Kind::Sequence,
            // Counts adapt, groups are asked one by one, sessions were seen to before.
            Self::Count(_) | Self::Keyed(_) | Self::Session(_) => false,
        }
    }

    /// Takes in an event, however late it arrives. Adds to `dropped` what a limit made it forget.
    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        match self {
            Self::Count(state) => state.insert(it, spec, dropped),
            Self::Sum(state) => state.insert(it, spec, dropped),
            Self::Extremum(state) => state.insert(it, spec, dropped),
            Self::Boundary(state) => state.insert(it, spec, dropped),
            Self::Distinct(state) => state.insert(it, spec, dropped),
            Self::Top(state) => state.insert(it, spec, dropped),
            Self::Since(state) => state.insert(it),
            Self::Sequence(state) => state.insert(it, spec, dropped),
            Self::Keyed(state) => state.insert(it, spec, dropped),
            Self::Session(state) => state.insert(it, spec, dropped),
        }
    }

    /// Joins the histories of two people who are one.
    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        match (self, other) {
            (Self::Count(state), Self::Count(other)) => state.merge(&other, spec, dropped),
            (Self::Sum(state), Self::Sum(other)) => state.merge(*other, spec, dropped),
            (Self::Extremum(state), Self::Extremum(other)) => state.merge(other, spec, dropped),
            (Self::Boundary(state), Self::Boundary(other)) => state.merge(other, spec, dropped),
            (Self::Distinct(state), Self::Distinct(other)) => state.merge(other, spec, dropped),
            (Self::Top(state), Self::Top(other)) => state.merge(*other, spec, dropped),
            (Self::Since(state), Self::Since(other)) => state.merge(&other),
            (Self::Sequence(state), Self::Sequence(other)) => state.merge(other, spec, dropped),
            (Self::Keyed(state), Self::Keyed(other)) => state.merge(other, spec, dropped),
            (Self::Session(state), Self::Session(other)) => state.merge(other, spec, dropped),
            // INVARIANT: both were made for `spec`.
            _ => debug_assert!(false, "states of two kinds"),
        }
    }

    /// The value as of `now`, and until when it holds.
    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'_> {
        match self {
            Self::Count(state) => state.read(now, spec),
            Self::Sum(state) => state.read(now, spec),
            Self::Extremum(state) => state.read(now, spec),
            Self::Boundary(state) => state.read(now, spec),
            Self::Distinct(state) => state.read(now, spec),
            Self::Top(state) => state.read(now, spec),
            Self::Since(state) => state.read(now, spec),
            Self::Sequence(state) => state.read(now, spec),
            Self::Keyed(state) => state.read(now, spec),
            Self::Session(state) => state.read(now, spec),
        }
    }

    /// For a count: whether it is at least `threshold`, and until when that stays so. `None` for what is not a count:
    /// then nothing better is known than [`read`](Self::read) says.
    pub fn reaches(&self, threshold: usize, now: Moment, spec: &Spec) -> Option<(bool, Moment)> {
        match self {
            Self::Count(state) if spec.kind == Kind::Count => Some(state.reaches(threshold, now, spec)),
            Self::Distinct(state) => Some(state.reaches(threshold, now, spec)),
            Self::Keyed(state) if matches!(spec.kind, Kind::Count | Kind::Distinct) => {
                state.reaches(threshold, now, spec)
            }
            _ => None,
        }
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        match self {
            Self::Count(state) => state.heap(),
            Self::Sum(state) => footprint::block(size_of::<Sum>()) + state.heap(),
            Self::Extremum(state) => state.heap(),
            Self::Boundary(state) => state.heap(),
            Self::Distinct(state) => state.heap(),
            Self::Top(state) => footprint::block(size_of::<Top>()) + state.heap(),
            Self::Since(_) => 0,
            Self::Sequence(state) => state.heap(),
            Self::Keyed(state) => state.heap(),
            Self::Session(state) => state.heap(),
        }
    }
}
