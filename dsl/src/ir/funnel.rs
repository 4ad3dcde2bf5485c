//! Funnels: how many people come how far through a list of steps, within a time.
//!
//! Somebody enters at every event that fits the first step. From there each further step matches the earliest event that
//! fits after the step before it (by `occurred_at`, then `seq`), as in a [`Sequence`](super::Sequence): no more than its
//! own `within` after the step before, and no more than the funnel's [`within`](Funnel::within) after the first step; an
//! event exactly that much later still fits. How far somebody came is the most steps over all their entries; of entries
//! that came equally far the latest counts, and its events give the values of the breakdowns.

use super::{Expression, Fingerprint, Pattern, Type};
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// One funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Funnel {
    /// Unique among all that rules declare.
    pub name: String,
    /// The text after the name.
    pub description: Option<String>,
    /// What it is for, as its `purpose` clause says.
    pub purpose: Option<String>,
    /// At least two, at most [`SEQUENCE_STEPS`](crate::limits::SEQUENCE_STEPS).
    pub steps: Vec<FunnelStep>,
    /// How long all of it may take, from the first step on.
    pub within: Duration,
    /// What its figures are broken down by, in the order in which they are written.
    pub breakdowns: Vec<Breakdown>,
    /// Where it is declared: path and line, for people.
    pub place: String,
    /// Of its meaning: names, descriptions and places make no difference.
    pub fingerprint: Fingerprint,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunnelStep {
    /// What people call it: its `as` name, or that of its event.
    pub name: String,
    /// Which events fit; the filter may name earlier steps.
    pub pattern: Pattern,
    /// The longest gap to the step before; `None` for the first step, and where only the funnel's own time counts.
    pub within: Option<Duration>,
}

/// A value by which figures are broken down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// As written: `context.device.type`.
    pub name: String,
    /// [`Context`](Expression::Context) of the event that matched the first step, [`Step`](Expression::Step) for a property of
    /// a named step (unknown for who didn't come so far), [`Profile`](Expression::Profile) and [`Rule`](Expression::Rule) of the
    /// person at the moment of asking.
    pub value: Expression,
    /// The type of its value: anything but a list.
    pub kind: Type,
}
