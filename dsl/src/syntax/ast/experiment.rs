//! `experiment checkout_button { variants control 50%, green 50% on checkout_started goal did(order_completed, next 7d) }`

use super::{Expression, Name, Node, Step};

/// What an experiment says. Clauses that were left out are empty; what is missing has been reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// `variants control 50%, green 50%`
    pub variants: Vec<Node<Variant>>,
    /// `on checkout_started where …`
    pub on: Option<Node<Step>>,
    /// `goal did(order_completed, next 7d), …`
    pub goals: Vec<Expression>,
}

/// `control 50%`
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// What it is called.
    pub name: Name,
    /// How many of the people see it.
    pub share: Node<Share>,
}

/// A part of the people, in hundredths of a percent: `12.5%` is 1250.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Share {
    /// Everybody.
    pub const ALL: Self = Self(10_000);

    /// A number of percent: more than 0 and at most 100, with at most two digits after the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        crate::syntax::literal::share(text)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}
