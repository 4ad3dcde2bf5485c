//! `experience homepage_hero { when in(coat_viewers) show { variant: "scarves" } otherwise show { variant: "default" } }`

use super::{Expression, Name, Node};

/// What an experience says.
#[derive(Clone, Debug, PartialEq)]
pub struct Experience {
    /// `when … show { … }`, the first that holds decides.
    pub arms: Vec<Node<Arm>>,
    /// `otherwise show { … }`
    pub otherwise: Option<Node<Vec<Field>>>,
}

/// `when … show { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// For whom.
    pub condition: Expression,
    /// What they see.
    pub show: Vec<Field>,
}

/// `name: value`, in what is shown or sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Before the colon; empty for a field that could not be read.
    pub name: Name,
    /// Behind it.
    pub value: Expression,
}
