//! For code scanning: SARIF 2.1.0.

use super::Place;
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::source::SourceSet;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One run with all diagnostics.
#[must_use]
pub fn render(sources: &SourceSet, diagnostics: &[Diagnostic]) -> String {
    let used: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let rules: Vec<Value> = used
        .iter()
        .filter_map(|code| codes::find(code))
        .map(|row| json!({"id": row.code, "shortDescription": {"text": row.title}, "help": {"text": row.page, "markdown": row.page}}))
        .collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(sources, diagnostic)).collect();
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

fn result(sources: &SourceSet, diagnostic: &Diagnostic) -> Value {
    let mut text = diagnostic.message.clone();
    text.extend(diagnostic.help.iter().chain(&diagnostic.notes).map(|more| format!("\n{more}")));
    let locations: Vec<Value> = Place::of(diagnostic, sources)
        .map(|place| {
            json!({"physicalLocation": {
                "artifactLocation": {"uri": place.file},
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
