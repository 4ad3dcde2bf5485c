//! Traces: what became of single messages, from the request to the answers of destinations, for any collector that speaks
//! OTLP over HTTP (JSON).
//!
//! ```text
//!  collect EVENT   from its arrival until it is durable
//!  ├ log           the transaction that it is in
//!  ├ fold          the chunk of records that it is folded in
//!  └ deliver DEST  from the decision to the end of an attempt; one for each attempt
//! ```
//!
//! A share of all messages is traced, drawn by their ids: where the same message is traced elsewhere it is here. Spans name
//! events, rules, destinations and ids of messages, nothing about people. Nothing waits for a collector: what it does not
//! take in time is dropped and counted.

use parking_lot::Mutex;
use reqwest::Client;
use serde_json::{Value as Json, json};
use sonder_core::effect::EffectId;
use sonder_dsl::time::Moment;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Spans that wait for the collector; spans of one request to it; how long a part of that waits for more.
const AHEAD: usize = 8_192;
const AT_A_TIME: usize = 512;
const PAUSE: Duration = Duration::from_secs(1);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages, and deliveries, that are remembered until they are folded, or ended.
const REMEMBERED: usize = 16_384;

/// Makes spans of a share of all messages.
#[derive(Debug)]
pub struct Tracer {
    spans: Sender<Span>,
    /// Of all hashes, those below are traced.
    below: u64,
    /// Counts spans, so that their ids differ.
    number: AtomicU64,
    messages: Mutex<Remembered<u64, Context>>,
    deliveries: Mutex<Remembered<EffectId, (Context, String, Moment)>>,
}

/// Where a span belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    trace: u128,
    root: u64,
}

/// Something that took a while.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    context: Context,
    id: u64,
    is_root: bool,
    name: String,
    begin: Moment,
    end: Moment,
    attributes: Vec<(&'static str, Json)>,
    error: Option<String>,
}

/// The last so many; older ones are forgotten.
#[derive(Debug)]
struct Remembered<K, V> {
    known: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, V> Remembered<K, V> {
    fn new() -> Self {
        Self { known: HashMap::new(), order: VecDeque::new() }
    }

    fn put(&mut self, key: K, value: V) {
        if self.known.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Tracer {
    /// Traces this share of all messages (0 to 1), and sends the spans to the collector at `endpoint`, such as
    /// `http://127.0.0.1:4318`. To be made within a tokio runtime.
    #[must_use]
    pub fn start(endpoint: &str, share: f64, http: Client) -> Self {
        let (spans, received) = channel(AHEAD);
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        tokio::spawn(export(received, url, http));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of all is what is meant")]
        let below = (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        Self {
            spans,
            below,
            number: AtomicU64::new(0),
            messages: Mutex::new(Remembered::new()),
            deliveries: Mutex::new(Remembered::new()),
        }
    }

    /// Where spans about a message belong; `None` for one that is not traced.
    #[must_use]
    pub fn of_message(&self, message_id: &str) -> Option<Context> {
        let trace = xxh3_128(message_id.as_bytes());
        // The upper half decides, as everywhere that the id is known.
        ((trace >> 64) as u64 <= self.below && self.below > 0)
            .then(|| Context { trace, root: xxh3_64(message_id.as_bytes()) | 1 })
    }

    /// Where spans about the record at that place of the log belong, if it was logged lately and is traced.
    #[must_use]
    pub fn of_record(&self, seq: u64) -> Option<Context> {
        self.messages.lock().known.get(&seq).copied()
    }

    /// A message is durable: it arrived then, its transaction began then.
    pub fn logged(&self, context: Context, seq: u64, times: [Moment; 3], event: &str, source: &str, message_id: &str) {
        let [arrived, begun, durable] = times;
        self.messages.lock().put(seq, context);
        let attributes = vec![
            ("sonder.seq", json!(seq)),
            ("sonder.event", json!(event)),
            ("sonder.source", json!(source)),
            ("messaging.message.id", json!(message_id)),
        ];
        let name = format!("collect {event}");
        self.send(Span {
            context,
            id: context.root,
            is_root: true,
            name,
            begin: arrived,
            end: durable,
            attributes,
            error: None,
        });
        self.part(context, "log".to_owned(), (begun, durable), Vec::new(), None);
    }

    /// A record was folded.
    pub fn folded(&self, context: Context, begin: Moment, end: Moment) {
        self.part(context, "fold".to_owned(), (begin, end), Vec::new(), None);
    }

    /// A delivery was decided because of a message.
    pub fn decided(&self, context: Context, delivery: EffectId, destination: String, at: Moment) {
        self.deliveries.lock().put(delivery, (context, destination, at));
    }

    /// An attempt at a delivery ended.
    pub fn ended(&self, delivery: EffectId, at: Moment, attempt: u32, state: &'static str, error: Option<&str>) {
        let mut deliveries = self.deliveries.lock();
        let Some((context, destination, since)) = deliveries.known.get_mut(&delivery) else { return };
        let (context, name, begin) = (*context, format!("deliver {destination}"), *since);
        let attributes = vec![
            ("sonder.destination", json!(destination)),
            ("sonder.delivery", json!(format!("{:032x}", delivery.0))),
            ("sonder.attempt", json!(attempt)),
            ("sonder.outcome", json!(state)),
        ];
        // The next attempt begins where this one ended.
        *since = at;
        drop(deliveries);
        // What a destination says may name people: that there was an error is enough here, `sonder query` has the rest.
        let error = error.map(|_| state.to_owned());
        self.part(context, name, (begin, at), attributes, error);
    }

    fn part(
        &self,
        context: Context,
        name: String,
        (begin, end): (Moment, Moment),
        attributes: Vec<(&'static str, Json)>,
        error: Option<String>,
    ) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 32];
        for (to, from) in bytes
            .iter_mut()
            .zip(context.root.to_le_bytes().into_iter().chain(number.to_le_bytes()).chain(begin.0.to_le_bytes()))
        {
            *to = from;
        }
        let id = xxh3_64(&bytes) | 1;
        self.send(Span { context, id, is_root: false, name, begin, end: end.max(begin), attributes, error });
    }

    fn send(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            metrics::counter!("sonder_spans_dropped_total").increment(1);
        }
    }
}

/// Sends spans to the collector, until nobody makes any.
async fn export(mut spans: Receiver<Span>, url: String, http: Client) {
    let mut batch = Vec::with_capacity(AT_A_TIME);
    let mut has_failed = false;
    while spans.recv_many(&mut batch, AT_A_TIME).await > 0 {
        // A little later there are more, and a request costs more than a span.
        if batch.len() < AT_A_TIME {
            tokio::time::sleep(PAUSE).await;
            while let (true, Ok(more)) = (batch.len() < AT_A_TIME, spans.try_recv()) {
                batch.push(more);
            }
        }
        let body = request(&batch).to_string();
        let sent = http.post(&url).header("content-type", "application/json").timeout(PATIENCE).body(body).send().await;
        let failure = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.without_url().to_string()),
        };
        if let Some(error) = &failure {
            metrics::counter!("sonder_spans_dropped_total").increment(batch.len() as u64);
            if !has_failed {
                tracing::warn!(error, url, "the collector of traces does not take them");
            }
        }
        has_failed = failure.is_some();
        batch.clear();
    }
}

/// Spans in OTLP's JSON.
fn request(spans: &[Span]) -> Json {
    let version = env!("CARGO_PKG_VERSION");
    let resource = attributes(&[("service.name", json!("sonder")), ("service.version", json!(version))]);
    let spans: Vec<Json> = spans.iter().map(one).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "sonder", "version": version }, "spans": spans }],
    }] })
}

fn one(span: &Span) -> Json {
    let nanos = |at: Moment| (i128::from(at.0) * 1_000).to_string();
    let mut json = json!({
        "traceId": format!("{:032x}", span.context.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        // A server's, the engine's own, a client's.
        "kind": if span.is_root { 2 } else if span.name.starts_with("deliver ") { 3 } else { 1 },
        "startTimeUnixNano": nanos(span.begin),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes(&span.attributes),
    });
    if !span.is_root {
        json["parentSpanId"] = format!("{:016x}", span.context.root).into();
    }
    if let Some(error) = &span.error {
        json["status"] = json!({ "code": 2, "message": error });
    }
    json
}

fn attributes(pairs: &[(&'static str, Json)]) -> Vec<Json> {
    let value = |value: &Json| match value {
        // OTLP writes whole numbers as text.
        Json::Number(number) => json!({ "intValue": number.to_string() }),
        other => json!({ "stringValue": other }),
    };
    pairs.iter().map(|(key, it)| json!({ "key": key, "value": value(it) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(share: f64) -> (Tracer, Receiver<Span>) {
        let (spans, received) = channel(AHEAD);
        let below = (share * u64::MAX as f64) as u64;
        let (messages, deliveries) = (Mutex::new(Remembered::new()), Mutex::new(Remembered::new()));
        (Tracer { spans, below, number: AtomicU64::new(0), messages, deliveries }, received)
    }

    #[test]
    fn a_message_is_one_trace_from_its_arrival_to_its_deliveries() {
        let (tracer, mut spans) = tracer(1.0);
        let context = tracer.of_message("m1").unwrap();
        tracer.logged(context, 7, [Moment(1_000), Moment(2_000), Moment(3_000)], "view", "web", "m1");
        assert_eq!(tracer.of_record(7), Some(context));
        tracer.folded(context, Moment(3_100), Moment(3_200));
        tracer.decided(context, EffectId(9), "crm".to_owned(), Moment(3_150));
        tracer.ended(EffectId(9), Moment(4_000), 1, "retry", Some("status 503 for ann@shop.example"));
        tracer.ended(EffectId(9), Moment(5_000), 2, "delivered", None);
        tracer.ended(EffectId(8), Moment(5_000), 1, "delivered", None);
        let mut found = Vec::new();
        while let Ok(span) = spans.try_recv() {
            found.push(span);
        }
        let text = serde_json::to_string_pretty(&request(&found)).unwrap();
        assert!(!text.contains("ann@"), "nothing about people");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_share_of_messages_is_traced_the_same_ones_each_time() {
        let (some, _spans) = tracer(0.1);
        let traced = || (0..10_000).filter(|n| some.of_message(&format!("m{n}")).is_some()).collect::<Vec<_>>();
        assert!((800..1_200).contains(&traced().len()), "{}", traced().len());
        assert_eq!(traced(), traced());
        assert!((0..1_000).all(|n| tracer(0.0).0.of_message(&format!("m{n}")).is_none()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = Remembered::new();
        (0..=REMEMBERED as u64).for_each(|n| remembered.put(n, n));
        assert_eq!((remembered.known.len(), remembered.known.contains_key(&0)), (REMEMBERED, false));
    }
}
