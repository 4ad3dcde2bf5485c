//! What the sandbox costs, and how fast items leave: through a plugin in Rust, and through two in JavaScript where their
//! components are given: one makes a call for each item, the other one for each batch. The baseline of the same run posts the same bytes to the same receiver without any of it.
//!
//! `cargo bench -p sonder-activate --bench delivery -- [--js each.wasm] [--js-batches batches.wasm] [ITEMS]`

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::json;
use sonder_activate::host::network::Http;
use sonder_activate::host::request::Prepared;
use sonder_activate::host::{Host, HostConfig, Plugins, Response, SendError};
use sonder_activate::outbox::{Item, Outbox, OutboxConfig, Policy, Transport};
use sonder_activate::outcome::{Backlog, BoxFuture, Outcome, OutcomeLog, StoreUnavailable};
use sonder_core::effect::{Cause, Delivery, EffectId, ItemKind, PersonId};
use sonder_core::record::Seq;
use sonder_dsl::ir::{DestinationId, Program};
use sonder_dsl::model::{Destination, Secret, WriteKey};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::{Duration as Span, Moment};
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const BATCH: usize = 100;
/// As many as an outbox has under way.
const IN_FLIGHT: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| Some(PathBuf::from(arguments.get(arguments.iter().position(|it| it == flag)? + 1)?));
    let items = arguments.iter().find_map(|it| it.parse().ok()).unwrap_or(200_000);
    let receiver = Receiver::start().await?;
    let mut out = io::stdout().lock();

    let host = Host::new(HostConfig { http: Some(Arc::new(Nowhere)), ..HostConfig::default() })?;
    let webhook = |mode: &str| webhook(mode, &receiver.address);
    let (answering, fixtures) = answering(&receiver.address);
    let alone = overhead(&host, &answering, &fixtures, items).await?;
    writeln!(out, "the host alone: a plugin that answers:  {:>7.2} µs an item", alone.as_secs_f64() * 1e6)?;
    let each = overhead(&host, &webhook("batch"), Path::new("."), items).await?;
    writeln!(out, "Rust, batches of {BATCH}, no HTTP:           {:>7.2} µs an item", each.as_secs_f64() * 1e6)?;
    let one = overhead(&host, &webhook("item"), Path::new("."), items).await?;
    writeln!(out, "Rust, a call for each item, no HTTP:   {:>7.2} µs an item", one.as_secs_f64() * 1e6)?;
    let mut scripts = Vec::new();
    for (flag, name) in [("--js-batches", "batches of 100, "), ("--js", "a call for each,")] {
        let Some(path) = given(flag) else { continue };
        let (destination, folder) = script(&path, &receiver.address)?;
        let each = overhead(&host, &destination, &folder, items / 10).await?;
        writeln!(out, "JavaScript, {name} no HTTP:  {:>7.2} µs an item", each.as_secs_f64() * 1e6)?;
        scripts.push((name, destination, folder));
    }

    let host = Host::new(HostConfig::default())?;
    let batches = leaving(&host, &webhook("batch"), Path::new("."), items).await?;
    let bare = bare(&receiver, items / BATCH, receiver.bytes_of_last()).await?;
    let rate = |count: usize, took: Duration| count as f64 / took.as_secs_f64();
    writeln!(
        out,
        "Rust, batches of {BATCH}, to a receiver:     {:>7.0} items/s; bare posts of the same {:>7.0}; ratio {:.2}",
        rate(items, batches),
        rate(items, bare),
        bare.as_secs_f64() / batches.as_secs_f64(),
    )?;
    let few = items / 10;
    let singles = leaving(&host, &webhook("item"), Path::new("."), few).await?;
    let bare_singles = self::bare(&receiver, few, receiver.bytes_of_last()).await?;
    writeln!(
        out,
        "Rust, a call for each, to a receiver:  {:>7.0} items/s; bare posts of the same {:>7.0}; ratio {:.2}",
        rate(few, singles),
        rate(few, bare_singles),
        bare_singles.as_secs_f64() / singles.as_secs_f64(),
    )?;
    for (name, destination, folder) in &scripts {
        let scripted = leaving(&host, destination, folder, few).await?;
        writeln!(out, "JavaScript, {name} to a receiver: {:>7.0} items/s", rate(few, scripted))?;
    }
    Ok(())
}

/// How long an item takes from the outbox into a plugin and back, where requests are answered at once.
async fn overhead(host: &Host, to: &Destination, project: &Path, items: usize) -> Result<Duration, Box<dyn Error>> {
    let transport = transport(host, to, project)?;
    let batches: Vec<Vec<Item>> = (0..items / BATCH).map(|n| batch(n * BATCH)).collect();
    let count = batches.len() * BATCH;
    transport.deliver(batch(0), Moment(0)).await?;
    let began = Instant::now();
    for batch in batches {
        transport.deliver(batch, Moment(0)).await?;
    }
    Ok(began.elapsed() / u32::try_from(count)?)
}

/// How long items take from an outbox to the receiver, outcomes and all.
async fn leaving(host: &Host, to: &Destination, project: &Path, items: usize) -> Result<Duration, Box<dyn Error>> {
    let log = Arc::new(Counting { left: AtomicU64::new(items as u64), done: Notify::new() });
    let outbox = Outbox::start(OutboxConfig {
        destinations: vec![to.clone()],
        transports: Plugins::load(host, &program()?, std::slice::from_ref(to), project, &|_| None)
            .map_err(told)?
            .transports(),
        log: Arc::clone(&log) as _,
        backlog: Arc::new(Nothing),
        policy: Policy { window_items: items, window_bytes: usize::MAX, ..Policy::default() },
        gate: None,
        resume: false,
    });
    let deliveries = (0..items).map(delivery).collect();
    let began = Instant::now();
    outbox.enqueue(deliveries);
    log.done.notified().await;
    Ok(began.elapsed())
}

/// How long the same posts take without outbox and sandbox.
async fn bare(receiver: &Receiver, posts: usize, body: Vec<u8>) -> Result<Duration, Box<dyn Error>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (url, body) = (format!("http://{}/bare", receiver.address), Bytes::from(body));
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let workers: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let (client, url, body, next) = (client.clone(), url.clone(), body.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < posts as u64 {
                    let post = client.post(&url).header("content-type", "application/json").body(body.clone());
                    post.send().await?.bytes().await?;
                }
                Ok::<_, reqwest::Error>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(began.elapsed())
}

/// A project of nothing but a name.
fn program() -> Result<Arc<Program>, Box<dyn Error>> {
    let name = SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop".to_owned() };
    sonder_dsl::compile(SourceSet::new(vec![name])).program.ok_or_else(|| "a project of nothing compiles".into())
}

fn transport(host: &Host, to: &Destination, project: &Path) -> Result<Arc<dyn Transport>, Box<dyn Error>> {
    let plugins = Plugins::load(host, &program()?, std::slice::from_ref(to), project, &|_| None).map_err(told)?;
    plugins.transports().remove(&to.name).ok_or_else(|| "it is not loaded".into())
}

fn told(problems: Vec<sonder_activate::host::PluginProblem>) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn batch(first: usize) -> Vec<Item> {
    (first..first + BATCH).map(|n| Item { delivery: Arc::new(delivery(n)), attempt: 1 }).collect()
}

fn delivery(n: usize) -> Delivery {
    Delivery {
        id: EffectId(n as u128 + 1),
        destination: DestinationId(0),
        person: PersonId(n as u128),
        at: Moment(1_772_323_200_000_000),
        cause: Cause::Record(Seq(1)),
        kind: ItemKind::Message,
        name: "greet".to_owned(),
        identifiers: vec![("user_id".to_owned(), format!("u{n}"))],
        payload: r#"{"text":"Your cart waits for you","link":"https://shop.example/cart","city":"Kyoto"}"#.to_owned(),
    }
}

/// The tests' own plugin, doing nothing: what is left is what the host does.
fn answering(address: &str) -> (Destination, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    (destination("hostile.wasm", address, "token", json!({"do": "nothing", "only": "nobody"})), folder)
}

fn webhook(mode: &str, address: &str) -> Destination {
    let config = json!({"url": format!("http://{address}/hook"), "mode": mode});
    destination("sonder/webhook@1", address, "signing_key", config)
}

/// What `sonder plugin new --lang js` makes, but for its check that the address is an https one.
fn script(path: &Path, address: &str) -> Result<(Destination, PathBuf), Box<dyn Error>> {
    let folder = path.parent().ok_or("no folder")?.to_owned();
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    let config = json!({"url": format!("http://{address}/script")});
    Ok((Destination { memory_limit: 256 << 20, ..destination(name, address, "api_key", config) }, folder))
}

fn destination(plugin: &str, address: &str, secret: &str, config: serde_json::Value) -> Destination {
    Destination {
        name: "bench".to_owned(),
        plugin: plugin.to_owned(),
        allow: vec![address.to_owned()],
        allow_private: true,
        secrets: vec![Secret { name: secret.to_owned(), value: WriteKey::Literal("a-secret-of-the-bench".to_owned()) }],
        config,
        purposes: Vec::new(),
        segments: Vec::new(),
        profile_traits: Vec::new(),
        computed_traits: Vec::new(),
        events: Vec::new(),
        identifiers: Vec::new(),
        rate: None,
        pseudonymous: false,
        excludes_probabilistic: false,
        cap_per_person: None,
        memory_limit: 64 << 20,
        batch_limit: BATCH as u32,
        time_limit: Span::from_secs(2),
        regions: Vec::new(),
        transfers: Vec::new(),
    }
}

/// Answers at once.
struct Nowhere;

impl Http for Nowhere {
    fn send(&self, _request: Prepared, _within: Duration) -> Result<Response, SendError> {
        Ok(Response { status: 204, headers: Vec::new(), body: Vec::new() })
    }
}

/// Counts final outcomes.
struct Counting {
    left: AtomicU64,
    done: Notify,
}

impl OutcomeLog for Counting {
    fn record(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<(), StoreUnavailable>> {
        let ended = outcomes.iter().filter(|outcome| outcome.is_final()).count() as u64;
        if self.left.fetch_sub(ended, Ordering::Relaxed) == ended {
            self.done.notify_one();
        }
        Box::pin(async { Ok(()) })
    }
}

/// A store with nothing in it.
struct Nothing;

impl Backlog for Nothing {
    fn load<'a>(
        &'a self,
        _destination: &'a str,
        _after: Option<EffectId>,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery>, StoreUnavailable>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn destinations(&self) -> BoxFuture<'_, Result<Vec<String>, StoreUnavailable>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn delivered<'a>(
        &'a self,
        _destination: &'a str,
        _since: Moment,
    ) -> BoxFuture<'a, Result<Vec<(PersonId, Moment)>, StoreUnavailable>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Takes whatever is posted.
struct Receiver {
    address: String,
    last: Arc<AtomicU64>,
}

impl Receiver {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("127.0.0.1:{}", listener.local_addr()?.port());
        let last = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&last);
        let take = move |body: Bytes| {
            seen.store(body.len() as u64, Ordering::Relaxed);
            async { StatusCode::NO_CONTENT }
        };
        let router = axum::Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, last })
    }

    /// As much as the last post had.
    fn bytes_of_last(&self) -> Vec<u8> {
        vec![b' '; usize::try_from(self.last.load(Ordering::Relaxed)).unwrap_or(0)]
    }
}
