//! The bundled destination `sonder/google-customer-match@1`: segments as Customer Match audiences, through Google's Data
//! Manager API.
//!
//! <https://developers.google.com/data-manager/api/reference/rest/v1/audienceMembers/ingest> and `…/remove`. Addresses and
//! numbers are hashed here, at the last moment; adding and removing members twice changes nothing, so that there is no
//! idempotency key.

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_audience::{Change, Group, deliver, email, groups, hashed, phone};
use sonder_google::access_token;
use sonder_plugin::{Description, Destination, Entry, Item, ItemKind, Now, Outcome, Problem, Request, alike, together};
use std::collections::BTreeMap;

struct CustomerMatch;

/// Whose audiences, and with what consent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The Google Ads account that has the audiences.
    account: String,
    /// The manager account that the token is for, where it is another.
    #[serde(default)]
    login_account: Option<String>,
    /// The ids of audiences by segment.
    audiences: BTreeMap<String, String>,
    /// What people in these segments consented to.
    consent: Consent,
    /// Whether the terms of Customer Match are accepted.
    accept_terms: bool,
}

/// The two consents that the Digital Markets Act asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    ad_user_data: Given,
    ad_personalization: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Given {
    Granted,
    Denied,
}

/// Members of one call.
const MOST: usize = 10_000;
const HOST: &str = "datamanager.googleapis.com";
const TERMS: &str = "must be true: uploads need the terms at https://support.google.com/adspolicy/answer/6299717";

impl Destination for CustomerMatch {
    type Config = Config;

    fn describe() -> Description {
        let consent = json!({"enum": ["granted", "denied"]});
        let description = Description::new("google-customer-match", env!("CARGO_PKG_VERSION"))
            .summary("keeps Google Customer Match audiences as segments are; identifiers are hashed")
            .accepts([ItemKind::SegmentEntered, ItemKind::SegmentLeft, ItemKind::Erase])
            .config(json!({
                "type": "object",
                "properties": {
                    "account": {"type": "string", "pattern": "^[0-9]+$", "description": "The Google Ads account, without dashes"},
                    "login_account": {"type": "string", "pattern": "^[0-9]+$", "description": "The manager account of the token, where it is another"},
                    "audiences": {
                        "type": "object",
                        "additionalProperties": {"type": "string", "pattern": "^[0-9]+$"},
                        "minProperties": 1,
                        "description": "The ids of audiences by segment",
                    },
                    "consent": {
                        "type": "object",
                        "properties": {"ad_user_data": consent, "ad_personalization": consent},
                        "required": ["ad_user_data", "ad_personalization"],
                        "additionalProperties": false,
                        "description": "What people in these segments consented to",
                    },
                    "accept_terms": {"type": "boolean", "description": "Whether the terms of Customer Match are accepted"},
                },
                "required": ["account", "audiences", "consent", "accept_terms"],
                "additionalProperties": false,
            }))
            .hosts([HOST, sonder_google::TOKEN_HOST])
            .identifiers(["email", "phone"]);
        sonder_google::secrets(description, "https://www.googleapis.com/auth/datamanager")
    }

    fn check(config: &Config) -> Vec<Problem> {
        if config.accept_terms { Vec::new() } else { vec![Problem::at("/accept_terms", TERMS)] }
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Delivered; items.len()];
        let groups = groups(items, &config.audiences, member, &mut outcomes);
        if groups.is_empty() {
            return outcomes;
        }
        let token = match access_token(now) {
            Ok(token) => token,
            Err(outcome) => return vec![outcome; items.len()],
        };
        deliver(&groups, &mut outcomes, |group, own| {
            together(&group.entries, MOST, now, own, |entries| request(config, &token, group, entries), alike);
        });
        outcomes
    }
}

sonder_plugin::destination!(CustomerMatch);

fn member(item: &Item) -> Option<Value> {
    let values = |kind: &'static str| {
        item.person.iter().filter(move |identifier| identifier.kind == kind).map(|identifier| identifier.value.as_str())
    };
    let emails = values("email").filter_map(email).map(|address| json!({"emailAddress": hashed(&address)}));
    let phones = values("phone").filter_map(phone).map(|digits| json!({"phoneNumber": hashed(&format!("+{digits}"))}));
    // The service takes no more than ten of a person.
    let identifiers: Vec<Value> = emails.chain(phones).take(10).collect();
    (!identifiers.is_empty()).then(|| json!({"userData": {"userIdentifiers": identifiers}}))
}

fn request(config: &Config, token: &str, group: &Group, entries: &[Entry]) -> Request {
    let account = |id: &str| json!({"accountType": "GOOGLE_ADS", "accountId": id});
    let mut destination = json!({"operatingAccount": account(&config.account), "productDestinationId": group.audience});
    if let Some(login) = &config.login_account {
        destination["loginAccount"] = account(login);
    }
    let members: Vec<&Value> = entries.iter().map(|entry| &entry.body).collect();
    let mut body = json!({"destinations": [destination], "audienceMembers": members, "encoding": "HEX"});
    let method = match group.change {
        Change::Remove => "remove",
        Change::Add => {
            let consent = &config.consent;
            body["consent"] = json!({
                "adUserData": name(consent.ad_user_data),
                "adPersonalization": name(consent.ad_personalization),
            });
            body["termsOfService"] = json!({"customerMatchTermsOfServiceStatus": "ACCEPTED"});
            "ingest"
        }
    };
    Request::post(&format!("https://{HOST}/v1/audienceMembers:{method}")).header("authorization", token).json(&body)
}

const fn name(given: Given) -> &'static str {
    match given {
        Given::Granted => "CONSENT_GRANTED",
        Given::Denied => "CONSENT_DENIED",
    }
}
