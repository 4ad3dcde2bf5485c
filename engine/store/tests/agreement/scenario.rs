//! A disagreement as a scenario file, to be kept as a test once it is understood.

use crate::compare::{Disagreement, NOW};
use crate::history::History;
use crate::program::{Rules, files};
use serde_json::{Map, Value as Json};
use sonder_dsl::time::{Duration, Moment};

/// The scenario, with the project and what both evaluators say as comments above it.
pub fn text(rules: &Rules, lines: &[String], history: &History, found: &Disagreement) -> String {
    let begin = Moment(NOW.0 - found.look.after);
    let mut text = String::new();
    for line in files(rules, lines).lines().chain(found.what.lines()) {
        text.push_str(&format!("# {line}\n"));
    }
    text.push_str("scenario: both evaluators say the same\nsteps:\n");
    let mut at = begin;
    for (number, it) in history.messages.iter().take(found.look.messages).enumerate() {
        if number > 0 {
            at = at.plus(Duration(it.gap));
        }
        let mut send = Map::new();
        for (key, value) in &it.says {
            match (key.as_str(), value) {
                ("anonymousId", value) => _ = send.insert("anonymous_id".into(), value.clone()),
                ("userId", value) => _ = send.insert("user_id".into(), value.clone()),
                ("previousId", value) => _ = send.insert("previous_id".into(), value.clone()),
                ("properties", Json::Object(properties)) => send.extend(properties.clone()),
                (_, value) => _ = send.insert(key.clone(), value.clone()),
            }
        }
        let (key, value) = match it.call.named() {
            (_, Some(event)) => ("event", event),
            (kind, None) => ("type", kind),
        };
        send.insert(key.into(), value.into());
        if it.late > 0 {
            send.insert("timestamp".into(), Moment(at.0 - it.late).to_string().into());
        }
        text.push_str(&format!("  - at: \"{at}\"\n    send: {}\n", Json::Object(send)));
    }
    text.push_str(&format!("  - at: \"{NOW}\"\n    expect: {{}}\n"));
    text
}
