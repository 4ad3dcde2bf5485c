//! The bundled destination `sonder/meta-audiences@1`: segments as Meta Custom Audiences.
//!
//! <https://developers.facebook.com/docs/marketing-api/reference/custom-audience/users/>. Addresses and numbers are hashed
//! here, at the last moment; adding and removing members twice changes nothing, so that there is no idempotency key.

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_audience::{Change, Group, deliver, email, groups, hashed, phone};
use sonder_plugin::{
    Answer, Description, Destination, Entry, Item, ItemKind, Now, Outcome, Problem, Request, alike, together,
};
use std::collections::BTreeMap;

struct MetaAudiences;

/// Which audiences, and how people's data may be used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The ids of audiences by segment.
    audiences: BTreeMap<String, String>,
    /// Whether people in these segments consented to their data being used for ads.
    customer_consent: bool,
    /// Limited Data Use: Meta finds out itself whether somebody is where it applies.
    #[serde(default)]
    limited_data_use: bool,
    /// The version of the Graph API.
    #[serde(default = "current")]
    version: String,
}

/// Members of one call.
const MOST: usize = 10_000;
const HOST: &str = "graph.facebook.com";

impl Destination for MetaAudiences {
    type Config = Config;

    fn describe() -> Description {
        Description::new("meta-audiences", env!("CARGO_PKG_VERSION"))
            .summary("keeps Meta Custom Audiences as segments are; identifiers are hashed")
            .accepts([ItemKind::SegmentEntered, ItemKind::SegmentLeft, ItemKind::Erase])
            .config(json!({
                "type": "object",
                "properties": {
                    "audiences": {
                        "type": "object",
                        "additionalProperties": {"type": "string", "pattern": "^[0-9]+$"},
                        "minProperties": 1,
                        "description": "The ids of audiences by segment",
                    },
                    "customer_consent": {"type": "boolean", "description": "Whether people in these segments consented to ads"},
                    "limited_data_use": {"type": "boolean", "default": false, "description": "Limited Data Use, where Meta finds that it applies"},
                    "version": {"type": "string", "pattern": "^v[0-9]+\\.[0-9]+$", "default": "v25.0", "description": "The version of the Graph API"},
                },
                "required": ["audiences", "customer_consent"],
                "additionalProperties": false,
            }))
            .hosts([HOST])
            .secret("access_token", "a system user's token with `ads_management`")
            .identifiers(["email", "phone"])
    }

    fn check(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Delivered; items.len()];
        let member = |item: &Item| member(config, item);
        let groups = groups(items, &config.audiences, member, &mut outcomes);
        deliver(&groups, &mut outcomes, |group, own| {
            together(&group.entries, MOST, now, own, |entries| request(config, group, entries, items), judge);
        });
        outcomes
    }
}

sonder_plugin::destination!(MetaAudiences);

/// A row: what is not known is blank.
fn member(config: &Config, item: &Item) -> Option<Value> {
    let address = item.identifier("email").and_then(email).map(|address| hashed(&address));
    let number = item.identifier("phone").and_then(phone).map(|digits| hashed(&digits));
    if address.is_none() && number.is_none() {
        return None;
    }
    let mut row = vec![Value::from(address.unwrap_or_default()), Value::from(number.unwrap_or_default())];
    if config.limited_data_use {
        row.push(json!(["LDU"]));
    }
    Some(Value::Array(row))
}

fn request(config: &Config, group: &Group, entries: &[Entry], items: &[Item]) -> Request {
    let mut schema = vec!["EMAIL", "PHONE"];
    if config.limited_data_use {
        schema.push("DATA_PROCESSING_OPTIONS");
    }
    let rows: Vec<&Value> = entries.iter().map(|entry| &entry.body).collect();
    let mut body = json!({
        "session": {"session_id": session(entries, items), "batch_seq": 1, "last_batch_flag": true, "estimated_num_total": rows.len()},
        "payload": {"schema": schema, "data": rows},
    });
    let method = match group.change {
        Change::Remove => "DELETE",
        Change::Add => {
            body["customer_consent"] = config.customer_consent.into();
            "POST"
        }
    };
    let url =
        format!("https://{HOST}/{}/{}/users?access_token={{{{secret:access_token}}}}", config.version, group.audience);
    Request::new(method, &url).json(&body)
}

/// The same items have the same session (FNV-1a over their keys, as a positive number of 63 bits).
fn session(entries: &[Entry], items: &[Item]) -> u64 {
    let keys = entries.iter().flat_map(|entry| &entry.items).filter_map(|place| items.get(*place));
    let hash = keys
        .flat_map(|item| item.id.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash >> 1
}

/// Its errors are told by their codes; most come with the status 400.
/// <https://developers.facebook.com/docs/graph-api/guides/error-handling/>
fn judge(answer: &Answer, entries: &[Entry], now: Now) -> Vec<Outcome> {
    let Ok(response) = answer else { return alike(answer, entries, now) };
    let told: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if response.status < 300 {
        let invalid = told["num_invalid_entries"].as_u64().unwrap_or(0);
        // It says how many rows it does not take, not which.
        let all = usize::try_from(invalid).is_ok_and(|invalid| invalid >= entries.len());
        let why = || Outcome::Rejected("Meta calls the entry invalid".to_owned());
        return if all { vec![why(); entries.len()] } else { alike(answer, entries, now) };
    }
    let why = || {
        let error = &told["error"];
        format!("error {}: {}", error["code"], error["message"].as_str().unwrap_or_default())
    };
    let outcome = match told["error"]["code"].as_i64() {
        Some(10 | 102 | 190 | 200..=299) => Outcome::Unauthorized(why()),
        // Something that passes, and limits of calls.
        Some(1 | 2 | 4 | 17 | 32 | 341 | 368 | 613 | 80_000..=80_014) => {
            Outcome::RetryAfter(response.retry_after(now).unwrap_or(0))
        }
        Some(_) if response.status == 400 => Outcome::Rejected(why()),
        _ => return alike(answer, entries, now),
    };
    vec![outcome; entries.len()]
}

fn current() -> String {
    "v25.0".to_owned()
}
