//! Typed expressions. All names are resolved and all types agree: evaluating one cannot fail, it can only be unknown.
//!
//! Two settings use the same tree. Inside an aggregate (`where`, or a step of a sequence) an expression is a function of
//! one event: [`Property`](Expression::Property), [`Context`](Expression::Context), [`Step`](Expression::Step).
//! In a journey the leaves of a rule stand beside those of the entering event, which is step 0.
//! In a rule it is a function of a person at a moment: [`Profile`](Expression::Profile), [`Rule`](Expression::Rule),
//! [`Aggregate`](Expression::Aggregate).
//!
//! `since(...)` is the one leaf that grows with the clock. INVARIANT: a duration or time in a rule moves by -1, 0 or +1
//! microseconds a microsecond; so does the difference of the sides of an ordering, and the sides of `==` and `!=` don't
//! move against each other at all; what moves is neither multiplied nor divided. So the moment at which a comparison
//! flips is known exactly: `since(A)`, `since(A) + 1d`, `since(A) - since(B)`, `7d - since(A)` may be compared,
//! `since(A) + since(B)`, `2 * since(A)` and `since(A) == 3d` do not compile.

use super::{AggregateId, ContextSlot, ProfileTraitId, PropertySlot, RuleId, Value};
use crate::model::Rollout;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An expression; see the module's notes for which leaf may stand where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expression {
    /// A literal.
    Constant(Value),
    /// A property of the event at hand.
    Property(PropertySlot),
    /// A context field of the event at hand.
    Context(ContextSlot),
    /// A property of the event that an earlier step of the sequence matched.
    Step {
        /// 0 for the first step.
        step: u8,
        /// Of that step's event type.
        slot: PropertySlot,
    },
    /// A trait of the golden record.
    Profile(ProfileTraitId),
    /// The value of a computed trait, or whether the person is in a segment.
    Rule(RuleId),
    /// The value of an aggregate over the person's events.
    Aggregate(AggregateId),
    /// Whether the person has consented to a purpose.
    Consented(Arc<str>),
    /// Whether new rules hold for the person while they are rolled out.
    Early(Rollout),
    /// `not x`, `-x`.
    Unary {
        /// The operator.
        operator: UnaryOperator,
        /// What it applies to.
        operand: Box<Expression>,
    },
    /// `a + b`, `a < b`, `a and b` …
    Binary {
        /// The operator.
        operator: BinaryOperator,
        /// Left of it.
        left: Box<Expression>,
        /// Right of it.
        right: Box<Expression>,
    },
    /// `if condition then a else b`.
    If {
        /// A `bool`.
        condition: Box<Expression>,
        /// The value when it holds.
        then: Box<Expression>,
        /// The value when it does not.
        otherwise: Box<Expression>,
    },
    /// `x is known`; `is unknown` is its negation.
    IsKnown(Box<Expression>),
    /// `x or default`: the second where the first is unknown.
    OrDefault {
        /// The value that may be unknown.
        value: Box<Expression>,
        /// What stands in for it.
        default: Box<Expression>,
    },
    /// An int made a decimal, or a number made a float, so that both sides of an operator have one type. Both sides of a
    /// `/` between numbers are floats; what a duration is multiplied with or divided by is an int or a float.
    Convert {
        /// What is converted.
        value: Box<Expression>,
        /// The type it gets.
        to: super::Type,
    },
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnaryOperator {
    /// Logical negation.
    Not,
    /// Arithmetic negation.
    Negate,
}

/// Operators with two operands. The operands of all but `And` and `Or` have one type, except that a duration is
/// multiplied or divided by a number, and a time and a duration are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BinaryOperator {
    /// Both hold.
    And,
    /// At least one holds.
    Or,
    /// `==`
    Equal,
    /// `!=`: false, too, when a side is unknown.
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`: gives a float; unknown when the divisor is 0.
    Divide,
}

impl Expression {
    /// Shows this expression and every one inside it, outermost first, left to right.
    pub fn walk(&self, see: &mut dyn FnMut(&Self)) {
        see(self);
        for child in self.children().into_iter().flatten() {
            child.walk(see);
        }
    }

    /// Shows this expression and every one that was inside it to be changed, innermost first, left to right.
    pub fn walk_mut(&mut self, change: &mut dyn FnMut(&mut Self)) {
        match self {
            Self::Unary { operand: value, .. } | Self::IsKnown(value) | Self::Convert { value, .. } => {
                value.walk_mut(change);
            }
            Self::Binary { left, right, .. } => {
                left.walk_mut(change);
                right.walk_mut(change);
            }
            Self::If { condition, then, otherwise } => {
                condition.walk_mut(change);
                then.walk_mut(change);
                otherwise.walk_mut(change);
            }
            Self::OrDefault { value, default } => {
                value.walk_mut(change);
                default.walk_mut(change);
            }
            Self::Constant(_)
            | Self::Property(_)
            | Self::Context(_)
            | Self::Step { .. }
            | Self::Profile(_)
            | Self::Rule(_)
            | Self::Aggregate(_)
            | Self::Consented(_)
            | Self::Early(_) => {}
        }
        change(self);
    }

    /// The expressions right inside this one, left to right.
    #[must_use]
    pub fn children(&self) -> [Option<&Self>; 3] {
        match self {
            Self::Unary { operand, .. } => [Some(operand), None, None],
            Self::Binary { left, right, .. } => [Some(left), Some(right), None],
            Self::If { condition, then, otherwise } => [Some(condition), Some(then), Some(otherwise)],
            Self::IsKnown(value) | Self::Convert { value, .. } => [Some(value), None, None],
            Self::OrDefault { value, default } => [Some(value), Some(default), None],
            Self::Constant(_)
            | Self::Property(_)
            | Self::Context(_)
            | Self::Step { .. }
            | Self::Profile(_)
            | Self::Rule(_)
            | Self::Aggregate(_)
            | Self::Consented(_)
            | Self::Early(_) => [None, None, None],
        }
    }
}
