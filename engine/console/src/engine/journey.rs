//! Journeys: where people stand, and how many came how far.

use serde::Serialize;

/// A journey, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JourneySummary {
    /// Its name.
    pub name: String,
    /// The text after the name.
    pub description: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Path and line.
    pub place: String,
    /// Of the meaning, as 16 hexadecimal digits.
    pub fingerprint: String,
    /// How many passages are under way.
    pub waiting: u64,
}

/// A journey with its figures: those of now, and those since it was first deployed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Journey {
    /// In short.
    #[serde(flatten)]
    pub summary: JourneySummary,
    /// How many passages began.
    pub entered: u64,
    /// How many of them ended, and how.
    pub left: Vec<Ended>,
    /// Of those that ended, the share that converted, from 0 to 1; `null` where none did end.
    pub conversion: Option<f64>,
    /// The first step; `null` where there is none.
    pub start: Option<String>,
    /// Its steps, in the order of the text.
    pub steps: Vec<JourneyStep>,
    /// Its splits: what each branch brought.
    pub splits: Vec<Split>,
}

/// Passages that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// `converted`, `finished`, `exited`, `withdrawn`, `merged`, `removed`.
    pub outcome: String,
    /// How many.
    pub passages: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JourneyStep {
    /// 16 hexadecimal digits: the same in every version of the text in which the step exists.
    pub key: String,
    /// What it does, in a few words.
    pub step: String,
    /// The line where it is written.
    pub line: u32,
    /// How many stand at it now.
    pub standing: u64,
    /// How many came to it.
    pub came: u64,
    /// How often something was sent from it.
    pub sent: u64,
    /// How often it was not: over the cap, or a field was unknown.
    pub unsent: u64,
    /// Where it leads.
    pub ways: Vec<Way>,
}

/// A way from a step to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// When people take it: `in time`, `too late`, `yes`, `no`, or the name of a branch; empty for the only one.
    pub label: String,
    /// The next step's key; `null` for the end of the text.
    pub to: Option<String>,
    /// How many took it. Where two ways lead to one step, all are counted with the first, except those of a split.
    pub passages: u64,
}

/// What the branches of a split brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Split {
    /// The split's key.
    pub step: String,
    /// The branch that the others are held against: the one that is called `control`, or the first.
    pub control: String,
    /// In the order of the text.
    pub branches: Vec<Branch>,
}

/// One branch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Branch {
    /// What it is called.
    pub name: String,
    /// Its share of the people, from 0 to 1.
    pub share: f64,
    /// How many took it.
    pub passages: u64,
    /// How many of them converted by now.
    pub converted: u64,
    /// The share of them that did; `null` of nobody.
    pub rate: Option<f64>,
    /// By how much that is above the control's, with its interval of 95 % (Newcombe 1998, method 10); `null` for the control
    /// itself, and where somebody is missing.
    pub difference: Option<Estimate>,
    /// The same relative to the control's rate (delta method): 0.1 is a tenth more.
    pub uplift: Option<Estimate>,
}

/// An estimate with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}
