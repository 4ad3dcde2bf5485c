//! A mail API of your own: one `POST` for each e-mail, JSON, with the idempotency key in a header.

use crate::message::{Content, Message};
use serde_json::json;
use sonder_plugin::Request;

/// The call for one e-mail.
pub fn request(url: &str, from: &str, message: &Message<'_>) -> Request {
    let mut body = json!({"from": from, "to": message.to, "data": message.data});
    match message.content {
        Content::Template(template) => body["template"] = template.into(),
        Content::Written { subject, text, html } => {
            body["subject"] = subject.into();
            if let Some(text) = text {
                body["text"] = text.into();
            }
            if let Some(html) = html {
                body["html"] = html.into();
            }
        }
    }
    Request::post(url)
        .header("authorization", "Bearer {{secret:api_key}}")
        .header("idempotency-key", message.id)
        .json(&body)
}
