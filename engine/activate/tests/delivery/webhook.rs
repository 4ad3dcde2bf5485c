//! The bundled webhook destination, from the outbox through the sandbox to a receiver.

use crate::support::{Got, Receiver, Store, destination, entered, eventually, program, secret};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sonder_activate::host::{Host, HostConfig, PluginProblem, Plugins};
use sonder_activate::outbox::{Outbox, OutboxConfig, Policy};
use sonder_activate::outcome::Verdict;
use sonder_dsl::model::Destination;
use sonder_dsl::time::Duration;
use std::path::Path;
use std::sync::Arc;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn load(destination: &Destination) -> Result<Plugins, Vec<PluginProblem>> {
    let host = Host::new(HostConfig::default()).unwrap();
    Plugins::load(&host, &program(), std::slice::from_ref(destination), Path::new("."), &|_| None)
}

fn problems(destination: &Destination) -> Vec<String> {
    load(destination)
        .err()
        .unwrap_or_default()
        .iter()
        .map(|problem| format!("{} {}", problem.path, problem.message))
        .collect()
}

fn start(destination: Destination, store: &Arc<Store>) -> Outbox {
    let transports = load(&destination).unwrap().transports();
    Outbox::start(OutboxConfig {
        destinations: vec![destination],
        transports,
        log: Arc::clone(store) as _,
        backlog: Arc::clone(store) as _,
        policy: Policy { base: Duration::from_millis(2), breaker_pause: Duration::from_millis(5), ..Policy::default() },
        gate: None,
        resume: false,
    })
}

fn webhook(receiver: &Receiver, config: Value) -> Destination {
    let mut whole = json!({"url": receiver.url("/hook")});
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    Destination {
        secrets: vec![secret("signing_key", KEY)],
        ..destination("crm", "sonder/webhook@1", &receiver.address, whole)
    }
}

/// HMAC as RFC 2104 writes it, over nothing but SHA-256: shares no code with what made the signature.
fn expected_signature(got: &Got) -> String {
    let mut key = BASE64.decode(KEY.trim_start_matches("whsec_")).unwrap();
    key.resize(64, 0);
    let pad = |mask: u8| key.iter().map(move |byte| byte ^ mask).collect::<Vec<u8>>();
    let message =
        [got.header("webhook-id").as_bytes(), b".", got.header("webhook-timestamp").as_bytes(), b".", &got.body]
            .concat();
    let inner = Sha256::digest([pad(0x36), message].concat());
    format!("v1,{}", BASE64.encode(Sha256::digest([pad(0x5c), inner.to_vec()].concat())))
}

#[tokio::test]
async fn an_entry_is_one_signed_call() {
    let receiver = Receiver::answering(204).await;
    let store = Arc::new(Store::default());
    let outbox = start(webhook(&receiver, json!({"headers": {"x-team": "crm"}})), &store);
    outbox.enqueue(vec![entered(0, 0xabc, 7, "vip")]);
    eventually("it is delivered", || store.last(0xabc) == Some(Verdict::Delivered)).await;

    let [got] = &receiver.got()[..] else { panic!("not one call") };
    assert_eq!(got.path, "/hook");
    assert_eq!(got.header("webhook-id"), "00000000000000000000000000000abc");
    assert_eq!(got.header("webhook-signature"), expected_signature(got));
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("x-team"), "crm");
    let sent_at: u64 = got.header("webhook-timestamp").parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(sent_at.abs_diff(now) < 60);
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "segment.entered",
            "timestamp": "2026-03-01T03:00:00.000000Z",
            "data": {
                "name": "vip",
                "person": [{"kind": "user_id", "value": "u7"}],
                "segment": "vip",
                "traits": {"lifetime_value": "129.90"},
            },
        })
    );
}

#[tokio::test]
async fn retries_repeat_the_key_and_the_body_and_are_recorded() {
    let receiver =
        Receiver::start(|n, _| StatusCode::from_u16(if n < 3 { 500 } else { 200 }).unwrap().into_response()).await;
    let store = Arc::new(Store::default());
    let outbox = start(webhook(&receiver, json!({})), &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("it is delivered", || store.last(1) == Some(Verdict::Delivered)).await;
    let got = receiver.got();
    assert_eq!(got.len(), 4);
    for again in &got {
        assert_eq!((again.header("webhook-id"), &again.body), (got[0].header("webhook-id"), &got[0].body));
        assert_eq!(again.header("webhook-signature"), expected_signature(again));
    }
    let verdicts = store.verdicts(1);
    assert_eq!(verdicts.len(), 4);
    let Verdict::Retry { reason, .. } = &verdicts[0] else { panic!("{verdicts:?}") };
    assert_eq!(reason, "`127.0.0.1` answered 500");
    assert_eq!(outbox.stats().destinations[0].retried, 3);
}

#[tokio::test]
async fn what_is_refused_is_given_up_with_the_answer() {
    for status in [400, 404, 410, 422] {
        let receiver =
            Receiver::start(move |_, _| (StatusCode::from_u16(status).unwrap(), "no such field").into_response()).await;
        let store = Arc::new(Store::default());
        let outbox = start(webhook(&receiver, json!({})), &store);
        outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
        eventually("it is given up", || store.finals() == 1).await;
        assert_eq!(store.last(1), Some(Verdict::Dead { reason: format!("answered {status}: no such field") }));
        assert_eq!(receiver.got().len(), 1);
    }
}

#[tokio::test]
async fn refused_credentials_pause_the_destination_and_say_so() {
    for status in [401, 403] {
        let receiver = Receiver::answering(status).await;
        let store = Arc::new(Store::default());
        let outbox = start(webhook(&receiver, json!({})), &store);
        outbox.enqueue((1..=20).map(|n| entered(0, n, n, "vip")).collect());
        eventually("it is paused", || outbox.stats().destinations[0].is_paused()).await;
        let stats = outbox.stats().destinations[0].clone();
        assert_eq!(stats.unauthorized, Some(format!("answered {status}")));
        assert_eq!((stats.dead, stats.pending), (0, 20));
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let receiver = Receiver::start(|n, _| match n {
        0 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let store = Arc::new(Store::default());
    let outbox = start(webhook(&receiver, json!({})), &store);
    let started = std::time::Instant::now();
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("it is delivered", || store.last(1) == Some(Verdict::Delivered)).await;
    assert!(started.elapsed() >= std::time::Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_batch_is_one_call_when_asked() {
    let receiver = Receiver::answering(200).await;
    let store = Arc::new(Store::default());
    let outbox = start(webhook(&receiver, json!({"mode": "batch"})), &store);
    outbox.enqueue((1..=5).map(|n| entered(0, n, n, "vip")).collect());
    eventually("all are delivered", || store.finals() == 5).await;
    let [got] = &receiver.got()[..] else { panic!("{} calls", receiver.got().len()) };
    assert!(got.header("webhook-id").starts_with("batch_"));
    assert_eq!(got.header("webhook-signature"), expected_signature(got));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let ids: Vec<&str> = body["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, (1..=5).map(|n| format!("{n:032x}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_receiver_items_wait() {
    let receiver = Receiver::answering(200).await;
    let mut nowhere = webhook(&receiver, json!({}));
    nowhere.config = json!({"url": "http://127.0.0.1:1/hook"});
    nowhere.allow = vec!["127.0.0.1:1".to_owned()];
    let store = Arc::new(Store::default());
    let outbox = start(nowhere, &store);
    outbox.enqueue(vec![entered(0, 1, 1, "vip")]);
    eventually("it was tried", || !store.verdicts(1).is_empty()).await;
    let Some(Verdict::Retry { reason, .. }) = store.last(1) else { panic!("{:?}", store.last(1)) };
    assert!(reason.starts_with("`127.0.0.1` is not reached: "), "{reason}");
}

#[tokio::test]
async fn a_configuration_is_checked_before_anything_is_sent() {
    let receiver = Receiver::answering(200).await;
    let good = webhook(&receiver, json!({}));
    assert_eq!(problems(&good), Vec::<String>::new());

    let mut wrong = good.clone();
    wrong.config = json!({"url": "ftp://x", "headers": {"webhook-id": "1"}});
    assert_eq!(
        problems(&wrong),
        [
            "/config/url `url` is not a web address; it starts with `https://`",
            "/config/headers/webhook-id `headers.webhook-id` is set by the plugin; leave it out"
        ]
    );
    wrong.config = json!({"urll": "https://x"});
    assert_eq!(problems(&wrong).len(), 2, "{:?}", problems(&wrong));

    let unsigned = Destination { secrets: vec![], ..good.clone() };
    assert_eq!(problems(&unsigned), ["/secrets the secret `signing_key` is missing"]);
    let on_purpose = Destination { config: json!({"url": receiver.url("/"), "sign": false}), ..unsigned };
    assert_eq!(problems(&on_purpose), Vec::<String>::new());

    let nowhere = Destination { allow: vec![], ..good.clone() };
    assert_eq!(problems(&nowhere), ["/allow it may not send anything"]);
    for plugin in ["sonder/fax@1", "plugins/none.wasm", "../outside.wasm"] {
        assert_eq!(problems(&Destination { plugin: plugin.to_owned(), ..good.clone() }).len(), 1, "{plugin}");
    }
}
