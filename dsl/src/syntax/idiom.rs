//! What people mean who write as SQL, English or another tool would have it, and how it is written here.
//!
//! Read from the words around the place where the grammar could not go on: before it stands what was understood.

use super::expectation::Expected;

const RANGE: &str = "a range is two comparisons: `count(view) >= 3 and count(view) <= 5`";
const WINDOW: &str = "a window stands inside the parentheses of what it is about: `count(view, last 30d) >= 2`";
const ABSENCE: &str = "what did not happen after something is a sequence: `sequence(view then no order for 1h)`";
const AGO: &str = "how long ago something was is `since(…)`: `since(view) > 30d`";
const SPLIT: &str = "an operator is written without a space: `>=`";
const LENGTH: &str = "a length of time is a number and a unit: `1w`, `30d`, `12h`";
const STATE: &str =
    "`is` asks whether there is a value: `is known`; compare with `==` or `!=`: `category == \"shoes\"`";
const BOTH_SIDES: &str = "there is a condition on both sides of `and` and `or`";
const BRACES: &str = "a segment's condition stands in braces: `segment name { when … }`";
const CURRENCY: &str = "an amount is a number alone: `order.total >= 100`";

/// How the words at byte `at` of an item's text would be written, where that can be told.
#[must_use]
pub fn translate(text: &str, at: usize, found: &str, expected: &[Expected]) -> Option<&'static str> {
    let (before, after) = text.split_at_checked(at)?;
    let before = before.trim_end();
    let after = after.get(found.len()..)?.trim_start();
    let word_before = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let after_a_value = expected.contains(&Expected::Operator);
    let a_value = expected.contains(&Expected::Value);
    match found {
        "=" if before.ends_with(['<', '>', '!']) => Some(SPLIT),
        "between" | "BETWEEN" if after_a_value => Some(RANGE),
        "ago" if after_a_value => Some(AGO),
        "within" | "in" | "during" | "over" | "last" | "for" | "since"
            if after_a_value && after.starts_with(|c: char| c.is_ascii_digit() || c == 'l' || c == 't') =>
        {
            Some(WINDOW)
        }
        "within" if a_value => Some("a window begins with `last`: `did(view, last 7d)`"),
        "when" if expected.contains(&Expected::Word("{")) => Some(BRACES),
        "\"" | "not" if word_before == "is" => Some(STATE),
        "}" | ")" if matches!(word_before, "and" | "or") => Some(BOTH_SIDES),
        "and" | "or" if a_value => Some(BOTH_SIDES),
        "€" | "$" | "£" => Some(CURRENCY),
        _ if word_before == "no" && after_a_value => Some(ABSENCE),
        _ if word_before == "last" && !after_a_value => Some(LENGTH),
        _ => None,
    }
}
