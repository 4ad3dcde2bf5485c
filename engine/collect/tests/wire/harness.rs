//! A collector over an intake in memory, and requests in one line.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine as _;
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use sonder_collect::{BoxFuture, Collector, CollectorConfig, Feed, Intake, Received, Refused};
use sonder_core::message::{Message, Quarantined};
use sonder_core::record::Identifier;
use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::watch;
use tower::ServiceExt;

/// When everything arrives, unless a test moves the clock.
pub const NOW: &str = "2026-03-01T12:00:00Z";

const PROJECT: [(&str, &str); 10] = [
    ("sonder.yaml", "name: shop"),
    ("identity.yaml", "identifiers: {user_id: {}, email: {normalize: [trim, lowercase]}, anonymous_id: {}}"),
    ("sources/server.yaml", "{source: server, kind: server, write_keys: [wk, {env: SERVER_KEY}, {env: MISSING_KEY}]}"),
    ("sources/web.yaml", "{source: web, kind: browser, write_keys: [wk_web]}"),
    ("sources/own.yaml", "{source: own, kind: browser, write_keys: [wk_own], origins: ['https://shop.example']}"),
    ("sources/off.yaml", "{source: off, kind: server, write_keys: [wk_off], enabled: false}"),
    (
        "sources/slow.yaml",
        "{source: slow, kind: browser, write_keys: [wk_slow, wk_slow2], rate: '3/s per key, 2/s per ip'}",
    ),
    (
        "events/product_viewed.yaml",
        "{event: product_viewed, properties: {product_id: {type: string}}, required: [product_id]}",
    ),
    ("events/page_viewed.yaml", "{event: page_viewed, properties: {path: {type: string}}}"),
    ("events/screen_viewed.yaml", "{event: screen_viewed, properties: {}}"),
];

/// An intake in memory: deduplicates by message id, as the log does.
#[derive(Default)]
pub struct Memory {
    taken: Mutex<Vec<Received>>,
    /// What the next submissions are answered with.
    pub refuse: Mutex<Option<Refused>>,
}

impl Intake for Memory {
    fn submit(&self, _: &Arc<Program>, batch: Vec<Received>) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            if let Some(refused) = self.refuse.lock().clone() {
                return Err(refused);
            }
            let mut taken = self.taken.lock();
            for received in batch {
                let id = message_id(&received);
                if id.is_none() || !taken.iter().any(|known| message_id(known) == id) {
                    taken.push(received);
                }
            }
            Ok(())
        })
    }
}

/// Says who asked, and when.
struct Told;

impl Feed for Told {
    fn read(&self, who: Option<&Identifier>, now: Moment) -> String {
        let kind = who.map(|who| ["user_id", "email", "anonymous_id"][who.kind.index()]);
        json!({"kind": kind, "value": who.map(|who| &*who.value), "at": now.to_string()}).to_string()
    }
}

fn message_id(received: &Received) -> Option<String> {
    match received {
        Received::Message(message, _) => Some(message.message_id.clone()),
        Received::Quarantined(quarantined) => quarantined.message_id.clone(),
    }
}

/// A collector under test.
pub struct Server {
    pub router: Router,
    pub collector: Collector,
    pub memory: Arc<Memory>,
    pub program: watch::Sender<Arc<Program>>,
    now: Arc<AtomicI64>,
}

impl Server {
    pub fn new() -> Self {
        Self::of(compile(&[]), |config| config)
    }

    /// Of a project, with a configuration of its own.
    pub fn of(program: Arc<Program>, configure: impl FnOnce(CollectorConfig) -> CollectorConfig) -> Self {
        let (program, running) = watch::channel(program);
        let memory = Arc::new(Memory::default());
        let now = Arc::new(AtomicI64::new(Moment::parse(NOW).unwrap().0));
        let clock = Arc::clone(&now);
        let collector = Collector::new(configure(CollectorConfig {
            environment: Arc::new(|name| (name == "SERVER_KEY").then(|| "wk_env".to_owned())),
            clock: Arc::new(move || Moment(clock.load(Ordering::Relaxed))),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            feed: Some(Arc::new(Told)),
            ..CollectorConfig::new(running, Arc::clone(&memory) as Arc<dyn Intake>)
        }));
        Self { router: sonder_collect::router(collector.clone()), collector, memory, program, now }
    }

    pub fn at(&self, moment: &str) {
        self.now.store(Moment::parse(moment).unwrap().0, Ordering::Relaxed);
    }

    pub fn request(&self, method: Method, path: &str) -> Call<'_> {
        Call { server: self, request: Request::builder().method(method).uri(path), body: Vec::new(), peer: None }
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.request(Method::POST, path)
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.request(Method::GET, path)
    }

    /// A message that is good but for what `more` says, by the key of the server source.
    pub async fn send(&self, path: &str, more: Json) -> Answer {
        self.post(path).key("wk").json(&good(more)).send().await
    }

    /// The accepted messages since the last look.
    pub fn messages(&self) -> Vec<Message> {
        let taken = std::mem::take(&mut *self.memory.taken.lock());
        taken
            .into_iter()
            .map(|received| match received {
                Received::Message(message, _) => message,
                Received::Quarantined(quarantined) => panic!("quarantined: {quarantined:?}"),
            })
            .collect()
    }

    /// The one accepted message since the last look.
    pub fn message(&self) -> Message {
        let [message] = <[Message; 1]>::try_from(self.messages()).unwrap();
        message
    }

    /// Everything since the last look.
    pub fn received(&self) -> Vec<Received> {
        std::mem::take(&mut *self.memory.taken.lock())
    }

    /// The quarantined ones since the last look.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let of = |received| match received {
            Received::Quarantined(quarantined) => Some(quarantined),
            Received::Message(..) => None,
        };
        self.received().into_iter().filter_map(of).collect()
    }
}

/// The project of these tests, with files added or replaced.
pub fn compile(more: &[(&str, &str)]) -> Arc<Program> {
    let kept = PROJECT.iter().filter(|(path, _)| !more.iter().any(|(other, _)| other == path));
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
    let compilation = sonder_dsl::compile(SourceSet::new(kept.chain(more).map(file).collect()));
    compilation.program.ok_or(compilation.diagnostics).unwrap()
}

/// A message that is good, with keys replaced; `null` takes a key away.
pub fn good(more: Json) -> Json {
    let mut message =
        json!({"type": "track", "event": "Product Viewed", "anonymousId": "a1", "properties": {"product_id": "p1"}});
    let object = message.as_object_mut().unwrap();
    for (key, value) in more.as_object().unwrap() {
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.clone(), value.clone());
        }
    }
    message
}

/// `wk:` in base64.
pub fn basic(credentials: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request that is being put together.
pub struct Call<'s> {
    server: &'s Server,
    request: axum::http::request::Builder,
    body: Vec<u8>,
    peer: Option<IpAddr>,
}

impl Call<'_> {
    pub fn key(self, key: &str) -> Self {
        let credentials = basic(&format!("{key}:"));
        self.header("authorization", &credentials)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn raw_header(mut self, name: axum::http::HeaderName, value: axum::http::HeaderValue) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, json: &Json) -> Self {
        self.bytes(json.to_string())
    }

    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    pub fn from(mut self, peer: &str) -> Self {
        self.peer = Some(peer.parse().unwrap());
        self
    }

    pub async fn send(self) -> Answer {
        let mut request = self.request.body(Body::from(self.body)).unwrap();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer, 1)));
        }
        let response = self.server.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the code of an error.
    pub fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["code"].as_str().unwrap().to_owned())
    }

    pub fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }
}
