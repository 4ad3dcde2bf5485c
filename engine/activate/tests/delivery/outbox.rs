//! The outbox with transports that answer at will: order, isolation, spilling, reloads, shutdown.

use crate::support::{Store, destination, entered, eventually};
use parking_lot::Mutex;
use serde_json::Value;
use sonder_activate::outbox::{Answer, BatchFailure, Gate, Item, Outbox, OutboxConfig, Policy, Transport, Transports};
use sonder_activate::outcome::{BoxFuture, REMOVED, Verdict};
use sonder_core::effect::{Delivery, EffectId, ItemKind, PersonId, Recall};
use sonder_dsl::ir::DestinationId;
use sonder_dsl::model::{Destination, Rate};
use sonder_dsl::time::{Duration, Moment};
use std::sync::Arc;
use std::time::Instant;

type Reply = dyn Fn(&Item) -> Answer + Send + Sync;

/// Takes a while, then answers each item as it is told; remembers what it was given.
struct Fake {
    delay: std::time::Duration,
    reply: Box<Reply>,
    got: Mutex<Vec<Delivery>>,
}

impl Fake {
    fn new(delay_ms: u64, reply: impl Fn(&Item) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        let delay = std::time::Duration::from_millis(delay_ms);
        Arc::new(Self { delay, reply: Box::new(reply), got: Mutex::default() })
    }

    fn ids(&self) -> Vec<u128> {
        self.got.lock().iter().map(|delivery| delivery.id.0).collect()
    }
}

struct Shared(Arc<Fake>);

impl Transport for Shared {
    fn deliver(&self, items: Vec<Item>, _now: Moment) -> BoxFuture<'static, Result<Vec<Answer>, BatchFailure>> {
        let fake = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::time::sleep(fake.delay).await;
            fake.got.lock().extend(items.iter().map(|item| (*item.delivery).clone()));
            Ok(items.iter().map(|item| (fake.reply)(item)).collect())
        })
    }
}

fn named(name: &str) -> Destination {
    destination(name, "fake", "*", Value::Null)
}

fn transports(fakes: &[(&str, &Arc<Fake>)]) -> Transports {
    fakes
        .iter()
        .map(|(name, fake)| ((*name).to_owned(), Arc::new(Shared(Arc::clone(fake))) as Arc<dyn Transport>))
        .collect()
}

fn fast() -> Policy {
    Policy {
        base: Duration::from_millis(2),
        ceiling: Duration::from_millis(20),
        breaker_pause: Duration::from_millis(5),
        ..Policy::default()
    }
}

fn start(
    destinations: Vec<Destination>,
    fakes: &[(&str, &Arc<Fake>)],
    store: &Arc<Store>,
    policy: Policy,
    resume: bool,
) -> Outbox {
    for (index, destination) in destinations.iter().enumerate() {
        store.names.lock().insert(DestinationId(u32::try_from(index).unwrap()), destination.name.clone());
    }
    Outbox::start(OutboxConfig {
        destinations,
        transports: transports(fakes),
        log: Arc::clone(store) as _,
        backlog: Arc::clone(store) as _,
        policy,
        gate: None,
        resume,
    })
}

#[tokio::test]
async fn a_destination_that_hangs_does_not_delay_another() {
    let hung = Fake::new(600_000, |_| Answer::Delivered);
    let good = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    let outbox = start(vec![named("hung"), named("good")], &[("hung", &hung), ("good", &good)], &store, fast(), false);
    let started = Instant::now();
    outbox.enqueue((0..5_000).flat_map(|n| [entered(0, n, n, "vip"), entered(1, 10_000 + n, n, "vip")]).collect());
    assert!(started.elapsed() < std::time::Duration::from_millis(500), "enqueue took {:?}", started.elapsed());
    eventually("the good one has all", || store.finals() == 5_000).await;
    let stats = outbox.stats();
    assert_eq!(
        stats
            .destinations
            .iter()
            .map(|stats| (stats.name.as_str(), stats.delivered, stats.pending))
            .collect::<Vec<_>>(),
        [("good", 5_000, 0), ("hung", 0, 5_000)]
    );
}

#[tokio::test]
async fn a_person_hears_things_in_order_and_others_go_on() {
    let refusals = Mutex::new(5);
    let fake = Fake::new(0, move |item| {
        let mut refusals = refusals.lock();
        if item.delivery.id.0 == 10 && *refusals > 0 {
            *refusals -= 1;
            return Answer::RetryAfter { seconds: 0, reason: "busy".to_owned() };
        }
        Answer::Delivered
    });
    let store = Arc::new(Store::default());
    let outbox = start(vec![named("d")], &[("d", &fake)], &store, fast(), false);
    outbox.enqueue(vec![
        entered(0, 10, 1, "a"),
        entered(0, 11, 1, "b"),
        entered(0, 12, 1, "c"),
        entered(0, 20, 2, "a"),
    ]);
    eventually("all are delivered", || store.finals() == 4).await;
    let ids = fake.ids();
    assert_eq!(ids.iter().filter(|id| **id < 20).copied().collect::<Vec<_>>(), [10, 10, 10, 10, 10, 10, 11, 12]);
    assert!(ids.iter().position(|id| *id == 20).unwrap() < ids.iter().position(|id| *id == 11).unwrap());
}

/// Somebody who withdraws between two attempts, and somebody who had withdrawn before the first.
struct Withdrawn(Mutex<Vec<u128>>);

impl Gate for Withdrawn {
    fn holds_back(&self, destination: &str, delivery: &Delivery) -> Option<String> {
        let gone = self.0.lock().contains(&delivery.person.0);
        gone.then(|| format!("no consent to marketing any more, for {destination}"))
    }
}

#[tokio::test]
async fn what_must_not_be_sent_any_more_is_cancelled_at_each_attempt() {
    let gate = Arc::new(Withdrawn(Mutex::new(vec![2])));
    let withdraws = Arc::clone(&gate);
    let fake = Fake::new(0, move |item| {
        if item.delivery.person.0 != 3 {
            return Answer::Delivered;
        }
        withdraws.0.lock().push(3);
        Answer::RetryAfter { seconds: 0, reason: "not now".to_owned() }
    });
    let store = Arc::new(Store::default());
    store.names.lock().insert(DestinationId(0), "d".to_owned());
    let outbox = Outbox::start(OutboxConfig {
        destinations: vec![named("d")],
        transports: transports(&[("d", &fake)]),
        log: Arc::clone(&store) as _,
        backlog: Arc::clone(&store) as _,
        policy: fast(),
        gate: Some(gate),
        resume: false,
    });
    outbox.enqueue(vec![entered(0, 1, 1, "a"), entered(0, 2, 2, "a"), entered(0, 3, 3, "a"), entered(0, 4, 1, "b")]);
    eventually("all have an outcome", || store.finals() == 4).await;
    let reason = "no consent to marketing any more, for d".to_owned();
    for id in [2, 3] {
        assert_eq!(store.last(id), Some(Verdict::Cancelled { reason: reason.clone() }), "{id}");
    }
    assert_eq!([store.last(1), store.last(4)], [Some(Verdict::Delivered), Some(Verdict::Delivered)]);
    let mut ids = fake.ids();
    ids.sort_unstable();
    assert_eq!(ids, [1, 3, 4], "what is held back is never handed over");
    assert_eq!(outbox.stats().destinations[0].delivered, 2);
}

/// Lets all go; those who are taken off have withdrawn meanwhile.
struct TakenOff;

impl Gate for TakenOff {
    fn holds_back(&self, _destination: &str, _delivery: &Delivery) -> Option<String> {
        None
    }

    fn is_bare(&self, _destination: &str, delivery: &Delivery) -> bool {
        delivery.kind == ItemKind::SegmentLeft
    }
}

#[tokio::test]
async fn who_is_taken_off_after_they_withdrew_goes_with_identifiers_only() {
    let fake = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    store.names.lock().insert(DestinationId(0), "d".to_owned());
    let outbox = Outbox::start(OutboxConfig {
        destinations: vec![named("d")],
        transports: transports(&[("d", &fake)]),
        log: Arc::clone(&store) as _,
        backlog: Arc::clone(&store) as _,
        policy: fast(),
        gate: Some(Arc::new(TakenOff)),
        resume: false,
    });
    let left = Delivery { kind: ItemKind::SegmentLeft, ..entered(0, 2, 1, "a") };
    outbox.enqueue(vec![entered(0, 1, 1, "a"), left]);
    eventually("both have an outcome", || store.finals() == 2).await;
    let got = fake.got.lock();
    let (entry, exit) = (&got[0], &got[1]);
    assert!(entry.payload.contains("129.90"), "{}", entry.payload);
    assert_eq!(exit.payload, format!(r#"{{"segment":"a","at":"{}","traits":{{}}}}"#, exit.at));
    assert_eq!((exit.id.0, &exit.identifiers), (2, &entry.identifiers));
}

#[tokio::test]
async fn what_does_not_fit_into_memory_waits_in_the_store_in_its_order() {
    let fake = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    let policy = Policy { window_items: 50, ..fast() };
    let outbox = start(vec![named("d")], &[("d", &fake)], &store, policy, false);
    let deliveries: Vec<Delivery> = (0..3_000).map(|n| entered(0, n, n % 7, "vip")).collect();
    outbox.enqueue(deliveries.clone());
    let stats = outbox.stats().destinations[0].clone();
    assert_eq!((stats.pending, stats.spilled), (3_000, 2_950));
    assert_eq!(outbox.pending().len(), 50);
    // The store has them a little later than the outbox.
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    store.deliveries.lock().extend(deliveries);
    eventually("all are delivered", || store.finals() == 3_000).await;
    for person in 0..7 {
        let got = fake.got.lock();
        let ids: Vec<u128> = got.iter().filter(|got| got.person == PersonId(person)).map(|got| got.id.0).collect();
        assert_eq!(ids, (0..3_000).filter(|n| n % 7 == person).collect::<Vec<_>>());
    }
    // And it goes on as before.
    outbox.enqueue(vec![entered(0, 9_999, 1, "vip")]);
    eventually("a new one is delivered", || store.last(9_999).is_some()).await;
    assert_eq!(outbox.stats().destinations[0].spilled, 0);
}

#[tokio::test]
async fn a_start_resumes_what_the_store_has_without_an_outcome() {
    let fake = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    store.deliveries.lock().extend((0..5_000).map(|n| entered(0, n, n, "vip")));
    let outbox = start(vec![named("d")], &[("d", &fake)], &store, fast(), true);
    // Recovery enqueues some of the same, and a new one.
    outbox.enqueue(vec![entered(0, 4_999, 4_999, "vip")]);
    eventually("all are delivered", || store.finals() == 5_000).await;
    assert_eq!(fake.got.lock().len(), 5_000);
}

const NO_MORE: &str = "the destination is no longer in the project";

#[tokio::test]
async fn what_waits_in_the_store_for_a_removed_destination_is_given_up() {
    let fake = Fake::new(0, |_| Answer::RetryAfter { seconds: 60, reason: "busy".to_owned() });
    let store = Arc::new(Store::default());
    let policy = Policy { window_items: 50, ..fast() };
    let outbox = start(vec![named("kept"), named("gone")], &[("gone", &fake)], &store, policy, false);
    let deliveries: Vec<Delivery> = (0..1_000).map(|n| entered(1, n, n % 7, "vip")).collect();
    store.deliveries.lock().extend(deliveries.clone());
    outbox.enqueue(deliveries);
    assert_eq!(outbox.stats().destinations[0].spilled, 950);
    outbox.reconfigure(&[named("kept")], transports(&[]));
    eventually("all have their outcome", || store.finals() == 1_000).await;
    for outcome in store.outcomes.lock().iter().filter(|outcome| outcome.is_final()) {
        assert_eq!(outcome.verdict, Verdict::Dead { reason: NO_MORE.to_owned() });
        assert_eq!((&*outcome.destination_name, outcome.destination), ("gone", REMOVED));
    }
}

#[tokio::test]
async fn what_waits_at_a_start_for_a_destination_that_is_no_more_is_given_up() {
    let fake = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    store.names.lock().insert(DestinationId(7), "gone".to_owned());
    store.deliveries.lock().extend((0..500).map(|n| entered(if n % 2 == 0 { 0 } else { 7 }, n, n, "vip")));
    let outbox = start(vec![named("kept")], &[("kept", &fake)], &store, fast(), true);
    eventually("all have their outcome", || store.finals() == 500).await;
    assert_eq!(fake.got.lock().len(), 250);
    assert_eq!(store.last(2), Some(Verdict::Delivered));
    assert_eq!(store.last(3), Some(Verdict::Dead { reason: NO_MORE.to_owned() }));
    let stats = outbox.stats().destinations;
    assert_eq!(stats.iter().map(|it| (it.name.as_str(), it.dead)).collect::<Vec<_>>(), [("gone", 250), ("kept", 0)]);
}

#[tokio::test]
async fn nothing_is_sent_twice_while_outcomes_cannot_be_recorded() {
    let fake = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    *store.down.lock() = true;
    let outbox = start(vec![named("d")], &[("d", &fake)], &store, fast(), false);
    outbox.enqueue(vec![entered(0, 1, 1, "a"), entered(0, 2, 1, "b")]);
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    assert_eq!((fake.ids(), outbox.pending().len()), (vec![1], 2));
    *store.down.lock() = false;
    eventually("both are delivered", || store.finals() == 2).await;
    assert_eq!(fake.ids(), [1, 2]);
}

#[tokio::test]
async fn another_version_of_the_project_keeps_what_waits() {
    let never = Fake::new(0, |_| Answer::RetryAfter { seconds: 0, reason: "busy".to_owned() });
    let store = Arc::new(Store::default());
    let outbox = start(vec![named("b"), named("c")], &[("b", &never), ("c", &never)], &store, fast(), false);
    outbox.enqueue(vec![entered(0, 1, 1, "x"), entered(1, 2, 1, "x")]);
    eventually("both were tried", || !store.verdicts(1).is_empty() && !store.verdicts(2).is_empty()).await;
    // `a` is new and comes before `b`; `c` is gone.
    let good = Fake::new(0, |_| Answer::Delivered);
    outbox.reconfigure(&[named("a"), named("b")], transports(&[("a", &good), ("b", &good)]));
    outbox.enqueue(vec![entered(0, 3, 1, "x")]);
    eventually("all have their outcome", || store.finals() == 3).await;
    let outcomes = store.outcomes.lock();
    let last = |id| outcomes.iter().rev().find(|outcome| outcome.id.0 == id).unwrap();
    assert_eq!(
        (&*last(1).destination_name, last(1).destination, &last(1).verdict),
        ("b", DestinationId(1), &Verdict::Delivered)
    );
    assert_eq!(
        (&*last(3).destination_name, last(3).destination, &last(3).verdict),
        ("a", DestinationId(0), &Verdict::Delivered)
    );
    let Verdict::Dead { reason } = &last(2).verdict else { panic!("{:?}", last(2)) };
    assert_eq!(reason, NO_MORE);
}

#[tokio::test]
async fn a_person_gets_no_more_than_the_cap_even_after_a_restart() {
    let capped =
        || Destination { cap_per_person: Some(Rate { count: 2, per: Duration::from_secs(3_600) }), ..named("d") };
    let store = Arc::new(Store::default());
    for round in 0..2_u128 {
        let fake = Fake::new(0, |_| Answer::Delivered);
        let outbox = start(vec![capped()], &[("d", &fake)], &store, fast(), false);
        outbox.enqueue(
            (0..4)
                .map(|n| entered(0, round * 10 + n, 1, "vip"))
                .chain([entered(0, round * 10 + 9, 2, "vip")])
                .collect(),
        );
        eventually("all have their outcome", || store.finals() == 5 * (usize::try_from(round).unwrap() + 1)).await;
        assert_eq!(outbox.shutdown(std::time::Duration::from_secs(5)).await, 0);
    }
    let delivered: Vec<u128> = store
        .outcomes
        .lock()
        .iter()
        .filter(|outcome| outcome.verdict == Verdict::Delivered)
        .map(|outcome| outcome.id.0)
        .collect();
    assert_eq!(delivered.iter().filter(|id| **id % 10 != 9).copied().collect::<Vec<_>>(), [0, 1]);
    assert!(delivered.contains(&9) && delivered.contains(&19));
    assert_eq!(store.last(2), Some(Verdict::Dead { reason: "over the cap of 2 per 1h per person".to_owned() }));
}

#[tokio::test]
async fn what_is_called_back_is_not_sent_and_nothing_else_waits_for_it() {
    let fake = Fake::new(0, |item| match item.delivery.id.0 {
        1 if item.attempt < 4 => Answer::RetryAfter { seconds: 0, reason: "busy".to_owned() },
        _ => Answer::Delivered,
    });
    let store = Arc::new(Store::default());
    let outbox = start(vec![named("d")], &[("d", &fake)], &store, fast(), false);
    // Behind the first, which is tried again and again, the second waits.
    outbox.enqueue(vec![entered(0, 1, 1, "vip"), entered(0, 2, 1, "vip"), entered(0, 3, 1, "vip")]);
    let recall = |id| Recall {
        id: EffectId(id),
        destination: DestinationId(0),
        person: PersonId(1),
        at: Moment(0),
        reason: "left carts: converted".to_owned(),
    };
    assert!(outbox.recall(&recall(2)));
    assert!(!outbox.recall(&recall(77)), "it never was");
    eventually("all have their outcome", || store.finals() == 3).await;
    assert_eq!(store.last(2), Some(Verdict::Cancelled { reason: "left carts: converted".to_owned() }));
    assert_eq!((store.last(1), store.last(3)), (Some(Verdict::Delivered), Some(Verdict::Delivered)));
    assert!(!fake.ids().contains(&2));
    assert_eq!(outbox.stats().destinations[0].dead, 0, "it is no dead letter");
    // What was sent already stays sent.
    assert!(!outbox.recall(&recall(1)));
    outbox.enqueue(vec![entered(0, 4, 1, "vip")]);
    eventually("the fourth has its outcome", || store.finals() == 4).await;
    assert_eq!(store.last(1), Some(Verdict::Delivered));
}

#[tokio::test]
async fn what_was_given_up_is_tried_again_when_asked() {
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let fake = Fake::new(0, move |_| match up.load(std::sync::atomic::Ordering::Relaxed) {
        true => Answer::Delivered,
        false => Answer::Rejected("410 gone".to_owned()),
    });
    let store = Arc::new(Store::default());
    let outbox = start(vec![named("d")], &[("d", &fake)], &store, fast(), false);
    outbox.enqueue(vec![entered(0, 1, 1, "vip"), entered(0, 2, 1, "vip")]);
    eventually("both are given up", || store.finals() == 2).await;
    is_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let room = outbox.room(DestinationId(0));
    assert!(room > 100 && outbox.room(DestinationId(7)) == 0);
    outbox.replay(DestinationId(0), vec![entered(0, 1, 1, "vip"), entered(0, 2, 1, "vip")]);
    eventually("both are delivered", || store.last(2) == Some(Verdict::Delivered)).await;
    assert_eq!(store.last(1), Some(Verdict::Delivered));
    assert_eq!(fake.ids(), [1, 2, 1, 2], "in their order");
}

#[tokio::test]
async fn a_rate_is_kept() {
    let fake = Fake::new(0, |_| Answer::Delivered);
    let store = Arc::new(Store::default());
    let slow = Destination { rate: Some(Rate { count: 20, per: Duration::from_millis(100) }), ..named("d") };
    let outbox = start(vec![slow], &[("d", &fake)], &store, fast(), false);
    let started = Instant::now();
    outbox.enqueue((0..60).map(|n| entered(0, n, n, "vip")).collect());
    eventually("all are delivered", || store.finals() == 60).await;
    let took = started.elapsed();
    assert!(took >= std::time::Duration::from_millis(190), "{took:?}");
}

#[tokio::test]
async fn shutdown_sends_what_is_ready_and_waits_for_what_is_under_way() {
    let fake = Fake::new(50, |item| match item.delivery.id.0 {
        7 => Answer::RetryAfter { seconds: 60, reason: "busy".to_owned() },
        _ => Answer::Delivered,
    });
    let store = Arc::new(Store::default());
    let few = Destination { batch_limit: 10, ..named("d") };
    let outbox = start(vec![few], &[("d", &fake)], &store, fast(), false);
    outbox.enqueue((0..100).map(|n| entered(0, n, n, "vip")).collect());
    assert_eq!(outbox.shutdown(std::time::Duration::from_secs(10)).await, 1);
    assert_eq!(store.finals(), 99);
    // And at the latest at the deadline.
    let hung = Fake::new(600_000, |_| Answer::Delivered);
    let outbox = start(vec![named("d")], &[("d", &hung)], &store, fast(), false);
    outbox.enqueue(vec![entered(0, 1_000, 1, "vip")]);
    let started = Instant::now();
    assert_eq!(outbox.shutdown(std::time::Duration::from_millis(100)).await, 1);
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}
