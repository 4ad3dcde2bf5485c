//! Typical mistakes, each with what to type instead: what somebody writes who knows SQL, Python, JavaScript or Excel.

use super::literal::{Refusal, unit_meant};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::BinaryOperator;
use crate::source::Span;

/// `=`, `&&`, `<>` …: the operator that was meant.
#[must_use]
pub fn wrong_operator(written: &str, span: Span) -> (BinaryOperator, Diagnostic) {
    let (meant, symbol) = match written {
        "&&" | "&" | "AND" => (BinaryOperator::And, "and"),
        "||" | "|" | "OR" => (BinaryOperator::Or, "or"),
        "<>" | "!==" => (BinaryOperator::NotEqual, "!="),
        "=<" => (BinaryOperator::LessOrEqual, "<="),
        "=>" => (BinaryOperator::GreaterOrEqual, ">="),
        _ => (BinaryOperator::Equal, "=="),
    };
    let diagnostic = Diagnostic::error(
        codes::WRONG_OPERATOR,
        format!("`{written}` is not an operator"),
        span,
        format!("write `{symbol}`"),
    );
    (meant, diagnostic.help(format!("did you mean `{symbol}`?")))
}

/// `!x`, `NOT x`
#[must_use]
pub fn wrong_not(written: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::WRONG_OPERATOR, format!("`{written}` is not an operator"), span, "write `not`")
        .help("did you mean `not`?")
}

/// `is null`, `is not null`, `is empty`: whether `is known` was meant.
#[must_use]
pub fn wrong_state(written: &str, span: Span) -> (bool, Diagnostic) {
    let words: Vec<&str> = written.split_ascii_whitespace().collect();
    let negated = words.first() == Some(&"not") && words.len() > 1;
    let word = words.last().copied().unwrap_or_default();
    let unknown = !word.eq_ignore_ascii_case("known") && !word.starts_with("kn");
    let known = unknown == negated;
    let meant = if known { "is known" } else { "is unknown" };
    let diagnostic =
        Diagnostic::error(codes::WRONG_STATE, format!("`is {written}` is not a test"), span, "`known` or `unknown`");
    let diagnostic = match word {
        "true" | "false" => diagnostic.help("a yes-or-no value is a condition by itself: write `x` or `not x`"),
        _ => diagnostic.help(format!("did you mean `{meant}`?")),
    };
    (known, diagnostic)
}

/// `category in ("a", "b")`
#[must_use]
pub fn wrong_in(span: Span) -> Diagnostic {
    Diagnostic::error(codes::WRONG_OPERATOR, "`in` does not look into a list", span, "a list of values")
        .help("write a comparison for each: `category == \"a\" or category == \"b\"`; `in(name)` asks for a segment")
}

/// `'text'`
#[must_use]
pub fn wrong_string(written: &str, span: Span) -> Diagnostic {
    let inner = written.trim_matches('\'').replace('"', "\\\"");
    Diagnostic::error(codes::WRONG_TEXT, "text is not written between single quotes", span, "single quotes")
        .help(format!("write \"{inner}\""))
}

/// `24x`, `1e5`, `.5`
#[must_use]
pub fn wrong_number(written: &str, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::WRONG_NUMBER, format!("`{written}` is not a number"), span, "");
    if let Some(rest) = written.strip_prefix('.') {
        diagnostic.help(format!("write `0.{rest}`"))
    } else if written.contains('_') {
        diagnostic.help(format!("write `{}`", written.replace('_', "")))
    } else {
        diagnostic.help("a number is written `1000` or `49.95`, a length of time `30m`, `24h`, `7d`")
    }
}

/// `30 days`, `3 months`: a length of time with a unit that has another name, or none.
#[must_use]
pub fn wrong_duration(written: &str, span: Span) -> Diagnostic {
    let at = written.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(written.len());
    let (amount, unit) = written.split_at(at);
    let amount = amount.trim_end();
    let message = format!("`{written}` is not a length of time");
    match unit_meant(unit) {
        Some(meant) => {
            Diagnostic::error(codes::WRONG_DURATION, message, span, "").help(format!("write `{amount}{meant}`"))
        }
        None => {
            let days = if unit.to_ascii_lowercase().starts_with('y') { ("years", "365d") } else { ("months", "30d") };
            Diagnostic::error(codes::WRONG_DURATION, message, span, "")
                .help(format!("{} have no fixed length: write days, such as `{}`", days.0, days.1))
        }
    }
}

/// `last 24`
#[must_use]
pub fn missing_unit(written: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        codes::WRONG_DURATION,
        format!("`{written}` has no unit of time"),
        span,
        format!("{written} of what?"),
    )
    .help(format!("write `{written}h` for hours or `{written}d` for days; the units are ms, s, m, h, d, w"))
}

/// `since 30d`
#[must_use]
pub fn since_duration(written: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::WRONG_DATE, format!("`since {written}` has no date"), span, "a date such as `2026-01-01`")
        .help(format!("did you mean `last {written}`?"))
}

/// `count(view last 7d)`
#[must_use]
pub fn missing_comma(span: Span) -> Diagnostic {
    Diagnostic::error(codes::UNEXPECTED, "a comma is missing", span, "before this")
        .help("write a comma between what is asked and its window: `count(view, last 7d)`")
}

/// `variants control 50% green 50%`
#[must_use]
pub fn missing_list_comma(span: Span) -> Diagnostic {
    Diagnostic::error(codes::UNEXPECTED, "a comma is missing", span, "before this")
        .help("write a comma between two of a list")
}

/// `if engagement > 50 "high" else "low"`
#[must_use]
pub fn missing_then(span: Span) -> Diagnostic {
    Diagnostic::error(codes::MISSING_THEN, "`then` is missing", span, "before this")
        .help("write `if did(order) then \"buyer\" else \"visitor\"`")
}

/// `lifetime_value last 7d`, `when profile.country == "NL", last 7d`
#[must_use]
pub fn misplaced_window(span: Span) -> Diagnostic {
    Diagnostic::error(
        codes::TRAIT_HISTORY,
        "a window stands outside of an aggregate",
        span,
        "nothing here has a history",
    )
    .help("put it between the parentheses: `count(view, last 7d)`; a trait has a value, not a history")
}

/// `a < b < c`
#[must_use]
pub fn chained(span: Span) -> Diagnostic {
    Diagnostic::error(codes::CHAINED_COMPARISON, "comparisons don't chain", span, "the second comparison")
        .help("write `1 < x and x < 5`")
}

/// A literal that has no value.
#[must_use]
pub fn refused(code: &'static str, refusal: Refusal, span: Span) -> Diagnostic {
    let code = if refusal.too_long { codes::LITERAL_TOO_LONG } else { code };
    Diagnostic::error(code, refusal.message, span, "").help(refusal.help)
}
