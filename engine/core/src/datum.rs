//! Values at run time: [`Datum`], borrowed and free to copy, for evaluating; [`Known`], owned and totally ordered, for
//! keeping; [`Key`], a fixed-size fingerprint of a value, where only equality is asked.

use crate::footprint;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sonder_dsl::ir::{Type, Value};
use sonder_dsl::time::{Duration, Moment};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// A value that may be unknown, borrowed from wherever it is kept.
#[derive(Clone, Copy, Debug)]
pub enum Datum<'a> {
    /// Not known: comparisons with it are false.
    Unknown,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Float(f64),
    Text(&'a str),
    Time(Moment),
    Duration(Duration),
    List(&'a [Value]),
}

impl<'a> From<&'a Value> for Datum<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Bool(it) => Self::Bool(*it),
            Value::Int(it) => Self::Int(*it),
            Value::Decimal(it) => Self::Decimal(*it),
            Value::Float(it) => Self::Float(*it),
            Value::String(it) => Self::Text(it),
            Value::Time(it) => Self::Time(*it),
            Value::Duration(it) => Self::Duration(*it),
            Value::List(it) => Self::List(it),
        }
    }
}

impl<'a> From<Option<&'a Value>> for Datum<'a> {
    fn from(value: Option<&'a Value>) -> Self {
        value.map_or(Self::Unknown, Self::from)
    }
}

impl Datum<'_> {
    /// Logic has two values: what is not known to be true is false.
    pub fn is_true(self) -> bool {
        matches!(self, Self::Bool(true))
    }

    pub fn is_known(self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// A float, unless it is infinite or not a number, which nobody asked for.
    pub fn float(value: f64) -> Self {
        if value.is_finite() { Self::Float(value) } else { Self::Unknown }
    }

    /// A copy that can be kept; `None` for an unknown value.
    pub fn to_value(self) -> Option<Value> {
        Some(match self {
            Self::Unknown => return None,
            Self::Bool(it) => Value::Bool(it),
            Self::Int(it) => Value::Int(it),
            Self::Decimal(it) => Value::Decimal(it),
            Self::Float(it) => Value::Float(it),
            Self::Text(it) => Value::String(Arc::from(it)),
            Self::Time(it) => Value::Time(it),
            Self::Duration(it) => Value::Duration(it),
            Self::List(it) => Value::List(Arc::from(it)),
        })
    }

    /// How two values of one type compare; numbers of different kinds by their numeric value. `None` when a side is
    /// unknown or the types have no common order.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(&b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Decimal(a), Self::Decimal(b)) => Some(a.cmp(&b)),
            (Self::Int(a), Self::Decimal(b)) => Some(Decimal::from(a).cmp(&b)),
            (Self::Decimal(a), Self::Int(b)) => Some(a.cmp(&Decimal::from(b))),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(&b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(&b)),
            (Self::List(a), Self::List(b)) => Some(order_lists(a, b)),
            _ => self.as_float()?.partial_cmp(&other.as_float()?),
        }
    }

    /// A number as a float.
    pub fn as_float(self) -> Option<f64> {
        match self {
            Self::Int(it) => Some(it as f64),
            Self::Decimal(it) => Some(scaled_to_float(it.mantissa(), it.scale())),
            Self::Float(it) => Some(it),
            _ => None,
        }
    }

    /// A whole or decimal number, exactly.
    pub fn as_decimal(self) -> Option<Decimal> {
        match self {
            Self::Int(it) => Some(Decimal::from(it)),
            Self::Decimal(it) => Some(it),
            _ => None,
        }
    }

    /// As people and destinations see it: decimals are strings in the scale of their type, times and durations are text.
    pub fn to_json(self, kind: &Type) -> serde_json::Value {
        match self {
            Self::Unknown => serde_json::Value::Null,
            Self::Bool(it) => it.into(),
            Self::Int(it) => it.into(),
            Self::Decimal(it) => decimal_text(it, kind).into(),
            Self::Float(it) => it.into(),
            Self::Text(it) => it.into(),
            Self::Time(it) => it.to_string().into(),
            Self::Duration(it) => it.to_string().into(),
            Self::List(items) => {
                let item_kind = if let Type::List(inner) = kind { inner } else { kind };
                items.iter().map(|item| Datum::from(item).to_json(item_kind)).collect::<Vec<_>>().into()
            }
        }
    }
}

/// A whole number of units of 10^-`scale` as a float, by the steps that DuckDB takes, so that both give the same bits.
pub fn scaled_to_float(units: i128, scale: u32) -> f64 {
    let power = 10f64.powi(scale as i32);
    if units.unsigned_abs() <= 1 << 53 || scale == 0 {
        return whole_to_float(units) / power;
    }
    let divisor = 10i128.pow(scale.min(38));
    whole_to_float(units / divisor) + whole_to_float(units % divisor) / power
}

/// A whole number as a float, by the steps that DuckDB takes for its 128-bit numbers.
pub fn whole_to_float(whole: i128) -> f64 {
    let (upper, lower) = ((whole >> 64) as i64, whole as u64);
    match upper {
        -1 => -((u64::MAX - lower) as f64) - 1.0,
        _ => lower as f64 + upper as f64 * u64::MAX as f64,
    }
}

fn decimal_text(mut decimal: Decimal, kind: &Type) -> String {
    if let Type::Decimal { scale } = kind {
        decimal.rescale(u32::from(*scale));
    }
    decimal.to_string()
}

fn order_lists(a: &[Value], b: &[Value]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| Known::order(a, b));
    pairs.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
}

/// A value that is kept: ordered, hashed and equal by meaning (`1.0` and `1.00` are one), and fit for checkpoints.
#[derive(Clone, Debug)]
pub struct Known(pub Value);

impl Known {
    fn order(a: &Value, b: &Value) -> Ordering {
        match (a, b) {
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            _ => Datum::from(a).compare(Datum::from(b)).unwrap_or_else(|| rank(a).cmp(&rank(b))),
        }
    }

    pub fn datum(&self) -> Datum<'_> {
        Datum::from(&self.0)
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        heap(&self.0)
    }
}

/// Bytes on the heap.
pub fn heap(value: &Value) -> usize {
    match value {
        Value::String(text) => footprint::text(text),
        Value::List(items) => footprint::block(16 + size_of_val(&**items)) + items.iter().map(heap).sum::<usize>(),
        _ => 0,
    }
}

/// Kinds of value in a fixed order, for values of different types, which no checked rule compares.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Int(_) => 1,
        Value::Decimal(_) => 2,
        Value::Float(_) => 3,
        Value::String(_) => 4,
        Value::Time(_) => 5,
        Value::Duration(_) => 6,
        Value::List(_) => 7,
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Known {}

impl PartialOrd for Known {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Known {
    fn cmp(&self, other: &Self) -> Ordering {
        Self::order(&self.0, &other.0)
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Key::of(&self.0).hash(state);
    }
}

/// A fingerprint of a value in 128 bits: equal values have one, and that different ones share one is not to be expected
/// before the sun burns out. It costs the same for a flag and for a page of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key([u64; 2]);

impl Key {
    /// Half of it.
    pub fn short(self) -> u64 {
        self.0[0]
    }

    pub fn of(value: &Value) -> Self {
        let seed = u64::from(rank(value));
        let hash = match value {
            Value::Bool(it) => xxh3_128_with_seed(&[u8::from(*it)], seed),
            Value::Int(it) => xxh3_128_with_seed(&it.to_le_bytes(), seed),
            Value::Decimal(it) => {
                let plain = it.normalize();
                let mut bytes = [0; 20];
                bytes[..16].copy_from_slice(&plain.mantissa().to_le_bytes());
                bytes[16..].copy_from_slice(&plain.scale().to_le_bytes());
                xxh3_128_with_seed(&bytes, seed)
            }
            // Zero has two signs and one meaning.
            Value::Float(it) => xxh3_128_with_seed(&(it + 0.0).to_bits().to_le_bytes(), seed),
            Value::String(it) => xxh3_128_with_seed(it.as_bytes(), seed),
            Value::Time(it) => xxh3_128_with_seed(&it.0.to_le_bytes(), seed),
            Value::Duration(it) => xxh3_128_with_seed(&it.0.to_le_bytes(), seed),
            Value::List(items) => {
                let keys: Vec<u8> = items.iter().flat_map(|item| Self::of(item).0).flat_map(u64::to_le_bytes).collect();
                xxh3_128_with_seed(&keys, seed)
            }
        };
        Self([(hash >> 64) as u64, hash as u64])
    }
}

/// How a value stands in a checkpoint. Decimals are a mantissa and a scale: their own serde form is text, which formats
/// that don't describe themselves can't read back.
#[derive(Serialize)]
enum Written<'a> {
    Bool(bool),
    Int(i64),
    Decimal(i128, u32),
    Float(f64),
    Text(&'a str),
    Time(Moment),
    Duration(Duration),
    List(Vec<Written<'a>>),
}

/// The same, read back.
#[derive(Deserialize)]
enum Read {
    Bool(bool),
    Int(i64),
    Decimal(i128, u32),
    Float(f64),
    Text(String),
    Time(Moment),
    Duration(Duration),
    List(Vec<Read>),
}

impl<'a> From<&'a Value> for Written<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Bool(it) => Self::Bool(*it),
            Value::Int(it) => Self::Int(*it),
            Value::Decimal(it) => Self::Decimal(it.mantissa(), it.scale()),
            Value::Float(it) => Self::Float(*it),
            Value::String(it) => Self::Text(it),
            Value::Time(it) => Self::Time(*it),
            Value::Duration(it) => Self::Duration(*it),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
        }
    }
}

impl TryFrom<Read> for Value {
    type Error = rust_decimal::Error;

    fn try_from(read: Read) -> Result<Self, Self::Error> {
        Ok(match read {
            Read::Bool(it) => Self::Bool(it),
            Read::Int(it) => Self::Int(it),
            Read::Decimal(mantissa, scale) => Self::Decimal(Decimal::try_from_i128_with_scale(mantissa, scale)?),
            Read::Float(it) => Self::Float(it),
            Read::Text(it) => Self::String(it.into()),
            Read::Time(it) => Self::Time(it),
            Read::Duration(it) => Self::Duration(it),
            Read::List(items) => Self::List(items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?),
        })
    }
}

impl Serialize for Known {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::from(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::try_from(Read::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_survive_a_checkpoint() {
        for value in [
            Value::Bool(true),
            Value::Int(-7),
            Value::Decimal(Decimal::new(-12_345, 2)),
            Value::Float(0.1),
            Value::String("größe".into()),
            Value::Time(Moment(5)),
            Value::Duration(Duration(-5)),
            Value::List([Value::String("a".into()), Value::Int(1)].into()),
        ] {
            let bytes = postcard::to_allocvec(&Known(value.clone())).unwrap();
            assert_eq!(postcard::from_bytes::<Known>(&bytes).unwrap().0, value);
        }
    }

    #[test]
    fn equal_decimals_have_one_key() {
        let [a, b] = [Value::Decimal(Decimal::new(10, 1)), Value::Decimal(Decimal::new(100, 2))];
        assert_eq!(Key::of(&a), Key::of(&b));
        assert_eq!(Known(a.clone()), Known(b));
        assert_ne!(Key::of(&a), Key::of(&Value::Int(1)), "types are told apart");
    }

    #[test]
    fn decimals_are_printed_in_the_scale_of_their_type() {
        let whole = Datum::Decimal(Decimal::from(1));
        assert_eq!(whole.to_json(&Type::Decimal { scale: 2 }), "1.00");
        assert_eq!(Datum::Int(3).to_json(&Type::Int), 3);
    }
}
