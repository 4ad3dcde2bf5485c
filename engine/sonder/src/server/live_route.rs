//! `GET /api/v1/live`: what goes through the engine while it happens, as server-sent events, for `sonder tap` and for pages.
//!
//! It begins with what comes next: the past is in the log. A watcher who is too slow is told how much it missed.

use super::import_route::Refusal;
use crate::pipeline::{Seen, Shared};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use hyper::body::Frame;
use serde::Deserialize;
use sonder_console::audit::DeedKind;
use sonder_console::keys::Scope;
use sonder_console::{Api, permit};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events that wait for a client.
const AHEAD: usize = 64;
/// After so long without anything a comment is sent, so that whoever stands between does not end the connection.
const STILL_THERE: Duration = Duration::from_secs(15);

/// What the route needs.
#[derive(Clone)]
pub(super) struct LiveRoute {
    pub shared: Arc<Shared>,
    pub api: Api,
}

/// What is to be shown: everything, where nothing is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// `log`, `quarantine`, `change`, `delivery`, `outcome`; several with commas.
    stage: Option<String>,
    /// The event, rule or destination; several with commas.
    name: Option<String>,
    /// A text that must be somewhere in it.
    text: Option<String>,
    /// The share that is shown, over 0 and up to 1.
    sample: Option<f64>,
}

impl Asked {
    fn wants(&self, seen: &Seen) -> bool {
        let among = |list: &Option<String>, name: &str| {
            list.as_ref().is_none_or(|list| list.split(',').any(|wanted| wanted.trim() == name))
        };
        // A part of all keys, which are evenly spread.
        let sampled = self.sample.is_none_or(|share| (seen.key as f64) < share * u64::MAX as f64);
        let found = || self.text.as_ref().is_none_or(|text| seen.what.to_string().contains(text.as_str()));
        among(&self.stage, seen.stage.name()) && among(&self.name, &seen.name) && sampled && found()
    }
}

impl LiveRoute {
    pub(super) fn router(self) -> Router {
        Router::new().route("/api/v1/live", get(live)).with_state(self)
    }
}

async fn live(State(route): State<LiveRoute>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    if let Err(refusal) = permit(&route.api, Scope::Read, &headers, ("live", DeedKind::Read)).await {
        return refusal;
    }
    if let Err(refusal) = check(&asked) {
        return refusal.into_response();
    }
    let (events, body) = channel(AHEAD);
    tokio::spawn(watch(Arc::clone(&route.shared), asked, events));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(Events(body))).into_response()
}

fn check(asked: &Asked) -> Result<(), Refusal> {
    const STAGES: [&str; 5] = ["log", "quarantine", "change", "delivery", "outcome"];
    let stages = asked.stage.as_deref().unwrap_or("log");
    if let Some(unknown) = stages.split(',').find(|stage| !STAGES.contains(&stage.trim())) {
        return Err(Refusal::bad(
            format!("there is no stage `{unknown}`"),
            "there are log, quarantine, change, delivery, outcome",
        ));
    }
    if asked.sample.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
        return Err(Refusal::bad("`sample` is no share".to_owned(), "write a number over 0 and up to 1"));
    }
    Ok(())
}

/// Sends what is wanted, until the client leaves or the engine stops.
async fn watch(shared: Arc<Shared>, asked: Asked, events: Sender<Bytes>) {
    let mut tap = shared.tap.open();
    // The engine does not wait for those who look on.
    drop(shared);
    if events.send(Bytes::from_static(b": watching\n\n")).await.is_err() {
        return;
    }
    loop {
        let text = match tokio::time::timeout(STILL_THERE, tap.recv()).await {
            Ok(Ok(seen)) if asked.wants(&seen) => format!("event: {}\ndata: {}\n\n", seen.stage.name(), seen.what),
            Ok(Ok(_)) => continue,
            Ok(Err(RecvError::Lagged(missed))) => {
                metrics::counter!("sonder_tap_skipped_total").increment(missed);
                format!("event: skipped\ndata: {{\"stage\":\"skipped\",\"count\":{missed}}}\n\n")
            }
            Ok(Err(RecvError::Closed)) => return,
            Err(_) => ": still there\n\n".to_owned(),
        };
        if events.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// What arrives, as the body of an answer.
struct Events(Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
