//! The parts of an explanation in words.

use serde_json::Value as Json;

/// A moment as people read it: `2026-03-01 14:02:11 UTC`, with a fraction only where there is one.
pub(super) fn moment(value: &Json) -> String {
    let text = value.as_str().unwrap_or_default();
    let Some((date, time)) = text.trim_end_matches('Z').split_once('T') else { return text.to_owned() };
    let time = match time.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        Some((whole, fraction)) => format!("{whole}.{}", fraction.trim_end_matches('0')),
        None => time.to_owned(),
    };
    format!("{date} {time} UTC")
}

/// A value: text in quotes, unknown as such.
pub(super) fn value(value: &Json, personal: bool) -> String {
    match value {
        Json::Null if personal => "(personal)".to_owned(),
        Json::Null => "unknown".to_owned(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// A number or a length of time, which are text in JSON where they are exact.
fn amount(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How far a comparison is from turning.
pub(super) fn margin(margin: &Json) -> String {
    let (have, limit) = (amount(&margin["value"]), amount(&margin["threshold"]));
    let beyond = if margin["strict"] == true { "a little more than " } else { "" };
    let more = margin["direction"] == "more";
    if let Some(missing) = margin.get("missing").filter(|it| !it.is_null()) {
        let missing = amount(missing);
        if margin["operator"] == "==" {
            return format!("{have} instead of {limit}");
        }
        if !more {
            return format!("{have} of at most {limit}: {beyond}{missing} too much");
        }
        return match margin.get("enough_until").filter(|it| !it.is_null()) {
            Some(until) => format!("{have} of {limit}: {beyond}{missing} more would be enough until {}", moment(until)),
            None => format!("{have} of {limit}: {beyond}{missing} more would be enough"),
        };
    }
    let spare = amount(&margin["spare"]);
    match (more, spare.as_str()) {
        (false, "0") => format!("{have} of {limit}: just enough"),
        (false, _) => format!("{have} of {limit}: {spare} to spare"),
        (true, "0") => format!("{have}: one more would be too many"),
        (true, _) => format!("{have}: room for {spare} more"),
    }
}

/// What does not count for want of consent.
pub(super) fn withheld(withheld: &Json) -> String {
    let purpose = withheld["purpose"].as_str().unwrap_or_default();
    match withheld["events"].as_u64().unwrap_or_default() {
        1 => format!("1 event does not count: there is no consent to {purpose}"),
        events => format!("{events} events do not count: there is no consent to {purpose}"),
    }
}

/// When a value changes by itself, where it does.
pub(super) fn next(next: &Json, condition: bool, personal: bool) -> Option<String> {
    let at = || moment(&next["at"]);
    match next["change"].as_str()? {
        "at" if condition && next["to"] == true => Some(format!("will hold from {} on", at())),
        "at" if condition => Some(format!("until {}", at())),
        "at" => Some(format!("{} from {} on", value(&next["to"], personal), at())),
        "always" => Some("changes all the time".to_owned()),
        _ => None,
    }
}

/// How a sequence stands.
pub(super) fn stage(progress: &Json) -> String {
    let until = progress.get("until").filter(|it| !it.is_null()).map(moment);
    let steps = progress["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let next = steps.iter().find(|step| step["seq"].is_null()).and_then(|step| step["text"].as_str());
    let next = next.unwrap_or_default();
    let absence = progress["absence"].as_str().unwrap_or_default();
    match (progress["stage"].as_str().unwrap_or_default(), until) {
        ("awaiting", Some(until)) => format!("waits for {next}, up to and including {until}"),
        ("awaiting", None) => format!("waits for {next}"),
        ("late", Some(until)) => format!("{next} did not come by {until}"),
        ("waiting", Some(until)) => format!("complete at {until}, with {absence}"),
        ("broken", Some(until)) => format!("broken: it would have been complete at {until}, with {absence}"),
        ("complete", _) => "complete".to_owned(),
        _ => "not begun".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_count_for_want_of_consent_is_said() {
        let said = |events: u64| withheld(&json!({"purpose": "marketing", "events": events}));
        assert_eq!(said(1), "1 event does not count: there is no consent to marketing");
        assert_eq!(said(2), "2 events do not count: there is no consent to marketing");
    }

    #[test]
    fn moments_have_a_fraction_only_where_there_is_one() {
        assert_eq!(moment(&json!("2026-03-01T14:02:11.000000Z")), "2026-03-01 14:02:11 UTC");
        assert_eq!(moment(&json!("2026-03-01T14:02:11.250000Z")), "2026-03-01 14:02:11.25 UTC");
    }

    #[test]
    fn margins_say_what_is_missing_or_spare() {
        let said = |operator: &str, have: i64, missing: Json, spare: Json, direction: &str, until: Json| {
            margin(&json!({ "operator": operator, "value": have, "threshold": 3, "missing": missing, "spare": spare,
                "direction": direction, "strict": false, "enough_until": until }))
        };
        let none = Json::Null;
        assert_eq!(
            said(">=", 2, json!(1), none.clone(), "more", json!("2026-03-01T14:02:00.000000Z")),
            "2 of 3: 1 more would be enough until 2026-03-01 14:02:00 UTC"
        );
        assert_eq!(said(">=", 3, none.clone(), json!(0), "less", none.clone()), "3 of 3: just enough");
        assert_eq!(said(">=", 5, none.clone(), json!(2), "less", none.clone()), "5 of 3: 2 to spare");
        assert_eq!(said("<=", 5, json!(2), none.clone(), "less", none.clone()), "5 of at most 3: 2 too much");
        assert_eq!(said("<", 1, none.clone(), json!(1), "more", none.clone()), "1: room for 1 more");
        assert_eq!(said("==", 1, json!(2), none.clone(), "more", none), "1 instead of 3");
    }
}
