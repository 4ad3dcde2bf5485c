//! Messages that belong to another region: they are sent on to the engine there, and nothing of them is kept here.
//!
//! They go as they came: the messages' own text, the times of the client's clock, the write key, the address of the client as this
//! engine saw it. The engine there believes that address because this one is among its trusted proxies. What was sent on once is
//! marked, and not sent on again.

use crate::auth::Sender;
use crate::handler::Exchange;
use crate::intake::{BoxFuture, Received};
use crate::limits;
use crate::rejection::Rejection;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metrics::counter;
use serde_json::{Map, Value as Json};
use sonder_core::message::Call;
use std::collections::BTreeMap;
use std::time::Duration;

/// Says which region sent a request on.
pub(crate) const FORWARDED: HeaderName = HeaderName::from_static("sonder-forwarded");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is sent on of the client's own headers: where a page is, what it asks for, and how large its bodies may be.
const KEPT: [HeaderName; 4] =
    [ORIGIN, USER_AGENT, HeaderName::from_static("sec-gpc"), HeaderName::from_static("anonymousid")];

/// The engines of other regions.
pub trait Neighbours: Send + Sync + 'static {
    /// Posts a request, and says with which status it was answered, or why it was not.
    fn post(&self, forward: Forward) -> BoxFuture<'_, Result<u16, String>>;
}

/// A request to the engine of another region.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Where it goes.
    pub url: String,
    /// What it says of itself.
    pub headers: HeaderMap,
    /// Messages, as JSON.
    pub body: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// Messages by where they belong.
#[derive(Default)]
pub(crate) struct Piles {
    pub(crate) here: Vec<Received>,
    /// As they were sent, by region.
    pub(crate) elsewhere: BTreeMap<String, Vec<Box<str>>>,
}

/// The messages of a request, sorted, and what they came in.
pub(crate) struct Sorted {
    pub(crate) piles: Piles,
    pub(crate) sender: Sender,
    pub(crate) letter: Letter,
}

/// What messages came in.
pub(crate) enum Letter {
    /// One on its own, of this call.
    Single(Call),
    /// Several, and what holds for all of them.
    Batch { import: bool, shared: Box<SharedByBatch> },
}

/// What a batch says of all of its messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedByBatch {
    pub(crate) sent_at: Option<Json>,
    pub(crate) context: Option<Map<String, Json>>,
    pub(crate) integrations: Option<Map<String, Json>>,
}

impl Letter {
    fn path(&self) -> String {
        match self {
            Self::Single(call) => format!("/v1/{}", call.name()),
            Self::Batch { import: true, .. } => "/v1/import".to_owned(),
            Self::Batch { import: false, .. } => "/v1/batch".to_owned(),
        }
    }

    fn body(&self, texts: &[Box<str>]) -> String {
        let Self::Batch { shared, .. } = self else { return texts.concat() };
        let SharedByBatch { sent_at, context, integrations } = &**shared;
        let mut body = format!("{{\"batch\":[{}]", texts.join(","));
        let object = |it: &Option<Map<String, Json>>| it.clone().map(Json::Object);
        for (key, value) in
            [("sentAt", sent_at.clone()), ("context", object(context)), ("integrations", object(integrations))]
        {
            if let Some(value) = value {
                body.push_str(&format!(",\"{key}\":{value}"));
            }
        }
        body.push('}');
        body
    }
}

impl Exchange<'_> {
    /// Has the engine of a region take in what belongs there.
    pub(crate) async fn send_on(
        &self,
        region: &str,
        texts: &[Box<str>],
        sender: &Sender,
        letter: &Letter,
    ) -> Result<(), Rejection> {
        let program = &self.generation.program;
        let url = program.settings.residency.as_ref().and_then(|it| it.regions.get(region)).map(|it| it.url.as_str());
        let (Some(neighbours), Some(url)) = (&self.shared.config.neighbours, url) else {
            return Err(Rejection::RegionUnavailable);
        };
        let forward = Forward {
            url: format!("{}{}", url.trim_end_matches('/'), letter.path()),
            headers: self.headers_of_forward(sender),
            body: letter.body(texts),
            timeout: limits::FORWARD_TIME,
        };
        // What it says there is not shown here: it may say something of somebody.
        let (outcome, result) = match neighbours.post(forward).await {
            Ok(status) if status == StatusCode::OK => ("taken", Ok(())),
            Ok(status) => {
                tracing::warn!(region, status, "the engine of another region refused messages that belong there");
                ("refused", Err(Rejection::RegionUnavailable))
            }
            Err(error) => {
                tracing::warn!(region, error, "the engine of another region cannot be reached");
                ("unreachable", Err(Rejection::RegionUnavailable))
            }
        };
        let labels = [("region", region.to_owned()), ("outcome", outcome.to_owned())];
        counter!("sonder_collect_forwarded_total", &labels).increment(texts.len() as u64);
        result
    }

    fn headers_of_forward(&self, sender: &Sender) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in KEPT {
            if let Some(value) = self.parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let authorization = format!("Basic {}", STANDARD.encode(format!("{}:", sender.key)));
        let client = self.client.map(|client| client.to_string());
        let here = self.generation.governor.region();
        for (name, value) in
            [(AUTHORIZATION, Some(authorization.as_str())), (FORWARDED_FOR, client.as_deref()), (FORWARDED, here)]
        {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        headers
    }
}
