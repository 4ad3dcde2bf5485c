//! `sum` and `avg`, exactly.
//!
//! Whole and decimal numbers are added in units of their schema's scale; floats as an expansion of non-overlapping
//! parts, which loses nothing: so no order of arrival, no merge and no sliding window leaves a rounding error behind.
//! A value that does not fit 64 bits in its unit is not added, and counted as dropped.
//!
//! Cost: `insert` O(1) for events in order, `read` O(1) plus what has just left the window.

use super::timeline::{Tie, Timeline};
use super::{Occurrence, Spec};
use crate::aggregate::spec::{Kind, Unit};
use crate::datum::Datum;
use crate::evaluate::Answer;
use crate::limits;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Serialize};
use sonder_dsl::ir::Value;
use sonder_dsl::time::Moment;

/// Numbers added up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sum {
    /// Of all that `count` counts.
    total: Total,
    count: u64,
    /// The summands, where they will leave again.
    entries: Timeline<Amount>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Total {
    Exact(i128),
    Float(Expansion),
}

/// A summand: units, or the bits of a float; the total says which.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Amount(u64);

impl Tie for Amount {
    fn tie(&self) -> u64 {
        0
    }
}

impl Sum {
    pub fn new(spec: &Spec) -> Self {
        let total = match spec.unit {
            Unit::Exact { .. } => Total::Exact(0),
            Unit::Float => Total::Float(Expansion::default()),
        };
        Self { total, count: 0, entries: Timeline::default() }
    }

    pub fn fits(&self, spec: &Spec) -> bool {
        matches!((&self.total, spec.unit), (Total::Exact(_), Unit::Exact { .. }) | (Total::Float(_), Unit::Float))
    }

    pub fn insert(&mut self, it: &Occurrence<'_>, spec: &Spec, dropped: &mut u64) {
        let Some(value) = it.value else { return };
        let Some(amount) = amount_of(value, spec.unit) else {
            *dropped += 1;
            return;
        };
        self.total.add(amount);
        self.count += 1;
        if spec.slides() {
            let (total, count) = (&mut self.total, &mut self.count);
            let mut forget = |amount: &Amount| {
                total.subtract(*amount);
                *count -= 1;
            };
            self.entries.drop_stale(it.now, spec, &mut forget);
            self.entries.insert(it.at, amount);
            *dropped += self.entries.keep_latest(limits::WINDOW_ENTRIES, forget) as u64;
        }
    }

    pub fn merge(&mut self, other: Self, _spec: &Spec, dropped: &mut u64) {
        self.total.join(other.total);
        self.count += other.count;
        self.entries.merge(other.entries);
        let (total, count) = (&mut self.total, &mut self.count);
        let surplus = self.entries.keep_latest(limits::WINDOW_ENTRIES, |amount| {
            total.subtract(*amount);
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
        let sum = self.total.without(left);
        let datum = match (spec.kind, spec.unit, sum) {
            (Kind::Avg, unit, sum) => Datum::float(sum.to_float(unit) / count as f64),
            (_, Unit::Exact { decimal: false, .. }, Summed::Exact(units)) => {
                i64::try_from(units).map_or(Datum::Unknown, Datum::Int)
            }
            (_, Unit::Exact { scale, .. }, Summed::Exact(units)) => {
                Decimal::try_from_i128_with_scale(units, u32::from(scale)).map_or(Datum::Unknown, Datum::Decimal)
            }
            (_, unit, sum) => Datum::float(sum.to_float(unit)),
        };
        Answer::new(datum, until)
    }

    pub fn heap(&self) -> usize {
        let parts = if let Total::Float(expansion) = &self.total { expansion.parts.capacity() * 8 } else { 0 };
        self.entries.heap() + parts
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
            let float = Datum::from(value).as_float().filter(|float| float.is_finite())?;
            Some(Amount(float.to_bits()))
        }
    }
}

impl Total {
    fn add(&mut self, amount: Amount) {
        match self {
            Self::Exact(units) => *units += i128::from(amount.0 as i64),
            Self::Float(expansion) => expansion.add(f64::from_bits(amount.0)),
        }
    }

    fn subtract(&mut self, amount: Amount) {
        match self {
            Self::Exact(units) => *units -= i128::from(amount.0 as i64),
            Self::Float(expansion) => expansion.add(-f64::from_bits(amount.0)),
        }
    }

    fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Exact(units), Self::Exact(other)) => *units += other,
            (Self::Float(expansion), Self::Float(other)) => {
                other.parts.into_iter().for_each(|part| expansion.add(part))
            }
            // INVARIANT: both were made for the same aggregate.
            _ => debug_assert!(false, "sums of two kinds"),
        }
    }

    fn without(&self, left: &[(Moment, Amount)]) -> Summed {
        match self {
            Self::Exact(units) => {
                Summed::Exact(units - left.iter().map(|(_, amount)| i128::from(amount.0 as i64)).sum::<i128>())
            }
            Self::Float(expansion) if left.is_empty() => Summed::Float(expansion.value()),
            Self::Float(expansion) => {
                let mut rest = expansion.clone();
                left.iter().for_each(|(_, amount)| rest.add(-f64::from_bits(amount.0)));
                Summed::Float(rest.value())
            }
        }
    }
}

enum Summed {
    Exact(i128),
    Float(f64),
}

impl Summed {
    fn to_float(&self, unit: Unit) -> f64 {
        match (self, unit) {
            (Self::Float(sum), _) => *sum,
            (Self::Exact(units), Unit::Exact { scale, .. }) => {
                let decimal = Decimal::try_from_i128_with_scale(*units, u32::from(scale)).ok();
                decimal.and_then(|decimal| decimal.to_f64()).unwrap_or(f64::NAN)
            }
            (Self::Exact(units), Unit::Float) => *units as f64,
        }
    }
}

/// A sum of floats without rounding: parts of rising magnitude whose bits don't overlap (Shewchuk's expansions).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Expansion {
    parts: Vec<f64>,
}

impl Expansion {
    fn add(&mut self, number: f64) {
        let mut carry = number;
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let part = self.parts[index];
            let (large, small) = if carry.abs() < part.abs() { (part, carry) } else { (carry, part) };
            let sum = large + small;
            let rest = small - (sum - large);
            if rest != 0.0 {
                self.parts[kept] = rest;
                kept += 1;
            }
            carry = sum;
        }
        self.parts.truncate(kept);
        if carry != 0.0 {
            self.parts.push(carry);
        }
    }

    /// The float nearest to the exact sum.
    fn value(&self) -> f64 {
        let mut parts = self.parts.iter().rev().copied();
        let Some(mut sum) = parts.next() else { return 0.0 };
        while let Some(part) = parts.next() {
            let before = sum;
            sum = before + part;
            let rest = part - (sum - before);
            if rest != 0.0 {
                // A tie was rounded to even, but what is left beyond decides it.
                let beyond = parts.next().unwrap_or(0.0);
                if (rest < 0.0 && beyond < 0.0) || (rest > 0.0 && beyond > 0.0) {
                    let nudged = sum + rest * 2.0;
                    if nudged - sum == rest * 2.0 {
                        sum = nudged;
                    }
                }
                break;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut expansion = Expansion::default();
        numbers.iter().for_each(|number| expansion.add(*number));
        expansion.value()
    }

    #[test]
    fn tiny_parts_are_not_lost() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[]), 0.0);
    }

    proptest! {
        #[test]
        fn no_order_changes_a_sum(mut numbers in prop::collection::vec(-1e9..1e9_f64, 0..40)) {
            let forward = sum(&numbers);
            numbers.reverse();
            prop_assert_eq!(forward, sum(&numbers));
            numbers.sort_by(f64::total_cmp);
            prop_assert_eq!(forward, sum(&numbers));
        }

        #[test]
        fn what_is_taken_away_was_never_there(a in prop::collection::vec(-1e9..1e9_f64, 0..20), b in prop::collection::vec(-1e9..1e9_f64, 0..20)) {
            let away = b.iter().map(|number| -number);
            let all: Vec<f64> = a.iter().chain(&b).copied().chain(away).collect();
            prop_assert_eq!(sum(&all), sum(&a));
        }
    }
}
