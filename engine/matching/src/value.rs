//! Values made comparable: what a cell of a table becomes before it is compared with others.

use rphonetic::{DoubleMetaphone, Encoder};
use sonder_dsl::model::Comparison;

/// What people write where they have nothing to say.
const SAYS_NOTHING: [&str; 10] = ["null", "none", "nil", "n/a", "na", "nan", "unknown", "undefined", "-", "?"];

/// A value, and what comparing it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// In lower case, without what makes no difference.
    pub text: Box<str>,
    /// How a name sounds; empty where it has no sound.
    pub sound: Box<str>,
    /// The calendar day.
    pub day: Option<Day>,
    /// The number.
    pub number: Option<f64>,
}

/// A calendar day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The year.
    pub year: u16,
    /// The month, or what stands in its place.
    pub month: u8,
    /// The day of the month, or what stands in its place.
    pub day: u8,
}

impl Value {
    /// Makes a cell comparable. `None` when it says nothing.
    #[must_use]
    pub fn read(cell: &str, comparison: Comparison) -> Option<Self> {
        let words = cell.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
        if SAYS_NOTHING.contains(&words.as_str()) {
            return None;
        }
        let text: String = match comparison {
            Comparison::Name => words.chars().filter(|it| it.is_alphanumeric() || *it == ' ').collect(),
            Comparison::Phone => phone(&words),
            Comparison::Postcode => words.chars().filter(|it| it.is_alphanumeric()).collect(),
            Comparison::Address => address(&words),
            _ => words,
        };
        if text.is_empty() {
            return None;
        }
        let sound = match comparison {
            Comparison::Name if text.is_ascii() => DoubleMetaphone::default().encode(&text),
            _ => String::new(),
        };
        let day = (comparison == Comparison::Date).then(|| Day::read(&text)).flatten();
        let number = (comparison == Comparison::Number).then(|| text.replace(',', ".").parse().ok()).flatten();
        let text = day.map_or(text, |it| format!("{:04}{:02}{:02}", it.year, it.month, it.day));
        Some(Self { text: text.into(), sound: sound.into(), day, number })
    }
}

/// The digits of a number, without what only tells the country or the trunk.
fn phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    // The last nine digits tell subscribers apart everywhere; before them stand `+31`, `0031`, `0` for the same line.
    digits.get(digits.len().saturating_sub(9)..).unwrap_or_default().to_owned()
}

fn address(text: &str) -> String {
    let spaced: String = text.chars().map(|it| if it.is_alphanumeric() { it } else { ' ' }).collect();
    let words = spaced.split_whitespace().map(|word| match word {
        "str" | "st" => "street",
        "rd" => "road",
        "ave" | "av" => "avenue",
        "pl" => "place",
        "ct" => "court",
        "cres" | "cr" => "crescent",
        "dr" => "drive",
        "sq" => "square",
        "apt" | "appt" => "apartment",
        other => other,
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Day {
    /// `2026-03-01`, `20260301`, `01/03/2026`, `1.3.2026`; a time after it is left out. Where month and day are not in
    /// this order, all of a column's are in the other, so that equal days stay equal.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let date = text.split(['t', ' ']).next()?;
        let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
        let (year, month, day) = match *parts.as_slice() {
            [digits] if digits.len() == 8 && digits.is_ascii() => (&digits[..4], &digits[4..6], &digits[6..]),
            [year, month, day] if year.len() == 4 => (year, month, day),
            [day, month, year] if year.len() == 4 => (year, month, day),
            _ => return None,
        };
        Some(Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cell: &str, comparison: Comparison) -> Option<String> {
        Value::read(cell, comparison).map(|it| it.text.into())
    }

    #[test]
    fn what_makes_no_difference_is_left_out() {
        assert_eq!(text("  O'Brien  Smith ", Comparison::Name).as_deref(), Some("obrien smith"));
        assert_eq!(text("+31 (0)20-123 45 67", Comparison::Phone), text("0031201234567", Comparison::Phone));
        assert_eq!(text("1234 AB", Comparison::Postcode).as_deref(), Some("1234ab"));
        assert_eq!(text("12, Main St.", Comparison::Address).as_deref(), Some("12 main street"));
        assert_eq!(text("1.3.1980", Comparison::Date), text("1980-03-01", Comparison::Date));
        assert_eq!(text("19800301", Comparison::Date), text("1980-03-01T00:00:00Z", Comparison::Date));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for cell in ["", "  ", "NULL", "n/a", "Unknown", "-"] {
            assert_eq!(Value::read(cell, Comparison::Exact), None, "{cell}");
        }
        assert_eq!(Value::read("'", Comparison::Name), None);
    }
}
