//! Moments and durations, both in whole microseconds: what DuckDB's TIMESTAMP keeps, so that no evaluator rounds.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A moment in UTC: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

/// A length of time in microseconds; negative when a subtraction went backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub i64);

impl Moment {
    /// The earliest moment there is.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment there is.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the epoch; saturates at the ends of time.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// This moment, `by` later; saturates.
    #[must_use]
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.0))
    }

    /// This moment, `by` earlier; saturates.
    #[must_use]
    pub const fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.0))
    }

    /// How long after `earlier` this is; saturates.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// Reads an ISO 8601 timestamp with an offset or `Z`; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.trim().parse().ok()?;
        Some(Self(timestamp.as_microsecond()))
    }
}

impl fmt::Display for Moment {
    /// `2026-03-01T03:00:00.000000Z`: always six decimals, so that text sorts as time does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole seconds; saturates.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// From milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// So many times as long; saturates.
    #[must_use]
    pub const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for Duration {
    /// In the language's own notation, largest units first: `1d 2h`, `30m`, `1.500s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        if total == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = total;
        let mut written = false;
        for (unit, micros) in [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000)] {
            let whole = rest / micros;
            rest %= micros;
            if whole > 0 {
                write!(f, "{}{whole}{unit}", if written { " " } else { "" })?;
                written = true;
            }
        }
        if rest > 0 {
            let gap = if written { " " } else { "" };
            match (rest / 1_000_000, rest % 1_000_000) {
                (seconds, 0) => write!(f, "{gap}{seconds}s")?,
                (seconds, micros) => {
                    let decimals = format!("{micros:06}");
                    write!(f, "{gap}{seconds}.{}s", decimals.trim_end_matches('0'))?;
                }
            }
        }
        Ok(())
    }
}
