//! Event files that are proposed: of a sample of what is sent, or of another product's tracking plan. People look them over
//! before they are a project's.

mod foreign;
mod infer;

pub use foreign::{ForeignError, read as read_foreign};
pub use infer::Sample;

use serde_json::{Map, Value as Json};
use sonder_dsl::model::fold_event_name;

/// An event, as it would stand in `events/`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// As it is sent.
    pub sent_as: String,
    /// What it means.
    pub description: Option<String>,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// MODEL-REVISION-ADDITION.
    pub version: Option<String>,
    /// By name, in order.
    pub properties: Map<String, Json>,
    /// Those that are always there.
    pub required: Vec<String>,
    /// What whoever looks it over should know.
    pub notes: Vec<String>,
}

impl Proposal {
    /// Its name in the project.
    #[must_use]
    pub fn name(&self) -> String {
        fold_event_name(&self.sent_as)
    }

    /// The file.
    #[must_use]
    pub fn yaml(&self) -> String {
        let name = self.name();
        let mut out: String =
            self.notes.iter().map(|note| format!("# {}\n", note.replace(['\n', '\r'], " "))).collect();
        out += &format!("event: {}\n", scalar(&name));
        // Another spelling that folds to the name is found by itself, and is how people know the event.
        if self.sent_as != name {
            out += &format!("title: {}\n", scalar(&self.sent_as));
        }
        for (key, value) in [("description", &self.description), ("owner", &self.owner), ("version", &self.version)] {
            if let Some(value) = value {
                out += &format!("{key}: {}\n", scalar(value));
            }
        }
        if !self.properties.is_empty() {
            out += "properties:\n";
        }
        for (name, schema) in &self.properties {
            out += &format!("  {}: {}\n", scalar(name), flow(schema));
        }
        if !self.required.is_empty() {
            let names: Vec<String> = self.required.iter().map(|name| scalar(name)).collect();
            out += &format!("required: [{}]\n", names.join(", "));
        }
        out
    }
}

/// A value in YAML's flow style, on one line.
pub(crate) fn flow(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let pairs: Vec<String> =
                object.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Text as it can stand in YAML: plain where that is safe, else as JSON writes it.
fn scalar(text: &str) -> String {
    let mut letters = text.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    let is_plain = begins && letters.all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-');
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if is_plain && !is_word { text.to_owned() } else { Json::from(text).to_string() }
}
