//! The bundled destination `sonder/support@1`: tickets at a support desk, as Zendesk has them.
//!
//! <https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#create-ticket>; the idempotency key is
//! <https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency>.

mod erase;

use serde::Deserialize;
use serde_json::{Value, json};
use sonder_plugin::{Action, Description, Destination, Item, ItemKind, Now, Outcome, Problem, Request, each, outcome};

struct Support;

/// Whose desk it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// `shop` of `shop.zendesk.com`.
    subdomain: String,
    /// The group that gets the tickets.
    #[serde(default)]
    group_id: Option<u64>,
    /// Tags of every ticket.
    #[serde(default)]
    tags: Vec<String>,
}

impl Destination for Support {
    type Config = Config;

    fn describe() -> Description {
        Description::new("support", env!("CARGO_PKG_VERSION"))
            .summary("opens tickets at a Zendesk support desk; erased people are deleted for good")
            .accepts([ItemKind::Message, ItemKind::Erase])
            .action(Action {
                name: "ticket".to_owned(),
                summary: "a new ticket; its requester is the person, where an e-mail address is known".to_owned(),
                schema: json!({
                    "type": "object",
                    "properties": {
                        "subject": {"type": "string", "description": "What it is about"},
                        "body": {"type": "string", "description": "What agents read first; not shown to the requester"},
                        "priority": {"enum": ["low", "normal", "high", "urgent"]},
                        "type": {"enum": ["problem", "incident", "question", "task"]},
                        "email": {"type": "string", "description": "The requester's address; else the identifier `email`"},
                        "name": {"type": "string", "description": "The requester's name"},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["subject", "body"],
                    "additionalProperties": false,
                }),
            })
            .config(json!({
                "type": "object",
                "properties": {
                    "subdomain": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "description": "`shop` of `shop.zendesk.com`"},
                    "group_id": {"type": "integer", "minimum": 1, "description": "The group that gets the tickets"},
                    "tags": {"type": "array", "items": {"type": "string", "minLength": 1}, "description": "Tags of every ticket"},
                },
                "required": ["subdomain"],
                "additionalProperties": false,
            }))
            .hosts(["*.zendesk.com"])
            .secret("authorization", "`Bearer ` and an OAuth token, or `Basic ` and the base64 of `agent@shop.example/token:API_TOKEN`")
            .identifiers(["email", "user_id"])
    }

    fn check(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(items.len());
        // In order: a ticket for somebody, then their erasure.
        for part in items.chunk_by(|a, b| a.kind == b.kind) {
            match part.first().map(|item| item.kind) {
                Some(ItemKind::Erase) => outcomes.extend(part.iter().map(|item| erase::person(config, now, item))),
                _ => outcomes.extend(each(part, now, |item| request(config, item), outcome)),
            }
        }
        outcomes
    }
}

sonder_plugin::destination!(Support);

fn request(config: &Config, item: &Item) -> Result<Request, Outcome> {
    let needed =
        |field: &str| item.text(field).ok_or_else(|| Outcome::Rejected(format!("there is nothing in `{field}`")));
    let mut ticket = json!({
        "subject": needed("subject")?,
        "comment": {"body": needed("body")?, "public": false},
        "external_id": item.id,
    });
    for field in ["priority", "type"] {
        if let Some(value) = item.text(field) {
            ticket[field] = Value::from(value);
        }
    }
    let tags: Vec<Value> = config.tags.iter().map(|tag| Value::from(tag.as_str())).chain(own_tags(item)).collect();
    if !tags.is_empty() {
        ticket["tags"] = Value::Array(tags);
    }
    if let Some(group) = config.group_id {
        ticket["group_id"] = group.into();
    }
    if let Some(email) = item.text("email").or_else(|| item.identifier("email")) {
        // The desk wants a name of whoever it does not know yet.
        let name = item.text("name").unwrap_or(email);
        ticket["requester"] = json!({"email": email, "name": name});
    }
    Ok(Request::post(&format!("https://{}.zendesk.com/api/v2/tickets.json", config.subdomain))
        .header("authorization", "{{secret:authorization}}")
        .header("accept", "application/json")
        .header("idempotency-key", &item.id)
        .json(&json!({"ticket": ticket})))
}

fn own_tags(item: &Item) -> impl Iterator<Item = Value> {
    item.payload.get("tags").and_then(Value::as_array).into_iter().flatten().filter(|tag| tag.is_string()).cloned()
}
