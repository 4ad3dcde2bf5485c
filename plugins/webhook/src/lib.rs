//! The bundled destination `sonder/webhook@1`: signed HTTP calls to a URL of your own, as Standard Webhooks wants them.
//!
//! Each item is one `POST` (or, in batch mode, each batch). `webhook-id` is the idempotency key, the same in every
//! attempt; the body is the same too. The signature is made by the host, so that the key stays out of the sandbox.

mod body;
mod config;

use config::{Config, Mode};
use serde_json::{Value, json};
use sonder_plugin::{Action, Description, Destination, Item, Now, Outcome, Problem, Request, SendError, outcome};

struct Webhook;

impl Destination for Webhook {
    type Config = Config;

    fn describe() -> Description {
        Description::new("webhook", env!("CARGO_PKG_VERSION"))
            .summary("POSTs what happens to a URL, signed as Standard Webhooks says")
            .config(config::schema())
            .action(Action {
                name: "message".to_owned(),
                summary: "a message of a journey, with whatever fields it has".to_owned(),
                schema: json!({"type": "object"}),
            })
            .hosts(["*"])
            .secret_when(
                "signing_key",
                "the key that signatures are made with, `whsec_` and base64; `sign: false` does without",
                json!({"not": {"properties": {"sign": {"const": false}}, "required": ["sign"]}}),
            )
    }

    fn check(config: &Config) -> Vec<Problem> {
        config::check(config)
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        match config.mode {
            Mode::Item => one_by_one(config, now, items),
            Mode::Batch => all_at_once(config, now, items),
        }
    }
}

sonder_plugin::destination!(Webhook);

fn one_by_one(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        let answer = request(config, now, &item.id, &body::of_item(item)).send();
        let outcome = outcome(&answer, now);
        let busy = is_busy(&answer);
        outcomes.push(outcome.clone());
        if busy {
            // The other side asked for quiet, or is not there: the rest would only add to it.
            outcomes.resize(items.len(), outcome);
            break;
        }
    }
    outcomes
}

fn all_at_once(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
    if items.is_empty() {
        return Vec::new();
    }
    let answer = request(config, now, &body::batch_id(items), &body::of_batch(items)).send();
    vec![outcome(&answer, now); items.len()]
}

fn request(config: &Config, now: Now, id: &str, body: &Value) -> Request {
    let mut request = Request::post(&config.url)
        .header("webhook-id", id)
        .header("webhook-timestamp", &now.seconds().to_string())
        .json(body);
    if config.sign {
        request = request.header("webhook-signature", "{{sign:standard-webhooks:signing_key}}");
    }
    for (name, value) in &config.headers {
        request = request.header(name, value);
    }
    request
}

const fn is_busy(answer: &Result<sonder_plugin::Response, SendError>) -> bool {
    match answer {
        Ok(response) => matches!(response.status, 429 | 503),
        Err(error) => matches!(error, SendError::Timeout | SendError::Connect(_)),
    }
}
