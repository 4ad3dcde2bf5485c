//! Matching of people who share no identifier, and the pairs that wait for somebody to decide.

use serde::Serialize;

/// How people are matched, and how the last runs went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matching {
    /// Whether `identity.yaml` says how.
    pub declared: bool,
    /// How often it is done: `1d`; nothing where it is when it is asked for.
    pub every: Option<String>,
    /// When it is due next.
    pub next_at: Option<String>,
    /// Since when a run is under way.
    pub running_since: Option<String>,
    /// Why the last run since the start failed, if it did.
    pub failure: Option<String>,
    /// Runs, the latest first.
    pub runs: Vec<MatchRun>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchRun {
    /// Names it.
    pub id: String,
    /// People are looked at as of then.
    pub began_at: String,
    /// When it was done.
    pub ended_at: String,
    /// People who were looked at.
    pub people: u64,
    /// Pairs that were compared.
    pub compared: u64,
    /// Earlier decisions that it learnt from.
    pub labels: u64,
    /// Pairs that were linked.
    pub linked: u64,
    /// Pairs that are new to the queue.
    pub queued: u64,
    /// Pairs that left it.
    pub left: u64,
}

/// What became of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairState {
    /// It waits for a decision.
    Open,
    /// It was likely enough to be linked.
    Linked,
    /// Somebody decided that it is one person.
    Accepted,
    /// Somebody decided that it is two people.
    Rejected,
}

impl PairState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Linked, Self::Accepted, Self::Rejected];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Linked => "linked",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// Reads [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Which pairs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairsAsked {
    /// What became of them.
    pub state: PairState,
    /// Where the page begins.
    pub after: u64,
    /// How many at most.
    pub limit: usize,
}

/// Pairs, from the likeliest on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatchPairs {
    /// A page of them.
    pub pairs: Vec<MatchPair>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// Two people who are likely one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatchPair {
    /// Names it.
    pub id: String,
    /// What became of it.
    pub state: PairState,
    /// Who they are; once they are one, twice the same.
    pub people: [PairedPerson; 2],
    /// That they are one, 0 to 1.
    pub probability: f64,
    /// The same as log2 of its odds: the sum of `prior`, the fields' weights and `alike`.
    pub weight: f64,
    /// Before anything is compared.
    pub prior: f64,
    /// What each field came to.
    pub fields: Vec<PairedField>,
    /// Taken off because two people of one household or name would agree as much.
    pub alike: f64,
    /// What rule would be against their being linked by likelihood alone; a decision overrules most.
    pub against: Option<&'static str>,
    /// When it was seen last.
    pub proposed_at: String,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairedPerson {
    /// The person's id.
    pub person: String,
    /// The identifier that stands for them: `kind:value`.
    pub identifier: String,
    /// All that they have.
    pub identifiers: Vec<String>,
}

/// A field of both, side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairedField {
    /// Its name.
    pub field: String,
    /// What it is for each, as of now.
    pub values: [Option<String>; 2],
    /// How they compared.
    pub level: String,
    /// What that was worth.
    pub weight: f64,
}

/// What somebody decides of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairDecision {
    /// Which.
    pub id: String,
    /// Whether it is one person.
    pub together: bool,
    /// Why, for the record.
    pub reason: Option<String>,
    /// Who decided it, for the record.
    pub by: Option<String>,
}

/// That it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairDecided {
    /// What became of the pair.
    pub state: PairState,
    /// The message of the log; nothing where it had been decided so before.
    pub message_ids: Vec<String>,
}
