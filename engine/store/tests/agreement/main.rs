//! Two evaluators, one truth: the fold against the rules' SQL, over random programs and histories with ties, late
//! events, merges, unknown values, decimals, and windows that slide between events.
//!
//! One case is a program and a handful of histories that share a database (people of different histories never meet),
//! looked at together at a few moments. `PROPTEST_CASES` asks for more of them.

#[cfg(test)]
mod agree;
#[cfg(test)]
#[path = "../../../core/tests/fold/history.rs"]
#[expect(dead_code, reason = "the fold's own tests use the rest")]
mod history;
