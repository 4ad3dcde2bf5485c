//! The reference of the bundled destinations: what each says of itself.

use super::ManualError;
use super::page::{cell, prose};
use serde_json::{Map, Value as Json};
use sonder_activate::host::{Description, HostConfig, bundled, native};
use std::fmt::Write;

/// Those that are part of the engine.
const NATIVE: [&str; 2] = ["sonder/files@1", "sonder/onsite@1"];

pub(super) fn page() -> Result<String, ManualError> {
    let host = crate::cli::compiled::host(HostConfig::default())?;
    let mut described: Vec<(&str, Description)> = Vec::new();
    for plugin in bundled::BUNDLED {
        let loaded = host.plugin(plugin.wasm).map_err(|error| ManualError::Plugin { name: plugin.name, error })?;
        described.push((plugin.name, loaded.description().clone()));
    }
    described.extend(NATIVE.iter().filter_map(|name| Some((*name, native::describe(name)?))));
    described.sort_by_key(|(name, _)| *name);
    let mut page = "# Bundled destinations\n\nWhat each says of itself, as `sonder plugin inspect` shows it. \
                    [Connect a destination](../how-to/destinations.md) has an example of each.\n\n| plugin | does |\n|---|---|\n"
        .to_owned();
    for (name, it) in &described {
        // Writing into a text cannot fail.
        let _ = writeln!(page, "| [`{name}`](#{}) | {} |", anchor(name), cell(&prose(&it.summary)));
    }
    described.iter().for_each(|(name, it)| one(&mut page, name, it));
    Ok(page)
}

/// The id that a heading of this name gets.
fn anchor(name: &str) -> String {
    name.chars().filter(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_')).collect()
}

fn one(page: &mut String, name: &str, it: &Description) {
    let _ = write!(page, "\n## {name}\n\n{}.\n\n", sentence(&it.summary));
    let listed = |items: Vec<String>, none: &str| {
        let shown: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
        if shown.is_empty() { none.to_owned() } else { shown.join(", ") }
    };
    let _ = writeln!(page, "| | |\n|---|---|");
    let _ = writeln!(page, "| takes | {} |", listed(it.taken().map(str::to_owned).collect(), "nothing"));
    let _ = writeln!(page, "| sends to | {} |", listed(it.hosts.clone(), "nowhere"));
    let _ = writeln!(page, "| uses identifiers | {} |", listed(it.identifiers.clone(), "all that it may see"));
    for secret in &it.secrets {
        let _ = writeln!(page, "| secret `{}` | {} |", secret.name, cell(&prose(&secret.summary)));
    }
    for (action, schema) in &it.actions {
        let summary = schema["summary"].as_str().unwrap_or_default();
        let _ = write!(page, "\n### send {name_of}.{action}\n\n{}.\n\n", sentence(summary), name_of = short(name));
        fields(page, &schema["schema"]);
    }
    if let Some(config) = it.config_schema() {
        let _ = write!(page, "\n### config of {}\n\n", short(name));
        fields(page, config);
    }
}

fn short(name: &str) -> &str {
    name.split(['/', '@']).nth(1).unwrap_or(name)
}

fn fields(page: &mut String, schema: &Json) {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    if properties.is_empty() {
        page.push_str("Fields of any name.\n");
        return;
    }
    page.push_str("| field | type | is |\n|---|---|---|\n");
    for (name, field) in properties {
        let must = if required.contains(&name.as_str()) { " *required*" } else { "" };
        let mut said: Vec<String> = field["description"].as_str().map(prose).into_iter().collect();
        if let Some(values) = field["enum"].as_array() {
            let values: Vec<String> = values.iter().map(|value| format!("`{}`", shown(value))).collect();
            said.push(format!("one of {}", values.join(", ")));
        }
        if let Some(default) = field.get("default") {
            said.push(format!("default `{}`", shown(default)));
        }
        let kind = match &field["type"] {
            Json::String(kind) => kind.clone(),
            Json::Array(kinds) => kinds.iter().map(shown).collect::<Vec<_>>().join(" or "),
            _ => "any".to_owned(),
        };
        let _ = writeln!(page, "| `{}`{must} | {kind} | {} |", cell(name), cell(&said.join("; ")));
    }
    if schema["additionalProperties"] != false {
        page.push_str("\nFields of other names are allowed.\n");
    }
}

fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// With a capital letter, without a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
