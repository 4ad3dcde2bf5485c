//! How many people stand at which step of which journey.

use sonder_dsl::ir::journey::NodeId;
use sonder_dsl::ir::{JourneyId, Program};

/// Counts by journey and step.
#[derive(Debug, Default)]
pub(super) struct Standing {
    of_journey: Vec<Vec<u32>>,
}

impl Standing {
    /// Nobody stands anywhere.
    pub fn new(program: &Program) -> Self {
        Self { of_journey: program.journeys.iter().map(|journey| vec![0; journey.nodes.len()]).collect() }
    }

    /// Somebody comes to a step.
    pub fn come(&mut self, journey: JourneyId, node: NodeId) {
        if let Some(count) = self.count_mut(journey, node) {
            *count += 1;
        }
    }

    /// Somebody leaves a step.
    pub fn leave(&mut self, journey: JourneyId, node: NodeId) {
        if let Some(count) = self.count_mut(journey, node) {
            *count = count.saturating_sub(1);
        }
    }

    /// By step.
    pub fn counts(&self, journey: JourneyId) -> &[u32] {
        self.of_journey.get(journey.index()).map_or(&[], Vec::as_slice)
    }

    fn count_mut(&mut self, journey: JourneyId, node: NodeId) -> Option<&mut u32> {
        self.of_journey.get_mut(journey.index())?.get_mut(node.index())
    }
}
