//! The reference of the HTTP API, made of the OpenAPI document that the engine serves.

use super::page::{cell, prose};
use serde_json::{Map, Value as Json};
use std::fmt::Write;

pub(super) fn page(document: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let mut page = format!(
        "# HTTP API\n\n{}\n\nThe running engine serves this page as `/api/docs` and the document behind it as `/api/v1/openapi.json`.\n",
        prose(&text(&document["info"]["description"]))
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let tag = text(&tag["name"]);
        // Writing into a text cannot fail.
        let _ = write!(page, "\n## {tag}\n");
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(item).filter(|(_, operation)| operation["tags"][0] == tag.as_str()) {
                one(&mut page, path, method, operation);
            }
        }
    }
    page.push_str("\n## Schemas\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(page, "\n### {name}\n\n```json\n{pretty}\n```\n");
    }
    page
}

fn one(page: &mut String, path: &str, method: &str, operation: &Json) {
    let text = |key: &str| operation[key].as_str().unwrap_or_default();
    let _ = write!(
        page,
        "\n### {} {path}\n\n**{}** {}\n\n",
        method.to_uppercase(),
        prose(text("summary")),
        prose(text("description"))
    );
    match operation["x-scope"].as_str() {
        Some(scope) => _ = write!(page, "Needs a key with the scope `{scope}`.\n\n"),
        None => page.push_str("Open to everybody.\n\n"),
    }
    if let Some(parameters) = operation["parameters"].as_array() {
        page.push_str("| parameter | in | type | is |\n|---|---|---|---|\n");
        for it in parameters {
            let description = it["description"].as_str().unwrap_or_default();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                it["name"].as_str().unwrap_or_default(),
                it["in"].as_str().unwrap_or_default(),
                cell(&kind(&it["schema"])),
                cell(&prose(description)),
            );
        }
        page.push('\n');
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = write!(page, "Body: `application/json`, {}.\n\n", kind(body));
    }
    page.push_str("| status | is | content |\n|---|---|---|\n");
    for (status, response) in members(&operation["responses"]) {
        let content: Vec<String> = members(&response["content"])
            .map(|(media, content)| format!("`{media}` {}", kind(&content["schema"])))
            .collect();
        let said = response["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "| {status} | {} | {} |", cell(&prose(said)), cell(&content.join("\n")));
    }
}

/// A schema in a few words, or a link to it.
fn kind(schema: &Json) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", shown(value))).collect();
        return values.join(" ");
    }
    if let Some(variants) = schema["anyOf"].as_array() {
        return variants.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let mut words: Vec<String> = schema["type"].as_str().map(str::to_owned).into_iter().collect();
    if let Some(items) = schema.get("items") {
        words.push(format!("of {}", kind(items)));
    }
    for (key, word) in
        [("format", ""), ("pattern", ""), ("minimum", "from "), ("maximum", "to "), ("default", "default ")]
    {
        if let Some(value) = schema.get(key) {
            words.push(format!("{word}`{}`", shown(value)));
        }
    }
    words.join(" ")
}

fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
