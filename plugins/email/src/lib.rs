//! The bundled destination `sonder/email@1`: e-mails of journeys, through Postmark, SendGrid or an API of your own.

mod config;
mod erase;
mod generic;
mod message;
mod postmark;
mod sendgrid;

use config::{Config, Service};
use message::Message;
use serde_json::json;
use sonder_plugin::{Action, Description, Destination, Item, ItemKind, Now, Outcome, Problem, each, outcome};

struct Email;

impl Destination for Email {
    type Config = Config;

    fn describe() -> Description {
        Description::new("email", env!("CARGO_PKG_VERSION"))
            .summary("sends the e-mails of journeys through Postmark, SendGrid or an API of your own")
            .accepts([ItemKind::Message, ItemKind::Erase])
            .action(Action {
                name: "message".to_owned(),
                summary: "an e-mail, from a template or with a subject and a text".to_owned(),
                schema: message::schema(),
            })
            .config(config::schema())
            .hosts(["*"])
            .secret("api_key", "Postmark's server token, SendGrid's API key, or the bearer token of your own API")
            .secret_when(
                "account_token",
                "Postmark's account token, which erases people",
                json!({"required": ["erase_as"]}),
            )
    }

    fn check(config: &Config) -> Vec<Problem> {
        config::check(config)
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(items.len());
        // In order: what somebody gets, then their erasure.
        for part in items.chunk_by(|a, b| a.kind == b.kind) {
            match part.first().map(|item| item.kind) {
                Some(ItemKind::Erase) => outcomes.extend(part.iter().map(|item| erase::person(config, now, item))),
                _ => outcomes.extend(send(config, now, part)),
            }
        }
        outcomes
    }
}

sonder_plugin::destination!(Email);

fn send(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
    match config.service {
        Service::Generic => {
            let url = config.url.as_deref().unwrap_or_default();
            each(items, now, |item| Ok(generic::request(url, &config.from, &read(config, item)?)), outcome)
        }
        Service::Sendgrid => {
            each(items, now, |item| Ok(sendgrid::request(&config.from, &read(config, item)?)), sendgrid::judge)
        }
        Service::Postmark => {
            let mut outcomes = vec![Outcome::RetryAfter(0); items.len()];
            let mut messages = Vec::with_capacity(items.len());
            for ((place, item), outcome) in items.iter().enumerate().zip(&mut outcomes) {
                match read(config, item) {
                    Ok(message) => messages.push((place, message)),
                    Err(refused) => *outcome = refused,
                }
            }
            postmark::deliver(config, now, &messages, &mut outcomes);
            outcomes
        }
    }
}

fn read<'a>(config: &'a Config, item: &'a Item) -> Result<Message<'a>, Outcome> {
    Message::read(item, config).map_err(Outcome::Rejected)
}
