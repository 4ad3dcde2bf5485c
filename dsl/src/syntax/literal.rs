//! What literals stand for.

use super::ast::{Clock, Literal, Share, When};
use crate::limits;
use crate::time::{Duration, Moment};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Why a literal has no value: what is wrong, and what to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// It is only too long.
    pub too_long: bool,
    /// What is wrong.
    pub message: String,
    /// What to type instead.
    pub help: String,
}

impl Refusal {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { too_long: false, message: message.into(), help: help.into() }
    }

    fn too_long(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { too_long: true, message: message.into(), help: help.into() }
    }
}

const UNITS: [(&str, i64); 6] = [
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

/// `3`, `49.95`
///
/// # Errors
/// More digits than exact numbers have.
pub fn number(text: &str) -> Result<Literal, Refusal> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let refusal = || {
        let most = limits::LITERAL_DIGITS;
        Refusal::too_long(
            format!("`{}` is more than a number can be", shortened(text)),
            format!("a whole number goes up to {}, one with a point has at most {most} digits", i64::MAX),
        )
    };
    if text.contains('.') {
        let value = if digits <= limits::LITERAL_DIGITS { Decimal::from_str_exact(text).ok() } else { None };
        value.map(Literal::Decimal).ok_or_else(refusal)
    } else {
        text.parse().map(Literal::Int).map_err(|_| refusal())
    }
}

/// `50`, `12.5` of a percentage: more than nothing, at most everybody, to a hundredth.
#[must_use]
pub fn share(text: &str) -> Option<Share> {
    let exact = Some(text).filter(|text| text.len() <= 20).and_then(|text| Decimal::from_str_exact(text).ok())?;
    let hundredths = exact.checked_mul(Decimal::ONE_HUNDRED)?;
    let whole = Some(hundredths).filter(|hundredths| hundredths.fract() == Decimal::ZERO)?.to_u32()?;
    (1..=Share::ALL.0).contains(&whole).then_some(Share(whole))
}

/// `08:00`
#[must_use]
pub fn clock(text: &str) -> Option<Clock> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    // `24:00` is the end of the day.
    (hours < 24 && minutes < 60 || hours == 24 && minutes == 0).then_some(Clock(hours * 60 + minutes))
}

/// `24h`, `1d 12h`, `1.5s`
///
/// # Errors
/// Units out of order, more than a hundred years, finer than a microsecond.
pub fn duration(text: &str) -> Result<Duration, Refusal> {
    let mut total = Decimal::ZERO;
    let mut previous = i64::MAX;
    for part in text.split_ascii_whitespace() {
        let unit_at = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let (amount, unit) = part.split_at(unit_at);
        let micros = UNITS.iter().find(|(name, _)| *name == unit).map_or(0, |(_, micros)| *micros);
        if micros >= previous {
            return Err(Refusal::new(
                format!("`{text}` names its units in no order"),
                "write each unit once, the longest first: `1d 12h`",
            ));
        }
        previous = micros;
        let amount =
            Some(amount).filter(|amount| amount.len() <= 20).and_then(|amount| Decimal::from_str_exact(amount).ok());
        let Some(sum) = amount.and_then(|n| n.checked_mul(micros.into())).and_then(|n| n.checked_add(total)) else {
            return Err(too_far(text));
        };
        total = sum;
    }
    if total > Decimal::from(limits::DURATION_DAYS) * Decimal::from(86_400_000_000_i64) {
        return Err(too_far(text));
    }
    if total.fract() != Decimal::ZERO {
        return Err(Refusal::new(
            format!("`{text}` is finer than a microsecond"),
            "times are kept in whole microseconds",
        ));
    }
    total.to_i64().map(Duration).ok_or_else(|| too_far(text))
}

fn too_far(text: &str) -> Refusal {
    let years = limits::DURATION_DAYS / 365;
    Refusal::new(
        format!("`{}` is longer than {years} years", shortened(text)),
        "leave the window out to ask about all of history",
    )
}

/// What `30 days` or `3 months` should be: the unit as a duration has it, if it has one.
#[must_use]
pub fn unit_meant(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    Some(match word.as_str() {
        "ms" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        _ => return None,
    })
}

/// `2026-01-01`, `2026-01-01T12:00:00Z`
///
/// # Errors
/// Days that no month has, times without an offset.
pub fn date(text: &str) -> Result<When, Refusal> {
    if !text.contains('T') {
        return text.parse().map(When::Day).map_err(|_| {
            Refusal::new(format!("`{text}` is not a day of the calendar"), "a date is year, month, day: `2026-01-31`")
        });
    }
    Moment::parse(text).map(When::Moment).ok_or_else(|| {
        Refusal::new(
            format!("`{}` is not a moment", shortened(text)),
            "a moment has a time and an offset: `2026-01-31T09:30:00Z`, `2026-01-31T09:30:00+01:00`",
        )
    })
}

/// The text between double quotes (given with them): `\"`, `\\`, `\n`, `\t` and `\u{1F600}` are escapes.
///
/// # Errors
/// Another escape, or a text that is too long.
pub fn string(quoted: &str) -> Result<String, Refusal> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if inner.len() > limits::LITERAL_BYTES {
        return Err(Refusal::too_long(
            format!("a text of {} bytes is too long", inner.len()),
            format!("a text in a rule has at most {} bytes", limits::LITERAL_BYTES),
        ));
    }
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        let escape = characters.next().unwrap_or('\\');
        match escape {
            '"' | '\\' => text.push(escape),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'u' => text.push(code_point(&mut characters)?),
            other => {
                return Err(Refusal::new(
                    format!("`\\{other}` is not an escape"),
                    r#"a backslash is written `\\`; the escapes are `\"`, `\n`, `\t` and `\u{20AC}`"#,
                ));
            }
        }
    }
    Ok(text)
}

fn code_point(characters: &mut std::str::Chars<'_>) -> Result<char, Refusal> {
    let digits: Option<&str> =
        characters.as_str().strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
    let value = digits.filter(|digits| digits.len() <= 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some((character, digits)) = value.and_then(char::from_u32).zip(digits) else {
        return Err(Refusal::new("`\\u` does not name a character", r"write its code in braces: `\u{20AC}` is €"));
    };
    characters.by_ref().nth(digits.len() + 1);
    Ok(character)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(39).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up() {
        for (text, micros) in [
            ("24h", 86_400_000_000),
            ("1d 12h", 129_600_000_000),
            ("1.5s", 1_500_000),
            ("250ms", 250_000),
            ("2w", 1_209_600_000_000),
            ("0s", 0),
            ("0.001ms", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration(micros)), "{text}");
        }
    }

    #[test]
    fn a_duration_ends_at_a_hundred_years() {
        assert!(duration("36525d").is_ok());
        for text in ["36525d 1ms", "36526d", "99999999999999999999999d", "1h 1d", "1h 1h", "0.0001ms"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn printing_a_duration_and_reading_it_gives_the_same() {
        for micros in [1, 1_500, 1_000_000, 90_061_000_001, 86_400_000_000 * 365] {
            let printed = Duration(micros).to_string();
            assert_eq!(duration(&printed), Ok(Duration(micros)), "{printed}");
        }
    }

    #[test]
    fn escapes_become_characters() {
        for (text, meaning) in [
            (r#""plain""#, "plain"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            (r#""\u{20AC} \n\t""#, "€ \n\t"),
            (r#""""#, ""),
        ] {
            assert_eq!(string(text).as_deref(), Ok(meaning), "{text}");
        }
        for text in [r#""\d""#, r#""\u{110000}""#, r#""\u20AC""#, r#""\u{}""#] {
            assert!(string(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_may_have_so_many_bytes_and_no_more() {
        let longest = format!("\"{}\"", "a".repeat(limits::LITERAL_BYTES));
        assert!(string(&longest).is_ok());
        let longer = format!("\"{}\"", "a".repeat(limits::LITERAL_BYTES + 1));
        assert!(string(&longer).is_err_and(|refusal| refusal.too_long));
    }

    #[test]
    fn a_number_may_have_so_many_digits_and_no_more() {
        assert_eq!(number("9223372036854775807"), Ok(Literal::Int(i64::MAX)));
        assert!(number("9223372036854775808").is_err_and(|refusal| refusal.too_long));
        let fraction = "0".repeat(limits::LITERAL_DIGITS - 1);
        assert!(number(&format!("1.{fraction}")).is_ok());
        assert!(number(&format!("1.{fraction}0")).is_err_and(|refusal| refusal.too_long));
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        assert!(date("2024-02-29").is_ok());
        assert!(date("2026-02-29").is_err());
        assert_eq!(date("1970-01-01T01:00:00+01:00"), Ok(When::Moment(Moment(0))));
        assert!(date("1970-01-01T01:00:00").is_err());
    }
}
