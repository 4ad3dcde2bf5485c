//! Every limit of matching, in one place.

/// Fields that are compared, at most: a pattern of levels is one word.
pub const MAX_FIELDS: usize = 16;
/// Records of one run, at most.
pub const MAX_RECORDS: usize = 20_000_000;
/// Pairs of records that blocking rules of a project may propose, at most.
pub const MAX_PAIRS: u64 = 100_000_000;
/// Pairs a record that automatic blocking proposes, about …
pub const AUTOMATIC_PAIRS_A_RECORD: u64 = 100;
/// … and how many in all, at most.
pub const MAX_AUTOMATIC_PAIRS: u64 = 16_000_000;
/// A key that so many records share proposes nothing by itself: it tells nobody apart.
pub const MAX_AUTOMATIC_BLOCK: u64 = 2_000;
/// Random pairs from which it is learnt how often strangers agree.
pub const SAMPLED_PAIRS: u64 = 300_000;
/// Rounds of expectation-maximisation, at most.
pub const MAX_ROUNDS: usize = 100;
/// No parameter moves more than this in the last round.
pub const CONVERGED: f64 = 1e-5;
/// Records of one cluster, at most.
pub const MAX_CLUSTER: usize = 200;
