//! Firebase Cloud Messaging's HTTP v1 API: apps on phones.
//!
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>. It knows no idempotency key; ours goes
//! along as data, so that an app can tell a message that it has shown already.

use crate::needed;
use serde_json::{Map, Value, json};
use sonder_plugin::{Action, Answer, Item, Now, Outcome, Request, outcome};

/// Where it is.
pub const HOST: &str = "fcm.googleapis.com";
/// What an access token must be good for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The fields that are not data for the app.
const OWN: [&str; 4] = ["token", "title", "body", "image"];

/// `send push.notify {…}`
pub fn action() -> Action {
    Action {
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
    }
}

/// The call for an item.
pub fn request(project: &str, authorization: &str, item: &Item) -> Result<Request, Outcome> {
    let token = needed(item, "token")?;
    let mut notification = json!({"title": needed(item, "title")?});
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
    Ok(Request::post(&format!("https://{HOST}/v1/projects/{project}/messages:send"))
        .header("authorization", authorization)
        .json(&body))
}

/// A device that is gone, or another project's, is the item's trouble, not the credentials'.
/// <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>
pub fn judge(answer: &Answer, now: Now) -> Outcome {
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
