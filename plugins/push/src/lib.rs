//! The bundled destination `sonder/push@1`: push messages of journeys, through Firebase Cloud Messaging's HTTP v1 API.
//!
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>. It knows no idempotency key; ours goes
//! along as data, so that an app can tell a message that it has shown already.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sonder_google::access_token;
use sonder_plugin::{
    Action, Answer, Description, Destination, Item, ItemKind, Now, Outcome, Problem, Request, each, outcome,
};

struct Push;

/// Whose apps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The Firebase project.
    project: String,
}

/// The fields that are not data for the app.
const OWN: [&str; 4] = ["token", "title", "body", "image"];
const HOST: &str = "fcm.googleapis.com";

impl Destination for Push {
    type Config = Config;

    fn describe() -> Description {
        let description = Description::new("push", env!("CARGO_PKG_VERSION"))
            .summary("sends the push messages of journeys through Firebase Cloud Messaging")
            .accepts([ItemKind::Message])
            .action(Action {
                name: "notify".to_owned(),
                summary: "a notification on one device; fields of other names are data for the app".to_owned(),
                schema: json!({
                    "type": "object",
                    "properties": {
                        "token": {"type": "string", "description": "The device's registration token"},
                        "title": {"type": "string"},
                        "body": {"type": "string"},
                        "image": {"type": "string", "description": "The address of a picture"},
                    },
                    "required": ["token", "title"],
                    "additionalProperties": true,
                }),
            })
            .config(json!({
                "type": "object",
                "properties": {"project": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "description": "The Firebase project"}},
                "required": ["project"],
                "additionalProperties": false,
            }))
            .hosts([HOST, sonder_google::TOKEN_HOST]);
        sonder_google::secrets(description, "https://www.googleapis.com/auth/firebase.messaging")
    }

    fn check(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        if items.is_empty() {
            return Vec::new();
        }
        match access_token(now) {
            Ok(token) => each(items, now, |item| request(config, &token, item), judge),
            Err(outcome) => vec![outcome; items.len()],
        }
    }
}

sonder_plugin::destination!(Push);

fn request(config: &Config, authorization: &str, item: &Item) -> Result<Request, Outcome> {
    let needed =
        |field: &str| item.text(field).ok_or_else(|| Outcome::Rejected(format!("there is nothing in `{field}`")));
    let token = needed("token")?;
    let mut notification = json!({"title": needed("title")?});
    for field in ["body", "image"] {
        if let Some(text) = item.text(field) {
            notification[field] = text.into();
        }
    }
    let mut data = Map::from_iter([("sonder_id".to_owned(), Value::from(item.id.as_str()))]);
    for (name, value) in item.payload.iter().filter(|(name, value)| !OWN.contains(&name.as_str()) && !value.is_null()) {
        // Values of data are texts.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        data.insert(name.clone(), Value::from(text));
    }
    let body = json!({"message": {"token": token, "notification": notification, "data": data}});
    Ok(Request::post(&format!("https://{HOST}/v1/projects/{}/messages:send", config.project))
        .header("authorization", authorization)
        .json(&body))
}

/// A device that is gone, or another project's, is the item's trouble, not the credentials'.
/// <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>
fn judge(answer: &Answer, now: Now) -> Outcome {
    let Some(response) = answer.as_ref().ok().filter(|response| matches!(response.status, 403 | 404 | 429)) else {
        return outcome(answer, now);
    };
    let told: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let details = told["error"]["details"].as_array();
    let code = details.and_then(|details| details.iter().find_map(|detail| detail["errorCode"].as_str()));
    match (response.status, code) {
        (404, Some("UNREGISTERED")) => Outcome::Rejected("the device is not registered any more".to_owned()),
        (403, Some("SENDER_ID_MISMATCH")) => {
            Outcome::Rejected("the device is registered with another project".to_owned())
        }
        // Without a `Retry-After` a minute is what the service asks for.
        (429, _) => Outcome::RetryAfter(response.retry_after(now).unwrap_or(60)),
        _ => outcome(answer, now),
    }
}
