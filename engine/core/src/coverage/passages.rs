//! The ways of journeys.

use super::{Point, place};
use crate::effect::{Change, ChangeKind, Effects, JourneyStep};
use crate::journey::{InstanceId, Outcome};
use rustc_hash::FxHashMap;
use sonder_dsl::ir::journey::{Journey, Node, NodeId, NodeKind};
use sonder_dsl::ir::{Expression, JourneyId, Program, print};
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeSet;

/// Which ways were taken, and where everybody is.
#[derive(Clone, Debug)]
pub struct Passages {
    /// By `JourneyId`.
    journeys: Vec<Ways>,
    /// Where those are who are on the way, and since when.
    standing: FxHashMap<(JourneyId, InstanceId), (NodeId, Moment)>,
}

#[derive(Clone, Debug)]
struct Ways {
    journey: Journey,
    entered: bool,
    outcomes: BTreeSet<&'static str>,
    /// By node: the places in its list of ways that were taken.
    taken: BTreeSet<(usize, usize)>,
}

impl Passages {
    pub fn new(program: &Program) -> Self {
        let journeys = program.journeys.iter().map(|journey| Ways {
            journey: journey.clone(),
            entered: false,
            outcomes: BTreeSet::new(),
            taken: BTreeSet::new(),
        });
        Self { journeys: journeys.collect(), standing: FxHashMap::default() }
    }

    pub fn follow(&mut self, effects: &Effects) {
        for Change { at, what, .. } in &effects.changes {
            let ChangeKind::Journey(change) = what else { continue };
            let passage = (change.journey, change.instance);
            let Some(ways) = self.journeys.get_mut(change.journey.index()) else { continue };
            match &change.what {
                JourneyStep::Entered { .. } => ways.entered = true,
                JourneyStep::Came(node) => {
                    if let Some((before, since)) = self.standing.insert(passage, (*node, *at)) {
                        ways.go(before, Some(*node), *at >= ways.deadline(before, since));
                    }
                }
                JourneyStep::Branched(node, branch) => _ = ways.taken.insert((node.index(), *branch)),
                JourneyStep::Left(outcome) => {
                    let before = self.standing.remove(&passage);
                    if let (Outcome::Finished, Some((before, since))) = (outcome, before) {
                        ways.go(before, None, *at >= ways.deadline(before, since));
                    }
                    let by_step = before.and_then(|(node, _)| ways.journey.node(node)).map(|node| &node.kind);
                    if *outcome != Outcome::Exited || !matches!(by_step, Some(NodeKind::Exit)) {
                        ways.outcomes.insert(outcome.name());
                    }
                }
                JourneyStep::Sent(..) | JourneyStep::Unsent(..) => {}
            }
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (mine, its) in self.journeys.iter_mut().zip(&other.journeys) {
            mine.entered |= its.entered;
            mine.outcomes.extend(&its.outcomes);
            mine.taken.extend(&its.taken);
        }
    }

    pub fn points(&self, program: &Program) -> Vec<Point> {
        self.journeys.iter().flat_map(|ways| ways.points(program)).collect()
    }
}

impl Ways {
    /// When what somebody waits for is too late.
    fn deadline(&self, node: NodeId, since: Moment) -> Moment {
        let lasting = match self.journey.node(node).map(|node| &node.kind) {
            Some(NodeKind::WaitFor { up_to, .. } | NodeKind::WaitUntil { up_to, .. }) => *up_to,
            _ => Duration(0),
        };
        since.plus(lasting)
    }

    /// Somebody went on from a step. Where both ways lead to the same, time tells which it was; an `if` with nothing
    /// inside has no ways to tell apart.
    fn go(&mut self, from: NodeId, to: Option<NodeId>, is_late: bool) {
        let Some(node) = self.journey.node(from) else { return };
        let place = match &node.kind {
            NodeKind::WaitFor { met, missed, .. } | NodeKind::WaitUntil { met, missed, .. } => {
                let is_missed = if met == missed { is_late } else { to == *missed };
                usize::from(is_missed)
            }
            NodeKind::If { yes, no, .. } if yes != no => usize::from(to == *no),
            _ => return,
        };
        self.taken.insert((from.index(), place));
    }

    fn points(&self, program: &Program) -> Vec<Point> {
        let (path, line) = place(&self.journey.place);
        let point = |line: u32, text: String, outcomes: Vec<(String, bool)>| Point {
            kind: "journey",
            name: self.journey.name.clone(),
            path: path.clone(),
            line,
            text,
            outcomes,
        };
        let mut ends = vec![("entered".to_owned(), self.entered)];
        let mut end = |name: &'static str| ends.push((name.to_owned(), self.outcomes.contains(name)));
        if !self.journey.goals.is_empty() {
            end(Outcome::Converted.name());
        }
        if !self.journey.exits.is_empty() {
            end(Outcome::Exited.name());
        }
        let mut points = vec![point(line, format!("journey {}", self.journey.name), ends)];
        for (index, node) in self.journey.nodes.iter().enumerate() {
            let ways = self.ways(node);
            if !ways.is_empty() {
                let taken = |(place, way)| (way, self.taken.contains(&(index, place)));
                let outcomes = ways.into_iter().enumerate().map(taken).collect();
                points.push(point(node.line, self.text(program, node), outcomes));
            }
        }
        points
    }

    fn ways(&self, node: &Node) -> Vec<String> {
        match &node.kind {
            NodeKind::WaitFor { .. } | NodeKind::WaitUntil { .. } => vec!["in time".to_owned(), "too late".to_owned()],
            NodeKind::If { yes, no, .. } if yes != no => vec!["yes".to_owned(), "no".to_owned()],
            NodeKind::Split(branches) => branches.iter().map(|branch| branch.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    fn text(&self, program: &Program, node: &Node) -> String {
        let shown = |condition: &Expression| print::journey_expression(program, &self.journey, condition).to_string();
        match &node.kind {
            NodeKind::If { condition, .. } => format!("if {}", shown(condition)),
            NodeKind::WaitUntil { condition, up_to, .. } => format!("wait until {} up to {up_to}", shown(condition)),
            _ => node.label(program),
        }
    }
}
