//! `config:` of a CRM destination.

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_plugin::Problem;
use std::collections::BTreeMap;

/// What contacts are known by, and what is written to them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The identifier that contacts are known by; `email` unless it says otherwise.
    #[serde(default)]
    identifier: Option<String>,
    /// The CRM's unique property with that identifier; `email` unless it says otherwise.
    #[serde(default)]
    id_property: Option<String>,
    /// Properties by trait. Other traits are not written.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Yes-or-no properties by segment.
    #[serde(default)]
    pub segments: BTreeMap<String, String>,
}

impl Config {
    pub fn identifier(&self) -> &str {
        self.identifier.as_deref().unwrap_or("email")
    }

    pub fn id_property(&self) -> &str {
        self.id_property.as_deref().unwrap_or("email")
    }
}

/// What [`Config`] reads, as JSON Schema.
pub fn schema() -> Value {
    let names = |what: &str| {
        let name = json!({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"});
        json!({"type": "object", "additionalProperties": name, "description": what})
    };
    json!({
        "type": "object",
        "properties": {
            "identifier": {"type": "string", "default": "email", "description": "The identifier that contacts are known by"},
            "id_property": {"type": "string", "default": "email", "description": "The CRM's unique property with it"},
            "properties": names("Properties by trait; other traits are not written"),
            "segments": names("Yes-or-no properties by segment"),
        },
        "additionalProperties": false,
    })
}

/// What the schema cannot say.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    if config.identifier.is_some() != config.id_property.is_some() {
        problems.push(Problem::at("", "`identifier` and `id_property` come together, or not at all"));
    }
    let taken = |property: &String| config.properties.values().any(|other| other == property);
    for (segment, property) in &config.segments {
        if taken(property) {
            let path = format!("/segments/{segment}");
            problems.push(Problem::at(&path, "is a property that a trait is written to, too"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_their_place() {
        let problems = |config: Value| -> Vec<String> {
            let config: Config = serde_json::from_value(config).unwrap();
            check(&config).into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
        };
        assert_eq!(problems(json!({})), Vec::<String>::new());
        assert_eq!(
            problems(json!({"identifier": "user_id", "properties": {"a": "x"}, "segments": {"vip": "x"}})),
            [
                ": `identifier` and `id_property` come together, or not at all",
                "/segments/vip: is a property that a trait is written to, too"
            ]
        );
    }
}
