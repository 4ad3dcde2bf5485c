//! Consent at the door: what people consent to now, and whether it is sure who they are, asked right before something is sent; and
//! whoever was erased while it waited.

use super::shared::Shared;
use sonder_activate::outbox::Gate;
use sonder_core::consent::ANYTHING_NAME;
use sonder_core::effect::{Cause, Delivery, ItemKind};
use sonder_core::record::Seq;
use sonder_dsl::time::Moment;
use sonder_store::Amended;
use std::sync::{Arc, Weak};

/// Asks the state that is live.
pub struct ConsentGate {
    /// Not owned: the outbox must not keep alive what it serves.
    shared: Weak<Shared>,
}

impl ConsentGate {
    /// Over what a pipeline shares.
    #[must_use]
    pub fn of(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::downgrade(shared) }
    }
}

impl Gate for ConsentGate {
    fn holds_back(&self, destination: &str, delivery: &Delivery) -> Option<String> {
        let shared = self.shared.upgrade()?;
        // It is what the erasure itself says.
        if delivery.kind == ItemKind::Erase {
            return None;
        }
        let is_before = |(seq, now): &(Seq, Moment)| match delivery.cause {
            Cause::Record(cause) => cause <= *seq,
            Cause::Timer(_) | Cause::Takeover(_) => delivery.at < *now,
        };
        let was_erased = shared.erased.read().get(&delivery.person).is_some_and(is_before);
        if was_erased || shared.struck.read().gone.contains(&delivery.id) {
            return Some("the person was erased".to_owned());
        }
        // Who takes something back wants it to be known.
        if delivery.kind == ItemKind::SegmentLeft {
            return None;
        }
        let live = shared.live.read();
        let declared = live.program.destinations.iter().find(|it| it.name == destination)?;
        if declared.excludes_probabilistic && live.state.is_likely_only(delivery.person) {
            return Some("who they are is only likely".to_owned());
        }
        let purpose = live.state.withheld(delivery.person, declared)?;
        if purpose == ANYTHING_NAME {
            return Some("they restrict what is done with their data".to_owned());
        }
        Some(format!("no consent to {purpose} any more"))
    }

    fn amended(&self, delivery: &Delivery) -> Option<Delivery> {
        let shared = self.shared.upgrade()?;
        let struck = shared.struck.read();
        let Amended { identifiers, payload, .. } = struck.amended.get(&delivery.id)?.clone();
        Some(Delivery { identifiers, payload, ..delivery.clone() })
    }

    fn is_bare(&self, destination: &str, delivery: &Delivery) -> bool {
        if delivery.kind != ItemKind::SegmentLeft {
            return false;
        }
        let Some(shared) = self.shared.upgrade() else { return false };
        let live = shared.live.read();
        let declared = live.program.destinations.iter().find(|it| it.name == destination);
        declared.is_some_and(|it| {
            live.state.withheld(delivery.person, it).is_some()
                || (it.excludes_probabilistic && live.state.is_likely_only(delivery.person))
        })
    }
}
