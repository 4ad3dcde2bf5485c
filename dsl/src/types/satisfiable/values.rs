//! Sets of values: what an expression may be, as far as the compiler can tell.
//!
//! INVARIANT: a set is never too small. Operations that have no exact result give a larger one.

use crate::ir::Value;
use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::sync::Arc;

/// A value that can be compared with others of its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A whole or exact number.
    Exact(Decimal),
    /// A float.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A moment or a length of time, in microseconds.
    Micros(i64),
    /// Yes or no.
    Flag(bool),
}

impl Point {
    /// Of a value; `None` for lists.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Flag(*value),
            Value::Int(value) => Self::Exact((*value).into()),
            Value::Decimal(value) => Self::Exact(*value),
            Value::Float(value) => Self::Float(*value),
            Value::String(value) => Self::Text(Arc::clone(value)),
            Value::Time(value) => Self::Micros(value.0),
            Value::Duration(value) => Self::Micros(value.0),
            Value::List(_) => return None,
        })
    }

    /// `None` for values of different kinds.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Micros(a), Self::Micros(b)) => Some(a.cmp(b)),
            (Self::Flag(a), Self::Flag(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// One end of an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// Where it is.
    pub at: Point,
    /// Whether that value itself is out.
    pub open: bool,
}

/// A set of values of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// These and no others.
    OneOf(Vec<Point>),
    /// All between two ends but a few.
    Between {
        /// `None` for no lower end.
        low: Option<End>,
        /// `None` for no upper end.
        high: Option<End>,
        /// These are out.
        except: Vec<Point>,
    },
}

/// What a value is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Test {
    /// Holds exactly where this does not, among known values.
    pub fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The same with the sides changed.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// The values that an expression may have, and whether it may be unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What it may be when it is known.
    pub values: Values,
    /// Whether it may be unknown.
    pub unknown: bool,
    /// Whether all values are whole numbers.
    pub whole: bool,
}

impl Fact {
    /// Anything.
    pub fn any() -> Self {
        Self { values: Values::ALL, unknown: true, whole: false }
    }

    /// Exactly this value.
    pub fn only(point: Point) -> Self {
        Self { values: Values::OneOf(vec![point]), unknown: false, whole: false }
    }

    /// Whether there is no way for it to be anything.
    pub fn is_impossible(&self) -> bool {
        !self.unknown && self.values.is_empty(self.whole)
    }

    /// The one value that it has, whenever it is known.
    pub fn single(&self) -> Option<&Point> {
        match &self.values {
            Values::OneOf(points) => match points.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Values::Between { .. } => None,
        }
    }

    /// One of both.
    pub fn either(self, other: Self) -> Self {
        Self {
            unknown: self.unknown || other.unknown,
            whole: self.whole && other.whole,
            values: self.values.union(other.values),
        }
    }

    /// Known, and so that the test holds.
    pub fn tested(mut self, test: Test, point: &Point) -> Self {
        self.values = self.values.tested(test, point, self.whole);
        self.unknown = false;
        self
    }
}

impl Values {
    /// No limits.
    pub const ALL: Self = Self::Between { low: None, high: None, except: Vec::new() };

    /// From a value on.
    pub fn from(point: Point) -> Self {
        Self::Between { low: Some(End { at: point, open: false }), high: None, except: Vec::new() }
    }

    /// `true` only when certain.
    pub fn is_empty(&self, whole: bool) -> bool {
        match self {
            Self::OneOf(points) => points.is_empty(),
            Self::Between { low: Some(low), high: Some(high), except } => match low.at.compare(&high.at) {
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) => low.open || high.open || except.contains(&low.at),
                Some(Ordering::Less) => whole && all_excepted(low, high, except),
                None => false,
            },
            Self::Between { .. } => false,
        }
    }

    /// Those for which the test holds.
    pub fn tested(self, test: Test, point: &Point, whole: bool) -> Self {
        match self {
            Self::OneOf(mut points) => {
                points.retain(|other| other.compare(point).is_none_or(|order| test.holds(order)));
                Self::OneOf(points)
            }
            Self::Between { low, high, mut except } => {
                let end = |open| Some(End { at: point.clone(), open });
                match test {
                    Test::Equal => {
                        let fits = |one: &Self| !one.is_empty(whole);
                        let inside =
                            Self::Between { low: higher(low, end(false)), high: lower(high, end(false)), except };
                        let fraction = whole && matches!(point, Point::Exact(number) if !number.fract().is_zero());
                        Self::OneOf(if fits(&inside) && !fraction { vec![point.clone()] } else { Vec::new() })
                    }
                    Test::NotEqual => {
                        if except.len() < MOST_EXCEPTIONS {
                            except.push(point.clone());
                        }
                        Self::Between { low, high, except }
                    }
                    Test::Less => Self::Between { low, high: lower(high, whole_end(end(true), whole, false)), except },
                    Test::LessOrEqual => {
                        Self::Between { low, high: lower(high, whole_end(end(false), whole, false)), except }
                    }
                    Test::Greater => {
                        Self::Between { low: higher(low, whole_end(end(true), whole, true)), high, except }
                    }
                    Test::GreaterOrEqual => {
                        Self::Between { low: higher(low, whole_end(end(false), whole, true)), high, except }
                    }
                }
            }
        }
    }

    /// Those that are in both, or more.
    pub fn intersection(self, other: &Self, whole: bool) -> Self {
        match other {
            Self::OneOf(points) => match self {
                Self::OneOf(mut own) => {
                    own.retain(|point| points.iter().any(|other| point.compare(other).is_none_or(Ordering::is_eq)));
                    Self::OneOf(own)
                }
                own @ Self::Between { .. } => Self::OneOf(
                    points
                        .iter()
                        .filter(|point| !own.clone().tested(Test::Equal, point, whole).is_empty(whole))
                        .cloned()
                        .collect(),
                ),
            },
            Self::Between { low, high, except } => {
                let test = |end: &End, open, closed| if end.open { open } else { closed };
                let mut own = self;
                if let Some(low) = low {
                    own = own.tested(test(low, Test::Greater, Test::GreaterOrEqual), &low.at, whole);
                }
                if let Some(high) = high {
                    own = own.tested(test(high, Test::Less, Test::LessOrEqual), &high.at, whole);
                }
                except.iter().fold(own, |own, point| own.tested(Test::NotEqual, point, whole))
            }
        }
    }

    /// Those that are in one of both, or more.
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::OneOf(own), other) if own.is_empty() => other,
            (own, Self::OneOf(other)) if other.is_empty() => own,
            (Self::OneOf(mut own), Self::OneOf(other)) => {
                let fresh: Vec<Point> = other.into_iter().filter(|point| !own.contains(point)).collect();
                own.extend(fresh);
                Self::OneOf(own)
            }
            (own, other) => {
                let ((own_low, own_high), (low, high)) = (own.ends(), other.ends());
                Self::Between { low: outer(own_low, low, true), high: outer(own_high, high, false), except: Vec::new() }
            }
        }
    }

    /// The ends of an interval around all of them.
    pub fn ends(&self) -> (Option<End>, Option<End>) {
        match self {
            Self::Between { low, high, .. } => (low.clone(), high.clone()),
            Self::OneOf(points) => {
                let closed = |at: &Point| Some(End { at: at.clone(), open: false });
                let Some((first, rest)) = points.split_first() else { return (None, None) };
                rest.iter().fold((closed(first), closed(first)), |(low, high), point| {
                    (outer(low, closed(point), true), outer(high, closed(point), false))
                })
            }
        }
    }
}

/// More exceptions than this are not remembered.
const MOST_EXCEPTIONS: usize = 64;

/// The end that is further in, of two lower ends.
fn higher(a: Option<End>, b: Option<End>) -> Option<End> {
    inner(a, b, Ordering::Greater)
}

/// The end that is further in, of two upper ends.
fn lower(a: Option<End>, b: Option<End>) -> Option<End> {
    inner(a, b, Ordering::Less)
}

fn inner(a: Option<End>, b: Option<End>, further: Ordering) -> Option<End> {
    match (a, b) {
        (Some(a), Some(b)) => Some(match b.at.compare(&a.at) {
            Some(Ordering::Equal) => End { open: a.open || b.open, at: a.at },
            Some(order) if order == further => b,
            _ => a,
        }),
        (a, b) => a.or(b),
    }
}

/// The end that is further out; none where there is none on one side.
fn outer(a: Option<End>, b: Option<End>, lower: bool) -> Option<End> {
    let (a, b) = (a?, b?);
    Some(match a.at.compare(&b.at)? {
        Ordering::Equal => End { open: a.open && b.open, at: a.at },
        Ordering::Less if lower => a,
        Ordering::Greater if !lower => a,
        _ => b,
    })
}

/// Whole numbers above 3 are those from 4 on.
fn whole_end(end: Option<End>, whole: bool, lower: bool) -> Option<End> {
    let End { at, open } = end?;
    let Point::Exact(number) = at else { return Some(End { at, open }) };
    if !whole {
        return Some(End { at: Point::Exact(number), open });
    }
    let (rounded, step) = if lower { (number.ceil(), Decimal::ONE) } else { (number.floor(), Decimal::NEGATIVE_ONE) };
    let inside = if open && rounded == number { rounded.checked_add(step) } else { Some(rounded) };
    Some(match inside {
        Some(inside) => End { at: Point::Exact(inside), open: false },
        None => End { at: Point::Exact(number), open },
    })
}

fn all_excepted(low: &End, high: &End, except: &[Point]) -> bool {
    let (Point::Exact(from), Point::Exact(to)) = (&low.at, &high.at) else { return false };
    let mut number = if low.open { from.floor().checked_add(Decimal::ONE) } else { Some(from.ceil()) };
    let mut left = except.len() + 1;
    while let Some(at) = number.filter(|at| at < to || (at == to && !high.open)) {
        if left == 0 || !except.contains(&Point::Exact(at)) {
            return false;
        }
        left -= 1;
        number = at.checked_add(Decimal::ONE);
    }
    number.is_some()
}
