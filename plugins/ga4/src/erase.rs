//! Who is erased: Google is asked to delete what it has of each of their ids.
//!
//! <https://developers.google.com/analytics/devguides/config/admin/v1/rest/v1alpha/properties/submitUserDeletion>

use crate::config::Config;
use serde_json::{Value, json};
use sonder_google::access_token;
use sonder_plugin::{Item, ItemKind, Now, Outcome, Request, outcome};

/// Where it is asked for.
pub const HOST: &str = "analyticsadmin.googleapis.com";
/// What an access token must be good for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/analytics.edit";
/// Calls that the host lets a plugin make for each item, but for one for the token.
const MOST: usize = 7;

/// Writes what becomes of the items that are erasures.
pub fn all(config: &Config, now: Now, items: &[Item], outcomes: &mut [Outcome]) {
    let mut erasures = items.iter().zip(outcomes).filter(|(item, _)| item.kind == ItemKind::Erase).peekable();
    if erasures.peek().is_none() {
        return;
    }
    let Some(property) = &config.erase_from else {
        let why = "`erase_from` is not in the destination's configuration: nobody is erased";
        erasures.for_each(|(_, outcome)| *outcome = Outcome::Rejected(why.to_owned()));
        return;
    };
    let token = access_token(now);
    for (item, outcome) in erasures {
        *outcome = match &token {
            Ok(token) => person(config, property, token, now, item),
            Err(outcome) => outcome.clone(),
        };
    }
}

fn person(config: &Config, property: &str, token: &str, now: Now, item: &Item) -> Outcome {
    let named = |kind: &str, name: &'static str| {
        let values = item.person.iter().filter(move |it| it.kind == kind && !it.value.is_empty());
        values.map(move |it| json!({name: it.value})).collect::<Vec<Value>>()
    };
    let mut ids = named(&config.client_id, "clientId");
    ids.extend(config.user_id.iter().flat_map(|kind| named(kind, "userId")));
    if ids.len() > MOST {
        return Outcome::Rejected(format!("they have {} ids at Google: no more than {MOST} are erased", ids.len()));
    }
    for id in ids {
        let request = Request::post(&format!("https://{HOST}/v1alpha/properties/{property}:submitUserDeletion"))
            .header("authorization", token)
            .json(&id);
        match outcome(&request.send(), now) {
            Outcome::Delivered => {}
            other => return other,
        }
    }
    Outcome::Delivered
}
