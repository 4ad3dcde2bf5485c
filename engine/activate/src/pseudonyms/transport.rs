//! The way to a destination that gets pseudonyms.

use super::Told;
use crate::outbox::{Answer, BatchFailure, Item, Transport};
use crate::outcome::BoxFuture;
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// The same transport, which carries what the destination is told in place of what was decided.
pub fn behind(told: &Arc<Told>, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
    Arc::new(Pseudonymous { told: Arc::clone(told), transport })
}

struct Pseudonymous {
    told: Arc<Told>,
    transport: Arc<dyn Transport>,
}

impl Transport for Pseudonymous {
    fn deliver(&self, items: Vec<Item>, now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>> {
        let told = |item: Item| Item { delivery: Arc::new(self.told.of(&item.delivery)), ..item };
        self.transport.deliver(items.into_iter().map(told).collect(), now)
    }
}
