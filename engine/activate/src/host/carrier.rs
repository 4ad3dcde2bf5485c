//! Carries batches into the sandbox: a plugin bound to one destination's configuration, secrets and reach.

use super::bindings::types::{Identifier, Item as WitItem, ItemKind as WitKind, Outcome as WitOutcome};
use super::desk::{Desk, Link};
use super::network::Http;
use super::plugin::Plugin;
use super::request::Reach;
use super::sandbox::Budget;
use super::secret::Secrets;
use super::storage::Shelf;
use crate::limits;
use crate::outbox::{Answer, BatchFailure, Item, Transport};
use crate::outcome::BoxFuture;
use sonder_core::effect::ItemKind;
use sonder_dsl::time::Moment;
use std::sync::Arc;
use std::time::Instant;

/// A destination that is ready to deliver.
pub struct Carrier {
    pub(super) name: Arc<str>,
    pub(super) plugin: Arc<Plugin>,
    pub(super) config: String,
    pub(super) budget: Budget,
    pub(super) reach: Arc<Reach>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) http: Arc<dyn Http>,
}

/// A carrier that batches can share.
#[derive(Clone)]
pub struct Shared(pub(super) Arc<Carrier>);

impl Transport for Shared {
    /// Each batch has a thread of its own, which ends with it: a batch that hangs in its plugin takes nobody else's.
    fn deliver(&self, items: Vec<Item>, now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>> {
        let carrier = Arc::clone(&self.0);
        let (done, result) = tokio::sync::oneshot::channel();
        let thread =
            std::thread::Builder::new().name(format!("to {}", carrier.name)).stack_size(limits::THREAD_STACK_BYTES);
        let started = thread.spawn(move || {
            // Nobody waits any more when the engine has stopped.
            let _ = done.send(carrier.run(&items, now));
        });
        Box::pin(async move {
            started.map_err(|error| BatchFailure::Machine(format!("the system gives no thread: {error}")))?;
            result.await.unwrap_or_else(|_| Err(BatchFailure::Machine("the thread of the batch ended".to_owned())))
        })
    }
}

impl Carrier {
    /// Runs one batch to its end on this thread.
    pub(super) fn run(&self, items: &[Item], now: Moment) -> Result<Vec<Answer>, BatchFailure> {
        let description = self.plugin.description();
        let mut taken = Vec::with_capacity(items.len());
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            if description.takes(item.delivery.kind) {
                taken.push(wit_item(item));
                answers.push(None);
            } else {
                let kind = super::describe::kind_name(item.delivery.kind);
                answers.push(Some(Answer::Rejected(format!("the plugin does not take items of the kind `{kind}`"))));
            }
        }
        // An empty batch comes from the conformance kit only.
        let ask = !taken.is_empty() || items.is_empty();
        let mut told = if ask { self.call(&taken, now)? } else { Vec::new() }.into_iter();
        // `call` gives exactly as many answers as it is given items.
        Ok(answers.into_iter().filter_map(|answer| answer.or_else(|| told.next())).collect())
    }

    fn call(&self, items: &[WitItem], now: Moment) -> Result<Vec<Answer>, BatchFailure> {
        let requests =
            u32::try_from(items.len()).unwrap_or(u32::MAX).saturating_add(1).saturating_mul(limits::REQUESTS_PER_ITEM);
        let link = Link {
            http: Arc::clone(&self.http),
            reach: Arc::clone(&self.reach),
            secrets: Arc::clone(&self.secrets),
            writes: self.shelf.begin(),
            now,
            deadline: Instant::now() + limits::BATCH_WAIT,
            requests_left: requests,
        };
        let desk = Desk::new(Arc::clone(&self.name), Some(link));
        let millis = u64::try_from(now.0 / 1_000).unwrap_or(0);
        let (outcomes, desk) =
            self.plugin.run(self.budget, desk, |store, plugin| plugin.call_deliver(store, &self.config, millis, items));
        let outcomes = outcomes.map_err(|reason| BatchFailure::Plugin(desk.shown(reason)))?;
        if outcomes.len() != items.len() {
            return Err(BatchFailure::Plugin(format!(
                "the plugin gave {} outcomes for {} items",
                outcomes.len(),
                items.len()
            )));
        }
        let answers = outcomes.into_iter().map(|outcome| answer(outcome, &desk)).collect();
        desk.keep();
        Ok(answers)
    }
}

fn wit_item(item: &Item) -> WitItem {
    let delivery = &item.delivery;
    let identifier = |(kind, value): &(String, String)| Identifier { kind: kind.clone(), value: value.clone() };
    WitItem {
        id: format!("{:032x}", delivery.id.0),
        kind: match delivery.kind {
            ItemKind::Message => WitKind::Message,
            ItemKind::SegmentEntered => WitKind::SegmentEntered,
            ItemKind::SegmentLeft => WitKind::SegmentLeft,
            ItemKind::TraitChanged => WitKind::TraitChanged,
            ItemKind::Event => WitKind::Event,
            ItemKind::Erase => WitKind::Erase,
        },
        name: delivery.name.clone(),
        person: delivery.identifiers.iter().map(identifier).collect(),
        payload: delivery.payload.clone(),
        attempt: item.attempt,
    }
}

fn answer(outcome: WitOutcome, desk: &Desk) -> Answer {
    match outcome {
        WitOutcome::Delivered => Answer::Delivered,
        WitOutcome::RetryAfter(seconds) => {
            let reason = desk.last_trouble().unwrap_or("the plugin asked to try again");
            Answer::RetryAfter { seconds, reason: desk.shown(reason.to_owned()) }
        }
        WitOutcome::Rejected(reason) => Answer::Rejected(desk.shown(reason)),
        WitOutcome::Unauthorized(reason) => Answer::Unauthorized(desk.shown(reason)),
    }
}
