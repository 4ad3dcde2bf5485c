//! A destination to start from: each message is one call, with the idempotency key.

use serde::Deserialize;
use serde_json::json;
use sonder_plugin::{Action, Description, Destination, Item, ItemKind, Now, Outcome, Problem, Request, each, outcome};

struct Greeter;

/// `config:` of the destination's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where the calls go.
    url: String,
}

impl Destination for Greeter {
    type Config = Config;

    fn describe() -> Description {
        Description::new("greeter", "0.1.0")
            .summary("greets people")
            .accepts([ItemKind::Message])
            .action(Action {
                name: "greet".to_owned(),
                summary: "a greeting".to_owned(),
                schema: json!({
                    "type": "object",
                    "properties": {"text": {"type": "string", "description": "What it says"}},
                    "required": ["text"],
                    "additionalProperties": false,
                }),
            })
            .config(json!({
                "type": "object",
                "properties": {"url": {"type": "string", "description": "Where the calls go"}},
                "required": ["url"],
                "additionalProperties": false,
            }))
            .hosts(["*"])
            .secret("api_key", "from the service's settings page")
    }

    fn check(config: &Config) -> Vec<Problem> {
        if config.url.starts_with("https://") {
            Vec::new()
        } else {
            vec![Problem::at("/url", "is not a web address; it starts with `https://`")]
        }
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        each(items, now, |item| request(config, item), outcome)
    }
}

sonder_plugin::destination!(Greeter);

fn request(config: &Config, item: &Item) -> Result<Request, Outcome> {
    let text = item.text("text").ok_or_else(|| Outcome::Rejected("there is nothing in `text`".to_owned()))?;
    Ok(Request::post(&config.url)
        .header("authorization", "Bearer {{secret:api_key}}")
        .header("idempotency-key", &item.id)
        .json(&json!({"text": text, "to": item.identifier("email")})))
}
