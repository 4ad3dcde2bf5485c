//! The simulated clock: how moments are written.

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::Program;
use crate::shape::scalar;
use crate::source::Span;
use crate::time::{Duration, Moment};
use crate::yaml::Node;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// The first day, unless the scenario says another: a Monday.
const FIRST_DAY: Date = jiff::civil::date(2026, 1, 5);

const NOTATIONS: &str =
    "write `09:30`, `day 2 09:30`, `+2h` after the step before, or `2026-03-01T09:30:00Z` with its offset";

/// Where a scenario's time is.
#[derive(Debug)]
pub struct Clock {
    zone: TimeZone,
    first: Date,
    now: Moment,
    /// A step has set it.
    set: bool,
}

impl Clock {
    /// Before the first step.
    pub fn new(starts: Option<&Node>, program: &Program, report: &mut Report) -> Self {
        let zone = TimeZone::get(&program.settings.timezone).unwrap_or(TimeZone::UTC);
        let first = match starts.and_then(|node| Some((node, node.text()?))) {
            None => FIRST_DAY,
            Some((node, text)) => text.parse().unwrap_or_else(|_| {
                let message = format!("`{text}` is no day");
                report.push(
                    Diagnostic::error(codes::BAD_VALUE, message, node.span, "expected a date")
                        .help("write it like `2026-03-01`"),
                );
                FIRST_DAY
            }),
        };
        let mut clock = Self { zone, first, now: Moment(0), set: false };
        clock.now = clock.on_day(1, Time::midnight()).unwrap_or(Moment(0));
        clock
    }

    /// The moment of the current step.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Goes on to the moment of a step.
    pub fn step(&mut self, text: &str, place: Span, report: &mut Report) -> Option<Moment> {
        let Some(moment) = self.read(text) else {
            let message = format!("`{text}` is no moment of a scenario");
            report.push(Diagnostic::error(codes::BAD_VALUE, message, place, "expected a moment").help(NOTATIONS));
            return None;
        };
        if self.set && moment < self.now {
            let message = format!("`{text}` is before the step before it");
            report.push(
                Diagnostic::error(codes::BAD_VALUE, message, place, "time goes on")
                    .help("for the next day write `day 2 09:30`; what arrives late has an `occurred_at`"),
            );
            return None;
        }
        self.now = moment;
        self.set = true;
        Some(moment)
    }

    /// A moment; `-2h` and `+2h` from now.
    pub fn read(&self, text: &str) -> Option<Moment> {
        let text = text.trim();
        if let Some(length) = text.strip_prefix('+') {
            return Some(self.now.plus(length_of_time(length)?));
        }
        if let Some(length) = text.strip_prefix('-') {
            return Some(self.now.minus(length_of_time(length)?));
        }
        if let Some(rest) = text.strip_prefix("day ") {
            let (day, time) = rest.trim().split_once(' ').unwrap_or((rest.trim(), "00:00"));
            return self.on_day(day.parse().ok()?, time_of_day(time.trim())?);
        }
        match time_of_day(text) {
            Some(time) => self.on_day(1, time),
            None => Moment::parse(text),
        }
    }

    /// A local time on a day of the scenario, the first being 1. A time that clocks skip is the one after the gap.
    fn on_day(&self, day: i64, time: Time) -> Option<Moment> {
        let days = jiff::Span::new().try_days(day.checked_sub(1).filter(|day| *day >= 0)?).ok()?;
        let date = self.first.checked_add(days).ok()?;
        let zoned = date.to_datetime(time).to_zoned_datetime(self.zone.clone()).ok()?;
        Some(Moment(zoned.timestamp().as_microsecond()))
    }
}

fn length_of_time(text: &str) -> Option<Duration> {
    scalar::duration(text).or_else(|| {
        // Down to the microsecond: windows end exactly.
        let micros = text.trim().strip_suffix("us")?.trim().parse().ok()?;
        Some(Duration(micros))
    })
}

/// `09:30`, `09:30:15`, `09:30:15.000001`
fn time_of_day(text: &str) -> Option<Time> {
    let looks_like_one = text.len() >= 5 && text.as_bytes().get(2) == Some(&b':') && !text.contains('-');
    if looks_like_one { text.parse().ok() } else { None }
}
