//! Small notations inside texts: lengths of time, rates, sizes, times of day.

use crate::model::Rate;
use crate::time::Duration;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Reads `30m`, `48h`, `25 months`, `1d 12h`. A month has 30 days and a year 365: retention is not a calendar.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (count, after) = whole_number(rest)?;
        let after = after.trim_start();
        let word = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = unit(after.get(..word)?)?;
        total = total.checked_add(i64::try_from(count).ok()?.checked_mul(unit)?)?;
        rest = after.get(word..)?.trim_start();
    }
    Some(Duration(total))
}

/// What a rate is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `per key`
    Key,
    /// `per ip`
    Ip,
    /// `per person`
    Person,
}

/// Reads `200/s`, `200/s per key`, `2 per 7 days per person`.
#[must_use]
pub fn rate(text: &str) -> Option<(Rate, Option<Scope>)> {
    let (count, rest) = whole_number(text.trim())?;
    let rest = rest.trim_start();
    let (time, scope) = if let Some(after) = rest.strip_prefix('/') {
        split_scope(after.trim())
    } else {
        split_scope(rest.strip_prefix("per ")?.trim())
    };
    // `per day` is `per 1 day`.
    let per =
        if time.starts_with(|first: char| first.is_ascii_digit()) { duration(time)? } else { Duration(unit(time)?) };
    let scope = match scope {
        None => None,
        Some("key") => Some(Scope::Key),
        Some("ip") => Some(Scope::Ip),
        Some("person") => Some(Scope::Person),
        Some(_) => return None,
    };
    let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
    (per > Duration::ZERO).then_some((Rate { count, per }, scope))
}

/// Reads `64 MiB`, `2 GB`, `500000`.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (count, unit) = whole_number(text.trim())?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(factor)
}

/// Reads `08:00` as minutes after midnight; `24:00` is the end of a day.
#[must_use]
pub fn time_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

fn whole_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    Some((text.get(..end)?.parse().ok()?, text.get(end..)?))
}

fn unit(word: &str) -> Option<i64> {
    Some(match word {
        "ms" => 1_000,
        "s" | "second" | "seconds" => SECOND,
        "m" | "minute" | "minutes" => 60 * SECOND,
        "h" | "hour" | "hours" => 3_600 * SECOND,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "month" | "months" => 30 * DAY,
        "year" | "years" => 365 * DAY,
        _ => return None,
    })
}

fn split_scope(text: &str) -> (&str, Option<&str>) {
    text.split_once(" per ").map_or((text, None), |(time, scope)| (time.trim(), Some(scope.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("30m", 1_800),
            ("48h", 172_800),
            ("400 days", 400 * 86_400),
            ("25 months", 750 * 86_400),
            ("1 year", 365 * 86_400),
            ("1d 12h", 129_600),
            ("1h30m", 5_400),
            ("0s", 0),
            ("2 weeks", 1_209_600),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for text in ["", " ", "m", "30", "30 moons", "-5m", "1.5h", "9223372036854775807 years", "5m and more", "٣m"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn rates() {
        let second = Duration::from_secs(1);
        for (text, count, per, scope) in [
            ("200/s per key", 200, second, Some(Scope::Key)),
            ("20/s per ip", 20, second, Some(Scope::Ip)),
            ("50/s", 50, second, None),
            ("5 / minute", 5, Duration::from_secs(60), None),
            ("2 per 7 days per person", 2, Duration::from_secs(7 * 86_400), Some(Scope::Person)),
            ("1 per day", 1, Duration::from_secs(86_400), None),
        ] {
            assert_eq!(rate(text), Some((Rate { count, per }, scope)), "{text}");
        }
        for text in ["", "s", "50", "50/", "0/s", "50 s", "50/s per planet", "50/0s", "5 per", "99999999999/s", "-1/s"]
        {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("64 MiB"), Some(64 << 20));
        assert_eq!(size("2GB"), Some(2_000_000_000));
        assert_eq!(size("12"), Some(12));
        for text in ["", "MiB", "5 mib", "-1 MB", "18446744073709551615 GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time_of_day("00:00"), Some(0));
        assert_eq!(time_of_day("21:30"), Some(1_290));
        assert_eq!(time_of_day("24:00"), Some(1_440));
        for text in ["24:01", "8:00", "08:60", "0800", "+8:00", "08:0", "aa:bb", "99:99"] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }
}
