//! The last look before something leaves: may it still be sent?
//!
//! What was decided may wait for long; meanwhile people withdraw their consent. So the gate is asked with each attempt,
//! right before the batch goes, and what it holds back is cancelled with its reason.

use super::transport::{Answer, BatchFailure, Item, Transport, Transports};
use crate::outcome::BoxFuture;
use serde_json::{Map, Value as Json};
use sonder_core::effect::Delivery;
use sonder_dsl::time::Moment;
use std::sync::Arc;

/// Says what must not be sent any more.
pub trait Gate: Send + Sync + 'static {
    /// Why a delivery must not go to the destination of that name; `None` when it may.
    fn holds_back(&self, destination: &str, delivery: &Delivery) -> Option<String>;

    /// Whether a delivery that takes something back goes there with identifiers only, because nothing else may be known.
    fn is_bare(&self, _destination: &str, _delivery: &Delivery) -> bool {
        false
    }

    /// A delivery as it is by now, where something was taken out of it while it waited.
    fn amended(&self, _delivery: &Delivery) -> Option<Delivery> {
        None
    }
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
        let open = items
            .into_iter()
            .zip(&held)
            .filter(|(_, held)| held.is_none())
            .map(|(item, _)| match self.gate.amended(&item.delivery) {
                Some(delivery) => Item { delivery: Arc::new(delivery), ..item },
                None => item,
            })
            .map(|item| if self.gate.is_bare(&self.name, &item.delivery) { bare(item) } else { item });
        let open: Vec<Item> = open.collect();
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

/// An item without traits.
fn bare(item: Item) -> Item {
    let Ok(Json::Object(mut payload)) = serde_json::from_str(&item.delivery.payload) else { return item };
    if payload.get("traits").and_then(Json::as_object).is_none_or(Map::is_empty) {
        return item;
    }
    payload.insert("traits".to_owned(), Json::Object(Map::new()));
    let delivery = Delivery { payload: Json::Object(payload).to_string(), ..(*item.delivery).clone() };
    Item { delivery: Arc::new(delivery), ..item }
}
