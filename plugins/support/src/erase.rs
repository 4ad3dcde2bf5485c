//! Who is erased: found by their address, deleted, then deleted for good. Tickets stay, without a requester.
//!
//! <https://developer.zendesk.com/api-reference/ticketing/users/users/#delete-user>,
//! <https://developer.zendesk.com/api-reference/ticketing/users/users/#permanently-delete-user>. Whoever has open tickets is not
//! deleted: the refusal says so, and the item can be replayed.

use crate::Config;
use serde_json::Value;
use sonder_plugin::{Item, Now, Outcome, Request, Response, SendError, outcome};

/// Erases the person of an item.
pub fn person(config: &Config, now: Now, item: &Item) -> Outcome {
    // Without an address, no ticket has a requester.
    let told = item.identifiers("email").map(|email| address(config, now, email));
    told.into_iter().find(|outcome| !matches!(outcome, Outcome::Delivered)).unwrap_or(Outcome::Delivered)
}

fn address(config: &Config, now: Now, email: &str) -> Outcome {
    let found = call(config, "GET", &format!("users/search.json?query=email%3A{}", encoded(email)));
    let people = match users(&found, email) {
        Some(people) => people,
        None => return unclear(&found, now),
    };
    for id in people {
        // A person who is deleted already, in an attempt before, is still to be deleted for good.
        for path in [format!("users/{id}.json"), format!("deleted_users/{id}.json")] {
            let answer = call(config, "DELETE", &path);
            let is_gone = answer.as_ref().is_ok_and(|response| response.status == 404);
            match outcome(&answer, now) {
                Outcome::Delivered => {}
                _ if is_gone => {}
                other => return other,
            }
        }
    }
    Outcome::Delivered
}

fn call(config: &Config, method: &str, path: &str) -> Result<Response, SendError> {
    Request::new(method, &format!("https://{}.zendesk.com/api/v2/{path}", config.subdomain))
        .header("authorization", "{{secret:authorization}}")
        .header("accept", "application/json")
        .send()
}

/// The ids of those who have that address; `None` where the answer does not say.
fn users(answer: &Result<Response, SendError>, email: &str) -> Option<Vec<u64>> {
    let response = answer.as_ref().ok().filter(|response| response.status == 200)?;
    let told: Value = serde_json::from_slice(&response.body).ok()?;
    let has = |user: &&Value| user["email"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(email));
    Some(told.get("users")?.as_array()?.iter().filter(has).filter_map(|user| user["id"].as_u64()).collect())
}

/// An answer that is none: whether there was anybody is not known.
fn unclear(answer: &Result<Response, SendError>, now: Now) -> Outcome {
    match outcome(answer, now) {
        Outcome::Delivered => Outcome::RetryAfter(0),
        other => other,
    }
}

/// Percent-encoded: also what would name a secret.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
