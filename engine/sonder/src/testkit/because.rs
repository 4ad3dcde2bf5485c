//! Comparing the conditions that decide a rule with those that are expected.

use sonder_core::explain::{Explanation, Part};

/// What differs: all conditions must be expected, and the other way round.
pub fn compare(expected: &[String], explanation: &Explanation) -> Vec<String> {
    let mut rest = deciding(explanation);
    let mut lines = Vec::new();
    for text in expected {
        let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match rest.iter().position(|it| *it == spaced) {
            Some(place) => _ = rest.remove(place),
            None => lines.push(format!("- {spaced}")),
        }
    }
    lines.extend(rest.into_iter().map(|it| format!("+ {it}")));
    lines
}

/// As text; one that does not hold begins with `not`.
fn deciding(explanation: &Explanation) -> Vec<String> {
    let parts = explanation.because.iter().flat_map(|because| &because.parts);
    let text = |(id, holds): (u32, bool)| {
        let text = &find(&explanation.tree, id)?.text;
        Some(if holds { text.clone() } else { format!("not {text}") })
    };
    parts.filter_map(|reason| text((reason.part, reason.holds))).collect()
}

fn find(part: &Part, id: u32) -> Option<&Part> {
    if part.id == id { Some(part) } else { part.parts.iter().find_map(|inside| find(inside, id)) }
}
