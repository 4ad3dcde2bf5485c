//! `sonder test`: plays scenarios through the real engine code, with a simulated clock, no server and no network.
//!
//! A message of a scenario takes the road of every other: `message::read`, `Governor::govern`, `State::step`. What a
//! scenario does not expect fails it: a delivery, something kept aside, a segment that a list of segments leaves out.

mod because;
mod compare;
pub mod coverage;
mod play;
mod post;
pub mod report;
pub mod snapshot;
pub mod written;

pub use play::{End, Mismatch, Played};
pub use snapshot::Mode;

use crate::project::Scan;
use sonder_core::coverage::Coverage;
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

/// How to play.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What to do with snapshots.
    pub mode: Mode,
    /// Whether to watch what of the program is tried.
    pub coverage: bool,
}

/// What became of all of them.
#[derive(Debug)]
pub struct Results {
    /// In the order of the scenarios.
    pub outcomes: Vec<Outcome>,
    /// What of the program they tried, if that was asked for.
    pub coverage: Option<Coverage>,
}

/// Plays scenarios, on all cores.
#[must_use]
pub fn run(scan: &Scan, root: &Path, program: &Program, scenarios: &[&Scenario], options: Options) -> Results {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(scenarios.len().max(1));
    let next = AtomicUsize::new(0);
    let mut coverage = options.coverage.then(|| Coverage::new(program));
    let seen: Vec<_> = std::thread::scope(|scope| {
        let work = || {
            let governor = Governor::new(program);
            let mut coverage = coverage.clone();
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(scenario) = scenarios.get(index) else { return (done, coverage) };
                let outcome = one(scan, root, program, &governor, scenario, options.mode, coverage.as_mut());
                done.push((index, outcome));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    let mut outcomes = Vec::new();
    for (done, theirs) in seen {
        outcomes.extend(done);
        if let (Some(coverage), Some(theirs)) = (&mut coverage, theirs) {
            coverage.add(&theirs);
        }
    }
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    Results { outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect(), coverage }
}

/// What a scenario comes to, whatever it expects.
#[must_use]
pub fn end_of(root: &Path, program: &Program, scenario: &Scenario) -> End {
    match in_its_region(program, scenario) {
        Some((program, governor)) => play::end_of(root, &program, &governor, scenario),
        None => play::end_of(root, program, &Governor::new(program), scenario),
    }
}

/// The program as the engine runs it that a scenario is played on, where the project has regions.
fn in_its_region(program: &Program, scenario: &Scenario) -> Option<(Program, Governor)> {
    let program = program.in_region(Some(scenario.region.clone()?));
    let governor = Governor::new(&program);
    Some((program, governor))
}

fn one(
    scan: &Scan,
    root: &Path,
    program: &Program,
    governor: &Governor,
    scenario: &Scenario,
    mode: Mode,
    coverage: Option<&mut Coverage>,
) -> Outcome {
    let begin = Instant::now();
    let sources = &scan.sources;
    let regional = in_its_region(program, scenario);
    let (program, governor) = regional.as_ref().map_or((program, governor), |(program, governor)| (program, governor));
    let mut played = play::play(root, program, governor, scenario, coverage);
    if scenario.shuffle {
        play::shuffle(program, scenario, &mut played);
    }
    if scenario.snapshot {
        snapshot::check(root, sources.path(scenario.place.file), scenario, &mut played, mode);
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
