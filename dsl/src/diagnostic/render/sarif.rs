//! For code scanning: SARIF 2.1.0.

use super::Place;
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::source::SourceSet;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One run with all diagnostics. Code scanning wants paths from the root of the repository, where the project has the path
/// `folder`.
#[must_use]
pub fn render(sources: &SourceSet, diagnostics: &[Diagnostic], folder: &str) -> String {
    let used: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let rules: Vec<Value> = used
        .iter()
        .filter_map(|code| codes::find(code))
        .map(|row| json!({"id": row.code, "shortDescription": {"text": row.title}, "help": {"text": row.page, "markdown": row.page}}))
        .collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(sources, diagnostic, folder)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "sonder", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn result(sources: &SourceSet, diagnostic: &Diagnostic, folder: &str) -> Value {
    let mut text = diagnostic.message.clone();
    text.extend(diagnostic.help.iter().chain(&diagnostic.notes).map(|more| format!("\n{more}")));
    let locations: Vec<Value> = Place::of(diagnostic, sources)
        .map(|place| {
            json!({"physicalLocation": {
                "artifactLocation": {"uri": uri(&place.path(folder))},
                "region": {
                    "startLine": place.begin.line,
                    "startColumn": place.begin.column,
                    "endLine": place.end.line,
                    "endColumn": place.end.column,
                },
            }})
        })
        .into_iter()
        .collect();
    json!({
        "ruleId": diagnostic.code,
        "level": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": {"text": text},
        "locations": locations,
    })
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
