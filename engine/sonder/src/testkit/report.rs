//! Telling what became of scenarios: for people, as JSON, as JUnit XML, as annotations of a GitHub workflow.

use super::Outcome;
use super::coverage::{self, Tried};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::time::Duration;

/// For people: what failed, with what was missing (`-`) and what was there instead (`+`), and the count.
#[must_use]
pub fn human(outcomes: &[Outcome], took: Duration, colour: bool) -> String {
    let (red, green, bold, plain) = match colour {
        true => ("\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"),
        false => ("", "", "", ""),
    };
    let mut text = String::new();
    for outcome in outcomes {
        if outcome.mismatches.is_empty() {
            let _ = writeln!(text, "{green}✓{plain} {}", outcome.name);
            continue;
        }
        let _ = writeln!(text, "{red}✗{plain} {bold}{}{plain}  {}", outcome.name, outcome.place);
        for it in &outcome.mismatches {
            let _ = writeln!(text, "    at {} (line {}): {}", it.step, it.line, it.what);
            for line in &it.details {
                let tint = if line.starts_with('-') { red } else { green };
                let _ = writeln!(text, "      {tint}{line}{plain}");
            }
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.mismatches.is_empty()).count();
    let _ = writeln!(text, "{} passed, {failed} failed in {:.2} s", outcomes.len() - failed, took.as_secs_f64());
    text
}

/// One document.
#[must_use]
pub fn json(outcomes: &[Outcome], took: Duration, tried: Option<&Tried>) -> String {
    let scenario = |outcome: &Outcome| {
        let mismatches: Vec<Json> = outcome
            .mismatches
            .iter()
            .map(|it| json!({"line": it.line, "step": it.step, "what": it.what, "details": it.details}))
            .collect();
        json!({
            "scenario": outcome.name,
            "place": outcome.place,
            "passed": mismatches.is_empty(),
            "seconds": outcome.took.as_secs_f64(),
            "mismatches": mismatches,
        })
    };
    let failed = outcomes.iter().filter(|outcome| !outcome.mismatches.is_empty()).count();
    let mut document = json!({
        "passed": outcomes.len() - failed,
        "failed": failed,
        "seconds": took.as_secs_f64(),
        "scenarios": outcomes.iter().map(scenario).collect::<Vec<_>>(),
    });
    if let (Some(tried), Some(document)) = (tried, document.as_object_mut()) {
        document.insert("coverage".to_owned(), tried.json());
    }
    format!("{document:#}\n")
}

/// JUnit's XML, as CI servers read it. What scenarios tried stands in the properties of the suite, what none did in its output.
#[must_use]
pub fn junit(outcomes: &[Outcome], took: Duration, tried: Option<&Tried>) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.mismatches.is_empty()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuite name=\"sonder\" tests=\"{}\" failures=\"{failed}\" time=\"{:.3}\">",
        outcomes.len(),
        took.as_secs_f64()
    );
    if let Some(tried) = tried {
        let (seen, all) = (tried.seen.to_string(), tried.all.to_string());
        let values = [("percent", format!("{:.1}", tried.percent())), ("seen", seen), ("all", all)];
        text.push_str("  <properties>\n");
        for (name, value) in values {
            let _ = writeln!(text, "    <property name=\"coverage.{name}\" value=\"{value}\"/>");
        }
        text.push_str("  </properties>\n");
    }
    for outcome in outcomes {
        let (file, line) = outcome.place.rsplit_once(':').unwrap_or((&outcome.place, "1"));
        let _ = write!(
            text,
            "  <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{line}\" time=\"{:.3}\"",
            escaped(&outcome.name),
            escaped(file.trim_end_matches(".yaml")),
            escaped(file),
            outcome.took.as_secs_f64()
        );
        if outcome.mismatches.is_empty() {
            text.push_str("/>\n");
            continue;
        }
        text.push_str(">\n");
        for it in &outcome.mismatches {
            let _ = writeln!(
                text,
                "    <failure message=\"{}\">{}</failure>",
                escaped(&format!("at {} (line {}): {}", it.step, it.line, it.what)),
                escaped(&it.details.join("\n"))
            );
        }
        text.push_str("  </testcase>\n");
    }
    if let Some(tried) = tried {
        let _ = writeln!(text, "  <system-out>{}</system-out>", escaped(&tried.human()));
    }
    text.push_str("</testsuite>\n");
    text
}

/// Annotations of a GitHub workflow: one a mismatch, a warning for each condition and way that no scenario tries. It wants paths from the root of the repository, where the project has the
/// path `folder`.
#[must_use]
pub fn github(outcomes: &[Outcome], folder: &str, tried: Option<&Tried>) -> String {
    let before = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut text = String::new();
    for outcome in outcomes {
        let file = outcome.place.rsplit_once(':').map_or(outcome.place.as_str(), |(file, _)| file);
        for it in &outcome.mismatches {
            let body = format!("at {}: {}\n{}", it.step, it.what, it.details.join("\n"));
            let (file, title) = (property(&format!("{before}{file}")), property(&outcome.name));
            let _ = writeln!(text, "::error file={file},line={},title={title}::{}", it.line, data(body.trim_end()));
        }
    }
    for point in tried.iter().flat_map(|tried| &tried.points) {
        let missing: Vec<&str> = coverage::missing(point).collect();
        if missing.is_empty() {
            continue;
        }
        let body = data(&format!("{}: never {}", point.text, missing.join(", never ")));
        let file = property(&format!("{before}{}", point.path));
        let _ = writeln!(text, "::warning file={file},line={},title=no scenario tries this::{body}", point.line);
    }
    text
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of one of its properties.
fn property(text: &str) -> String {
    data(text).replace(',', "%2C").replace(':', "%3A")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no place for control characters, not even escaped ones.
            control if control.is_control() && !matches!(control, '\n' | '\t') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
