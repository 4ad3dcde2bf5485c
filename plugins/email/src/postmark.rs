//! Postmark: up to 500 e-mails a call, each with an answer of its own.
//!
//! <https://postmarkapp.com/developer/api/email-api>, <https://postmarkapp.com/developer/api/templates-api>. It knows no
//! idempotency key; ours goes along as metadata, by which an e-mail can be found again.

use crate::config::Config;
use crate::message::{Content, Message};
use serde_json::{Value, json};
use sonder_plugin::{Answer, Entry, Now, Outcome, Request, alike, together};

/// E-mails of one call.
const MOST: usize = 500;

/// Sends e-mails, each with its place in the batch.
pub fn deliver(config: &Config, now: Now, messages: &[(usize, Message<'_>)], outcomes: &mut [Outcome]) {
    let entries = |templates: bool| -> Vec<Entry> {
        let wanted =
            messages.iter().filter(|(_, message)| matches!(message.content, Content::Template(_)) == templates);
        wanted.map(|(place, message)| Entry { items: vec![*place], body: body(config, message) }).collect()
    };
    together(&entries(true), MOST, now, outcomes, with_templates, judge);
    together(&entries(false), MOST, now, outcomes, written, judge);
}

fn body(config: &Config, message: &Message<'_>) -> Value {
    let mut body = json!({"From": config.from, "To": message.to, "Metadata": {"sonder_id": message.id}});
    match message.content {
        Content::Template(template) => {
            // The alias of a template is a word; a number is its id.
            match template.parse::<u64>() {
                Ok(id) => body["TemplateId"] = id.into(),
                Err(_) => body["TemplateAlias"] = template.into(),
            }
            body["TemplateModel"] = Value::Object(message.data.clone());
        }
        Content::Written { subject, text, html } => {
            body["Subject"] = subject.into();
            if let Some(text) = text {
                body["TextBody"] = text.into();
            }
            if let Some(html) = html {
                body["HtmlBody"] = html.into();
            }
        }
    }
    if let Some(stream) = &config.stream {
        body["MessageStream"] = stream.as_str().into();
    }
    body
}

fn bodies(entries: &[Entry]) -> Value {
    entries.iter().map(|entry| entry.body.clone()).collect()
}

fn with_templates(entries: &[Entry]) -> Request {
    call("https://api.postmarkapp.com/email/batchWithTemplates", &json!({"Messages": bodies(entries)}))
}

fn written(entries: &[Entry]) -> Request {
    call("https://api.postmarkapp.com/email/batch", &bodies(entries))
}

fn call(url: &str, body: &Value) -> Request {
    Request::post(url)
        .header("accept", "application/json")
        .header("x-postmark-server-token", "{{secret:api_key}}")
        .json(body)
}

/// A batch that is taken has an answer for each e-mail, in the same order.
fn judge(answer: &Answer, entries: &[Entry], now: Now) -> Vec<Outcome> {
    let taken = answer.as_ref().ok().filter(|response| response.status == 200);
    let Some(response) = taken else { return alike(answer, entries, now) };
    let results: Vec<Value> = serde_json::from_slice(&response.body).unwrap_or_default();
    if results.len() != entries.len() {
        // It has taken them, but does not say what it made of each: sending again would send twice.
        return vec![Outcome::Delivered; entries.len()];
    }
    results.iter().map(outcome).collect()
}

/// <https://postmarkapp.com/developer/api/overview#error-codes>
fn outcome(result: &Value) -> Outcome {
    match result["ErrorCode"].as_i64() {
        Some(0) => Outcome::Delivered,
        // Offline for maintenance.
        Some(100) => Outcome::RetryAfter(0),
        Some(code) => Outcome::Rejected(format!("error {code}: {}", result["Message"].as_str().unwrap_or_default())),
        None => Outcome::Rejected("the answer has no `ErrorCode`".to_owned()),
    }
}
