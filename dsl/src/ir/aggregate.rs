//! Aggregates: what a rule asks of a person's history. Equal ones are one (hash-consed), whatever rules name them.

use super::{EventId, Expression, Fingerprint, PropertySlot, PurposeId, Type};
use crate::time::{Duration, Moment};
use serde::{Deserialize, Serialize};

/// One question over a person's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// What is asked.
    pub function: Function,
    /// Of which events; for a sequence, those of its first step.
    pub pattern: Pattern,
    /// Which property, for the functions that take `E.p`.
    pub value: Option<PropertySlot>,
    /// When they must have happened.
    pub window: Window,
    /// `per p`: the largest value over the groups of `p`. An event without `p` is in no group.
    pub per: Option<PropertySlot>,
    /// Only events that the person had consented to for it.
    pub purpose: Option<PurposeId>,
    /// The largest count that any rule asks about, when all of them only compare with constants; a state need not know
    /// more than this many. `None` where the value itself is shown or used.
    pub enough: Option<u32>,
    /// The type of its value.
    pub result: Type,
    /// Of all the above but `enough`.
    pub fingerprint: Fingerprint,
}

/// The functions over events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Function {
    /// How many; 0 for none.
    Count,
    /// Whether there was one.
    Did,
    /// The sum; 0 of nothing.
    Sum,
    /// The mean, a float; unknown of nothing.
    Avg,
    /// The smallest; unknown of nothing.
    Min,
    /// The largest; unknown of nothing.
    Max,
    /// The value of the earliest event that has one, by (`occurred_at`, `seq`).
    First,
    /// The value of the latest event that has one.
    Last,
    /// How many different known values; 0 of nothing.
    Distinct,
    /// The most frequent known value; ties go to the most recent.
    Top,
    /// The duration since the latest; unknown if never.
    Since,
    /// Whether the steps happened in order.
    Sequence(Sequence),
}

impl Function {
    /// As rules call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Did => "did",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
            Self::Distinct => "distinct",
            Self::Top => "top",
            Self::Since => "since",
            Self::Sequence(_) => "sequence",
        }
    }
}

/// Which events count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// The event type.
    pub event: EventSelector,
    /// `where`: a bool over the event.
    pub filter: Option<Expression>,
}

/// One event type, or every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventSelector {
    /// This type.
    One(EventId),
    /// `any`: every declared event type.
    Any,
}

/// When events must have happened to count, as of `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// Whenever.
    Always,
    /// `last w`: `now - w < occurred_at <= now`.
    Last(Duration),
    /// `since 2026-01-01`: `occurred_at >= start`, which is local midnight in the project's time zone.
    Since(Moment),
    /// `this session`.
    Session(SessionBounds),
    /// `next w`: `now < occurred_at <= now + w`. INVARIANT: only in labels of predictions and goals of experiments, which are
    /// asked about moments that have passed; never in what a rule reads.
    Next(Duration),
}

/// What ends a session, as `sonder.yaml` says.
///
/// A person's events of every declared type, in their order, make sessions: an event starts a new one when it happened
/// more than `idle` after the one before it, or when it carries another client session id than its session had so far.
/// Looking back from the latest event, nothing of more than `max` before it counts, neither as an event of the session
/// nor to tell where that began. The session of the latest event is the current one as long as `now` is no more than
/// `idle` after it; then there is none until the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionBounds {
    /// A longer pause ends it.
    pub idle: Duration,
    /// It is no longer than this.
    pub max: Duration,
}

/// The steps of `sequence(A then B within 30m then no C for 1h)` after the first, which is the aggregate's pattern.
/// The aggregate's window bounds the moment of the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// The second step and those after it.
    pub then: Vec<SequenceStep>,
    /// The final `no X for d`.
    pub absence: Option<TrailingAbsence>,
}

/// A step: the earliest fitting event after the step before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequenceStep {
    /// Which events fit; the filter may name earlier steps.
    pub pattern: Pattern,
    /// The longest gap to the previous step; an event exactly that much later still fits.
    pub within: Option<Duration>,
}

/// `no X for d` after the last step at `t`: holds from `t + d` on when no `X` came after that step up to and including
/// `t + d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrailingAbsence {
    /// What must not come; the filter may name earlier steps.
    pub pattern: Pattern,
    /// For how long.
    pub lasting: Duration,
}
