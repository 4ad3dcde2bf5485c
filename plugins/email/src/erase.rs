//! Who is erased: mail services keep for weeks what they sent to whom, and have calls to forget it.
//!
//! <https://www.twilio.com/docs/sendgrid/api-reference/recipients-data-erasure-api/erase-recipients-email-data>,
//! <https://postmarkapp.com/developer/api/data-removals-api>.

use crate::config::{Config, Service};
use serde_json::json;
use sonder_plugin::{Item, Now, Outcome, Request, outcome};

/// Whoever has no address was never written to.
pub fn person(config: &Config, now: Now, item: &Item) -> Outcome {
    let addresses: Vec<&str> = item.identifiers("email").collect();
    let requests: Vec<Request> = match (config.service, &config.erase_as) {
        _ if addresses.is_empty() => Vec::new(),
        (Service::Sendgrid, _) => vec![
            Request::post("https://api.sendgrid.com/v3/recipients/erasejob")
                .header("authorization", "Bearer {{secret:api_key}}")
                .json(&json!({"email_addresses": addresses})),
        ],
        (Service::Postmark, Some(name)) => addresses.iter().map(|address| removal(name, address)).collect(),
        (Service::Postmark, None) => {
            return refused("`erase_as` is not in the destination's configuration: nobody is erased");
        }
        (Service::Generic, _) => return refused("the service `generic` has no call to erase somebody"),
    };
    let told = requests.into_iter().map(|request| outcome(&request.send(), now));
    let refusal = told.into_iter().find(|outcome| !matches!(outcome, Outcome::Delivered));
    refusal.unwrap_or(Outcome::Delivered)
}

fn removal(name: &str, address: &str) -> Request {
    Request::post("https://api.postmarkapp.com/data-removals")
        .header("accept", "application/json")
        .header("x-postmark-account-token", "{{secret:account_token}}")
        .json(&json!({"RequestedBy": name, "RequestedFor": address, "NotifyWhenCompleted": false}))
}

fn refused(why: &str) -> Outcome {
    Outcome::Rejected(why.to_owned())
}
