//! Comparing two values: a level for each kind of comparison, from nothing alike to equal.
//!
//! Thresholds of the Jaro-Winkler similarity (0.92, 0.88, 0.7) are those that record linkage commonly uses for names.

use crate::nickname;
use crate::records::{NOTHING, Records};
use crate::value::Value;
use rapidfuzz::distance::{jaro_winkler, osa};
use sonder_dsl::model::Comparison;

/// How much two values agree: 0 is not at all, the highest of a comparison is equal.
pub(crate) type Level = u8;

/// One of the two is not known: that says nothing.
pub(crate) const UNKNOWN: Level = 15;

/// First and last name the other way round.
const CROSSED: Level = 5;

/// What the levels of a comparison are called, from the lowest.
pub(crate) const fn levels(comparison: Comparison) -> &'static [&'static str] {
    match comparison {
        Comparison::Exact => &["different", "equal"],
        Comparison::Name => &["different", "alike", "sounds alike", "nearly equal", "nickname", "crossed", "equal"],
        Comparison::Email => &["different", "similar local part", "same local part", "nearly equal", "equal"],
        Comparison::Date => &["different", "two parts equal", "day and month swapped", "a digit off", "equal"],
        Comparison::Phone => &["different", "a digit off", "equal"],
        Comparison::Postcode => &["different", "same area", "a character off", "equal"],
        Comparison::Address => &["different", "alike", "most words", "same words", "equal"],
        Comparison::Text => &["different", "alike", "similar", "nearly equal", "equal"],
        Comparison::Number => &["different", "within a tenth", "within a hundredth", "equal"],
    }
}

pub(crate) const fn highest(comparison: Comparison) -> Level {
    levels(comparison).len() as Level - 1
}

/// The levels of all fields of a pair, four bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pattern(pub u64);

impl Pattern {
    /// Of the levels of all fields, in their order; `None` where one is not known.
    pub fn of(levels: impl Iterator<Item = Option<Level>>) -> Self {
        levels.enumerate().fold(Self(0), |pattern, (field, level)| pattern.with(field, level.unwrap_or(UNKNOWN)))
    }

    pub const fn level(self, field: usize) -> Level {
        (self.0 >> (4 * field)) as Level & 15
    }

    const fn with(self, field: usize, level: Level) -> Self {
        Self(self.0 & !(15 << (4 * field)) | (level as u64) << (4 * field))
    }
}

/// Compares two records.
pub(crate) fn compare(records: &Records, a: usize, b: usize) -> Pattern {
    let mut pattern = Pattern(0);
    for (number, field) in records.fields.iter().enumerate() {
        let level = match (field.of[a], field.of[b]) {
            (NOTHING, _) | (_, NOTHING) => UNKNOWN,
            (left, right) if left == right => highest(field.comparison),
            (left, right) => of_values(field.comparison, &field.values[left as usize], &field.values[right as usize]),
        };
        pattern = pattern.with(number, level);
    }
    crossed(records, a, b, pattern)
}

/// Looks for names that stand in each other's field. The second of the two then says nothing: it would be counted twice.
fn crossed(records: &Records, a: usize, b: usize, mut pattern: Pattern) -> Pattern {
    let is_open = |pattern: Pattern, field: usize| pattern.level(field) < CROSSED - 1;
    for (one, left) in records.fields.iter().enumerate() {
        if left.comparison != Comparison::Name || !is_open(pattern, one) {
            continue;
        }
        for (other, right) in records.fields.iter().enumerate().skip(one + 1) {
            if right.comparison == Comparison::Name && is_open(pattern, other) {
                let same = |x, y| matches!((left.value(x), right.value(y)), (Some(x), Some(y)) if x.text == y.text);
                if same(a, b) && same(b, a) {
                    pattern = pattern.with(one, CROSSED).with(other, UNKNOWN);
                    break;
                }
            }
        }
    }
    pattern
}

fn of_values(comparison: Comparison, a: &Value, b: &Value) -> Level {
    match comparison {
        Comparison::Exact => 0,
        Comparison::Name => name(a, b),
        Comparison::Email => email(&a.text, &b.text),
        Comparison::Date => date(a, b),
        Comparison::Phone => Level::from(is_off_by_one(&a.text, &b.text)),
        Comparison::Postcode => match (is_off_by_one(&a.text, &b.text), is_same_area(&a.text, &b.text)) {
            (true, _) => 2,
            (_, true) => 1,
            _ => 0,
        },
        Comparison::Address => address(&a.text, &b.text),
        Comparison::Text => match similarity(&a.text, &b.text) {
            it if it >= 0.92 => 3,
            it if it >= 0.88 => 2,
            it if it >= 0.7 => 1,
            _ => 0,
        },
        Comparison::Number => match (a.number, b.number) {
            (Some(a), Some(b)) if (a - b).abs() <= 0.01 * a.abs().max(b.abs()) => 2,
            (Some(a), Some(b)) if (a - b).abs() <= 0.1 * a.abs().max(b.abs()) => 1,
            _ => 0,
        },
    }
}

fn name(a: &Value, b: &Value) -> Level {
    if nickname::is_short_for(&a.text, &b.text) {
        return 4;
    }
    let similarity = similarity(&a.text, &b.text);
    let sounds_alike = !a.sound.is_empty() && a.sound == b.sound;
    match similarity {
        it if it >= 0.92 => 3,
        it if it >= 0.88 || sounds_alike => 2,
        it if it >= 0.7 => 1,
        _ => 0,
    }
}

fn email(a: &str, b: &str) -> Level {
    if osa::distance(a.bytes(), b.bytes()) <= 2 {
        return 3;
    }
    let local = |text: &str| text.split_once('@').map_or(text.to_owned(), |(local, _)| local.to_owned());
    let (a, b) = (local(a), local(b));
    match similarity(&a, &b) {
        _ if a == b => 2,
        it if it >= 0.92 => 1,
        _ => 0,
    }
}

fn date(a: &Value, b: &Value) -> Level {
    if is_off_by_one(&a.text, &b.text) {
        return 3;
    }
    let (Some(a), Some(b)) = (a.day, b.day) else { return 0 };
    if a.year == b.year && a.month == b.day && a.day == b.month {
        return 2;
    }
    let equal = usize::from(a.year == b.year) + usize::from(a.month == b.month) + usize::from(a.day == b.day);
    Level::from(equal == 2)
}

fn address(a: &str, b: &str) -> Level {
    let words = |text: &str| {
        let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let (left, right) = (words(a), words(b));
    let shared = left.iter().filter(|word| right.binary_search(word).is_ok()).count();
    let similarity = similarity(a, b);
    if shared == left.len() && shared == right.len() {
        3
    } else if similarity >= 0.92 || 2 * shared > left.len().max(right.len()) {
        2
    } else {
        Level::from(similarity >= 0.8)
    }
}

/// A character added, left out, or other; or two swapped.
fn is_off_by_one(a: &str, b: &str) -> bool {
    a.len().abs_diff(b.len()) <= 4 && a.len().min(b.len()) >= 3 && osa::distance(a.chars(), b.chars()) <= 1
}

/// The first half of a postcode is the larger area everywhere.
fn is_same_area(a: &str, b: &str) -> bool {
    let half = a.len().max(b.len()) / 2;
    half >= 2 && a.get(..half).is_some_and(|area| b.get(..half) == Some(area))
}

fn similarity(a: &str, b: &str) -> f64 {
    if a.is_ascii() && b.is_ascii() {
        jaro_winkler::similarity(a.bytes(), b.bytes())
    } else {
        jaro_winkler::similarity(a.chars(), b.chars())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(comparison: Comparison, a: &str, b: &str) -> &'static str {
        let mut records = Records::new(&[("field".to_owned(), comparison)]).unwrap();
        records.push([Some(a)]).unwrap();
        records.push([Some(b)]).unwrap();
        let pattern = compare(&records, 0, 1);
        assert_eq!(pattern, compare(&records, 1, 0), "both ways");
        match pattern.level(0) {
            UNKNOWN => "unknown",
            level => levels(comparison)[usize::from(level)],
        }
    }

    #[test]
    fn names() {
        for (a, b, level) in [
            ("Sarah", "sarah ", "equal"),
            ("Bob", "Robert", "nickname"),
            ("catherine", "catherina", "nearly equal"),
            ("stephen", "steven", "sounds alike"),
            ("johnson", "johansen", "sounds alike"),
            ("martin", "marwick", "alike"),
            ("smith", "miller", "different"),
            ("smith", "", "unknown"),
        ] {
            assert_eq!(called(Comparison::Name, a, b), level, "{a} {b}");
        }
    }

    #[test]
    fn dates() {
        for (a, b, level) in [
            ("1980-03-01", "19800301", "equal"),
            ("1980-03-01", "1980-03-07", "a digit off"),
            ("1980-03-01", "1980-01-03", "day and month swapped"),
            ("1980-03-01", "1980-03-28", "two parts equal"),
            ("1980-03-01", "1979-12-28", "different"),
        ] {
            assert_eq!(called(Comparison::Date, a, b), level, "{a} {b}");
        }
    }

    #[test]
    fn the_others() {
        for (comparison, a, b, level) in [
            (Comparison::Email, "a.jones@x.example", "a.jones@mail.example", "same local part"),
            (Comparison::Email, "a.jones@x.example", "a.jonse@x.example", "nearly equal"),
            (Comparison::Phone, "+31 20 123 45 67", "020-1234567", "equal"),
            (Comparison::Phone, "020-1234567", "020-1234568", "a digit off"),
            (Comparison::Postcode, "1234 AB", "1234 ZX", "same area"),
            (Comparison::Address, "12 Main St", "Main Street 12", "same words"),
            (Comparison::Address, "12 Main St", "14 Main St", "most words"),
            (Comparison::Number, "100", "100.5", "within a hundredth"),
            (Comparison::Exact, "a", "b", "different"),
        ] {
            assert_eq!(called(comparison, a, b), level, "{a} {b}");
        }
    }

    #[test]
    fn names_in_each_others_field_are_crossed() {
        let name = |it: &str| (it.to_owned(), Comparison::Name);
        let mut records = Records::new(&[name("first"), name("last")]).unwrap();
        records.push([Some("Anna"), Some("Visser")]).unwrap();
        records.push([Some("Visser"), Some("Anna")]).unwrap();
        let pattern = compare(&records, 0, 1);
        assert_eq!((pattern.level(0), pattern.level(1)), (CROSSED, UNKNOWN));
    }
}
