//! When something may be sent: a journey's `hours` and the project's quiet hours, in the person's local time.
//!
//! Days on which the clocks change are as people live them: a time of day that a day does not have is the moment at which
//! the clocks go forward past it, and of one that it has twice the first counts that lies ahead.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use sonder_dsl::time::Moment;

/// A part of the day, in minutes after midnight; where `from` is not before `to`, it goes on until the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayPart {
    /// Its first minute.
    pub from: u16,
    /// The minute after its last.
    pub to: u16,
}

impl DayPart {
    fn contains(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// How often one of the two may send on to the other: hours that lie within the quiet ones never come.
const ROUNDS: usize = 8;

/// The first moment from `at` on that lies within `hours` and outside of `quiet`; where there is none, the first within
/// `hours`.
pub fn next_allowed(at: Moment, zone: &TimeZone, hours: Option<DayPart>, quiet: Option<DayPart>) -> Moment {
    let mut moment = at;
    for _ in 0..ROUNDS {
        let Some((date, minute)) = local(moment, zone) else { return at };
        let wanted = match (hours, quiet) {
            (Some(hours), _) if !hours.contains(minute) => hours.from,
            (_, Some(quiet)) if quiet.contains(minute) => quiet.to,
            _ => return moment,
        };
        moment = next(moment, date, wanted, zone);
    }
    if quiet.is_some() { next_allowed(at, zone, hours, None) } else { moment }
}

/// The next moment after one at which it is so many minutes after midnight.
fn next(after: Moment, today: Date, minute: u16, zone: &TimeZone) -> Moment {
    let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).unwrap_or(Time::midnight());
    let days = [Some(today), today.tomorrow().ok(), today.tomorrow().and_then(Date::tomorrow).ok()];
    let moments = days.into_iter().flatten().flat_map(|day| {
        let wanted = zone.to_ambiguous_zoned_datetime(day.to_datetime(time));
        // In a gap, `later` is the moment that many minutes after midnight by the clock before the change.
        [wanted.clone().compatible(), wanted.later()].into_iter().flatten()
    });
    let ahead = moments.map(|it| Moment(it.timestamp().as_microsecond())).filter(|moment| *moment > after);
    ahead.min().unwrap_or(after)
}

fn local(moment: Moment, zone: &TimeZone) -> Option<(Date, u16)> {
    let zoned = jiff::Timestamp::from_microsecond(moment.0).ok()?.to_zoned_datetime(zone.clone());
    let minute = u16::from(zoned.hour().unsigned_abs()) * 60 + u16::from(zoned.minute().unsigned_abs());
    Some((zoned.date(), minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    fn part(from: u16, to: u16) -> Option<DayPart> {
        Some(DayPart { from: from * 60, to: to * 60 })
    }

    fn allowed(at: &str, zone: &str, hours: Option<DayPart>, quiet: Option<DayPart>) -> String {
        next_allowed(moment(at), &TimeZone::get(zone).unwrap(), hours, quiet).to_string()
    }

    #[test]
    fn sends_wait_for_the_hours_and_for_the_end_of_quiet_hours() {
        let day = part(8, 20);
        let night = part(21, 8);
        assert_eq!(allowed("2026-01-05T12:00:00Z", "UTC", day, night), "2026-01-05T12:00:00.000000Z");
        assert_eq!(allowed("2026-01-05T20:00:00Z", "UTC", day, night), "2026-01-06T08:00:00.000000Z");
        assert_eq!(allowed("2026-01-05T20:30:00Z", "UTC", None, night), "2026-01-05T20:30:00.000000Z");
        assert_eq!(allowed("2026-01-05T23:30:00Z", "UTC", None, night), "2026-01-06T08:00:00.000000Z");
        assert_eq!(allowed("2026-01-05T03:00:00Z", "UTC", None, night), "2026-01-05T08:00:00.000000Z");
        // It is 21:30 there.
        assert_eq!(allowed("2026-01-05T12:30:00Z", "Asia/Tokyo", None, night), "2026-01-05T23:00:00.000000Z");
    }

    #[test]
    fn days_on_which_the_clocks_change() {
        let early = part(2, 4);
        // On 29 March 2026 the clocks of Amsterdam go from 02:00 to 03:00: 03:00 by the clock is 01:00 UTC.
        assert_eq!(allowed("2026-03-28T22:00:00Z", "Europe/Amsterdam", early, None), "2026-03-29T01:00:00.000000Z");
        assert_eq!(
            allowed("2026-03-28T22:00:00Z", "Europe/Amsterdam", part(8, 20), None),
            "2026-03-29T06:00:00.000000Z"
        );
        // On 25 October they go from 03:00 back to 02:00: 02:30 is there twice.
        let half = Some(DayPart { from: 150, to: 240 });
        assert_eq!(allowed("2026-10-24T22:00:00Z", "Europe/Amsterdam", half, None), "2026-10-25T00:30:00.000000Z");
        // It is 02:15 for the second time.
        assert_eq!(allowed("2026-10-25T01:15:00Z", "Europe/Amsterdam", half, None), "2026-10-25T01:30:00.000000Z");
        assert_eq!(
            allowed("2026-10-24T22:00:00Z", "Europe/Amsterdam", part(8, 20), None),
            "2026-10-25T07:00:00.000000Z"
        );
    }

    #[test]
    fn hours_within_the_quiet_ones_win() {
        assert_eq!(allowed("2026-01-05T12:00:00Z", "UTC", part(22, 23), part(21, 8)), "2026-01-05T22:00:00.000000Z");
    }

    #[test]
    fn whatever_the_moment_the_answer_is_allowed_and_nothing_before_it_is() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let (hours, quiet) = (part(9, 18), part(12, 14));
        let begin = moment("2026-10-30T00:00:00Z");
        for step in 0..96 * 4 {
            let at = Moment(begin.0 + step * 900_000_000);
            let found = next_allowed(at, &zone, hours, quiet);
            let first = (0..).map(|step| Moment(at.0 + step * 60_000_000)).find(|moment| {
                let minute = local(*moment, &zone).unwrap().1;
                hours.unwrap().contains(minute) && !quiet.unwrap().contains(minute)
            });
            assert_eq!(Some(found), first, "from {at}");
        }
    }
}
