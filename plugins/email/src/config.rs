//! `config:` of an e-mail destination.

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_plugin::Problem;
use std::collections::BTreeMap;

/// Through whom, and from whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose API it is.
    pub service: Service,
    /// The sender: `shop@shop.example`, or `The shop <shop@shop.example>`.
    pub from: String,
    /// Where `generic` sends.
    #[serde(default)]
    pub url: Option<String>,
    /// Postmark's message stream; its own default is `outbound`, which is for transactional mail.
    #[serde(default)]
    pub stream: Option<String>,
    /// What the service calls the templates that journeys name: `cart-reminder: d-1`, `cart-reminder.de: d-2`.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
    /// In whose name Postmark is asked to erase people: an address of the account's.
    #[serde(default)]
    pub erase_as: Option<String>,
}

/// An API to send mail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// One of your own.
    Generic,
    /// Postmark.
    Postmark,
    /// Twilio SendGrid.
    Sendgrid,
}

/// What [`Config`] reads, as JSON Schema.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "service": {"enum": ["generic", "postmark", "sendgrid"], "description": "Whose API it is"},
            "from": {"type": "string", "minLength": 3, "description": "The sender: an address, or `Name <address>`"},
            "url": {"type": "string", "description": "Where `generic` sends"},
            "stream": {"type": "string", "minLength": 1, "description": "Postmark's message stream"},
            "templates": {
                "type": "object",
                "additionalProperties": {"type": "string", "minLength": 1},
                "description": "What the service calls the templates that journeys name: `name` or `name.locale`",
            },
            "erase_as": {"type": "string", "minLength": 3, "description": "In whose name Postmark is asked to erase people: an address of the account's"},
        },
        "required": ["service", "from"],
        "additionalProperties": false,
    })
}

/// What the schema cannot say.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !sender(&config.from).0.contains('@') {
        problems
            .push(Problem::at("/from", "is no address; write `shop@shop.example` or `The shop <shop@shop.example>`"));
    }
    match (config.service, &config.url) {
        (Service::Generic, None) => problems.push(Problem::at("/url", "is missing; the service `generic` needs it")),
        (Service::Generic, Some(url)) if !url.starts_with("https://") && !url.starts_with("http://") => {
            problems.push(Problem::at("/url", "is not a web address; it starts with `https://`"));
        }
        (Service::Postmark | Service::Sendgrid, Some(_)) => {
            problems.push(Problem::at("/url", "is for the service `generic` only; leave it out"));
        }
        _ => {}
    }
    if config.erase_as.is_some() && config.service != Service::Postmark {
        problems.push(Problem::at("/erase_as", "is for the service `postmark` only; leave it out"));
    }
    if config.stream.is_some() && config.service != Service::Postmark {
        problems.push(Problem::at("/stream", "is for the service `postmark` only; leave it out"));
    }
    problems
}

impl Config {
    /// What the service calls a template, in the language nearest to the locale.
    pub fn template<'a>(&'a self, name: &'a str, locale: Option<&str>) -> &'a str {
        let language = locale.and_then(|locale| locale.split(['-', '_']).next());
        let localised =
            [locale, language].into_iter().flatten().find_map(|tag| self.templates.get(&format!("{name}.{tag}")));
        localised.or_else(|| self.templates.get(name)).map_or(name, String::as_str)
    }
}

/// Address and name of `Name <address>`.
pub fn sender(from: &str) -> (&str, Option<&str>) {
    match from.trim().strip_suffix('>').and_then(|from| from.rsplit_once('<')) {
        Some((name, address)) => (address.trim(), Some(name.trim().trim_matches('"')).filter(|name| !name.is_empty())),
        None => (from.trim(), None),
    }
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
        assert_eq!(problems(json!({"service": "postmark", "from": "a@b.example"})), Vec::<String>::new());
        assert_eq!(
            problems(json!({"service": "generic", "from": "The shop"})),
            [
                "/from: is no address; write `shop@shop.example` or `The shop <shop@shop.example>`",
                "/url: is missing; the service `generic` needs it"
            ]
        );
        assert_eq!(
            problems(json!({"service": "sendgrid", "from": "a@b.example", "url": "https://x", "stream": "s"})),
            [
                "/url: is for the service `generic` only; leave it out",
                "/stream: is for the service `postmark` only; leave it out"
            ]
        );
    }

    #[test]
    fn a_template_is_that_of_the_nearest_language() {
        let config: Config = serde_json::from_value(json!({
            "service": "sendgrid", "from": "a@b.example",
            "templates": {"hello": "d-1", "hello.de": "d-2", "hello.pt-BR": "d-3"},
        }))
        .unwrap();
        for (locale, expected) in [(None, "d-1"), (Some("de-AT"), "d-2"), (Some("pt-BR"), "d-3"), (Some("fr"), "d-1")] {
            assert_eq!(config.template("hello", locale), expected, "{locale:?}");
        }
        assert_eq!(config.template("other", Some("de")), "other");
    }

    #[test]
    fn a_sender_may_have_a_name() {
        assert_eq!(sender("a@b.example"), ("a@b.example", None));
        assert_eq!(sender("The shop <a@b.example>"), ("a@b.example", Some("The shop")));
        assert_eq!(sender("\"Shop, the\" <a@b.example>"), ("a@b.example", Some("Shop, the")));
    }
}
