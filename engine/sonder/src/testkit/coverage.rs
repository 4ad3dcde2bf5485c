//! Telling what of a program scenarios tried.

use serde_json::{Value as Json, json};
use sonder_core::coverage::{Coverage, Point};
use sonder_dsl::ir::Program;
use std::fmt::Write;

/// What of a program was tried, ready to be told.
#[derive(Debug)]
pub struct Tried {
    /// Everything that can come out in several ways.
    pub points: Vec<Point>,
    /// Ways that were seen.
    pub seen: usize,
    /// All ways.
    pub all: usize,
}

impl Tried {
    /// Counts.
    #[must_use]
    pub fn new(program: &Program, coverage: &Coverage) -> Self {
        let points = coverage.points(program);
        let outcomes = || points.iter().flat_map(|point| &point.outcomes);
        Self { seen: outcomes().filter(|(_, seen)| *seen).count(), all: outcomes().count(), points }
    }

    /// How much was seen; all of it where there is nothing to see.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.all == 0 { 100.0 } else { self.seen as f64 * 100.0 / self.all as f64 }
    }

    /// For people: what was never seen, by rule.
    #[must_use]
    pub fn human(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for point in self.points.iter().filter(|point| missing(point).next().is_some()) {
            // Writing into a text cannot fail.
            if last.replace((point.kind, &point.name)) != Some((point.kind, &point.name)) {
                let _ = writeln!(text, "{} {}  {}:{}", point.kind, point.name, point.path, point.line);
            }
            let _ = writeln!(text, "    {}: never {}", point.text, missing(point).collect::<Vec<_>>().join(", never "));
        }
        let _ = writeln!(text, "coverage: {:.1} % ({} of {} outcomes)", self.percent(), self.seen, self.all);
        text
    }

    /// As a part of the JSON document.
    #[must_use]
    pub fn json(&self) -> Json {
        let point = |it: &Point| {
            let outcomes: serde_json::Map<String, Json> =
                it.outcomes.iter().map(|(name, seen)| (name.clone(), Json::Bool(*seen))).collect();
            json!({
                "kind": it.kind,
                "name": it.name,
                "path": it.path,
                "line": it.line,
                "text": it.text,
                "outcomes": outcomes,
            })
        };
        json!({
            "percent": (self.percent() * 10.0).round() / 10.0,
            "seen": self.seen,
            "all": self.all,
            "points": self.points.iter().map(point).collect::<Vec<_>>(),
        })
    }
}

/// The outcomes that nobody saw.
pub fn missing(point: &Point) -> impl Iterator<Item = &str> {
    point.outcomes.iter().filter(|(_, seen)| !*seen).map(|(name, _)| name.as_str())
}
