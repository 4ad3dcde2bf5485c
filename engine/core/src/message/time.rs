//! When it happened: client timestamps in all the spellings that SDKs send, and the correction of a client's clock.

use super::{Label, Timing};
use serde_json::{Map, Value as Json};
use sonder_dsl::time::{Duration, Moment};

/// The first moment of the year 1; what claims to be earlier is taken to have happened then.
const EARLIEST: Moment = Moment(-62_135_596_800_000_000);

/// Reads a timestamp: ISO 8601 with `Z` or an offset, without either (then it is UTC), a date, or milliseconds since 1970
/// as a number. `None` when it is none of these.
#[must_use]
pub fn parse_timestamp(value: &Json) -> Option<Moment> {
    match value {
        Json::String(text) => parse_text(text.trim()),
        Json::Number(number) => {
            if let Some(millis) = number.as_i64() {
                return within_time(i128::from(millis) * 1_000);
            }
            within_time((number.as_f64()? * 1_000.0).round() as i128)
        }
        _ => None,
    }
}

fn parse_text(text: &str) -> Option<Moment> {
    if let Some(moment) = Moment::parse(text) {
        return Some(moment);
    }
    let local = text.parse::<jiff::civil::DateTime>().ok()?;
    let utc = jiff::tz::Offset::UTC.to_timestamp(local).ok()?;
    Some(Moment(utc.as_microsecond()))
}

/// A number of microseconds that a calendar has a date for.
fn within_time(micros: i128) -> Option<Moment> {
    let micros = i64::try_from(micros).ok()?;
    jiff::Timestamp::from_microsecond(micros).is_ok().then_some(Moment(micros))
}

/// When a message happened, never later than `received_at`; doubts are noted in `labels`.
///
/// Live, the client's clock is corrected: it says when it sent the message, and the difference to when that arrived is
/// how wrong it is. Without a readable `sentAt` its clock is taken to be right.
pub(super) fn occurred_at(
    message: &Map<String, Json>,
    received_at: Moment,
    sent_at: Option<&Json>,
    timing: Timing,
    future_tolerance: Duration,
    labels: &mut Vec<Label>,
) -> Moment {
    let Some(original) = original_timestamp(message) else { return received_at };
    let skew = match (timing, sent_at.and_then(parse_timestamp)) {
        (Timing::Live, Some(sent_at)) => sent_at.since(received_at),
        _ => Duration::ZERO,
    };
    let corrected = original.minus(skew);
    if corrected > received_at.plus(future_tolerance) {
        Label::FutureTimestamp.note(labels);
    }
    corrected.min(received_at).max(EARLIEST.min(received_at))
}

/// The client's own time: Segment's clients call it `timestamp`, Rudder's `originalTimestamp`.
pub(super) fn original_timestamp(message: &Map<String, Json>) -> Option<Moment> {
    ["timestamp", "originalTimestamp"].iter().find_map(|key| message.get(*key).and_then(parse_timestamp))
}

/// Whether the client sent a time that cannot be read.
pub(super) fn has_unreadable_timestamp(message: &Map<String, Json>) -> bool {
    ["timestamp", "originalTimestamp"]
        .iter()
        .filter_map(|key| message.get(*key))
        .any(|value| !value.is_null() && parse_timestamp(value).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn all_spellings_of_a_moment_are_read() {
        let moment = Moment::parse("2026-03-01T03:00:00.123Z");
        assert!(moment.is_some());
        for spelling in [
            json!("2026-03-01T03:00:00.123Z"),
            json!("2026-03-01T03:00:00.123+00:00"),
            json!("2026-03-01T03:00:00.123000+00:00"),
            json!("2026-03-01T05:00:00.123+02:00"),
            json!("2026-03-01T03:00:00.123"),
            json!(" 2026-03-01 03:00:00.123Z "),
            json!(1_772_334_000_123_i64),
            json!(1_772_334_000_123.0),
        ] {
            assert_eq!(parse_timestamp(&spelling), moment, "{spelling}");
        }
        assert_eq!(parse_timestamp(&json!("2026-03-01")), Moment::parse("2026-03-01T00:00:00Z"));
    }

    #[test]
    fn garbage_is_no_moment() {
        for garbage in
            [json!("yesterday"), json!(""), json!(true), json!([]), json!(1e300), json!(u64::MAX), json!(i64::MIN)]
        {
            assert_eq!(parse_timestamp(&garbage), None, "{garbage}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_corrected_by_its_own_error() {
        let received = Moment::parse("2026-03-01T12:00:00Z").unwrap();
        for hours_ahead in [-30, -1, 0, 1, 30_000] {
            let clock = received.plus(Duration::from_secs(3_600 * hours_ahead));
            let message = object(json!({"timestamp": clock.minus(Duration::from_secs(90)).to_string()}));
            let sent_at = json!(clock.to_string());
            let mut labels = Vec::new();
            let at = occurred_at(&message, received, Some(&sent_at), Timing::Live, Duration::ZERO, &mut labels);
            assert_eq!(at, received.minus(Duration::from_secs(90)), "{hours_ahead} h ahead");
            assert_eq!(labels, []);
        }
    }

    #[test]
    fn the_future_is_clamped_and_labelled_beyond_the_tolerance() {
        let received = Moment(0);
        let tolerance = Duration(300 * SECOND);
        for (ahead, label) in [(300_000, false), (300_001, true)] {
            let message = object(json!({"timestamp": ahead}));
            let mut labels = Vec::new();
            let at = occurred_at(&message, received, None, Timing::Live, tolerance, &mut labels);
            assert_eq!(at, received);
            assert_eq!(labels == [Label::FutureTimestamp], label, "{ahead} ms ahead");
        }
    }

    #[test]
    fn imported_times_are_believed() {
        let received = Moment::parse("2026-03-01T12:00:00Z").unwrap();
        let message = object(json!({"originalTimestamp": "2020-01-01T00:00:00Z"}));
        let sent_at = json!("2020-01-01T01:00:00Z");
        let at = occurred_at(&message, received, Some(&sent_at), Timing::Imported, Duration::ZERO, &mut Vec::new());
        assert_eq!(Some(at), Moment::parse("2020-01-01T00:00:00Z"));
    }

    fn object(json: Json) -> Map<String, Json> {
        json.as_object().unwrap().clone()
    }
}
