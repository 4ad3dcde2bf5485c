//! The destination `sonder/onsite@1`: what pages are told about their visitor when they ask.
//!
//! Items are kept by person, not by identifier, so that whoever turns out to be one person has one feed; who asks is the
//! engine's to find out. Nothing here is durable: it is a fold over what was delivered, which the store has. An item that is
//! told twice changes nothing.
//!
//! INVARIANT: whatever is read passes the gate at that moment: who withdraws consent is not shown what was told before.

use crate::host::native::Bind;
use crate::limits;
use crate::outbox::{Answer, BatchFailure, Item, Transport};
use crate::outcome::BoxFuture;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use sonder_core::effect::{Delivery, EffectId, ItemKind, PersonId};
use sonder_dsl::ir::Program;
use sonder_dsl::model::Destination;
use sonder_dsl::time::{Duration, Moment};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The feeds of all destinations of this kind.
#[derive(Default)]
pub struct Onsite(Mutex<BTreeMap<String, Arc<Mutex<Feeds>>>>);

/// The feeds of one destination.
struct Feeds {
    // How long a message is kept that does not say it.
    keep: Duration,
    by_person: FxHashMap<PersonId, Feed>,
    // People by when they were told something, for whom to forget first.
    told: BTreeMap<u64, PersonId>,
    next: u64,
}

#[derive(Default)]
struct Feed {
    told: u64,
    // The last item of each segment and each trait.
    facts: BTreeMap<(bool, String), Arc<Delivery>>,
    messages: VecDeque<Arc<Delivery>>,
}

impl Onsite {
    /// Takes in what was delivered before this engine started, in the order in which it was.
    pub fn recall(&self, destination: &str, delivered: Vec<Delivery>) {
        let feeds = self.feeds(destination);
        let mut feeds = feeds.lock();
        for delivery in delivered {
            feeds.tell(Arc::new(delivery));
        }
    }

    /// What pages may show somebody who is known by these ids, as of `now`: of the destinations of these names, what `may`
    /// still be shown.
    #[must_use]
    pub fn read(
        &self,
        destinations: &[&str],
        people: &[PersonId],
        now: Moment,
        may: &dyn Fn(&str, &Delivery) -> bool,
    ) -> Value {
        let mut items: Vec<(Arc<Delivery>, Duration)> = Vec::new();
        for destination in destinations {
            let Some(feeds) = self.0.lock().get(*destination).cloned() else { continue };
            let found: Vec<_> = feeds.lock().of(people).collect();
            items.extend(found.into_iter().filter(|(delivery, _)| may(destination, delivery)));
        }
        items.sort_by_key(|(delivery, _)| (delivery.at, delivery.id));
        shown(&items, now)
    }

    fn feeds(&self, destination: &str) -> Arc<Mutex<Feeds>> {
        let mut all = self.0.lock();
        Arc::clone(all.entry(destination.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Feeds::new()))))
    }
}

impl Bind for Arc<Onsite> {
    fn bind(&self, destination: &Destination, _program: &Arc<Program>) -> Result<Arc<dyn Transport>, (String, String)> {
        let feeds = self.feeds(&destination.name);
        let days = destination.config.get("days").and_then(Value::as_i64).unwrap_or(30);
        feeds.lock().keep = Duration::from_secs(days * 86_400);
        Ok(Arc::new(ToPages(feeds)))
    }
}

/// The way to one destination's feeds.
struct ToPages(Arc<Mutex<Feeds>>);

impl Transport for ToPages {
    fn deliver(&self, items: Vec<Item>, _now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>> {
        let mut feeds = self.0.lock();
        let tell = |item: Item| {
            if item.delivery.payload.len() > limits::FEED_ITEM_BYTES {
                return Answer::Rejected(format!("it has more than {} KiB", limits::FEED_ITEM_BYTES >> 10));
            }
            feeds.tell(item.delivery);
            Answer::Delivered
        };
        let answers = items.into_iter().map(tell).collect();
        Box::pin(async move { Ok(answers) })
    }
}

impl Feeds {
    fn new() -> Self {
        Self { keep: Duration::ZERO, by_person: FxHashMap::default(), told: BTreeMap::new(), next: 0 }
    }

    fn tell(&mut self, delivery: Arc<Delivery>) {
        let person = delivery.person;
        if delivery.kind == ItemKind::Erase {
            if let Some(feed) = self.by_person.remove(&person) {
                self.told.remove(&feed.told);
            }
            return;
        }
        let feed = self.by_person.entry(person).or_default();
        self.told.remove(&feed.told);
        self.next += 1;
        feed.told = self.next;
        self.told.insert(self.next, person);
        match delivery.kind {
            ItemKind::Message => {
                feed.messages.retain(|known| known.id != delivery.id);
                feed.messages.push_back(delivery);
                if feed.messages.len() > limits::FEED_MESSAGES {
                    feed.messages.pop_front();
                }
            }
            kind => {
                let fact = (kind == ItemKind::TraitChanged, delivery.name.clone());
                feed.facts.insert(fact, delivery);
            }
        }
        if self.by_person.len() > limits::FEEDS
            && let Some((_, quiet)) = self.told.pop_first()
        {
            self.by_person.remove(&quiet);
        }
    }

    fn of<'a>(&'a self, people: &'a [PersonId]) -> impl Iterator<Item = (Arc<Delivery>, Duration)> + 'a {
        let feeds = people.iter().filter_map(|person| self.by_person.get(person));
        feeds.flat_map(|feed| feed.facts.values().chain(&feed.messages)).map(|it| (Arc::clone(it), self.keep))
    }
}

/// Items in the order of time, as a page reads them.
fn shown(items: &[(Arc<Delivery>, Duration)], now: Moment) -> Value {
    let mut segments = BTreeMap::new();
    let mut traits = BTreeMap::new();
    let mut messages: Vec<(Option<String>, EffectId, Value)> = Vec::new();
    for (delivery, keep) in items {
        let Ok(Value::Object(payload)) = serde_json::from_str(&delivery.payload) else { continue };
        // Each item has the traits along with it as they were.
        if let Some(Value::Object(along)) = payload.get("traits").filter(|_| delivery.kind != ItemKind::Message) {
            traits.extend(along.clone());
        }
        match delivery.kind {
            ItemKind::SegmentEntered => _ = segments.insert(delivery.name.clone(), delivery.at),
            ItemKind::SegmentLeft => _ = segments.remove(&delivery.name),
            ItemKind::TraitChanged => {
                traits.insert(delivery.name.clone(), payload.get("value").cloned().unwrap_or_default());
            }
            ItemKind::Message => {
                if now > delivery.at.plus(lasting(&payload).unwrap_or(*keep)) {
                    continue;
                }
                let slot = payload.get("slot").and_then(Value::as_str).map(str::to_owned);
                messages.retain(|(known, id, _)| *id != delivery.id && (slot.is_none() || *known != slot));
                let id = format!("{:032x}", delivery.id.0);
                let mut message =
                    Map::from_iter([("id".to_owned(), id.into()), ("at".to_owned(), delivery.at.to_string().into())]);
                message.insert("name".to_owned(), delivery.name.as_str().into());
                message.insert("fields".to_owned(), Value::Object(payload));
                messages.push((slot, delivery.id, Value::Object(message)));
            }
            ItemKind::Event | ItemKind::Erase => {}
        }
    }
    traits.retain(|_, value| !value.is_null());
    let segments: Vec<Value> =
        segments.into_iter().map(|(name, since)| json!({"name": name, "since": since.to_string()})).collect();
    // The latest first: a page has room for few.
    let messages: Vec<Value> = messages.into_iter().rev().map(|(_, _, message)| message).collect();
    json!({"segments": segments, "traits": traits, "messages": messages})
}

fn lasting(payload: &Map<String, Value>) -> Option<Duration> {
    payload.get("hours")?.as_i64().filter(|hours| *hours > 0).map(|hours| Duration::from_secs(hours.min(2_160) * 3_600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_core::effect::Cause;
    use sonder_core::record::Seq;
    use sonder_dsl::ir::DestinationId;

    fn at(hours: i64) -> Moment {
        Moment::parse("2026-03-01T03:00:00Z").unwrap().plus(Duration::from_secs(hours * 3_600))
    }

    fn delivery(id: u128, person: u128, hour: i64, kind: ItemKind, name: &str, payload: Value) -> Delivery {
        Delivery {
            id: EffectId(id),
            destination: DestinationId(0),
            person: PersonId(person),
            at: at(hour),
            cause: Cause::Record(Seq(1)),
            kind,
            name: name.to_owned(),
            identifiers: Vec::new(),
            payload: payload.to_string(),
        }
    }

    fn show(id: u128, person: u128, hour: i64, fields: Value) -> Delivery {
        delivery(id, person, hour, ItemKind::Message, "show", fields)
    }

    fn onsite(delivered: Vec<Delivery>) -> Onsite {
        let onsite = Onsite::default();
        onsite.feeds("onsite").lock().keep = Duration::from_secs(30 * 86_400);
        onsite.recall("onsite", delivered);
        onsite
    }

    fn ids(feed: &Value) -> Vec<&str> {
        feed["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().trim_start_matches('0'))
            .collect()
    }

    #[test]
    fn a_feed_has_what_is_so_now_and_messages_that_are_of_use() {
        let traits = json!({"segment": "vip", "traits": {"tier": "silver", "city": "Kyoto"}});
        let onsite = onsite(vec![
            delivery(1, 7, 0, ItemKind::SegmentEntered, "vip", traits.clone()),
            delivery(2, 7, 0, ItemKind::SegmentEntered, "cart", json!({"traits": {}})),
            delivery(3, 7, 1, ItemKind::SegmentLeft, "cart", json!({"traits": {}})),
            delivery(4, 7, 2, ItemKind::TraitChanged, "tier", json!({"value": "gold", "traits": {}})),
            delivery(5, 7, 2, ItemKind::TraitChanged, "city", json!({"value": null, "traits": {}})),
            show(6, 7, 2, json!({"slot": "hero", "text": "old"})),
            show(7, 7, 3, json!({"slot": "hero", "text": "new"})),
            show(8, 7, 3, json!({"text": "short", "hours": 2})),
            show(9, 8, 3, json!({"text": "somebody else's"})),
        ]);
        let read = |hour: i64| onsite.read(&["onsite"], &[PersonId(7)], at(hour), &|_, _| true);
        assert_eq!(
            read(4),
            json!({
                "segments": [{"name": "vip", "since": "2026-03-01T03:00:00.000000Z"}],
                "traits": {"tier": "gold"},
                "messages": [
                    {"id": format!("{:032x}", 8), "at": "2026-03-01T06:00:00.000000Z", "name": "show", "fields": {"text": "short", "hours": 2}},
                    {"id": format!("{:032x}", 7), "at": "2026-03-01T06:00:00.000000Z", "name": "show", "fields": {"slot": "hero", "text": "new"}},
                ],
            })
        );
        assert_eq!(ids(&read(5)), ["8", "7"]);
        assert_eq!(ids(&read(6)), ["7"]);
        assert_eq!(ids(&read(24 * 31 + 6)), [""; 0]);
        assert_eq!(onsite.read(&["other"], &[PersonId(7)], at(4), &|_, _| true)["segments"], json!([]));
    }

    #[test]
    fn who_is_one_person_has_one_feed_and_who_is_erased_has_none() {
        let onsite = onsite(vec![show(1, 7, 0, json!({})), show(2, 8, 1, json!({}))]);
        let read = |people: &[PersonId]| onsite.read(&["onsite"], people, at(2), &|_, _| true);
        assert_eq!(ids(&read(&[PersonId(7), PersonId(8)])), ["2", "1"]);
        onsite.recall("onsite", vec![delivery(3, 7, 2, ItemKind::Erase, "", json!({}))]);
        assert_eq!(ids(&read(&[PersonId(7), PersonId(8)])), ["2"]);
    }

    #[test]
    fn what_may_not_be_shown_any_more_is_not() {
        let onsite = onsite(vec![show(1, 7, 0, json!({})), show(2, 7, 1, json!({}))]);
        let feed = onsite.read(&["onsite"], &[PersonId(7)], at(2), &|_, delivery| delivery.id == EffectId(2));
        assert_eq!(ids(&feed), ["2"]);
    }

    #[test]
    fn memory_is_bounded_and_the_quiet_are_forgotten_first() {
        let onsite = onsite(Vec::new());
        let people = limits::FEEDS as u128;
        let first = (0..people).map(|person| show(person, person, 0, json!({}))).collect();
        onsite.recall("onsite", first);
        onsite.recall("onsite", vec![show(people, 0, 1, json!({})), show(people + 1, people, 1, json!({}))]);
        let count = |person: u128| ids(&onsite.read(&["onsite"], &[PersonId(person)], at(2), &|_, _| true)).len();
        assert_eq!((count(0), count(1), count(2), count(people)), (2, 0, 1, 1));
        let many = (0..=limits::FEED_MESSAGES as u128).map(|n| show(n + 1_000_000, 2, 1, json!({}))).collect();
        onsite.recall("onsite", many);
        assert_eq!(count(2), limits::FEED_MESSAGES);
    }
}
