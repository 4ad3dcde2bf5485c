//! The document as a page for people. One style sheet inside, no script, nothing from anywhere else.

use axum::http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value as Json};
use std::fmt::Write;

/// A page has a style of its own and nothing else: no script, no image, no request to anywhere.
pub(crate) const PAGE_POLICY: (HeaderName, HeaderValue) =
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));

/// Renders an OpenAPI document.
pub(crate) fn page(document: &Json) -> String {
    let info = &document["info"];
    let mut html = String::new();
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} API</title>\
         <style>{STYLE}</style></head><body><header><h1>{title} API</h1><p class=\"lead\">{summary}</p></header>",
        title = plain(&info["title"]),
        summary = plain(&info["summary"]),
    );
    html.push_str("<nav><h2>Contents</h2>");
    each_operation(document, |group, path, method, operation| {
        let _ = write!(
            html,
            "<a href=\"#{id}\"><small>{group}</small> <b>{method}</b> {path}</a>",
            id = plain(&operation["operationId"]),
            method = method.to_uppercase(),
            path = escape(path),
        );
    });
    let _ = write!(html, "<a href=\"#schemas\">Schemas</a></nav><main>{}", prose(&info["description"]));
    let mut current = String::new();
    each_operation(document, |group, path, method, operation| {
        if current != group {
            let _ = write!(html, "<h2>{}</h2>", escape(group));
            group.clone_into(&mut current);
        }
        describe(&mut html, path, method, operation);
    });
    html.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let _ = write!(
            html,
            "<section id=\"schema-{name}\"><h3>{name}</h3><pre>{text}</pre></section>",
            name = escape(name),
            text = escape(&serde_json::to_string_pretty(schema).unwrap_or_default()),
        );
    }
    html.push_str("</main></body></html>");
    html
}

fn each_operation(document: &Json, mut visit: impl FnMut(&str, &str, &str, &Json)) {
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            visit(operation["tags"][0].as_str().unwrap_or_default(), path, method, operation);
        }
    }
}

fn describe(html: &mut String, path: &str, method: &str, operation: &Json) {
    let _ = write!(
        html,
        "<section id=\"{id}\"><h3><b>{method}</b> <code>{path}</code></h3><p><strong>{summary}</strong></p>{description}",
        id = plain(&operation["operationId"]),
        method = method.to_uppercase(),
        path = escape(path),
        summary = plain(&operation["summary"]),
        description = prose(&operation["description"]),
    );
    let scope = match operation["x-scope"].as_str() {
        Some(scope) => format!("<p class=\"scope\">needs a key with the scope <code>{}</code></p>", escape(scope)),
        None => "<p class=\"scope\">open to everybody</p>".to_owned(),
    };
    html.push_str(&scope);
    if let Some(parameters) = operation["parameters"].as_array() {
        html.push_str("<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>");
        for parameter in parameters {
            let _ = write!(
                html,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                plain(&parameter["name"]),
                plain(&parameter["in"]),
                kind(&parameter["schema"]),
                inline(parameter["description"].as_str().unwrap_or_default()),
            );
        }
        html.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = write!(html, "<p>Body: <code>application/json</code> {}</p>", kind(body));
    }
    html.push_str("<table><tr><th>status</th><th>meaning</th><th>content</th></tr>");
    for (status, response) in members(&operation["responses"]) {
        let content: Vec<String> = members(&response["content"])
            .map(|(media, content)| format!("<code>{}</code> {}", escape(media), kind(&content["schema"])))
            .collect();
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(status),
            plain(&response["description"]),
            content.join("<br>"),
        );
    }
    html.push_str("</table></section>");
}

/// A schema in a few words, or a link to it.
fn kind(schema: &Json) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>", name = escape(name));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("<code>{}</code>", plain(value))).collect();
        return values.join(" ");
    }
    if let Some(variants) = schema["anyOf"].as_array() {
        let variants: Vec<String> = variants.iter().map(kind).collect();
        return variants.join(" or ");
    }
    let mut words = vec![plain(&schema["type"])];
    if let Some(items) = schema.get("items") {
        words.push(format!("of {}", kind(items)));
    }
    for (key, word) in
        [("format", ""), ("pattern", ""), ("minimum", "from "), ("maximum", "to "), ("default", "default ")]
    {
        if let Some(value) = schema.get(key) {
            words.push(format!("{word}<code>{}</code>", plain(value)));
        }
    }
    words.join(" ")
}

fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// A value as text, escaped.
fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => escape(text),
        other => escape(&other.to_string()),
    }
}

/// Paragraphs.
fn prose(value: &Json) -> String {
    let text = value.as_str().unwrap_or_default();
    text.split("\n\n").map(|paragraph| format!("<p>{}</p>", inline(paragraph))).collect()
}

/// Text whose backticks are code.
fn inline(text: &str) -> String {
    let parts = text
        .split('`')
        .enumerate()
        .map(|(index, part)| if index % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) });
    parts.collect()
}

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--mark:#b4541a}\
body{font:16px/1.55 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:2rem}\
h1{margin:0}h2{margin:3rem 0 1rem;border-bottom:1px solid var(--line)}h3{margin:2rem 0 .5rem}h3 b,nav b{color:var(--mark)}\
.lead{font-size:1.2rem;margin:.3rem 0 2rem}.scope{color:var(--mark);font-size:.9rem}\
nav a{display:block;color:inherit;text-decoration:none;padding:.1rem 0}nav a:hover{text-decoration:underline}\
nav small{display:inline-block;width:6.5rem;opacity:.7}\
code,pre{font:.9em ui-monospace,monospace}code{background:var(--soft);padding:.1em .3em;border-radius:.2em}\
pre{background:var(--soft);padding:1rem;overflow:auto;border-radius:.4rem}\
table{border-collapse:collapse;width:100%;margin:.7rem 0}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;\
border-bottom:1px solid var(--line)}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        assert_eq!(inline("a < b & `c<d>`"), "a &lt; b &amp; <code>c&lt;d&gt;</code>");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&crate::document());
        for outside in ["<script", "<img", "<link", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("<code>/api/v1/people/{who}/timeline</code>"));
    }
}
