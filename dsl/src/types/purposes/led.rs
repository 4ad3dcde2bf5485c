//! What brings somebody to a step of a journey: how they came in, and what decided that they come here and not elsewhere.

use crate::ir::Reads;
use crate::ir::journey::{Entry, Journey, NodeId, NodeKind};

/// The ways through a journey.
pub(super) struct Led<'a> {
    journey: &'a Journey,
    /// By node: those nodes of whose two ways on only one leads here.
    deciding: Vec<Vec<NodeId>>,
}

impl<'a> Led<'a> {
    pub fn new(journey: &'a Journey) -> Self {
        let mut deciding = vec![Vec::new(); journey.nodes.len()];
        for (node, index) in journey.nodes.iter().zip(0..) {
            let (one, other) = match node.kind {
                NodeKind::If { yes, no, .. } => (yes, no),
                NodeKind::WaitUntil { met, missed, .. } | NodeKind::WaitFor { met, missed, .. } => (met, missed),
                _ => continue,
            };
            let (one, other) = (reached(journey, one), reached(journey, other));
            for (deciding, _) in
                deciding.iter_mut().zip(one.iter().zip(&other)).filter(|(_, (one, other))| one != other)
            {
                deciding.push(NodeId(index));
            }
        }
        Self { journey, deciding }
    }

    /// What was read of somebody who comes to this node.
    pub fn to(&self, node: NodeId) -> Reads<'a> {
        let mut reads = entry(self.journey);
        let deciding = self.deciding.get(node.index()).into_iter().flatten();
        for decides in deciding.filter_map(|id| self.journey.node(*id)) {
            match &decides.kind {
                NodeKind::If { condition, .. } | NodeKind::WaitUntil { condition, .. } => {
                    reads.expressions.push(condition);
                }
                NodeKind::WaitFor { pattern, .. } => {
                    reads.events.push(pattern.event);
                    reads.expressions.extend(&pattern.filter);
                }
                _ => {}
            }
        }
        reads
    }
}

/// What somebody comes in with.
pub(super) fn entry(journey: &Journey) -> Reads<'_> {
    match &journey.entry {
        Entry::Event { pattern, .. } => {
            Reads { expressions: pattern.filter.iter().collect(), events: vec![pattern.event] }
        }
        Entry::Condition(condition) => Reads { expressions: vec![condition], events: Vec::new() },
    }
}

/// By node, whether one comes to it from there.
fn reached(journey: &Journey, from: Option<NodeId>) -> Vec<bool> {
    let mut reached = vec![false; journey.nodes.len()];
    let mut ahead: Vec<NodeId> = from.into_iter().collect();
    while let Some(id) = ahead.pop() {
        let Some(is_reached) = reached.get_mut(id.index()).filter(|is_reached| !**is_reached) else { continue };
        *is_reached = true;
        match journey.node(id).map(|node| &node.kind) {
            Some(NodeKind::If { yes, no, .. }) => ahead.extend(yes.iter().chain(no)),
            Some(NodeKind::WaitUntil { met, missed, .. } | NodeKind::WaitFor { met, missed, .. }) => {
                ahead.extend(met.iter().chain(missed));
            }
            Some(NodeKind::Split(branches)) => ahead.extend(branches.iter().filter_map(|branch| branch.next)),
            Some(NodeKind::Wait { next, .. } | NodeKind::Send { next, .. } | NodeKind::SetTrait { next, .. }) => {
                ahead.extend(next);
            }
            Some(NodeKind::Exit) | None => {}
        }
    }
    reached
}
