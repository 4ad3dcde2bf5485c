//! A hundred thousand records of families, twins and movers with missing values: how long matching takes, and how right it is.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, reason = "a benchmark whose records cannot be matched has nothing to say")]

#[path = "../tests/hard/people.rs"]
mod people;

use people::{Hardness, make};
use sonder_matching::{Matching, Options};
use std::collections::HashMap;
use std::time::Instant;

fn main() {
    let hardness = Hardness { in_families: 0.5, twins: 0.03, movers: 0.2, missing: 0.2, mistyped: 0.1 };
    for people in [7_000, 67_000] {
        let made = make(people, hardness, 9);
        let begin = Instant::now();
        let options = Options::new(1);
        let matching = Matching::new(&made.records, &options, 0.5).unwrap();
        let took = begin.elapsed();
        let links: Vec<_> = matching.links().iter().filter(|link| link.score.probability >= 0.95).collect();
        let right = links.iter().filter(|link| made.people[link.left as usize] == made.people[link.right as usize]);
        let mut records: HashMap<u32, u32> = HashMap::new();
        made.people.iter().for_each(|person| *records.entry(*person).or_default() += 1);
        let truth = records.values().filter(|count| **count == 2).count() as f64;
        let (precision, recall) = (right.clone().count() as f64 / links.len() as f64, right.count() as f64 / truth);
        println!(
            "{} records: {:.1} s, {} pairs compared; precision {precision:.4}, recall {recall:.4}, F1 {:.4}",
            made.records.len(),
            took.as_secs_f64(),
            matching.candidates(),
            2.0 * precision * recall / (precision + recall),
        );
    }
}
