//! `tests/*.yaml`: scenarios, as data that a runner can play. Checked like rules: names against the program, everything
//! with its place.
//!
//! A scenario is a simulated clock and steps in the order of time. What a step sends is written flat:
//! `{anonymous_id: a1, event: product_added, product_id: SKU-9}`; here it becomes a Segment-shaped message, so that it
//! takes the road of every other message.

mod answer;
mod cases;
mod clock;
mod expectation;
mod message;
mod table;

pub use answer::Answer;
pub use expectation::{Expectation, ExpectedDelivery, ExpectedPassages, ExpectedQuarantine, Members, Outcome};
pub use message::Sent;
pub(crate) use table::KEYS;

use crate::diagnostic::{Diagnostic, Report, codes};
use crate::ir::{DestinationId, Program};
use crate::model::residency;
use crate::project::FileKind;
use crate::shape::{self, Fields};
use crate::source::{FileId, SourceSet, Span};
use crate::time::Moment;
use crate::yaml::Node;
use cases::Case;
use clock::Clock;
use table::STEP;

/// One file of `tests/`.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows, in words; with the name of the case, if it has any.
    pub name: String,
    /// Which of its cases.
    pub case: Option<String>,
    /// Where that is written.
    pub place: Span,
    /// In the order of time.
    pub steps: Vec<Step>,
    /// Whether any other order of arrival must lead to the same end.
    pub shuffle: bool,
    /// Whether the end and all that happened are kept in a snapshot.
    pub snapshot: bool,
    /// The region of the engine that it is played on, where the project has regions.
    pub region: Option<String>,
}

/// A moment at which something happens, or is expected.
#[derive(Clone, Debug)]
pub struct Step {
    /// When; never before the step before.
    pub at: Moment,
    /// As written.
    pub written: String,
    /// Where that is written.
    pub place: Span,
    /// Messages that arrive.
    pub sends: Vec<Sent>,
    /// Files of messages that arrive after those.
    pub fixtures: Vec<Fixture>,
    /// What destinations answer from then on.
    pub answers: Vec<(DestinationId, Answer)>,
    /// What must hold then.
    pub expects: Vec<Expectation>,
}

/// A file of messages.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// Its path in the project.
    pub path: String,
    /// Where that is written.
    pub place: Span,
}

/// Reads the scenarios of a project that compiles. A scenario with an error is left out.
#[must_use]
pub fn read(sources: &SourceSet, program: &Program) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let mut report = Report::default();
    let mut scenarios = Vec::new();
    for (id, file) in sources.iter().filter(|(_, file)| FileKind::of(&file.path) == FileKind::Scenario) {
        report.begin_file();
        let Some(node) = crate::yaml::read(id, &file.text, &mut report) else { continue };
        // What is wrong in every case is said once.
        let mut told: Vec<Diagnostic> = Vec::new();
        for case in cases::expand(node, &mut report) {
            let mut own = Report::default();
            shape::check(&case.root, KEYS, "a scenario", &mut own);
            let scenario = decode(&case, id, program, &mut own);
            if own.errors() == 0 {
                scenarios.extend(scenario);
            }
            for diagnostic in own.finish() {
                if !told.contains(&diagnostic) {
                    told.push(diagnostic);
                }
            }
        }
        told.into_iter().for_each(|diagnostic| report.push(diagnostic));
    }
    (scenarios, report.finish())
}

fn decode(case: &Case, file: FileId, program: &Program, report: &mut Report) -> Option<Scenario> {
    let fields = Fields::new(&case.root, KEYS);
    let mut clock = Clock::new(fields.get("starts"), program, report);
    let mut steps = Vec::new();
    for node in fields.get("steps").map_or(&[][..], Node::items) {
        let step = Fields::new(node, STEP);
        let at = step.get("at").and_then(|at| Some((at.span, at.text()?)));
        let moment = at.and_then(|(place, written)| clock.step(written, place, report));
        let (sends, expects) = (many(step.get("send")), many(step.get("expect")));
        let fixtures = many(step.get("fixture"));
        let answers = answer::decode(step.get("answers"), program, report);
        if sends.is_empty() && fixtures.is_empty() && expects.is_empty() && step.get("answers").is_none() {
            let message = "a step has neither `send` nor `expect`";
            report.push(
                Diagnostic::error(codes::MISSING_KEY, message, node.span, "does nothing")
                    .help("add what arrives, or what must hold then"),
            );
        }
        let sends = sends.iter().filter_map(|it| message::decode(it, &clock, program, report)).collect();
        let fixtures = fixtures.iter().filter_map(|it| fixture(it, report)).collect();
        let expects = expects.iter().map(|it| expectation::decode(it, program, report)).collect();
        let (Some((place, written)), Some(at)) = (at, moment) else { continue };
        steps.push(Step { at, written: written.to_owned(), place, sends, fixtures, answers, expects });
    }
    let written = fields.string("scenario")?;
    let name = case.name.as_ref().map_or_else(|| written.clone(), |case| format!("{written} [{case}]"));
    let place = fields.get("scenario").map_or(Span { file, start: 0, end: 0 }, |it| it.span);
    Some(Scenario {
        name,
        case: case.name.clone(),
        place,
        steps,
        shuffle: fields.bool("shuffle").unwrap_or(false),
        snapshot: fields.text("snapshot").is_some(),
        region: residency::of_scenario(fields.get("region"), program.settings.residency.as_ref(), report),
    })
}

fn fixture(node: &Node, report: &mut Report) -> Option<Fixture> {
    let path = node.text()?;
    let leaves = path.starts_with('/') || path.contains('\\') || path.split('/').any(|part| part == "..");
    if leaves {
        let message = format!("`{path}` is no path in the project");
        let error = Diagnostic::error(codes::BAD_VALUE, message, node.span, "expected a path");
        report.push(error.help("write it from the project's folder: `tests/orders.ndjson`"));
        return None;
    }
    Some(Fixture { path: path.to_owned(), place: node.span })
}

/// One thing, or a list of them.
fn many(node: Option<&Node>) -> Vec<&Node> {
    match node {
        None => Vec::new(),
        Some(node) if node.items().is_empty() => vec![node],
        Some(list) => list.items().iter().collect(),
    }
}
