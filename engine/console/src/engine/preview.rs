//! What rules would be that nobody deployed.

use serde::Serialize;
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Rules as text.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// What a `.sonder` file could hold. A rule of a name that is there already stands in its place.
    pub source: String,
    /// It is given up after this long.
    pub timeout: Duration,
    /// Set when the client has left.
    pub cancelled: Arc<AtomicBool>,
}

/// What is wrong with the text, or what its rules would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Preview {
    /// As `sonder check --format json` prints them. When one is an error, there are no results.
    pub diagnostics: Vec<Json>,
    /// The same for people, as `sonder check` prints them.
    pub rendered: String,
    /// The moment, and how far the log had come; `None` where there are no results.
    pub as_of: Option<AsOf>,
    /// The rules of the text, in the order of their names.
    pub rules: Vec<PreviewedRule>,
}

/// What results are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AsOf {
    /// The moment at which the rules were evaluated.
    pub at: String,
    /// The last event that counts.
    pub seq: u64,
    /// How many people there are.
    pub people: u64,
}

/// What one rule would be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PreviewedRule {
    /// A segment.
    Segment {
        /// Its name.
        name: String,
        /// Its text.
        definition: String,
        /// There is a segment of this name now.
        replaces: bool,
        /// How many people would be in it.
        size: u64,
        /// Some of them.
        sample: Vec<PreviewedPerson>,
        /// The segments that are there now and share somebody with it, the most alike first.
        overlap: Vec<PreviewOverlap>,
    },
    /// A computed trait.
    Trait {
        /// Its name.
        name: String,
        /// Its text.
        definition: String,
        /// There is a trait of this name now.
        replaces: bool,
        /// How many people would have a value.
        known: u64,
        /// How many people would have none.
        unknown: u64,
        /// How many different values there would be.
        distinct: u64,
        /// The smallest; `null` where there is none.
        min: Json,
        /// The largest.
        max: Json,
        /// The most frequent values.
        top: Vec<ValueCount>,
        /// Some people and their values.
        sample: Vec<PreviewedPerson>,
        /// Values are personal data, and not shown.
        personal: bool,
    },
}

/// Somebody of a sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreviewedPerson {
    /// Their id.
    pub person: String,
    /// By kind and value.
    pub identifiers: Vec<(String, String)>,
    /// For a trait, its value.
    pub value: Json,
}

/// A value and how many people have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueCount {
    /// The value.
    pub value: Json,
    /// How many people.
    pub people: u64,
}

/// How a previewed segment lies to one that is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreviewOverlap {
    /// The segment that is there.
    pub segment: String,
    /// How many people are in it.
    pub size: u64,
    /// How many of them would be in the previewed one, too.
    pub both: u64,
    /// People in both, of those in either: 1 when the two are the same.
    pub jaccard: f64,
}
