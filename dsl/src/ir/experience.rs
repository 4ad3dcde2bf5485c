//! Experiences: what a person is shown in a place.

use super::journey::FieldValue;
use super::{Expression, Fingerprint};

/// One experience.
#[derive(Clone, Debug, PartialEq)]
pub struct Experience {
    /// Unique among all that rules declare.
    pub name: String,
    /// The text after the name.
    pub description: Option<String>,
    /// What it is for, as its `purpose` clause says.
    pub purpose: Option<String>,
    /// The first whose condition holds decides.
    pub arms: Vec<Arm>,
    /// What everybody else sees.
    pub otherwise: Vec<Shown>,
    /// Where it is declared: path and line, for people.
    pub place: String,
    /// Of its meaning: descriptions and places make no difference.
    pub fingerprint: Fingerprint,
}

/// `when … show { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// For whom.
    pub condition: Expression,
    /// What they see.
    pub show: Vec<Shown>,
}

/// A field of what is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// A value.
    Value(FieldValue),
    /// `recommend(also_viewed, last(product_viewed.product_id), 4)`: a list of things.
    Recommended {
        /// What the field is called.
        name: String,
        /// Which kind of recommendation.
        kind: String,
        /// What it is recommended for: a thing that the person looked at, for example.
        of: Expression,
        /// How many at most.
        count: u32,
    },
}
