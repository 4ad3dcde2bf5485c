//! Web Push: browsers, through whatever push service each of them uses (RFC 8030), encrypted for the browser alone
//! (RFC 8291), with the project's key as credentials (RFC 8292). Keys and encryption are the host's.
//!
//! The idempotency key is the message's topic: while a browser is away, a second attempt takes the place of the first.

use crate::needed;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sonder_plugin::{Action, Answer, Item, Now, Outcome, Request, SealError, SendError, outcome, seal_push};

/// The secret that has the private key.
pub const KEY: &str = "vapid_private_key";

/// Browsers are written to with these credentials.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Whom a push service may write to.
    subject: String,
    /// Seconds that a push service keeps a message for a browser that is away.
    #[serde(default = "a_day")]
    ttl: u32,
}

const fn a_day() -> u32 {
    86_400
}

/// The fields that are not data for the page.
const OWN: [&str; 8] = ["subscription", "title", "body", "icon", "image", "link", "urgency", "ttl"];

/// `send push.web {…}`
pub fn action() -> Action {
    Action {
        name: "web".to_owned(),
        summary: "a notification in one browser; fields of other names are data for the page".to_owned(),
        schema: json!({
            "type": "object",
            "properties": {
                "subscription": {"type": "string", "description": "What `JSON.stringify(subscription)` gives in the browser"},
                "title": {"type": "string"},
                "body": {"type": "string"},
                "icon": {"type": "string", "description": "The address of a picture"},
                "image": {"type": "string", "description": "The address of a picture"},
                "link": {"type": "string", "description": "The address that a click leads to"},
                "urgency": {"type": "string", "enum": ["very-low", "low", "normal", "high"]},
                "ttl": {"type": "integer", "description": "Seconds that it is of use"},
            },
            "required": ["subscription", "title"],
            "additionalProperties": true,
        }),
    }
}

/// What configurations say of it.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "description": "Web Push",
        "properties": {
            "subject": {"type": "string", "pattern": "^(mailto:|https://)[^\\s{}]+$", "description": "Whom a push service may write to"},
            "ttl": {"type": "integer", "minimum": 0, "maximum": 2_419_200, "description": "Seconds that a message is kept for a browser that is away"},
        },
        "required": ["subject"],
        "additionalProperties": false,
    })
}

/// As browsers write it.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// The call for an item.
pub fn request(web: &Web, item: &Item) -> Result<Request, Outcome> {
    let reject = |why: &str| Outcome::Rejected(why.to_owned());
    let subscription: Subscription = serde_json::from_str(needed(item, "subscription")?)
        .map_err(|_| reject("`subscription` is not what a browser gives"))?;
    // It comes from a page, whose visitor must not be able to name secrets in it.
    if !subscription.endpoint.starts_with("https://") || subscription.endpoint.contains(['{', '}']) {
        return Err(reject("`endpoint` of the subscription is no address"));
    }
    let plain = message(item)?.to_string();
    let Subscription { endpoint, keys } = subscription;
    let body = seal_push(plain.as_bytes(), &keys.p256dh, &keys.auth, KEY).map_err(|error| match error {
        SealError::Subscription => reject("`keys` of the subscription are none"),
        SealError::TooLarge => reject("the notification is larger than a push service takes"),
        SealError::Denied(why) => Outcome::Unauthorized(why),
    })?;
    let ttl = item.payload.get("ttl").and_then(Value::as_u64).unwrap_or(u64::from(web.ttl));
    Ok(Request::post(&endpoint)
        .header("authorization", &format!("{{{{sign:vapid:{KEY}:{}}}}}", web.subject))
        .header("content-type", "application/octet-stream")
        .header("content-encoding", "aes128gcm")
        .header("ttl", &ttl.to_string())
        .header("topic", &item.id)
        .header("urgency", urgency(item))
        .body(body))
}

fn urgency(item: &Item) -> &'static str {
    match item.text("urgency") {
        Some("very-low") => "very-low",
        Some("low") => "low",
        Some("high") => "high",
        _ => "normal",
    }
}

/// A declarative push message where it has a link (<https://www.w3.org/TR/push-api/#declarative-push-message>): browsers that
/// know them show it by themselves, others give it to the page's service worker.
fn message(item: &Item) -> Result<Value, Outcome> {
    let mut notification = json!({"title": needed(item, "title")?});
    for (field, name) in [("body", "body"), ("icon", "icon"), ("image", "image"), ("link", "navigate")] {
        if let Some(text) = item.text(field) {
            notification[name] = text.into();
        }
    }
    let mut data = Map::from_iter([("sonder_id".to_owned(), Value::from(item.id.as_str()))]);
    let others = item.payload.iter().filter(|(name, value)| !OWN.contains(&name.as_str()) && !value.is_null());
    data.extend(others.map(|(name, value)| (name.clone(), value.clone())));
    notification["data"] = Value::Object(data);
    let mut message = Map::new();
    if notification.get("navigate").is_some() {
        message.insert("web_push".to_owned(), Value::from(8030));
    }
    message.insert("notification".to_owned(), notification);
    Ok(Value::Object(message))
}

/// A browser that is gone, or that subscribed with another key, is the item's trouble. So is a push service that the project
/// does not allow: the address comes from the browser.
pub fn judge(answer: &Answer, now: Now) -> Outcome {
    match answer {
        Err(SendError::Denied(why)) => Outcome::Rejected(why.clone()),
        Ok(response) if matches!(response.status, 404 | 410) => {
            Outcome::Rejected("the browser is not subscribed any more".to_owned())
        }
        // Apple's service says by 403 also that credentials are wrong in themselves.
        Ok(response) if response.status == 403 && !says(&response.body, "BadJwtToken") => {
            Outcome::Rejected("the browser subscribed with another key".to_owned())
        }
        _ => outcome(answer, now),
    }
}

fn says(body: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(body).contains(word)
}
