//! Experiments: who is shown what, and what comes of it.

use super::{Expression, Fingerprint, Pattern, Type};
use crate::syntax::ast::Share;

/// One experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Unique among all that rules declare.
    pub name: String,
    /// The text after the name.
    pub description: Option<String>,
    /// What it is for, as its `purpose` clause says.
    pub purpose: Option<String>,
    /// At least two; all of them are everybody. The first is what others are compared with.
    pub variants: Vec<Variant>,
    /// A person takes part from the first such event on.
    pub on: Pattern,
    /// What is measured, as of the moment of that event.
    pub goals: Vec<Goal>,
    /// Where it is declared: path and line, for people.
    pub place: String,
    /// Of its meaning: descriptions and places make no difference.
    pub fingerprint: Fingerprint,
}

/// One variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    /// How many of the people.
    pub share: Share,
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// As written.
    pub source: String,
    /// Its value for a person; at least one aggregate in it looks ahead (`next 7d`).
    pub value: Expression,
    /// A yes or no, a number or a length of time.
    pub kind: Type,
}
