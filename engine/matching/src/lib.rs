//! Probabilistic matching: which records of a table, or of two, are of one person, where no identifier says so.
//!
//! ```text
//! Records ──▶ block: pairs worth comparing ──▶ compare: levels ──▶ train: m, h, u ──▶ score ──▶ links, clusters
//! ```
//!
//! Nothing need be labelled, nothing is random but by a seed: the same records give the same answer on every machine. What
//! people have decided of pairs ([`Label`]) is learnt from, too.

mod block;
mod cluster;
mod compare;
mod label;
mod limits;
mod model;
mod nickname;
mod records;
mod train;
mod value;
mod work;

pub use block::BlockingRule;
pub use limits::{MAX_FIELDS, MAX_RECORDS};
pub use model::{Explanation, Model, Score};
pub use records::Records;

use block::Pair;
use compare::Pattern;
use label::Labels;
use std::fmt;
use work::Workers;

/// How records are matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Fields that must be equal for records to be compared, by rule; empty to let the data propose them.
    pub block: Vec<Vec<String>>,
    /// Whether no record may be linked to more than one of the other table.
    pub one_to_one: bool,
    /// For the random pairs that the model learns from.
    pub seed: u64,
    /// What is known of pairs: that people decided, or that was linked before.
    pub labels: Vec<Label>,
    /// How many processors may be used; `None` for all.
    pub processors: Option<usize>,
}

impl Options {
    /// Rules that the data proposes, nothing decided, all processors.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { block: Vec::new(), one_to_one: false, seed, labels: Vec::new(), processors: None }
    }
}

/// A pair of which is known what it is, and how its fields compared when that was found: no value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Fields, and what their levels are called ([`Explanation::fields`]). What is not compared any more says nothing.
    pub levels: Vec<(String, String)>,
    /// Whether both are the same person.
    pub is_match: bool,
}

/// Two records, and how likely they are one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// By number, from 0, in the order they were taken in.
    pub left: u32,
    /// The other; above `left`.
    pub right: u32,
    /// How sure it is.
    pub score: Score,
}

/// Records that were matched.
#[derive(Debug)]
pub struct Matching<'r> {
    records: &'r Records,
    model: Model,
    rules: Vec<BlockingRule>,
    candidates: usize,
    one_to_one: bool,
    /// The likely ones, from the surest on.
    links: Vec<Link>,
}

/// Why records cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchError {
    /// No fields to compare, or too many.
    Fields {
        /// How many there are.
        count: usize,
    },
    /// Too many records.
    Records,
    /// A blocking rule proposes too many pairs.
    Pairs {
        /// The rule.
        rule: String,
        /// How many pairs it proposes.
        pairs: u64,
    },
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields { count: 0 } => write!(f, "there is no field to compare"),
            Self::Fields { count } => write!(f, "{count} fields are to be compared, at most {MAX_FIELDS} can be"),
            Self::Records => write!(f, "there are more than {MAX_RECORDS} records"),
            Self::Pairs { rule, pairs } => write!(
                f,
                "the blocking rule `{rule}` proposes {pairs} pairs, with the others more than {}",
                limits::MAX_PAIRS
            ),
        }
    }
}

impl std::error::Error for MatchError {}

impl<'r> Matching<'r> {
    /// Compares, learns, and keeps the pairs that are at least as likely as `from`.
    ///
    /// # Errors
    /// When the blocking rules propose too many pairs.
    pub fn new(records: &'r Records, options: &Options, from: f64) -> Result<Self, MatchError> {
        let (pairs, rules) = match options.block.as_slice() {
            [] => block::by_data(records),
            rules => block::by_rules(records, rules)?,
        };
        let workers = Workers::new(options.processors);
        let patterns = workers.compared(records, &pairs);
        let labels = Labels::new(records, &options.labels);
        let model = train::train(records, &work::count(&patterns), &labels, options.seed, workers);
        let candidates = pairs.len();
        let pairs: Vec<(Pair, Pattern)> = pairs.into_iter().zip(patterns).collect();
        let links = workers.side_by_side(&pairs, |part| {
            let scored = part.iter().map(|((left, right), pattern)| Link {
                left: *left,
                right: *right,
                score: model.score(records, *left as usize, *pattern),
            });
            scored.filter(|link| link.score.probability >= from).collect::<Vec<_>>()
        });
        let mut links = links.concat();
        links.sort_by(|a, b| b.score.weight.total_cmp(&a.score.weight).then((a.left, a.right).cmp(&(b.left, b.right))));
        if options.one_to_one {
            links = cluster::one_to_one(records.len(), links);
        }
        Ok(Self { records, model, rules, candidates, one_to_one: options.one_to_one, links })
    }

    /// The pairs, from the surest on.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// How many pairs were compared.
    #[must_use]
    pub const fn candidates(&self) -> usize {
        self.candidates
    }

    /// The rules that proposed them, with how many each.
    #[must_use]
    pub fn rules(&self) -> &[BlockingRule] {
        &self.rules
    }

    /// How many pairs of records are taken to be one person, proposed or linked or not.
    #[must_use]
    pub fn expected(&self) -> f64 {
        self.model.matches * self.records.pairs()
    }

    /// Where the weight of a link comes from.
    #[must_use]
    pub fn explain(&self, link: &Link) -> Explanation {
        let (a, b) = (link.left as usize, link.right as usize);
        self.model.explain(self.records, a, compare::compare(self.records, a, b))
    }

    /// By record, the number of the first record of its cluster, over links at least as likely as `from`.
    #[must_use]
    pub fn clusters(&self, from: f64) -> Vec<u32> {
        let sure = self.links.partition_point(|link| link.score.probability >= from);
        let links = &self.links[..sure];
        if self.one_to_one {
            let mut of: Vec<u32> = (0..self.records.len() as u32).collect();
            links.iter().for_each(|link| of[link.right as usize] = link.left);
            return of;
        }
        cluster::clusters(self.records.len(), links, |a, b| {
            let (left, right) = (a as usize, b as usize);
            self.model.score(self.records, left, compare::compare(self.records, left, right))
        })
    }
}
