//! What a plugin says of itself: read by the engine when it loads the plugin, and by the compiler of the language.

use crate::ItemKind;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A plugin, described. Start with [`Description::new`] and add what applies.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    name: String,
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accepts: Vec<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    actions: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Value>,
    hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<SecretNeed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identifiers: Vec<String>,
}

/// Something that a journey can `send`.
#[derive(Clone, Debug)]
pub struct Action {
    /// `message`: a rule says `send email.message {…}`.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// The JSON Schema of what goes between the braces.
    pub schema: Value,
}

/// A secret that the plugin names in its requests.
#[derive(Clone, Debug, Serialize)]
pub struct SecretNeed {
    name: String,
    summary: String,
    required_when: Value,
}

impl Description {
    /// A plugin of this name and version (three numbers), which takes every kind of item and reaches no host.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: String::new(),
            accepts: Vec::new(),
            actions: Map::new(),
            config: None,
            hosts: Vec::new(),
            secrets: Vec::new(),
            identifiers: Vec::new(),
        }
    }

    /// What it does, in a sentence.
    #[must_use]
    pub fn summary(mut self, summary: &str) -> Self {
        summary.clone_into(&mut self.summary);
        self
    }

    /// It takes only these kinds of items; the engine refuses a project that sends it others.
    #[must_use]
    pub fn accepts(mut self, kinds: impl IntoIterator<Item = ItemKind>) -> Self {
        self.accepts = kinds.into_iter().map(kind_name).collect();
        self
    }

    /// It knows this action.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.insert(action.name, json!({"summary": action.summary, "schema": action.schema}));
        self
    }

    /// The JSON Schema (2020-12) of its configuration. The engine checks it before it asks the plugin.
    #[must_use]
    pub fn config(mut self, schema: Value) -> Self {
        self.config = Some(schema);
        self
    }

    /// The hosts that it sends to: `api.example.com`, `*.example.com`, or `*` for whatever host the project allows.
    #[must_use]
    pub fn hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.hosts.extend(hosts.into_iter().map(str::to_owned));
        self
    }

    /// It cannot work without this secret.
    #[must_use]
    pub fn secret(self, name: &str, summary: &str) -> Self {
        self.secret_when(name, summary, Value::Bool(true))
    }

    /// It needs this secret when its configuration fits a JSON Schema; otherwise the secret may be there.
    #[must_use]
    pub fn secret_when(mut self, name: &str, summary: &str, required_when: Value) -> Self {
        self.secrets.push(SecretNeed { name: name.to_owned(), summary: summary.to_owned(), required_when });
        self
    }

    /// The kinds of identifiers it can use, best first; without this it is given all that the project lets it see.
    #[must_use]
    pub fn identifiers<'a>(mut self, kinds: impl IntoIterator<Item = &'a str>) -> Self {
        self.identifiers.extend(kinds.into_iter().map(str::to_owned));
        self
    }

    /// As the engine reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

const fn kind_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Message => "message",
        ItemKind::SegmentEntered => "segment-entered",
        ItemKind::SegmentLeft => "segment-left",
        ItemKind::TraitChanged => "trait-changed",
        ItemKind::Event => "event",
        ItemKind::Erase => "erase",
    }
}
