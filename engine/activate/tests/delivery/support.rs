//! What the tests of this room share: destinations, deliveries, a store in memory, and a receiver on loopback.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use sonder_activate::outcome::{Backlog, BoxFuture, Outcome, OutcomeLog, StoreUnavailable, Verdict};
use sonder_core::effect::{Cause, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, Program, RuleId};
use sonder_dsl::model::{Destination, Secret, WriteKey};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::{Duration, Moment};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A project of nothing but a name.
pub fn program() -> Arc<Program> {
    let name = SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop".to_owned() };
    sonder_dsl::compile(SourceSet::new(vec![name])).program.unwrap()
}

/// A destination that receives one segment.
pub fn destination(name: &str, plugin: &str, allow: &str, config: serde_json::Value) -> Destination {
    Destination {
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        allow: vec![allow.to_owned()],
        allow_private: true,
        secrets: Vec::new(),
        config,
        purposes: Vec::new(),
        segments: vec![RuleId(0)],
        profile_traits: Vec::new(),
        computed_traits: Vec::new(),
        events: Vec::new(),
        identifiers: Vec::new(),
        rate: None,
        pseudonymous: false,
        excludes_probabilistic: false,
        cap_per_person: None,
        memory_limit: 64 << 20,
        batch_limit: 100,
        time_limit: Duration::from_secs(2),
        regions: Vec::new(),
        transfers: Vec::new(),
    }
}

pub fn secret(name: &str, value: &str) -> Secret {
    Secret { name: name.to_owned(), value: WriteKey::Literal(value.to_owned()) }
}

/// Person `person` entered the segment `name`.
pub fn entered(destination: u32, id: u128, person: u128, name: &str) -> Delivery {
    let at = Moment::parse("2026-03-01T03:00:00Z").unwrap();
    Delivery {
        id: EffectId(id),
        destination: DestinationId(destination),
        person: PersonId(person),
        at,
        cause: Cause::Record(Seq(1)),
        kind: ItemKind::SegmentEntered,
        name: name.to_owned(),
        identifiers: vec![("user_id".to_owned(), format!("u{person}"))],
        payload: format!(r#"{{"segment":"{name}","at":"{at}","traits":{{"lifetime_value":"129.90"}}}}"#),
    }
}

/// A store in memory: deliveries in their order, and every outcome that was recorded.
#[derive(Default)]
pub struct Store {
    pub deliveries: Mutex<Vec<Delivery>>,
    pub outcomes: Mutex<Vec<Outcome>>,
    pub names: Mutex<BTreeMap<DestinationId, String>>,
    pub down: Mutex<bool>,
}

impl Store {
    pub fn verdicts(&self, id: u128) -> Vec<Verdict> {
        self.outcomes
            .lock()
            .iter()
            .filter(|outcome| outcome.id.0 == id)
            .map(|outcome| outcome.verdict.clone())
            .collect()
    }

    pub fn last(&self, id: u128) -> Option<Verdict> {
        self.verdicts(id).pop()
    }

    pub fn is_final(&self, id: EffectId) -> bool {
        self.outcomes.lock().iter().any(|outcome| outcome.id == id && outcome.is_final())
    }

    pub fn finals(&self) -> usize {
        self.outcomes.lock().iter().filter(|outcome| outcome.is_final()).count()
    }
}

impl OutcomeLog for Store {
    fn record(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<(), StoreUnavailable>> {
        Box::pin(async move {
            if *self.down.lock() {
                return Err(StoreUnavailable("disk full".to_owned()));
            }
            self.outcomes.lock().extend(outcomes);
            Ok(())
        })
    }
}

impl Backlog for Store {
    fn load<'a>(
        &'a self,
        destination: &'a str,
        after: Option<EffectId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreUnavailable>> {
        Box::pin(async move {
            let deliveries = self.deliveries.lock();
            let names = self.names.lock();
            let ours = |delivery: &&Delivery| names.get(&delivery.destination).is_some_and(|name| name == destination);
            let start = after.and_then(|after| deliveries.iter().position(|delivery| delivery.id == after));
            let rest = deliveries.iter().skip(start.map_or(0, |start| start + 1));
            Ok(rest.filter(ours).filter(|delivery| !self.is_final(delivery.id)).take(limit).cloned().collect())
        })
    }

    fn destinations(&self) -> BoxFuture<'_, Result<Vec<String>, StoreUnavailable>> {
        Box::pin(async move {
            let names = self.names.lock();
            let waits = |delivery: &&Delivery| !self.is_final(delivery.id);
            let waiting = self.deliveries.lock();
            let mut found: Vec<String> =
                waiting.iter().filter(waits).filter_map(|delivery| names.get(&delivery.destination).cloned()).collect();
            found.sort_unstable();
            found.dedup();
            Ok(found)
        })
    }

    fn delivered<'a>(
        &'a self,
        destination: &'a str,
        since: Moment,
    ) -> BoxFuture<'a, Result<Vec<(PersonId, Moment)>, StoreUnavailable>> {
        Box::pin(async move {
            let outcomes = self.outcomes.lock();
            let got = outcomes.iter().filter(|outcome| {
                &*outcome.destination_name == destination && outcome.verdict == Verdict::Delivered && outcome.at > since
            });
            Ok(got.map(|outcome| (outcome.person, outcome.at)).collect())
        })
    }
}

/// A request that a receiver got.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A receiver on loopback that remembers what it got.
#[derive(Clone)]
pub struct Receiver {
    pub address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

type Reply = Arc<dyn Fn(usize, &Got) -> Response + Send + Sync>;

impl Receiver {
    /// Answers request number n (from 0) with what `reply` says.
    pub async fn start(reply: impl Fn(usize, &Got) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let got = Arc::new(Mutex::new(Vec::new()));
        let reply: Reply = Arc::new(reply);
        let router = axum::Router::new().fallback(receive).with_state((Arc::clone(&got), reply));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, got }
    }

    pub async fn answering(status: u16) -> Self {
        Self::start(move |_, _| StatusCode::from_u16(status).unwrap().into_response()).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().clone()
    }
}

async fn receive(
    State((got, reply)): State<(Arc<Mutex<Vec<Got>>>, Reply)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Got { path: uri.to_string(), headers, body };
    let n = {
        let mut got = got.lock();
        got.push(request.clone());
        got.len() - 1
    };
    if request.path.starts_with("/slow") {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    reply(n, &request)
}

/// Waits until something holds; fails the test when it does not in time.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("in ten seconds it never came true that {what}");
}
