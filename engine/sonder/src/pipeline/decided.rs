//! What the fold decided, on its way to the store: changes and deliveries, each with the place that the fold stood at.

use sonder_core::effect::{ChangeKind, Effects};
use sonder_core::record::Seq;
use sonder_store::{RecordedChange, RecordedDelivery, RecordedRecall};

/// Decisions that are not stored yet, in order.
#[derive(Debug, Default)]
pub struct Decided {
    /// Facts about people.
    pub changes: Vec<RecordedChange>,
    /// What destinations are to be told.
    pub deliveries: Vec<RecordedDelivery>,
    /// How many of the deliveries the outbox has.
    pub handed_over: usize,
    /// What the outbox is to call back.
    pub recalls: Vec<RecordedRecall>,
    /// What it could still call back, or would have to after a crash: stored with the rest.
    pub called_back: Vec<RecordedRecall>,
}

impl Decided {
    /// Whether nothing was decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.deliveries.is_empty() && self.called_back.is_empty()
    }

    /// How many rows it will be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len() + self.deliveries.len() + self.called_back.len()
    }

    /// Takes what one step or advance brought about, and leaves `effects` empty.
    pub fn take(&mut self, effects: &mut Effects, as_of: Seq) {
        self.changes.extend(effects.changes.drain(..).map(|change| RecordedChange { as_of, change }));
        self.deliveries.extend(effects.deliveries.drain(..).map(|delivery| RecordedDelivery { as_of, delivery }));
        self.recalls.extend(effects.recalls.drain(..).map(|recall| RecordedRecall { as_of, recall }));
    }

    /// Adds later decisions.
    pub fn append(&mut self, mut later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        self.changes.append(&mut later.changes);
        self.deliveries.append(&mut later.deliveries);
        self.recalls.append(&mut later.recalls);
        self.called_back.append(&mut later.called_back);
    }

    /// How many entries into and exits from segments there are.
    #[must_use]
    pub fn moves(&self) -> (u64, u64) {
        let count = |wanted: fn(&ChangeKind) -> bool| {
            self.changes.iter().filter(|recorded| wanted(&recorded.change.what)).count() as u64
        };
        (count(|what| matches!(what, ChangeKind::Entered(_))), count(|what| matches!(what, ChangeKind::Left(_))))
    }
}
