//! What a journey sends: `email.message {…}`, read once for all services.

use crate::config::Config;
use serde_json::{Map, Value, json};
use sonder_plugin::Item;

/// An e-mail to be written by the service (from a template) or as it is here.
pub struct Message<'a> {
    /// The idempotency key.
    pub id: &'a str,
    /// The recipient's address.
    pub to: &'a str,
    /// What it says.
    pub content: Content<'a>,
    /// What the template may use; `locale` and `product` are among it.
    pub data: Map<String, Value>,
}

/// What an e-mail says.
pub enum Content<'a> {
    /// The service's template of that name.
    Template(&'a str),
    /// The text itself.
    Written {
        /// The subject.
        subject: &'a str,
        /// In plain text.
        text: Option<&'a str>,
        /// In HTML.
        html: Option<&'a str>,
    },
}

/// The fields that are not the template's.
const OWN: [&str; 6] = ["to", "template", "subject", "text", "html", "data"];

/// The action's fields. Any other goes to the template under its name.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "to": {"type": "string", "description": "The recipient's address"},
            "template": {"type": "string", "description": "The template, as the service or `templates` knows it"},
            "locale": {"type": "string", "description": "Chooses among `templates`, and goes to the template"},
            "subject": {"type": "string", "description": "Instead of a template"},
            "text": {"type": "string", "description": "With `subject`: in plain text"},
            "html": {"type": "string", "description": "With `subject`: in HTML"},
            "product": {"description": "Goes to the template"},
            "data": {"description": "Goes to the template; an object's fields one by one"},
        },
        "required": ["to"],
        "additionalProperties": true,
    })
}

impl<'a> Message<'a> {
    /// Reads an item.
    ///
    /// # Errors
    /// Why there is nothing to send.
    pub fn read(item: &'a Item, config: &'a Config) -> Result<Self, String> {
        let to = item.text("to").ok_or("there is no address in `to`")?;
        if !to.contains('@') || to.contains([',', ';', '\n', '\r']) {
            return Err("`to` is not one address".to_owned());
        }
        let content = match (item.text("template"), item.text("subject")) {
            (Some(template), None) => Content::Template(config.template(template, item.text("locale"))),
            (None, Some(subject)) => {
                let (text, html) = (item.text("text"), item.text("html"));
                if text.is_none() && html.is_none() {
                    return Err("a `subject` needs `text` or `html`".to_owned());
                }
                Content::Written { subject, text, html }
            }
            (Some(_), Some(_)) => return Err("there are both a `template` and a `subject`; leave one out".to_owned()),
            (None, None) => return Err("there is neither a `template` nor a `subject`".to_owned()),
        };
        Ok(Self { id: &item.id, to, content, data: data(item) })
    }
}

fn data(item: &Item) -> Map<String, Value> {
    let mut data = Map::new();
    for (name, value) in &item.payload {
        if !OWN.contains(&name.as_str()) && !value.is_null() {
            data.insert(name.clone(), value.clone());
        }
    }
    match item.payload.get("data") {
        Some(Value::Object(more)) => data.extend(more.clone()),
        None | Some(Value::Null) => {}
        Some(value) => _ = data.insert("data".to_owned(), value.clone()),
    }
    data
}
