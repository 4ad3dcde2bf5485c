//! Plugins that misbehave: each fails its own items with a reason that says why, and harms nothing else.
//!
//! `fixtures/hostile.wasm` is built from `plugins/hostile`; what it does is in its configuration.

use crate::support::{Receiver, Store, destination, entered, eventually, program, secret};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use sonder_activate::host::network::{Lookup, Network};
use sonder_activate::host::{Host, HostConfig, PluginError, Plugins};
use sonder_activate::outbox::{Outbox, OutboxConfig, Policy};
use sonder_activate::outcome::Verdict;
use sonder_dsl::model::Destination;
use sonder_dsl::time::Duration;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const TOKEN: &str = "tok-5up3r-s3cret";

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

/// All names lead to this machine, so that what is denied is denied by the host and not for want of a network.
fn host() -> Host {
    let lookup: Lookup = Arc::new(|_| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
    Host::new(HostConfig { http: Some(Arc::new(Network::new(Some(lookup)).unwrap())), ..HostConfig::default() })
        .unwrap()
}

fn hostile(config: Value) -> Destination {
    Destination {
        secrets: vec![secret("token", TOKEN)],
        time_limit: Duration::from_millis(200),
        memory_limit: 16 << 20,
        ..destination("hostile", "hostile.wasm", "*", config)
    }
}

fn start(destinations: Vec<Destination>, store: &Arc<Store>) -> Outbox {
    start_in(fixtures(), destinations, store)
}

/// `plugins` is the folder that paths of plugins start from.
fn start_in(plugins: &Path, destinations: Vec<Destination>, store: &Arc<Store>) -> Outbox {
    let plugins = Plugins::load(&host(), &program(), &destinations, plugins, &|_| None).unwrap();
    Outbox::start(OutboxConfig {
        transports: plugins.transports(),
        destinations,
        log: Arc::clone(store) as _,
        backlog: Arc::clone(store) as _,
        policy: Policy {
            base: Duration::from_millis(2),
            ceiling: Duration::from_millis(4),
            breaker_pause: Duration::from_millis(2),
            unauthorized_pause: Duration::from_millis(5),
            ..Policy::default()
        },
        gate: None,
        resume: false,
    })
}

/// Delivers three items, of which the second is the one that the plugin means; gives the reason why that one died.
async fn reason(config: Value) -> String {
    let mut config = config;
    config["only"] = json!("bait");
    let store = Arc::new(Store::default());
    let outbox = start(vec![hostile(config)], &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip"), entered(0, 2, 2, "bait"), entered(0, 3, 3, "vip")]);
    eventually("all three have their outcome", || store.finals() == 3).await;
    let Some(Verdict::Dead { reason }) = store.last(2) else { panic!("{:?}", store.last(2)) };
    for innocent in [1, 3] {
        // They were in the same batch, and are delivered on their own.
        assert_eq!(store.last(innocent), Some(Verdict::Delivered), "after {reason}");
    }
    reason
}

#[tokio::test]
async fn an_endless_loop_is_ended() {
    assert_eq!(reason(json!({"do": "loop"})).await, "the plugin ran for longer than 200ms");
}

/// Encrypting is the host's work, done for the plugin: it counts as the plugin's own.
#[tokio::test]
async fn encrypting_without_end_is_ended_and_needs_a_key() {
    let key = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    let run = async |act: &str, token: &str| {
        let store = Arc::new(Store::default());
        let destination = Destination { secrets: vec![secret("token", token)], ..hostile(json!({"do": act})) };
        let outbox = start(vec![destination], &store);
        outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
        eventually("it has its outcome", || store.finals() == 1).await;
        format!("{:?}", store.last(1))
    };
    assert!(run("seal without end", key).await.contains("the plugin ran for longer than 200ms"));
    assert!(run("seal without end", TOKEN).await.contains("the plugin ran for longer than 200ms"));
    let refused = run("seal with no key", key).await;
    assert!(refused.contains("there is no secret `nowhere`"), "{refused}");
}

#[tokio::test]
async fn a_memory_hog_is_stopped_at_its_limit() {
    assert_eq!(reason(json!({"do": "hog"})).await, "the plugin wanted more than 16 MiB of memory");
}

#[tokio::test]
async fn a_trap_and_a_panic_are_told_with_their_last_words() {
    let trap = reason(json!({"do": "trap"})).await;
    assert!(trap.starts_with("the plugin trapped ("), "{trap}");
    let panic = reason(json!({"do": "panic"})).await;
    assert!(panic.contains("its last words: panicked at") && panic.contains("index out of bounds"), "{panic}");
}

#[tokio::test]
async fn a_bottomless_recursion_uses_up_its_own_stack() {
    // A Rust plugin's own stack lies in its memory, below which there is nothing; either way the sandbox ends it.
    let reason = reason(json!({"do": "overflow"})).await;
    assert!(
        reason.starts_with("the plugin trapped (") || reason.starts_with("the plugin used up its stack"),
        "{reason}"
    );
}

#[tokio::test]
async fn as_many_outcomes_as_items() {
    assert_eq!(reason(json!({"do": "too many"})).await, "the plugin gave 2 outcomes for 1 items");
    assert_eq!(reason(json!({"do": "too few"})).await, "the plugin gave 0 outcomes for 1 items");
}

#[tokio::test]
async fn a_huge_answer_does_not_reach_the_hosts_memory() {
    let reason = reason(json!({"do": "huge answer"})).await;
    assert!(reason.len() < 2_000 && reason.starts_with("the plugin "), "{reason}");
}

#[tokio::test]
async fn logs_and_storage_are_bounded() {
    let store = Arc::new(Store::default());
    let outbox = start(vec![hostile(json!({"do": "huge log"}))], &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("the log ends", || store.finals() == 1).await;
    assert_eq!(store.last(1), Some(Verdict::Delivered));

    let store = Arc::new(Store::default());
    let outbox = start(vec![hostile(json!({"do": "huge store"}))], &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("the storage ends", || store.finals() == 1).await;
    assert_eq!(store.last(1), Some(Verdict::Dead { reason: "a destination keeps no more than 256 KiB".to_owned() }));
}

#[tokio::test]
async fn what_a_batch_keeps_the_next_one_finds() {
    let store = Arc::new(Store::default());
    let outbox = start(vec![hostile(json!({"do": "store"}))], &store);
    for n in 1..=3 {
        outbox.enqueue(vec![entered(0, n, n, "vip")]);
        eventually("the batch has ended", || store.last(n).is_some()).await;
        assert_eq!(store.last(n), Some(Verdict::Dead { reason: format!("batch {n}") }));
    }
}

/// What the host says to a call, to a destination with these rights.
async fn call(url: &str, allow: &str, private: bool) -> String {
    let store = Arc::new(Store::default());
    let destination = Destination {
        allow: vec![allow.to_owned()],
        allow_private: private,
        ..hostile(json!({"do": "call", "url": url}))
    };
    let outbox = start(vec![destination], &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("it has its outcome", || store.finals() == 1).await;
    match store.last(1) {
        Some(Verdict::Dead { reason }) => reason,
        verdict => format!("{verdict:?}"),
    }
}

#[tokio::test]
async fn only_allowed_hosts_are_reached() {
    let receiver = Receiver::answering(200).await;
    let port = receiver.address.rsplit_once(':').unwrap().1.to_owned();
    let on = |host: &str| format!("{host}:{port}");
    for (url, allow, private, expected) in [
        (receiver.url("/"), receiver.address.clone(), true, "Some(Delivered)".to_owned()),
        (
            format!("http://evil.example:{port}/"),
            on("api.example"),
            true,
            format!("SendError::Denied(\"`evil.example:{port}` is not in the destination's `allow`\")"),
        ),
        (format!("http://api.example:{port}/"), on("api.example"), true, "Some(Delivered)".to_owned()),
        // Without `allow_private`: no http, no literal private address, and no name that leads to one.
        (
            receiver.url("/"),
            receiver.address.clone(),
            false,
            "SendError::Denied(\"`127.0.0.1` is called with http; only https is allowed\")".to_owned(),
        ),
        (
            format!("https://127.0.0.1:{port}/"),
            receiver.address.clone(),
            false,
            "SendError::Denied(\"`127.0.0.1` is a private address, and `allow_private` is not set\")".to_owned(),
        ),
        (
            format!("https://[::ffff:127.0.0.1]:{port}/"),
            format!("[::ffff:7f00:1]:{port}"),
            false,
            "SendError::Denied(\"`[::ffff:7f00:1]` is a private address, and `allow_private` is not set\")".to_owned(),
        ),
        (
            format!("https://api.example:{port}/"),
            on("api.example"),
            false,
            "SendError::Denied(\"`api.example` leads to a private address, and `allow_private` is not set\")"
                .to_owned(),
        ),
        (
            "file:///etc/passwd".to_owned(),
            "*".to_owned(),
            true,
            "SendError::Invalid(\"the URL has no host\")".to_owned(),
        ),
    ] {
        let said = call(&url, &allow, private).await;
        assert_eq!(said, expected, "{url}");
    }
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let inner = Receiver::answering(200).await;
    let to = inner.url("/internal");
    let outer =
        Receiver::start(move |_, _| (axum::http::StatusCode::FOUND, [("location", to.clone())]).into_response()).await;
    assert_eq!(call(&outer.url("/"), &outer.address, true).await, "answered 302");
    assert!(inner.got().is_empty());
}

#[tokio::test]
async fn large_requests_large_answers_and_the_hosts_headers_are_refused() {
    let store = Arc::new(Store::default());
    let receiver = Receiver::start(|_, _| vec![b'x'; (1 << 20) + 1].into_response()).await;
    let outbox = start(
        vec![
            Destination { name: "a".into(), ..hostile(json!({"do": "huge request", "url": receiver.url("/")})) },
            Destination { name: "b".into(), ..hostile(json!({"do": "call", "url": receiver.url("/")})) },
            Destination { name: "c".into(), ..hostile(json!({"do": "header", "url": receiver.url("/")})) },
        ],
        &store,
    );
    outbox.enqueue((0..3).map(|n| entered(n, u128::from(n) + 1, 1, "vip")).collect());
    eventually("all have their outcome", || store.finals() == 3).await;
    let dead = |reason: &str| Some(Verdict::Dead { reason: reason.to_owned() });
    assert_eq!(store.last(1), dead("SendError::TooLarge"));
    assert_eq!(store.last(2), dead("SendError::TooLarge"));
    assert_eq!(store.last(3), dead("SendError::Invalid(\"the header `host` is the host's to set\")"));
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn a_secret_reaches_the_receiver_and_nobody_else() {
    // A receiver that gives back all that it got, in its headers and its body.
    let receiver = Receiver::start(|_, got| {
        let all = format!("{} {} {}", got.header("authorization"), String::from_utf8_lossy(&got.body), TOKEN);
        ([("x-echo", got.header("authorization").to_owned())], all).into_response()
    })
    .await;
    let store = Arc::new(Store::default());
    let outbox = start(vec![hostile(json!({"do": "steal", "url": receiver.url("/")}))], &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("it has its outcome", || store.finals() == 1).await;
    assert_eq!(receiver.got()[0].header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(receiver.got()[0].body, format!(r#"{{"token":"{TOKEN}"}}"#));
    let Some(Verdict::Dead { reason }) = store.last(1) else { panic!("{:?}", store.last(1)) };
    assert!(reason.contains("Bearer [secret]") && !reason.contains(TOKEN), "{reason}");
    assert!(!format!("{:?}", outbox.stats()).contains(TOKEN));
}

#[tokio::test]
async fn an_unknown_secret_sends_nothing() {
    let receiver = Receiver::answering(200).await;
    let store = Arc::new(Store::default());
    let destination = Destination { secrets: vec![], ..hostile(json!({"do": "steal", "url": receiver.url("/")})) };
    let outbox = start(vec![destination], &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("it has its outcome", || store.finals() == 1).await;
    let Some(Verdict::Dead { reason }) = store.last(1) else { panic!("{:?}", store.last(1)) };
    assert!(reason.contains("there is no secret `token`"), "{reason}");
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn hostile_plugins_do_not_slow_their_neighbour() {
    let receiver = Receiver::answering(200).await;
    let store = Arc::new(Store::default());
    let bad = ["loop", "hog", "trap", "overflow", "huge answer"];
    let mut destinations: Vec<Destination> =
        bad.iter().map(|what| Destination { name: format!("bad {what}"), ..hostile(json!({"do": what})) }).collect();
    destinations
        .push(Destination { name: "good".into(), ..hostile(json!({"do": "call often", "url": receiver.url("/")})) });
    let good = u32::try_from(bad.len()).unwrap();
    let outbox = start(destinations, &store);
    for n in 0..good {
        outbox.enqueue((0..50).map(|person| entered(n, u128::from(n) * 1_000 + person, person, "vip")).collect());
    }
    let mut slowest = std::time::Duration::ZERO;
    for n in 0..50 {
        let started = Instant::now();
        outbox.enqueue(vec![entered(good, 100_000 + n, n, "vip")]);
        eventually("the good one delivers", || store.last(100_000 + n) == Some(Verdict::Delivered)).await;
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < std::time::Duration::from_secs(2), "{slowest:?}");
    let stats = outbox.stats();
    let kept: u64 = stats.destinations.iter().map(|stats| stats.pending + stats.delivered + stats.dead).sum();
    assert_eq!(kept, 50 * u64::from(good) + 50, "nothing is lost: {stats:?}");
}

#[test]
fn a_loop_in_check_is_a_problem_of_the_configuration() {
    let problems =
        Plugins::load(&host(), &program(), &[hostile(json!({"do": "loop in check"}))], fixtures(), &|_| None)
            .err()
            .unwrap();
    assert_eq!(problems[0].message, "the plugin cannot check it: the plugin ran for longer than 2s");
}

/// Components written by hand, for what a Rust one cannot do.
mod by_hand {
    use super::*;

    fn load(wasm: &[u8]) -> String {
        host().plugin(wasm).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(load(b"hello").starts_with("this is not a WebAssembly component: "));
        assert!(load(&[]).starts_with("this is not a WebAssembly component: "));
        assert_eq!(load(b"\0asm\x01\0\0\0"), PluginError::CoreModule.to_string());
        // The empty component: it lacks all that a destination exports.
        assert!(load(b"\0asm\x0d\0\x01\0").starts_with("the component does not fit the destination interface: "));
    }

    #[test]
    fn a_truncated_or_altered_component_is_refused() {
        let wasm = std::fs::read(fixtures().join("hostile.wasm")).unwrap();
        assert!(load(&wasm[..wasm.len() / 2]).starts_with("this is not a WebAssembly component: "));
        for (from, to, expected) in [
            ("sonder:destination/host@1.0.0", "sonder:destination/host@2.0.0", "was built for version 2.0.0"),
            (
                "sonder:destination/host@1.0.0",
                "sunder:destination/host@1.0.0",
                "imports `sunder:destination/host@1.0.0`",
            ),
        ] {
            let altered = replaced(&wasm, from.as_bytes(), to.as_bytes());
            let error = load(&altered);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_plugin_that_fails_when_asked_what_it_is_is_refused() {
        let wasm = std::fs::read(fixtures().join("hostile.wasm")).unwrap();
        for (what, expected) in [
            ("describe: loop  ", "the plugin ran for longer than 2s"),
            ("describe: trap  ", "the plugin trapped ("),
            ("describe: hog   ", "the plugin wanted more than 256 MiB of memory"),
        ] {
            let error = load(&replaced(&wasm, b"describe: normal", what.as_bytes()));
            assert!(error.contains(expected), "{what}: {error}");
        }
    }

    /// Text that is none: the bytes of what the plugin says are altered, and the host reads them as UTF-8.
    #[tokio::test]
    async fn text_that_is_not_utf_8_fails_its_own_item() {
        let wasm = std::fs::read(fixtures().join("hostile.wasm")).unwrap();
        let error = load(&replaced(&wasm, b"to be stolen", b"to be \xff\xfe\xc3(en"));
        assert!(error.contains("utf-8"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hostile.wasm"), replaced(&wasm, b"batch ", b"b\xff\xc0ch ")).unwrap();
        let store = Arc::new(Store::default());
        let outbox = start_in(folder.path(), vec![hostile(json!({"do": "store", "only": "bait"}))], &store);
        outbox.enqueue(vec![entered(0, 1, 1, "vip"), entered(0, 2, 2, "bait"), entered(0, 3, 3, "vip")]);
        eventually("all three have their outcome", || store.finals() == 3).await;
        let Some(Verdict::Dead { reason }) = store.last(2) else { panic!("{:?}", store.last(2)) };
        assert!(reason.contains("utf-8"), "{reason}");
        assert_eq!([store.last(1), store.last(3)], [Some(Verdict::Delivered), Some(Verdict::Delivered)]);
    }

    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let mut at = 0;
        while at + from.len() <= bytes.len() {
            if &bytes[at..at + from.len()] == from {
                bytes[at..at + from.len()].copy_from_slice(to);
            }
            at += 1;
        }
        bytes
    }
}

#[test]
fn compiled_code_is_kept_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let wasm = std::fs::read(fixtures().join("hostile.wasm")).unwrap();
    let load = || {
        let host = Host::new(HostConfig { cache: Some(cache.clone()), ..HostConfig::default() }).unwrap();
        let started = Instant::now();
        assert_eq!(host.plugin(&wasm).unwrap().description().name, "hostile");
        started.elapsed()
    };
    let cold = load();
    let warm = load();
    assert!(warm < cold, "cold {cold:?}, warm {warm:?}");
}
