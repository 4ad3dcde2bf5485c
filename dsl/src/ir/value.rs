//! Values and their types. An unknown value is `None` around a [`Value`]; logic itself has two values.

use crate::time::{Duration, Moment};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A known value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An exact decimal number, such as money.
    Decimal(Decimal),
    /// A binary floating point number.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// A moment.
    Time(Moment),
    /// A length of time.
    Duration(Duration),
    /// Values of one type, in order.
    List(Arc<[Value]>),
}

/// What the compiler knows of an expression's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// An exact decimal with `scale` digits after the point: those of the schema's `multipleOf`; sums and differences
    /// keep the larger scale, products add theirs.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// A binary floating point number; what `/` and `avg` give.
    Float,
    /// Text; with the only values it can have, where the schema says so.
    String {
        /// The values of the schema's `enum`, in its order.
        one_of: Option<Arc<[Arc<str>]>>,
    },
    /// A moment.
    Time,
    /// A length of time.
    Duration,
    /// A list of values of one type.
    List(Box<Type>),
}
