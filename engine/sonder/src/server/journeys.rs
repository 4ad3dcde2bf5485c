//! Journeys as the API shows them: what the state counts now, and what the store has counted since they were deployed.

use sonder_console::engine::{Branch, Ended, Estimate, Journey, JourneyStep, JourneySummary, Split, Way};
use sonder_core::State;
use sonder_core::journey::Outcome;
use sonder_core::journey::uplift::{self, Share, difference};
use sonder_dsl::ir::journey::{Branch as Declared, Node, NodeId, NodeKind};
use sonder_dsl::ir::{self, JourneyId, Program};
use sonder_store::{BranchFigures, JourneyFigures};

/// What a branch is called that the others are held against.
const CONTROL: &str = "control";

/// All journeys, in short.
pub(super) fn summaries(program: &Program, state: &State) -> Vec<JourneySummary> {
    let numbered = program.journeys.iter().enumerate();
    numbered.map(|(index, journey)| summary(journey, state.standing(JourneyId(index as u16)))).collect()
}

fn summary(journey: &ir::Journey, standing: &[u32]) -> JourneySummary {
    JourneySummary {
        name: journey.name.clone(),
        description: journey.description.clone(),
        purpose: journey.purpose.clone(),
        place: journey.place.clone(),
        fingerprint: format!("{:016x}", journey.fingerprint.0),
        waiting: standing.iter().map(|count| u64::from(*count)).sum(),
    }
}

/// A journey with its figures.
pub(super) fn figures(program: &Program, journey: &ir::Journey, standing: &[u32], counted: &JourneyFigures) -> Journey {
    let ended: u64 = counted.left.iter().map(|(_, passages)| passages).sum();
    let converted = counted.left.iter().find(|(outcome, _)| outcome == Outcome::Converted.name());
    let steps = journey.nodes.iter().enumerate().map(|(index, node)| JourneyStep {
        standing: u64::from(standing.get(index).copied().unwrap_or(0)),
        ..step(program, journey, node, counted)
    });
    Journey {
        summary: summary(journey, standing),
        entered: counted.entered,
        left: counted
            .left
            .iter()
            .map(|(outcome, passages)| Ended { outcome: outcome.clone(), passages: *passages })
            .collect(),
        conversion: (ended > 0).then(|| converted.map_or(0, |(_, passages)| *passages) as f64 / ended as f64),
        start: journey.start.map(|start| key(journey, start)),
        steps: steps.collect(),
        splits: journey.nodes.iter().filter_map(|node| split(node, counted)).collect(),
    }
}

fn step(program: &Program, journey: &ir::Journey, node: &Node, counted: &JourneyFigures) -> JourneyStep {
    let own = format!("{:016x}", node.key.0);
    let found = counted.steps.iter().find(|step| step.node == own);
    JourneyStep {
        step: node.label(program),
        line: node.line,
        standing: 0,
        came: found.map_or(0, |found| found.came),
        sent: found.map_or(0, |found| found.sent),
        unsent: found.map_or(0, |found| found.unsent),
        ways: ways(journey, node, &own, counted),
        key: own,
    }
}

fn ways(journey: &ir::Journey, node: &Node, own: &str, counted: &JourneyFigures) -> Vec<Way> {
    let mut taken: Vec<Option<String>> = Vec::new();
    let mut way = |label: &str, next: Option<NodeId>| {
        let to = next.map(|next| key(journey, next));
        let is_first = !taken.contains(&to);
        taken.push(to.clone());
        let passages = counted.ways.iter().find(|(from, next, _)| from == own && *next == to);
        Way { label: label.to_owned(), passages: passages.filter(|_| is_first).map_or(0, |(.., count)| *count), to }
    };
    match &node.kind {
        NodeKind::Wait { next, .. } | NodeKind::Send { next, .. } | NodeKind::SetTrait { next, .. } => {
            vec![way("", *next)]
        }
        NodeKind::WaitUntil { met, missed, .. } | NodeKind::WaitFor { met, missed, .. } => {
            vec![way("in time", *met), way("too late", *missed)]
        }
        NodeKind::If { yes, no, .. } => vec![way("yes", *yes), way("no", *no)],
        NodeKind::Split(branches) => {
            let counted = |branch: &Declared| branch_figures(counted, own, &branch.name).map_or(0, |it| it.passages);
            branches.iter().map(|branch| Way { passages: counted(branch), ..way(&branch.name, branch.next) }).collect()
        }
        NodeKind::Exit => Vec::new(),
    }
}

fn split(node: &Node, counted: &JourneyFigures) -> Option<Split> {
    let NodeKind::Split(branches) = &node.kind else { return None };
    let own = format!("{:016x}", node.key.0);
    let share = |branch: &Declared| {
        let found = branch_figures(counted, &own, &branch.name);
        Share { people: found.map_or(0, |it| it.passages), converted: found.map_or(0, |it| it.converted) }
    };
    let control = branches.iter().find(|branch| branch.name == CONTROL).or(branches.first())?;
    let held_against = share(control);
    let all: u32 = branches.iter().map(|branch| branch.share.0).sum();
    let shown = branches.iter().map(|branch| {
        let found = share(branch);
        let other = branch.name != control.name;
        Branch {
            name: branch.name.clone(),
            share: f64::from(branch.share.0) / f64::from(all.max(1)),
            passages: found.people,
            converted: found.converted,
            rate: found.rate(),
            difference: difference(found, held_against).filter(|_| other).map(estimate),
            uplift: uplift::uplift(found, held_against).filter(|_| other).map(estimate),
        }
    });
    Some(Split { branches: shown.collect(), control: control.name.clone(), step: own })
}

fn branch_figures<'f>(counted: &'f JourneyFigures, node: &str, branch: &str) -> Option<&'f BranchFigures> {
    counted.branches.iter().find(|it| it.node == node && it.branch == branch)
}

fn estimate(it: uplift::Estimate) -> Estimate {
    Estimate { value: it.value, low: it.low, high: it.high }
}

fn key(journey: &ir::Journey, node: NodeId) -> String {
    journey.node(node).map_or_else(String::new, |node| format!("{:016x}", node.key.0))
}
