//! Clocks of clients.

use crate::harness::{NOW, Server, good};
use serde_json::{Value as Json, json};
use sonder_core::message::Label;
use sonder_dsl::time::{Duration, Moment};

fn moment(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

#[tokio::test]
async fn a_client_that_is_an_hour_ahead_is_corrected() {
    let server = Server::new();
    let times = json!({"timestamp": "2026-03-01T12:59:50.000Z", "sentAt": "2026-03-01T13:00:00.000Z"});
    server.send("/v1/t", times.clone()).await;
    assert_eq!(server.message().occurred_at, moment("2026-03-01T11:59:50Z"));
    let rudder = json!({"originalTimestamp": "2026-03-01T12:59:50.000Z", "sentAt": "2026-03-01T13:00:00.000Z"});
    server.send("/v1/t", rudder).await;
    assert_eq!(server.message().occurred_at, moment("2026-03-01T11:59:50Z"));
}

#[tokio::test]
async fn the_batch_says_when_it_was_sent_for_messages_that_do_not() {
    let server = Server::new();
    let at = |sent_at: Json| good(json!({"timestamp": "2026-03-01T11:00:00Z", "sentAt": sent_at}));
    let batch = json!({"batch": [at(Json::Null), at(json!("2026-03-01T11:30:00Z"))], "sentAt": "2026-03-01T11:10:00Z"});
    server.post("/v1/batch").key("wk").json(&batch).send().await;
    let times: Vec<_> = server.messages().into_iter().map(|message| message.occurred_at).collect();
    assert_eq!(times, [moment("2026-03-01T11:50:00Z"), moment("2026-03-01T11:30:00Z")]);
}

#[tokio::test]
async fn imported_times_are_kept() {
    let server = Server::new();
    let batch =
        json!({"batch": [good(json!({"timestamp": "2020-01-01T00:00:00Z"}))], "sentAt": "2020-06-01T00:00:00Z"});
    server.post("/v1/import").key("wk").json(&batch).send().await;
    let message = server.message();
    assert_eq!((message.occurred_at, message.historical), (moment("2020-01-01T00:00:00Z"), true));
}

#[tokio::test]
async fn timestamps_have_many_spellings() {
    let server = Server::new();
    for spelling in [
        json!("2026-03-01T10:00:00.5Z"),
        json!("2026-03-01T10:00:00.500+00:00"),
        json!("2026-03-01T10:00:00.500000+00:00"),
        json!("2026-03-01T12:00:00.500+02:00"),
        json!(1_772_359_200_500_u64),
    ] {
        server.send("/v1/t", json!({"timestamp": spelling})).await;
        assert_eq!(server.message().occurred_at, moment("2026-03-01T10:00:00.5Z"), "{spelling}");
    }
    for (garbage, labels) in [(Json::Null, vec![]), (json!("yesterday"), vec![Label::UnreadableTimestamp])] {
        server.send("/v1/t", json!({"timestamp": garbage})).await;
        let message = server.message();
        assert_eq!((message.occurred_at, message.labels), (moment(NOW), labels));
    }
}

#[tokio::test]
async fn the_future_is_clamped_and_labelled() {
    let server = Server::new();
    for (seconds, labels) in [(299, vec![]), (301, vec![Label::FutureTimestamp])] {
        let ahead = moment(NOW).plus(Duration::from_secs(seconds)).to_string();
        server.send("/v1/t", json!({"timestamp": ahead})).await;
        let message = server.message();
        assert_eq!((message.occurred_at, message.labels), (moment(NOW), labels));
    }
}
