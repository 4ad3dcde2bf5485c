//! `sum` and `avg`, exactly.
//!
//! Numbers are added as whole units: those of their schema's scale, and for floats 10^-12. So no order of arrival, no
//! merge and no sliding window leaves a rounding error behind, and SQL, which adds the same units, gives the same bits.
//! A whole or decimal number that does not fit 64 bits in its unit, and a float beyond 10^17, is not added, and counted
//! as dropped.
//!
//! Cost: `insert` O(1) for events in order, `read` O(1) plus what has just left the window.

use super::timeline::{Tie, Timeline};
use super::{Occurrence, Spec};
use crate::aggregate::spec::{Kind, Unit};
use crate::datum::{Datum, scaled_to_float, whole_to_float};
use crate::evaluate::Answer;
use crate::limits;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::Value;
use sonder_dsl::time::Moment;

/// Numbers added up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sum {
    /// Of all that `count` counts, in units.
    total: i128,
    count: u64,
    /// The summands, where they will leave again.
    entries: Timeline<Amount>,
    /// The units are those of floats.
    floats: bool,
}

/// A summand: units, or the bits of a float; the sum says which.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Amount(u64);

impl Tie for Amount {
    fn tie(&self) -> u64 {
        0
    }
}

impl Sum {
    pub fn new(spec: &Spec) -> Self {
        Self { total: 0, count: 0, entries: Timeline::default(), floats: spec.unit == Unit::Float }
    }

    pub fn fits(&self, spec: &Spec) -> bool {
        self.floats == (spec.unit == Unit::Float)
    }

    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.value else { return };
        let Some(amount) = amount_of(value, spec.unit) else {
            *dropped += 1;
            return;
        };
        self.total += amount.units(spec.unit);
        self.count += 1;
        if spec.slides() {
            let (total, count) = (&mut self.total, &mut self.count);
            let mut forget = |amount: &Amount| {
                *total -= amount.units(spec.unit);
                *count -= 1;
            };
            self.entries.drop_stale(it.now, spec, &mut forget);
            self.entries.insert(it.at, amount);
            *dropped += self.entries.keep_latest(limits::WINDOW_ENTRIES, forget) as u64;
        }
    }

    pub fn merge(&mut self, other: Self, spec: &Spec, dropped: &mut u64) {
        self.total += other.total;
        self.count += other.count;
        self.entries.merge(other.entries);
        let (total, count) = (&mut self.total, &mut self.count);
        let surplus = self.entries.keep_latest(limits::WINDOW_ENTRIES, |amount| {
            *total -= amount.units(spec.unit);
            *count -= 1;
        });
        *dropped += surplus as u64;
    }

    pub fn read(&self, now: Moment, spec: &Spec) -> Answer<'static> {
        let left = self.entries.left(now, spec);
        let count = self.count - left.len() as u64;
        let until = self.entries.live(now, spec).first().map_or(Moment::MAX, |(oldest, _)| spec.end(*oldest));
        if count == 0 {
            return spec.of_nothing();
        }
        let total = self.total - left.iter().map(|(_, amount)| amount.units(spec.unit)).sum::<i128>();
        let datum = match (spec.kind, spec.unit) {
            (Kind::Avg, unit) => Datum::float(to_float(total, unit) / count as f64),
            (_, Unit::Exact { decimal: false, .. }) => i64::try_from(total).map_or(Datum::Unknown, Datum::Int),
            (_, Unit::Exact { scale, .. }) => {
                Decimal::try_from_i128_with_scale(total, u32::from(scale)).map_or(Datum::Unknown, Datum::Decimal)
            }
            (_, unit @ Unit::Float) => Datum::float(to_float(total, unit)),
        };
        Answer::new(datum, until)
    }

    pub fn heap(&self) -> usize {
        self.entries.heap()
    }
}

fn amount_of(value: &Value, unit: Unit) -> Option<Amount> {
    match unit {
        Unit::Exact { scale, .. } => {
            let mut decimal = Datum::from(value).as_decimal()?;
            decimal.rescale(u32::from(scale));
            if decimal.scale() != u32::from(scale) {
                return None;
            }
            Some(Amount(i64::try_from(decimal.mantissa()).ok()? as u64))
        }
        Unit::Float => {
            let float = Datum::from(value).as_float().filter(|float| float.abs() <= FLOAT_LIMIT)?;
            Some(Amount(float.to_bits()))
        }
    }
}

impl Amount {
    fn units(self, unit: Unit) -> i128 {
        match unit {
            Unit::Exact { .. } => i128::from(self.0 as i64),
            Unit::Float => (f64::from_bits(self.0) * FLOAT_UNITS).round() as i128,
        }
    }
}

fn to_float(total: i128, unit: Unit) -> f64 {
    match unit {
        Unit::Float => whole_to_float(total) / FLOAT_UNITS,
        Unit::Exact { scale, .. } => scaled_to_float(total, u32::from(scale)),
    }
}

/// Units of a float's sum: twelve digits after the point.
const FLOAT_UNITS: f64 = 1e12;
/// A float's units and those of a billion like it fit 128 bits.
const FLOAT_LIMIT: f64 = 1e17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::spec::Unit;

    #[test]
    fn tenths_add_up() {
        let tenth = amount_of(&Value::Float(0.1), Unit::Float).unwrap();
        let total = (0..10).map(|_| tenth.units(Unit::Float)).sum();
        assert_eq!(to_float(total, Unit::Float), 1.0);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(amount_of(&Value::Float(1e17), Unit::Float).is_some());
        assert!(amount_of(&Value::Float(1.1e17), Unit::Float).is_none());
        assert!(amount_of(&Value::Float(f64::NAN), Unit::Float).is_none());
    }
}
