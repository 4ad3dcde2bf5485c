//! The bundled destination `sonder/chat@1`: messages to a channel, through an incoming webhook as Slack has them (and
//! Mattermost and Rocket.Chat, too).
//!
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>. It knows no idempotency key.

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_plugin::{
    Action, Answer, Description, Destination, Item, ItemKind, Now, Outcome, Problem, Request, each, outcome,
};

struct Chat;

/// Where to, and how texts are read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The webhook's address, with `{{secret:key}}` in place of its last part.
    url: String,
    /// Whether texts are markup (`<https://…|link>`, `<!here>`); otherwise they say just what is in them.
    #[serde(default)]
    markup: bool,
}

const SECRET: &str = "{{secret:key}}";

impl Destination for Chat {
    type Config = Config;

    fn describe() -> Description {
        Description::new("chat", env!("CARGO_PKG_VERSION"))
            .summary("posts messages of journeys to a channel, through an incoming webhook as Slack has them")
            .accepts([ItemKind::Message, ItemKind::Erase])
            .action(Action {
                name: "post".to_owned(),
                summary: "a message in the webhook's channel".to_owned(),
                schema: json!({
                    "type": "object",
                    "properties": {
                        "text": {"type": "string", "description": "What it says"},
                        "channel": {"type": "string", "description": "Another channel, where the webhook may choose"},
                        "username": {"type": "string", "description": "Who says it, where the webhook may choose"},
                        "icon": {"type": "string", "description": "An emoji beside it, `:wave:`, where the webhook may choose"},
                    },
                    "required": ["text"],
                    "additionalProperties": false,
                }),
            })
            .config(json!({
                "type": "object",
                "properties": {
                    "url": {"type": "string", "description": "The webhook's address, with `{{secret:key}}` in place of its last part"},
                    "markup": {"type": "boolean", "default": false, "description": "Whether texts are markup; otherwise they say just what is in them"},
                },
                "required": ["url"],
                "additionalProperties": false,
            }))
            .hosts(["*"])
            .secret("key", "the last part of the webhook's address")
    }

    fn check(config: &Config) -> Vec<Problem> {
        if !config.url.starts_with("https://") && !config.url.starts_with("http://") {
            vec![Problem::at("/url", "is not a web address; it starts with `https://`")]
        } else if !config.url.contains(SECRET) {
            let message =
                "is a secret as a whole; write `{{secret:key}}` for its last part, and the part under `secrets`";
            vec![Problem::at("/url", message)]
        } else {
            Vec::new()
        }
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        each(items, now, |item| request(config, item), judge)
    }
}

sonder_plugin::destination!(Chat);

fn request(config: &Config, item: &Item) -> Result<Request, Outcome> {
    // An incoming webhook cannot take back what it posted: how long a channel keeps it is the workspace's to say.
    if item.kind == ItemKind::Erase {
        return Err(Outcome::Delivered);
    }
    let text = item.text("text").ok_or_else(|| Outcome::Rejected("there is nothing in `text`".to_owned()))?;
    let text = if config.markup { text.to_owned() } else { escaped(text) };
    let mut body = json!({"text": text});
    for (field, name) in [("channel", "channel"), ("username", "username"), ("icon", "icon_emoji")] {
        if let Some(value) = item.text(field) {
            body[name] = Value::from(value);
        }
    }
    Ok(Request::post(&config.url).json(&body))
}

/// What people wrote must not call a whole channel (`<!channel>`).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A webhook that is no more answers 404 with the reason as text.
fn judge(answer: &Answer, now: Now) -> Outcome {
    match answer {
        Ok(response) if response.status == 404 => {
            let reason = String::from_utf8_lossy(&response.body);
            match reason.trim() {
                reason @ ("no_service" | "no_service_id" | "no_team" | "invalid_token") => {
                    Outcome::Unauthorized(format!("the webhook is no more: {reason}"))
                }
                _ => outcome(answer, now),
            }
        }
        _ => outcome(answer, now),
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_text_cannot_call_the_channel() {
        assert_eq!(escaped("<!channel> & co"), "&lt;!channel&gt; &amp; co");
    }
}
