//! What pages are told about their visitor: who that is, the state says; what was delivered for them, the destination
//! `sonder/onsite@1` has; whether it may be shown, their consent says.

use crate::pipeline::{ConsentGate, Shared};
use sonder_activate::host::native::ONSITE;
use sonder_activate::onsite::Onsite;
use sonder_activate::outbox::Gate;
use sonder_collect::Feed;
use sonder_core::record::Identifier;
use sonder_dsl::model::Destination;
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// The feeds of a running engine.
pub(super) struct Feeds {
    shared: Arc<Shared>,
    gate: ConsentGate,
    onsite: Arc<Onsite>,
}

impl Feeds {
    pub(super) fn new(shared: &Arc<Shared>, onsite: Arc<Onsite>) -> Self {
        Self { shared: Arc::clone(shared), gate: ConsentGate::of(shared), onsite }
    }
}

impl Feed for Feeds {
    fn read(&self, who: Option<&Identifier>, now: Moment) -> String {
        let (program, people) = {
            let live = self.shared.live.read();
            let person = who.and_then(|who| live.state.resolve(who));
            (Arc::clone(&live.program), person.map(|person| live.state.ids_of(person)).unwrap_or_default())
        };
        // A destination that may not see a kind of identifiers is not asked by it.
        let sees = |destination: &Destination| {
            destination.identifiers.is_empty() || who.is_some_and(|who| destination.identifiers.contains(&who.kind))
        };
        let asked = program.destinations.iter().filter(|it| it.plugin == ONSITE && sees(it));
        let names: Vec<&str> = asked.map(|it| it.name.as_str()).collect();
        let may = |name: &str, delivery: &_| self.gate.holds_back(name, delivery).is_none();
        self.onsite.read(&names, &people, now, &may).to_string()
    }
}
