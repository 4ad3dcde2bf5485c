//! What plugins say of themselves, as far as the compiler needs it: data that whoever can run plugins passes in.

use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What is known of plugins, by what `plugin:` of a destination names: `sonder/webhook@1`, `plugins/mine.wasm`. Of a plugin
/// that nothing is known of, `send` is only checked to name a destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plugins {
    /// What they say of themselves.
    pub described: BTreeMap<String, PluginDescription>,
    /// Why the others could not be asked.
    pub silent: BTreeMap<String, String>,
}

/// What one plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginDescription {
    /// What a journey can `send`: the JSON Schema of each action's fields.
    pub actions: BTreeMap<String, Json>,
}

impl PluginDescription {
    /// From the `actions` of what a plugin's `describe` gives: `{"message": {"schema": {…}}}`.
    #[must_use]
    pub fn of_actions<'a>(actions: impl IntoIterator<Item = (&'a String, &'a Json)>) -> Self {
        let schema = |action: &Json| action.get("schema").cloned().unwrap_or(Json::Bool(true));
        Self { actions: actions.into_iter().map(|(name, action)| (name.clone(), schema(action))).collect() }
    }
}
