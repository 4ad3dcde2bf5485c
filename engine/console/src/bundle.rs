//! What is known of a person as a page that they can read: one file, no script, nothing from anywhere else.
//!
//! It shows everything that the JSON has; the messages as they came stand folded below each line.

use crate::openapi::escape;
use serde_json::Value as Json;
use std::fmt::Write;

/// Parts of a bundle: what they are called, what they are, and their columns.
const PARTS: [(&str, &str, &str, &[&str]); 10] = [
    (
        "identifiers",
        "Identifiers",
        "By what you are known, and who told us first.",
        &["kind", "value", "source", "first_seen", "last_seen"],
    ),
    (
        "traits",
        "Profile",
        "What is known of you, where it comes from, and what it may be used for.",
        &["name", "value", "source", "at", "purposes"],
    ),
    ("computed", "Computed", "What was computed of it.", &["name", "value", "description", "purpose"]),
    ("segments", "Groups", "The groups that you are in.", &["name", "description", "since", "purpose"]),
    (
        "journeys",
        "Journeys",
        "Series of messages that you get or got.",
        &["name", "status", "step", "since", "purpose"],
    ),
    ("consent", "Consent", "What you allow, now.", &["purpose", "granted", "held", "since", "description"]),
    (
        "statements",
        "What you said about consent",
        "Each time that you answered, how, and which notice you saw.",
        &["purpose", "granted", "at", "method", "notice"],
    ),
    ("deliveries", "Recipients", "What was told to whom.", &["destination", "kind", "name", "at", "state", "purposes"]),
    ("messages", "What you did", "All messages, as they came.", &["event", "at", "source", "purposes"]),
    (
        "kept_aside",
        "Kept aside",
        "Messages of yours that were not accepted, as they came: nothing is made of them.",
        &["event", "received_at", "source"],
    ),
];

/// Renders a bundle.
pub(crate) fn page(bundle: &Json) -> String {
    let mut html = String::new();
    let text = |value: &Json| escape(value.as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Your data at {project}</title><style>{STYLE}</style></head><body><h1>Your data at {project}</h1>\
         <p>All that is known of you, as of {at}.</p>",
        project = text(&bundle["project"]),
        at = text(&bundle["made_at"]),
    );
    purposes(&mut html, &bundle["purposes"]);
    for (key, title, lead, columns) in PARTS {
        let rows = bundle[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let _ = write!(html, "<h2>{title} <small>{}</small></h2><p>{lead}</p>", rows.len());
        if rows.is_empty() {
            html.push_str("<p class=\"none\">nothing</p>");
            continue;
        }
        html.push_str("<table><tr>");
        for column in columns {
            let _ = write!(html, "<th>{}</th>", column.replace('_', " "));
        }
        html.push_str("</tr>");
        for row in rows {
            html.push_str("<tr>");
            for column in columns {
                let _ = write!(html, "<td>{}</td>", cell(&row[*column]));
            }
            html.push_str("</tr>");
            for whole in ["message", "payload"] {
                if let Some(it) = row.get(whole) {
                    let pretty = serde_json::to_string_pretty(it).unwrap_or_default();
                    let _ = write!(
                        html,
                        "<tr><td colspan=\"{}\"><details><summary>all of it</summary><pre>{}</pre></details></td></tr>",
                        columns.len(),
                        escape(&pretty)
                    );
                }
            }
        }
        html.push_str("</table>");
    }
    html.push_str("</body></html>");
    html
}

fn purposes(html: &mut String, purposes: &Json) {
    let purposes = purposes.as_array().map(Vec::as_slice).unwrap_or_default();
    if purposes.is_empty() {
        return;
    }
    html.push_str("<h2>What it is used for</h2><table><tr><th>purpose</th><th>messages</th><th>profile</th><th>groups</th><th>recipients</th></tr>");
    for it in purposes {
        let _ = write!(
            html,
            "<tr><td><b>{}</b> {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            cell(&it["purpose"]),
            cell(&it["description"]),
            cell(&it["messages"]),
            cell(&it["traits"]),
            cell(&it["segments"]),
            cell(&it["destinations"]),
        );
    }
    html.push_str("</table>");
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => escape(text),
        Json::Bool(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        Json::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Json::Object(_) | Json::Number(_) => escape(&value.to_string()),
    }
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd;\
overflow-wrap:anywhere}small,.none{color:#777}pre{white-space:pre-wrap}";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_is_shown_and_nothing_is_markup() {
        let bundle = json!({
            "project": "shop", "made_at": "2026-03-01T00:00:00Z",
            "purposes": [{"purpose": "marketing", "messages": 2, "traits": ["email"], "segments": [], "destinations": ["mail"]}],
            "traits": [{"name": "email", "value": "<b>ann@x.example", "purposes": ["marketing"]}],
            "messages": [{"event": "view", "message": {"properties": {"product": "</pre><script>"}}}],
        });
        let html = page(&bundle);
        for part in
            ["Your data at shop", "&lt;b&gt;ann@x.example", "<td>mail</td>", "&lt;/pre&gt;&lt;script&gt;", "nothing"]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<script"));
    }
}
