//! The bundled destination `sonder/crm@1`: contacts of a CRM, as HubSpot has them, with segments as properties.
//!
//! <https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/batch/post-crm-v3-objects-contacts-batch-upsert>.
//! Writing the same properties twice changes nothing; the idempotency key goes along as the trace id of what is written.

mod config;
mod contact;

use config::Config;
use serde_json::{Value, json};
use sonder_plugin::{
    Action, Answer, Description, Destination, Entry, Item, ItemKind, Now, Outcome, Problem, Request, alike, outcome,
    together,
};

struct Crm;

/// Contacts of one call.
const MOST: usize = 100;
const CONTACTS: &str = "https://api.hubapi.com/crm/v3/objects/contacts";

impl Destination for Crm {
    type Config = Config;

    fn describe() -> Description {
        Description::new("crm", env!("CARGO_PKG_VERSION"))
            .summary("keeps HubSpot contacts: traits and segments as properties; erased people are deleted for good")
            .accepts([
                ItemKind::Message,
                ItemKind::SegmentEntered,
                ItemKind::SegmentLeft,
                ItemKind::TraitChanged,
                ItemKind::Erase,
            ])
            .action(Action {
                name: "contact".to_owned(),
                summary: "sets properties of the person's contact, by their names in the CRM".to_owned(),
                schema: json!({"type": "object", "additionalProperties": true}),
            })
            .config(config::schema())
            .hosts(["api.hubapi.com"])
            .secret("access_token", "a private app's token with `crm.objects.contacts.write`")
    }

    fn check(config: &Config) -> Vec<Problem> {
        config::check(config)
    }

    /// An erasure comes after what was said before of anybody, and before what is said after.
    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::RetryAfter(0); items.len()];
        let mut contacts = contact::Contacts::default();
        for (place, item) in items.iter().enumerate() {
            let Some(who) = item.identifier(config.identifier()) else {
                outcomes[place] = contact::of_nobody(item, config);
                continue;
            };
            if item.kind == ItemKind::Erase {
                upsert(&contacts.take(config), now, &mut outcomes);
                outcomes[place] = outcome(&erase(config, who).send(), now);
                continue;
            }
            match contact::properties(config, item) {
                properties if properties.is_empty() => outcomes[place] = Outcome::Delivered,
                properties => contacts.add(who, place, &item.id, properties),
            }
        }
        upsert(&contacts.take(config), now, &mut outcomes);
        outcomes
    }
}

sonder_plugin::destination!(Crm);

fn upsert(entries: &[Entry], now: Now, outcomes: &mut [Outcome]) {
    together(entries, MOST, now, outcomes, write, judge);
}

fn write(entries: &[Entry]) -> Request {
    let inputs: Vec<&Value> = entries.iter().map(|entry| &entry.body).collect();
    authorized(&format!("{CONTACTS}/batch/upsert")).json(&json!({"inputs": inputs}))
}

fn erase(config: &Config, who: &str) -> Request {
    let body = json!({"objectId": who, "idProperty": config.id_property()});
    authorized(&format!("{CONTACTS}/gdpr-delete")).json(&body)
}

fn authorized(url: &str) -> Request {
    Request::post(url).header("authorization", "Bearer {{secret:access_token}}")
}

/// 207 says that some were not written, and not always which: all are refused, and so sent alone.
fn judge(answer: &Answer, entries: &[Entry], now: Now) -> Vec<Outcome> {
    match answer {
        Ok(response) if response.status == 207 => {
            let told: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let why = told["errors"][0]["message"].as_str().unwrap_or("some were not written").to_owned();
            vec![Outcome::Rejected(why); entries.len()]
        }
        _ => alike(answer, entries, now),
    }
}
