//! `config:` of a webhook destination.

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_plugin::Problem;
use std::collections::BTreeMap;

/// Where and how to call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the calls go; its host must be among the destination's `allow`.
    pub url: String,
    /// One call for each item, or for each batch.
    #[serde(default)]
    pub mode: Mode,
    /// Whether calls are signed with the secret `signing_key`.
    #[serde(default = "yes")]
    pub sign: bool,
    /// More headers for each call; their values may hold `{{secret:NAME}}`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// What makes one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// An item.
    #[default]
    Item,
    /// A batch.
    Batch,
}

/// The headers that are ours.
const RESERVED: [&str; 4] = ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"];

/// What [`Config`] reads, as JSON Schema.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "url": {"type": "string", "minLength": 1, "description": "Where the calls go"},
            "mode": {"enum": ["item", "batch"], "default": "item", "description": "One call for each item, or for each batch"},
            "sign": {"type": "boolean", "default": true, "description": "Sign calls with the secret `signing_key`"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "More headers for each call"},
        },
        "required": ["url"],
        "additionalProperties": false,
    })
}

/// What the schema cannot say.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let rest = config.url.strip_prefix("https://").or_else(|| config.url.strip_prefix("http://"));
    match rest {
        None => problems.push(Problem::at("/url", "is not a web address; it starts with `https://`")),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            problems.push(Problem::at("/url", "has no host; write `https://example.com/hook`"));
        }
        Some(_) => {}
    }
    for name in config.headers.keys() {
        let path = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            problems.push(Problem::at(&path, "is set by the plugin; leave it out"));
        } else if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            problems.push(Problem::at(&path, "is not the name of a header; it has letters, digits, `-` and `_`"));
        }
    }
    problems
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: Value) -> Vec<String> {
        match serde_json::from_value::<Config>(config) {
            Ok(config) => check(&config).into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn problems_name_their_place() {
        assert_eq!(
            problems(json!({"url": "https://a.example/hook", "headers": {"x-team": "crm"}})),
            Vec::<String>::new()
        );
        assert_eq!(
            problems(json!({"url": "ftp://a.example"})),
            ["/url: is not a web address; it starts with `https://`"]
        );
        assert_eq!(problems(json!({"url": "https:///hook"})), ["/url: has no host; write `https://example.com/hook`"]);
        assert_eq!(
            problems(json!({"url": "https://a.example", "headers": {"Webhook-Id": "1", "a b": "2"}})),
            [
                "/headers/Webhook-Id: is set by the plugin; leave it out",
                "/headers/a b: is not the name of a header; it has letters, digits, `-` and `_`"
            ]
        );
        assert_eq!(problems(json!({"url": "https://a.example", "modus": "item"})).len(), 1);
    }

    #[test]
    fn what_is_left_out_is_as_the_schema_says() {
        let config: Config = serde_json::from_value(json!({"url": "https://a.example"})).unwrap();
        let schema = schema();
        assert_eq!(Value::from(config.sign), schema["properties"]["sign"]["default"]);
        assert_eq!(schema["properties"]["mode"]["default"], "item");
        assert_eq!(config.mode, Mode::Item);
    }
}
