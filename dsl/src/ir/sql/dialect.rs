//! What differs between databases.

use crate::ir::Type;
use crate::time::{Duration, Moment};

/// How one database spells what the lowering needs. Everything not asked of it is plain SQL.
pub trait Dialect {
    /// Its name on the command line.
    fn name(&self) -> &'static str;
    /// An identifier; quoted where it must be.
    fn quote(&self, identifier: &str) -> String;
    /// A string literal.
    fn string(&self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }
    /// A moment literal.
    fn moment(&self, moment: Moment) -> String;
    /// The moment at which the statement runs, in UTC.
    fn current_moment(&self) -> &'static str;
    /// An interval literal.
    fn interval(&self, length: Duration) -> String;
    /// Microseconds since the epoch of a moment.
    fn micros(&self, moment: &str) -> String;
    /// A moment moved by a number of microseconds.
    fn moved(&self, moment: &str, by_micros: &str) -> String;
    /// The type's name.
    fn type_name(&self, kind: &Type) -> String;
    /// A text as the code of a country or of a part of one, such as `US-CA`; NULL where it is none.
    fn place(&self, text: &str) -> String;
    /// A conversion that gives NULL where it fails.
    fn convert(&self, value: &str, to: &Type) -> String;
    /// An arithmetic expression that gives NULL where it overflows.
    fn checked(&self, expression: &str) -> String;
    /// A float as a whole number of units of 10^-12; NULL beyond 10^17. Sums of floats add these, so that they do not
    /// depend on the order of the rows.
    fn float_units(&self, value: &str) -> String;
    /// A sum of [`float_units`](Self::float_units) as a float.
    fn float_of_units(&self, units: &str) -> String;
    /// The `value` of the row with the smallest (`occurred_at`, `seq`).
    fn earliest(&self, value: &str) -> String;
    /// The `value` of the row with the largest (`occurred_at`, `seq`).
    fn latest(&self, value: &str) -> String;
    /// The `value` of the row with the largest key, which is compared part by part.
    fn largest_by(&self, value: &str, key: &[&str]) -> String;
}
