//! What typing knows of an expression: its resolved form, its type, and how it moves with the clock.

use crate::ir::{Expression, Type, Value};
use crate::source::Span;
use std::sync::Arc;

/// A resolved expression and what is known of its value.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The resolved form.
    pub expression: Expression,
    /// The type of its value.
    pub kind: Type,
    /// Where it is written.
    pub span: Span,
    /// How it moves with the clock.
    pub motion: Motion,
    /// The name of the personal value that it carries, if it does.
    pub personal: Option<Arc<str>>,
    /// Where the values that it can have are declared.
    pub declared: Option<Span>,
}

impl Typed {
    /// A value that stands still, is not personal, and is declared nowhere.
    pub fn new(expression: Expression, kind: Type, span: Span) -> Self {
        Self { expression, kind, span, motion: Motion::STILL, personal: None, declared: None }
    }

    /// The text, if it is a literal one.
    pub fn literal_text(&self) -> Option<&str> {
        match &self.expression {
            Expression::Constant(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// How many microseconds a duration or time grows a microsecond: between the two, which differ where an `if` or a default
/// decides. `since(...)` grows by 1, all else stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motion {
    /// At least.
    pub least: i16,
    /// At most.
    pub most: i16,
}

impl Motion {
    /// Only events change it.
    pub const STILL: Self = Self { least: 0, most: 0 };
    /// That of `since(...)`.
    pub const CLOCK: Self = Self { least: 1, most: 1 };

    /// Of a sum.
    pub fn plus(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    /// Of a difference.
    pub fn minus(self, other: Self) -> Self {
        self.plus(other.reversed())
    }

    /// Of the negation.
    pub fn reversed(self) -> Self {
        Self { least: self.most.saturating_neg(), most: self.least.saturating_neg() }
    }

    /// Of a value that is one or the other.
    pub fn either(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// Whether the moment at which it passes a mark is known to the microsecond.
    pub fn is_exact(self) -> bool {
        self.least >= -1 && self.most <= 1
    }
}

/// What a type is called in an error.
pub fn noun(kind: &Type) -> String {
    match kind {
        Type::Bool => "yes or no".to_owned(),
        Type::Int => "a whole number".to_owned(),
        Type::Decimal { .. } => "an exact number".to_owned(),
        Type::Float => "a number".to_owned(),
        Type::String { .. } => "text".to_owned(),
        Type::Time => "a moment".to_owned(),
        Type::Duration => "a length of time".to_owned(),
        Type::List(_) => "a list".to_owned(),
    }
}

/// Whether it can be calculated with.
pub fn is_number(kind: &Type) -> bool {
    matches!(kind, Type::Int | Type::Decimal { .. } | Type::Float)
}

/// Whether one of its values can be said to be larger than another.
pub fn is_ordered(kind: &Type) -> bool {
    is_number(kind) || matches!(kind, Type::String { .. } | Type::Time | Type::Duration)
}

/// The type that holds the values of both: numbers widen, the choices of texts join. `None` when there is none.
pub fn join(a: &Type, b: &Type) -> Option<Type> {
    Some(match (a, b) {
        (Type::Decimal { scale: a }, Type::Decimal { scale: b }) => Type::Decimal { scale: *a.max(b) },
        (Type::Decimal { scale }, Type::Int) | (Type::Int, Type::Decimal { scale }) => Type::Decimal { scale: *scale },
        (Type::String { one_of: a }, Type::String { one_of: b }) => {
            Type::String { one_of: a.as_ref().zip(b.as_ref()).map(|(a, b)| union(a, b)) }
        }
        (a, b) if a == b => a.clone(),
        (a, b) if is_number(a) && is_number(b) => Type::Float,
        (Type::List(a), Type::List(b)) => Type::List(Box::new(join(a, b)?)),
        _ => return None,
    })
}

fn union(a: &[Arc<str>], b: &[Arc<str>]) -> Arc<[Arc<str>]> {
    a.iter().chain(b.iter().filter(|value| !a.contains(value))).cloned().collect()
}

/// The same value as another type of number; a literal is converted here and now.
pub fn convert(expression: Expression, from: &Type, to: &Type) -> Expression {
    let target = match (from, to) {
        (Type::Int, Type::Decimal { .. }) => Type::Decimal { scale: 0 },
        (Type::Int | Type::Decimal { .. }, Type::Float) => Type::Float,
        _ => return expression,
    };
    let folded = match (&expression, &target) {
        (Expression::Constant(Value::Int(number)), Type::Decimal { .. }) => Some(Value::Decimal((*number).into())),
        (Expression::Constant(Value::Int(number)), _) => Some(Value::Float(*number as f64)),
        // By way of its text, so that `0.1` is the float that everybody writes so.
        (Expression::Constant(Value::Decimal(number)), _) => number.to_string().parse().ok().map(Value::Float),
        _ => None,
    };
    match folded {
        Some(value) => Expression::Constant(value),
        None => Expression::Convert { value: Box::new(expression), to: target },
    }
}
