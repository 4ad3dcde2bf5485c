//! The last look before something leaves: may it still be sent?
//!
//! What was decided may wait for long; meanwhile people withdraw their consent. So the gate is asked with each attempt,
//! right before the batch goes, and what it holds back is cancelled with its reason.

use super::transport::{Answer, BatchFailure, Item, Transport, Transports};
use crate::outcome::BoxFuture;
use sonder_core::effect::Delivery;
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// Says what must not be sent any more.
pub trait Gate: Send + Sync + 'static {
    /// Why a delivery must not go to the destination of that name; `None` when it may.
    fn holds_back(&self, destination: &str, delivery: &Delivery) -> Option<String>;
}

/// The same transports, behind a gate.
#[must_use]
pub fn behind(gate: &Arc<dyn Gate>, transports: Transports) -> Transports {
    let gated = |(name, transport): (String, Arc<dyn Transport>)| {
        let gated = Gated { name: name.clone(), transport, gate: Arc::clone(gate) };
        (name, Arc::new(gated) as Arc<dyn Transport>)
    };
    transports.into_iter().map(gated).collect()
}

struct Gated {
    name: String,
    transport: Arc<dyn Transport>,
    gate: Arc<dyn Gate>,
}

impl Transport for Gated {
    fn deliver(&self, items: Vec<Item>, now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>> {
        let held: Vec<Option<String>> =
            items.iter().map(|item| self.gate.holds_back(&self.name, &item.delivery)).collect();
        let open: Vec<Item> =
            items.into_iter().zip(&held).filter(|(_, held)| held.is_none()).map(|(it, _)| it).collect();
        let count = open.len();
        let sent = (count > 0).then(|| self.transport.deliver(open, now));
        Box::pin(async move {
            let answers = match sent {
                Some(sent) => sent.await?,
                None => Vec::new(),
            };
            if answers.len() != count {
                return Err(BatchFailure::Plugin(format!("{} answers came back for {count} items", answers.len())));
            }
            let mut answers = answers.into_iter();
            let answer = |held: Option<String>| held.map(Answer::Cancelled).or_else(|| answers.next());
            Ok(held.into_iter().filter_map(answer).collect())
        })
    }
}
