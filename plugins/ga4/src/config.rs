//! `config:` of a Google Analytics destination.

use crate::event;
use serde::Deserialize;
use serde_json::{Value, json};
use sonder_plugin::Problem;
use std::collections::BTreeMap;

/// Where to, about whom, and what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `G-…` of the data stream.
    pub measurement_id: String,
    /// Whether the collection endpoint in the European Union is used.
    #[serde(default)]
    pub eu: bool,
    /// The identifier that is Google's client id: what its cookie `_ga` holds, where sessions are to fit together.
    pub client_id: String,
    /// The identifier that is Google's user id, where it is to have one.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Google's names of events: `order_completed: purchase`. Others keep theirs.
    #[serde(default)]
    pub events: BTreeMap<String, String>,
    /// Parameters by property. Other properties are not sent: they may be about a person, which Google does not allow.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// What people consented to.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// The number of the property that erased people are deleted from.
    #[serde(default)]
    pub erase_from: Option<String>,
}

/// The two consents that the service knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    pub ad_user_data: Given,
    pub ad_personalization: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Given {
    Granted,
    Denied,
}

impl Given {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "GRANTED",
            Self::Denied => "DENIED",
        }
    }
}

/// What [`Config`] reads, as JSON Schema.
pub fn schema() -> Value {
    let consent = json!({"enum": ["granted", "denied"]});
    let names = |what: &str| json!({"type": "object", "additionalProperties": {"type": "string"}, "description": what});
    json!({
        "type": "object",
        "properties": {
            "measurement_id": {"type": "string", "pattern": "^G-[A-Z0-9]+$", "description": "`G-…` of the data stream"},
            "eu": {"type": "boolean", "default": false, "description": "Use the collection endpoint in the European Union"},
            "client_id": {"type": "string", "minLength": 1, "description": "The identifier that is Google's client id"},
            "user_id": {"type": "string", "minLength": 1, "description": "The identifier that is Google's user id"},
            "events": names("Google's names of events; others keep theirs"),
            "params": names("Parameters by property; other properties are not sent"),
            "erase_from": {"type": "string", "pattern": "^[0-9]+$", "description": "The number of the property that erased people are deleted from"},
            "consent": {
                "type": "object",
                "properties": {"ad_user_data": consent, "ad_personalization": consent},
                "required": ["ad_user_data", "ad_personalization"],
                "additionalProperties": false,
            },
        },
        "required": ["measurement_id", "client_id"],
        "additionalProperties": false,
    })
}

/// What the schema cannot say.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, names) in [("events", &config.events), ("params", &config.params)] {
        for (ours, name) in names {
            if !event::is_name(name) {
                let message = "is no name that Google Analytics takes: a letter, then up to 39 letters, digits and `_`; not one that it keeps for itself";
                problems.push(Problem::at(&format!("/{key}/{ours}"), message));
            }
        }
    }
    if config.params.len() > event::PARAMS {
        problems
            .push(Problem::at("/params", "has more than the 24 parameters that an event can have besides its segment"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_google_takes_them() {
        let config = |events: Value| -> Vec<String> {
            let config = json!({"measurement_id": "G-1", "client_id": "anonymous_id", "events": events});
            check(&serde_json::from_value(config).unwrap()).into_iter().map(|problem| problem.path).collect()
        };
        assert_eq!(config(json!({"order": "purchase"})), Vec::<String>::new());
        let long = "x".repeat(41);
        assert_eq!(
            config(json!({"a": "a b", "b": "_b", "c": "ga_c", "d": "session_start", "e": long, "f": "firebase_x"})),
            ["/events/a", "/events/b", "/events/c", "/events/d", "/events/e", "/events/f"]
        );
    }
}
