//! An item as an event of Google Analytics.

use crate::config::Config;
use serde_json::{Map, Number, Value, json};
use sonder_plugin::{Item, ItemKind, Now};

/// Parameters that properties can become: an event has 25, and one may be the segment.
pub const PARAMS: usize = 24;
/// Characters of a name.
const NAME: usize = 40;
/// Characters of a parameter's text.
const TEXT: usize = 100;
/// The service passes over what is older.
const OLDEST_SECONDS: u64 = 72 * 3_600;
/// Parameters that are numbers where ours are exact decimals, written as text.
const NUMBERS: [&str; 4] = ["value", "tax", "shipping", "price"];
/// Names and beginnings of names that the service keeps for itself.
const RESERVED: [&str; 8] =
    ["ad_query", "app_remove", "app_update", "error", "first_open", "first_visit", "session_start", "user_engagement"];
const RESERVED_STARTS: [&str; 4] = ["_", "firebase_", "ga_", "google_"];

/// Whether the service takes a name.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&name)
        && !RESERVED_STARTS.iter().any(|start| name.starts_with(start))
}

/// Reads an item.
///
/// # Errors
/// Why the service would not take it.
pub fn read(config: &Config, now: Now, item: &Item) -> Result<Value, String> {
    let mut params = Map::new();
    let name = match item.kind {
        ItemKind::SegmentEntered | ItemKind::SegmentLeft => {
            params.insert("segment".to_owned(), cut(&item.name).into());
            if item.kind == ItemKind::SegmentEntered { "segment_entered" } else { "segment_left" }
        }
        _ => config.events.get(&item.name).map_or(item.name.as_str(), String::as_str),
    };
    if !is_name(name) {
        return Err(format!("`{name}` is no name that Google Analytics takes; give it another under `events`"));
    }
    for (property, value) in item.payload.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(param) = config.params.get(property)
            && let Some(value) = parameter(param, value)
        {
            params.insert(param.clone(), value);
        }
    }
    let mut event = json!({"name": name, "params": params});
    if let Some(micros) = item.text("at").and_then(micros) {
        let seconds = micros / 1_000_000;
        if now.seconds().saturating_sub(seconds) > OLDEST_SECONDS {
            return Err("it is older than the 72 hours that Google Analytics takes".to_owned());
        }
        event["timestamp_micros"] = micros.into();
    }
    Ok(event)
}

fn parameter(name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if NUMBERS.contains(&name) => {
            text.parse().ok().and_then(Number::from_f64).map(Value::Number).or_else(|| Some(cut(text).into()))
        }
        Value::String(text) => Some(cut(text).into()),
        Value::Number(_) => Some(value.clone()),
        Value::Bool(yes) => Some(yes.to_string().into()),
        _ => None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

/// `2026-03-01T03:00:00.000000Z`, as the engine writes moments, in microseconds since 1970.
fn micros(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut clock = clock.splitn(3, ':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && fraction.len() <= 6;
    if !in_range {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    // Years begin in March here, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let seconds = days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_microseconds() {
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros("2026-03-01T03:00:00.000000Z"), Some(1_772_334_000_000_000));
        assert_eq!(micros("2024-02-29T12:00:00.25Z"), Some(1_709_208_000_250_000));
        for wrong in
            ["", "2026-03-01", "2026-13-01T00:00:00Z", "2026-03-01T00:00:00+01:00", "2026-03-01T00:00:00.1234567Z"]
        {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_as_google_takes_them() {
        assert_eq!(parameter("value", &json!("129.90")), Some(json!(129.9)));
        assert_eq!(parameter("coupon", &json!("129.90")), Some(json!("129.90")));
        assert_eq!(parameter("coupon", &json!("ä".repeat(120))), Some(json!("ä".repeat(100))));
        assert_eq!(parameter("gift", &json!(true)), Some(json!("true")));
        assert_eq!(parameter("gift", &json!({"a": 1})), None);
    }
}
