//! `sonder test`: plays scenarios through the real engine code, with a simulated clock, no server and no network.
//!
//! A message of a scenario takes the road of every other: `message::read`, `Governor::govern`, `State::step`. What a
//! scenario does not expect fails it: a delivery, something kept aside, a segment that a list of segments leaves out.

mod compare;
mod play;
pub mod report;
mod snapshot;

pub use play::{Mismatch, Played};
pub use snapshot::Mode;

use crate::project::Scan;
use sonder_core::govern::Governor;
use sonder_dsl::ir::Program;
use sonder_dsl::scenario::Scenario;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What became of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its file, and the line of its name.
    pub place: String,
    /// What was not as expected; empty when it passed.
    pub mismatches: Vec<Mismatch>,
    /// How long it took.
    pub took: Duration,
}

/// Plays scenarios, on all cores; outcomes come in the order of the scenarios.
#[must_use]
pub fn run(scan: &Scan, root: &Path, program: &Program, scenarios: &[&Scenario], mode: Mode) -> Vec<Outcome> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(scenarios.len().max(1));
    let next = AtomicUsize::new(0);
    let mut outcomes: Vec<(usize, Outcome)> = std::thread::scope(|scope| {
        let work = || {
            let governor = Governor::new(program);
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(scenario) = scenarios.get(index) else { return done };
                done.push((index, one(scan, root, program, &governor, scenario, mode)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn one(scan: &Scan, root: &Path, program: &Program, governor: &Governor, scenario: &Scenario, mode: Mode) -> Outcome {
    let begin = Instant::now();
    let sources = &scan.sources;
    let mut played = play::play(program, governor, scenario);
    if scenario.shuffle {
        play::shuffle(program, scenario, &mut played);
    }
    if scenario.snapshot {
        snapshot::check(root, sources.path(scenario.place.file), scenario.place, &mut played, mode);
    }
    for mismatch in &mut played.mismatches {
        mismatch.line = sources.position(mismatch.span.file, mismatch.span.start).line as usize;
    }
    let line = sources.position(scenario.place.file, scenario.place.start).line;
    Outcome {
        name: scenario.name.clone(),
        place: format!("{}:{line}", sources.path(scenario.place.file)),
        mismatches: played.mismatches,
        took: begin.elapsed(),
    }
}
