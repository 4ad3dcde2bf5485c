//! What a plugin says of itself, read and checked once: the outbox and the compiler rely on it.

use crate::limits;
use jsonschema::{PatternOptions, Validator};
use serde::Deserialize;
use serde_json::{Map, Value};
use sonder_core::effect::ItemKind;

/// A plugin, described.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// Three numbers.
    pub version: String,
    /// What it does, in a sentence.
    #[serde(default)]
    pub summary: String,
    /// The kinds of items that it takes, as the interface names them; empty for all.
    #[serde(default)]
    accepts: Vec<String>,
    /// What a journey can `send`, by name.
    #[serde(default)]
    pub actions: Map<String, Value>,
    /// The JSON Schema of its configuration.
    #[serde(default)]
    config: Option<Value>,
    /// The hosts that it sends to.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The secrets that it names.
    #[serde(default)]
    pub secrets: Vec<SecretNeed>,
    /// The kinds of identifiers that it can use, best first; empty for all.
    #[serde(default)]
    pub identifiers: Vec<String>,
}

/// A secret that a plugin names in its requests.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SecretNeed {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub summary: String,
    /// It is needed when the configuration fits this JSON Schema.
    #[serde(default = "always")]
    required_when: Value,
}

impl Description {
    /// Reads what `describe` gave.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > limits::DESCRIPTION_BYTES {
            return Err(format!("it is larger than {} MiB", limits::DESCRIPTION_BYTES >> 20));
        }
        let description: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        description.checked()
    }

    /// Whether it takes items of a kind.
    #[must_use]
    pub fn takes(&self, kind: ItemKind) -> bool {
        self.accepts.is_empty() || self.accepts.iter().any(|accepted| accepted == kind_name(kind))
    }

    /// The JSON Schema of its configuration, where it says one.
    #[must_use]
    pub const fn config_schema(&self) -> Option<&Value> {
        self.config.as_ref()
    }

    /// The kinds of items that it takes.
    pub fn taken(&self) -> impl Iterator<Item = &'static str> {
        ALL_KINDS.into_iter().filter(|kind| self.takes(*kind)).map(kind_name)
    }

    /// What is wrong with a configuration as far as the schema says: (JSON pointer, what).
    #[must_use]
    pub fn config_problems(&self, config: &Value) -> Vec<(String, String)> {
        let Some(validator) = self.config.as_ref().and_then(|schema| validator(schema).ok()) else { return Vec::new() };
        validator.iter_errors(config).map(|error| (error.instance_path().to_string(), error.to_string())).collect()
    }

    /// The secrets that a configuration needs.
    pub fn needed_secrets<'a>(&'a self, config: &'a Value) -> impl Iterator<Item = &'a SecretNeed> {
        let needed =
            |need: &&SecretNeed| validator(&need.required_when).is_ok_and(|validator| validator.is_valid(config));
        self.secrets.iter().filter(needed)
    }

    fn checked(self) -> Result<Self, String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        if !is_name(&self.name) {
            return Err(format!("`{}` is not a name of letters, digits, `-`, `_` and `.`", self.name));
        }
        if self.version.split('.').filter(|part| part.parse::<u32>().is_ok()).count() != 3 {
            return Err(format!("the version `{}` is not three numbers", self.version));
        }
        if let Some(kind) =
            self.accepts.iter().find(|accepted| !ALL_KINDS.iter().any(|kind| kind_name(*kind) == **accepted))
        {
            return Err(format!("`{kind}` in `accepts` is not a kind of item"));
        }
        for (name, action) in &self.actions {
            let schema = action.get("schema").ok_or_else(|| format!("the action `{name}` has no `schema`"))?;
            validator(schema).map_err(|error| format!("the schema of the action `{name}`: {error}"))?;
        }
        if let Some(schema) = &self.config {
            validator(schema).map_err(|error| format!("the schema of the configuration: {error}"))?;
        }
        if let Some(host) = self.hosts.iter().find(|host| host.is_empty() || host.contains(['/', '@', ' ', '?', '#'])) {
            return Err(format!("`{host}` in `hosts` is not a host"));
        }
        for need in &self.secrets {
            if !is_name(&need.name) {
                return Err(format!("`{}` in `secrets` is not a name", need.name));
            }
            validator(&need.required_when)
                .map_err(|error| format!("`required_when` of the secret `{}`: {error}", need.name))?;
        }
        Ok(self)
    }
}

const ALL_KINDS: [ItemKind; 6] = [
    ItemKind::Message,
    ItemKind::SegmentEntered,
    ItemKind::SegmentLeft,
    ItemKind::TraitChanged,
    ItemKind::Event,
    ItemKind::Erase,
];

/// A kind as the interface names it.
#[must_use]
pub const fn kind_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Message => "message",
        ItemKind::SegmentEntered => "segment-entered",
        ItemKind::SegmentLeft => "segment-left",
        ItemKind::TraitChanged => "trait-changed",
        ItemKind::Event => "event",
        ItemKind::Erase => "erase",
    }
}

/// The kind that the interface names so.
#[must_use]
pub fn kind_of(name: &str) -> Option<ItemKind> {
    ALL_KINDS.into_iter().find(|kind| kind_name(*kind) == name)
}

/// Patterns are matched in linear time: a plugin's schema is not to be trusted with more.
fn validator(schema: &Value) -> Result<Validator, String> {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|error| error.to_string())
}

const fn always() -> Value {
    Value::Bool(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(description: Value) -> Result<Description, String> {
        Description::read(&description.to_string())
    }

    #[test]
    fn a_description_says_what_is_wrong_with_it() {
        assert!(read(json!({"name": "crm", "version": "1.0.0", "some_day": "more"})).is_ok());
        for (description, expected) in [
            (json!({"version": "1.0.0"}), "missing field `name`"),
            (
                json!({"name": "c r m", "version": "1.0.0"}),
                "`c r m` is not a name of letters, digits, `-`, `_` and `.`",
            ),
            (json!({"name": "crm", "version": "1.0"}), "the version `1.0` is not three numbers"),
            (
                json!({"name": "crm", "version": "1.0.0", "accepts": ["pigeon"]}),
                "`pigeon` in `accepts` is not a kind of item",
            ),
            (json!({"name": "crm", "version": "1.0.0", "actions": {"m": {}}}), "the action `m` has no `schema`"),
            (
                json!({"name": "crm", "version": "1.0.0", "config": {"type": "objekt"}}),
                "the schema of the configuration: ",
            ),
            (
                json!({"name": "crm", "version": "1.0.0", "hosts": ["https://a.example"]}),
                "`https://a.example` in `hosts` is not a host",
            ),
        ] {
            let error = read(description).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_secret_may_be_needed_for_some_configurations_only() {
        let unless_unsigned = json!({"not": {"properties": {"sign": {"const": false}}, "required": ["sign"]}});
        let description = read(json!({
            "name": "hook", "version": "1.0.0",
            "secrets": [{"name": "key", "required_when": unless_unsigned}, {"name": "token"}, {"name": "extra", "required_when": false}],
        }))
        .unwrap();
        let needed =
            |config: Value| description.needed_secrets(&config).map(|need| need.name.clone()).collect::<Vec<_>>();
        assert_eq!(needed(json!({})), ["key", "token"]);
        assert_eq!(needed(json!({"sign": false})), ["token"]);
    }
}
