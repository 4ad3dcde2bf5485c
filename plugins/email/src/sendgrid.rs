//! Twilio SendGrid: one call for each e-mail.
//!
//! <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>. A call could carry many recipients, but is
//! refused as a whole where one of them is bad. It knows no idempotency key; ours goes along among `custom_args`, which
//! its events repeat.

use crate::config::sender;
use crate::message::{Content, Message};
use serde_json::{Value, json};
use sonder_plugin::{Answer, Now, Outcome, Request, outcome};

/// The call for one e-mail.
pub fn request(from: &str, message: &Message<'_>) -> Request {
    let (address, name) = sender(from);
    let mut to = json!({"to": [{"email": message.to}], "custom_args": {"sonder_id": message.id}});
    let mut body = json!({"from": {"email": address}});
    if let Some(name) = name {
        body["from"]["name"] = name.into();
    }
    match message.content {
        Content::Template(template) => {
            to["dynamic_template_data"] = Value::Object(message.data.clone());
            body["template_id"] = template.into();
        }
        Content::Written { subject, text, html } => {
            body["subject"] = subject.into();
            // Plain text comes first, or the API refuses it.
            let parts = [("text/plain", text), ("text/html", html)];
            let part = |(kind, value): (&str, Option<&str>)| Some(json!({"type": kind, "value": value?}));
            body["content"] = parts.into_iter().filter_map(part).collect();
        }
    }
    body["personalizations"] = json!([to]);
    Request::post("https://api.sendgrid.com/v3/mail/send")
        .header("authorization", "Bearer {{secret:api_key}}")
        .json(&body)
}

/// Its 429 says in `X-RateLimit-Reset`, in seconds since 1970, when to come again.
pub fn judge(answer: &Answer, now: Now) -> Outcome {
    let reset = answer.as_ref().ok().filter(|response| response.status == 429);
    let reset = reset.and_then(|response| response.header("x-ratelimit-reset")?.trim().parse::<u64>().ok());
    match (outcome(answer, now), reset) {
        (Outcome::RetryAfter(0), Some(reset)) => {
            Outcome::RetryAfter(u32::try_from(reset.saturating_sub(now.seconds())).unwrap_or(u32::MAX))
        }
        (usual, _) => usual,
    }
}
