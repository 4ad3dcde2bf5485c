//! Predictions: what is learned from people's histories, and asked about everybody.

use super::{Expression, Fingerprint, Type};

/// One prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Unique among all that rules declare.
    pub name: String,
    /// The text after the name.
    pub description: Option<String>,
    /// What it is for, as its `purpose` clause says.
    pub purpose: Option<String>,
    /// What is predicted, as of a moment: a yes or no or a number; at least one aggregate in it looks ahead (`next 30d`).
    pub label: Expression,
    /// The type of the label.
    pub kind: Type,
    /// About whom it can be asked and learned, as of the same moment.
    pub population: Expression,
    /// What it is predicted from, as of the same moment; none looks ahead.
    pub features: Vec<Feature>,
    /// Where it is declared: path and line, for people.
    pub place: String,
    /// Of its meaning: descriptions and places make no difference.
    pub fingerprint: Fingerprint,
}

/// One value that a prediction is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// As written.
    pub source: String,
    /// Its value for a person; unknown is a value of its own.
    pub value: Expression,
    /// Its type: anything but a list.
    pub kind: Type,
}
