//! The bundled destination `sonder/push@1`: push messages of journeys, to apps through Firebase Cloud Messaging and to
//! browsers through Web Push.

mod fcm;
mod web;

use serde::Deserialize;
use serde_json::json;
use sonder_google::access_token;
use sonder_plugin::{Description, Destination, Item, ItemKind, Now, Outcome, Problem, each};

struct Push;

/// Which of the two, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The Firebase project.
    project: Option<String>,
    /// Browsers.
    web: Option<web::Web>,
}

impl Destination for Push {
    type Config = Config;

    fn describe() -> Description {
        let has = |key: &str| json!({"required": [key]});
        let description = Description::new("push", env!("CARGO_PKG_VERSION"))
            .summary("sends the push messages of journeys through Firebase Cloud Messaging and Web Push")
            .accepts([ItemKind::Message, ItemKind::Erase])
            .action(fcm::action())
            .action(web::action())
            .config(json!({
                "type": "object",
                "properties": {
                    "project": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "description": "The Firebase project"},
                    "web": web::schema(),
                },
                "anyOf": [has("project"), has("web")],
                "additionalProperties": false,
            }))
            // Which push services there are is the browsers' to say, and which of them may be called the project's.
            .hosts([fcm::HOST, sonder_google::TOKEN_HOST, "*"])
            .secret_when(web::KEY, "the private key that browsers subscribe with the public one of: 32 bytes in base64url", has("web"));
        sonder_google::secrets_when(description, fcm::SCOPE, has("project"))
    }

    fn check(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    /// Each way out on its own: one that asks for quiet does not hold up the other. Nothing about anybody is kept at push
    /// services but for the time that a message waits there, so that there is nobody to erase.
    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let of = |web: bool| -> Vec<Item> {
            let wanted = |item: &&Item| item.kind != ItemKind::Erase && (item.name == "web") == web;
            items.iter().filter(wanted).cloned().collect()
        };
        let mut to_browsers = to_browsers(config, now, &of(true)).into_iter();
        let mut to_apps = to_apps(config, now, &of(false)).into_iter();
        let told = |item: &Item| match (item.kind, item.name.as_str()) {
            (ItemKind::Erase, _) => Some(Outcome::Delivered),
            (_, "web") => to_browsers.next(),
            _ => to_apps.next(),
        };
        items.iter().filter_map(told).collect()
    }
}

sonder_plugin::destination!(Push);

fn to_browsers(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
    match &config.web {
        Some(web) => each(items, now, |item| web::request(web, item), web::judge),
        None => refused(items, "`web` is not in the destination's configuration"),
    }
}

fn to_apps(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
    let Some(project) = &config.project else {
        return refused(items, "`project` is not in the destination's configuration");
    };
    if items.is_empty() {
        return Vec::new();
    }
    match access_token(now) {
        Ok(token) => each(items, now, |item| fcm::request(project, &token, item), fcm::judge),
        Err(outcome) => vec![outcome; items.len()],
    }
}

fn refused(items: &[Item], why: &str) -> Vec<Outcome> {
    vec![Outcome::Rejected(why.to_owned()); items.len()]
}

/// A text that an item must have.
fn needed<'a>(item: &'a Item, field: &str) -> Result<&'a str, Outcome> {
    item.text(field).ok_or_else(|| Outcome::Rejected(format!("there is nothing in `{field}`")))
}
