//! One request, from its head to its answer.
//!
//! The order is chosen so that what is refused costs little: the address, then the write key and its rate where the headers
//! have it, then the size of the body, then its text. Messages are read and governed right here, on the thread that serves the request: that is where
//! the cores are.

use crate::auth::{self, Sender};
use crate::batch::{self, Batch};
use crate::body::{self, ReadBody};
use crate::collector::{Collector, Generation, Shared};
use crate::endpoint::Endpoint;
use crate::forward::{Letter, Piles, SharedByBatch, Sorted};
use crate::intake::Received;
use crate::rejection::Rejection;
use crate::{address, cors, feed, limits, pixel, query, settings};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json};
use sonder_core::govern::{Admitted, Belongs, Governor};
use sonder_core::message::{self, Addresses, Call, Envelope, Message, Parsed, Quarantined, Timing, code};
use sonder_dsl::model::{Source, SourceKind};
use sonder_dsl::time::Moment;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// All collection endpoints, at the top and under any path. They are the router's fallback, so that other routes may be
/// merged with them.
pub fn router(collector: Collector) -> Router {
    Router::new().fallback(serve).with_state(collector)
}

async fn serve(State(collector): State<Collector>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let mut response = if parts.method == Method::OPTIONS {
        cors::preflight(&parts.headers)
    } else {
        answer(&collector.shared, parts, body).await
    };
    cors::expose(&mut response, origin);
    response
}

async fn answer(shared: &Shared, parts: Parts, body: Body) -> Response {
    let exchange = Exchange::new(shared, parts);
    let Some((endpoint, prefix)) = Endpoint::of(exchange.parts.uri.path()) else {
        return exchange.reject(Rejection::NotFound, &[]);
    };
    let is_read = matches!(exchange.parts.method, Method::GET | Method::HEAD);
    let fits = if endpoint.takes_body() { exchange.parts.method == Method::POST } else { is_read };
    if !fits {
        return exchange.reject(Rejection::MethodNotAllowed, &[]);
    }
    let result = match endpoint {
        Endpoint::Single(call) => exchange.take(body, Kind::Single(call)).await,
        Endpoint::Batch => exchange.take(body, Kind::Batch { import: false }).await,
        Endpoint::Import => exchange.take(body, Kind::Batch { import: true }).await,
        Endpoint::Pixel(call) => return exchange.pixel(call).await,
        Endpoint::SdkMetrics => exchange.ignore(body).await,
        Endpoint::Settings(key) => exchange.segment_settings(&key, prefix),
        Endpoint::SourceConfig => exchange.rudder_settings(),
        Endpoint::Feed => exchange.feed(),
        Endpoint::Health => Ok(axum::Json(serde_json::json!({"status": "ok"})).into_response()),
    };
    result.unwrap_or_else(|rejection| exchange.reject(rejection, &[]))
}

/// What a body holds.
#[derive(Clone, Copy)]
enum Kind {
    Single(Call),
    Batch { import: bool },
}

/// A request with what is known about it.
pub(crate) struct Exchange<'s> {
    pub(crate) shared: &'s Shared,
    pub(crate) generation: Arc<Generation>,
    pub(crate) parts: Parts,
    received_at: Moment,
    pub(crate) client: Option<IpAddr>,
    peer_is_proxy: bool,
}

impl<'s> Exchange<'s> {
    fn new(shared: &'s Shared, parts: Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let trusted = &shared.config.trusted_proxies;
        Self {
            shared,
            generation: shared.generation(),
            received_at: shared.now(),
            client: address::of_client(peer, &parts.headers, trusted),
            peer_is_proxy: peer.is_some_and(|peer| address::is_trusted(peer, trusted)),
            parts,
        }
    }

    /// Takes in the messages of a body.
    async fn take(&self, body: Body, kind: Kind) -> Result<Response, Rejection> {
        // Who is refused by the headers alone costs no more than reading the body, which is shown to the operator.
        let in_headers = auth::key_in_headers(&self.parts.headers, &self.generation.keys);
        let early = match in_headers.map(|key| self.admit(&key)).transpose() {
            Ok(early) => early,
            Err(rejection) => return Ok(self.reject_unread(rejection, body).await),
        };
        let body = body::read(&self.parts.headers, body, self.body_limit(), &self.shared.budget).await?;
        let sorted = match kind {
            Kind::Single(call) => self.single(&body, call, early),
            Kind::Batch { import } => self.batch(&body, import, early),
        };
        match sorted {
            Ok(sorted) => match self.settle(sorted).await {
                Ok(()) => Ok(success()),
                Err(rejection) => Ok(self.reject(rejection, &[])),
            },
            Err(rejection) => Ok(self.reject(rejection, body.bytes())),
        }
    }

    fn body_limit(&self) -> usize {
        let is_rudder = self.parts.headers.contains_key("anonymousid") || self.parts.uri.path().contains("/beacon/");
        if is_rudder { limits::RUDDER_BODY_BYTES } else { limits::BODY_BYTES }
    }

    fn single(&self, body: &ReadBody, call: Call, early: Option<Sender>) -> Result<Sorted, Rejection> {
        let parsed = Parsed::new(body.text()?).map_err(|reason| match reason.code.as_str() {
            code::TOO_DEEP => Rejection::Malformed("the message is nested too deep"),
            _ => Rejection::Malformed("the body is no JSON object"),
        })?;
        let sender = match early {
            Some(sender) => sender,
            None => self.admit_by_body(parsed.object().get("writeKey").and_then(batch::text))?,
        };
        let observed = self.observed(&sender);
        let envelope = Envelope { call: Some(call), observed: observed.as_ref(), ..self.envelope(&sender) };
        let message = parsed.read(&envelope);
        // A lone message that is too large is refused as Segment does: its client drops it, as it should.
        if let Err(quarantined) = &message
            && quarantined.reasons.iter().any(|reason| reason.code == code::TOO_LARGE && reason.path.is_none())
        {
            return Err(Rejection::TooLarge("the message is too large"));
        }
        let mut piles = Piles::default();
        self.sort(message, || body.text().unwrap_or_default().into(), &mut piles)?;
        Ok(Sorted { piles, sender, letter: Letter::Single(call) })
    }

    fn batch(&self, body: &ReadBody, import: bool, early: Option<Sender>) -> Result<Sorted, Rejection> {
        let batch = Batch::parse(body.text()?)?;
        let sender = match early {
            Some(sender) => sender,
            None => self.admit_by_body(batch.write_key.clone().or_else(|| batch.first_write_key()))?,
        };
        let observed = self.observed(&sender);
        let live = self.envelope(&sender);
        let envelope = Envelope {
            timing: if import { Timing::Imported } else { Timing::Live },
            historical: import,
            sent_at: batch.sent_at.as_ref(),
            context: batch.context.as_ref(),
            integrations: batch.integrations.as_ref(),
            observed: observed.as_ref().filter(|_| !import),
            addresses: Addresses { geoip: live.addresses.geoip.filter(|_| !import), ..live.addresses },
            ..live
        };
        let mut piles = Piles::default();
        for text in &batch.messages {
            self.sort(message::read_text(text.get(), &envelope), || text.get().into(), &mut piles)?;
        }
        let Batch { sent_at, context, integrations, .. } = batch;
        let shared = Box::new(SharedByBatch { sent_at, context, integrations });
        Ok(Sorted { piles, sender, letter: Letter::Batch { import, shared } })
    }

    /// A picture, whatever comes of the message.
    async fn pixel(&self, call: Call) -> Response {
        let query = self.parts.uri.query().unwrap_or_default();
        let result = match self.pixel_message(query, call) {
            Ok(sorted) => self.settle(sorted).await,
            Err(rejection) => Err(rejection),
        };
        if let Err(rejection) = result {
            self.note(rejection, query.as_bytes());
        }
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("image/gif")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (headers, pixel::GIF).into_response()
    }

    fn pixel_message(&self, query: &str, call: Call) -> Result<Sorted, Rejection> {
        let message = pixel::message(query).ok_or(Rejection::Malformed("the query carries no message"))?;
        let key = auth::key_in_headers(&self.parts.headers, &self.generation.keys)
            .or_else(|| message.get("writeKey").and_then(batch::text));
        let sender = self.admit(&key.ok_or(Rejection::MissingKey)?)?;
        let observed = self.observed(&sender);
        // Nothing else tells what shows the picture.
        let agent = self.parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let context = agent.map(|agent| Map::from_iter([("userAgent".to_owned(), Json::from(agent))]));
        let envelope = Envelope {
            call: Some(call),
            context: context.as_ref(),
            observed: observed.as_ref(),
            ..self.envelope(&sender)
        };
        let mut piles = Piles::default();
        let sent_on = || {
            let mut message = message.clone();
            if let (Some(context), false) = (&context, message.contains_key("context")) {
                message.insert("context".to_owned(), Json::Object(context.clone()));
            }
            Json::Object(message).to_string().into()
        };
        self.sort(message::read(message.clone(), &envelope), sent_on, &mut piles)?;
        Ok(Sorted { piles, sender, letter: Letter::Single(call) })
    }

    /// Reads what SDKs tell about themselves, so that the connection can go on, and forgets it.
    async fn ignore(&self, body: Body) -> Result<Response, Rejection> {
        body::read(&self.parts.headers, body, limits::BODY_BYTES, &self.shared.budget).await?;
        Ok(success())
    }

    fn segment_settings(&self, key: &str, prefix: &str) -> Result<Response, Rejection> {
        let not_found = |_| Rejection::NotFound;
        self.generation.keys.find(key, &self.generation.program).map_err(not_found)?;
        let base = settings::base_url(&self.parts, self.shared.config.public_url.as_deref(), self.peer_is_proxy);
        Ok(settings::segment(key, &base, prefix))
    }

    fn rudder_settings(&self) -> Result<Response, Rejection> {
        let key = auth::key_in_headers(&self.parts.headers, &self.generation.keys)
            .or_else(|| query::value(self.parts.uri.query(), "writeKey"))
            .ok_or(Rejection::MissingKey)?;
        let sender = self.generation.keys.find(&key, &self.generation.program)?;
        let name = self.source(&sender).map_or("", |source| source.name.as_str());
        Ok(settings::rudder(&key, name, &self.generation.program.settings.name))
    }

    fn feed(&self) -> Result<Response, Rejection> {
        let Some(feed) = &self.shared.config.feed else { return Err(Rejection::NotFound) };
        let value = |key: &str| query::value(self.parts.uri.query(), key);
        let in_headers = auth::key_in_headers(&self.parts.headers, &self.generation.keys);
        let sender = self.admit(&in_headers.or_else(|| value("writeKey")).ok_or(Rejection::MissingKey)?)?;
        let kind = self.source(&sender).ok_or(Rejection::UnknownKey)?.kind;
        let asked = feed::asked(kind, value("anonymousId"), value("userId"))?;
        metrics::counter!("sonder_feeds_total").increment(1);
        let who = asked.identifier(&self.generation.program, &self.generation.governor);
        Ok(feed::answer(&self.parts.headers, feed.read(who.as_ref(), self.received_at)))
    }

    /// Lets a write key in that the headers did not have.
    fn admit_by_body(&self, in_body: Option<String>) -> Result<Sender, Rejection> {
        let key = in_body.or_else(|| query::value(self.parts.uri.query(), "writeKey"));
        self.admit(&key.ok_or(Rejection::MissingKey)?)
    }

    /// Lets a write key in: it is known, its source is on, takes this origin, and neither it nor this address sends too often.
    fn admit(&self, key: &str) -> Result<Sender, Rejection> {
        let sender = self.generation.keys.find(key, &self.generation.program)?;
        let Some(source) = self.source(&sender) else { return Err(Rejection::UnknownKey) };
        if !cors::is_allowed(&source.origins, self.parts.headers.get(header::ORIGIN)) {
            return Err(Rejection::OriginNotAllowed);
        }
        let limited = |retry_after_s| Rejection::RateLimited { retry_after_s };
        if let (Some(rate), Some(client)) = (source.rate_per_ip, self.client) {
            let key = (Arc::clone(&sender.key), client);
            self.shared.address_rates.allow(key, rate, self.received_at).map_err(limited)?;
        }
        if let Some(rate) = source.rate_per_key {
            self.shared.key_rates.allow(Arc::clone(&sender.key), rate, self.received_at).map_err(limited)?;
        }
        Ok(sender)
    }

    fn source(&self, sender: &Sender) -> Option<&Source> {
        self.generation.program.sources.get(sender.source.index())
    }

    /// Context that the request itself shows: whose browser or app it is, and what it asks for by Global Privacy Control.
    fn observed(&self, sender: &Sender) -> Option<Map<String, Json>> {
        let mut observed = Map::new();
        let kind = self.source(sender)?.kind;
        if let (SourceKind::Browser | SourceKind::Mobile, Some(client)) = (kind, self.client) {
            observed.insert("ip".to_owned(), Json::from(client.to_string()));
        }
        if self.parts.headers.get("sec-gpc").is_some_and(|value| value == "1") {
            observed.insert("gpc".to_owned(), Json::from(true));
        }
        (!observed.is_empty()).then_some(observed)
    }

    fn envelope(&self, sender: &Sender) -> Envelope<'_> {
        let program = &self.generation.program;
        let tolerance = program.settings.future_tolerance;
        Envelope {
            addresses: Addresses::of(program, sender.source, self.shared.config.geoip.as_deref()),
            ..Envelope::alone(sender.source, self.received_at, Timing::Live, tolerance, &|| {
                uuid::Uuid::new_v4().to_string()
            })
        }
    }

    /// Sorts a message to those that are taken in here, or to those of another region, which get its text as it was sent.
    fn sort(
        &self,
        message: Result<Message, Quarantined>,
        text: impl FnOnce() -> Box<str>,
        piles: &mut Piles,
    ) -> Result<(), Rejection> {
        match self.belongs(&message) {
            Belongs::Here => piles.here.extend(self.govern(message)),
            Belongs::Elsewhere(_) if self.is_forwarded() => return Err(Rejection::Misdirected),
            Belongs::Elsewhere(region) => piles.elsewhere.entry(region).or_default().push(text()),
            Belongs::Nowhere => {
                let aside = message.map_or_else(|aside| aside, |message| Governor::without_region(&message));
                piles.here.extend(self.govern(Err(aside)));
            }
        }
        Ok(())
    }

    /// What is to be stored of a message: where they who sent it do not consent to that, only what they answered.
    fn govern(&self, message: Result<Message, Quarantined>) -> impl Iterator<Item = Received> + use<> {
        let Admitted { message, answer } = self.generation.governor.admit(message, |question| self.allowed(question));
        if message.is_none() {
            metrics::counter!("sonder_collect_without_consent_total").increment(1);
        }
        let message = message.map(|governed| match governed {
            Ok((message, event)) => Received::Message(message, event),
            Err(quarantined) => {
                metrics::counter!("sonder_collect_quarantined_total").increment(1);
                Received::Quarantined(quarantined)
            }
        });
        message.into_iter().chain(answer.map(|(message, event)| Received::Message(message, event)))
    }

    async fn submit(&self, received: Vec<Received>) -> Result<(), Rejection> {
        let count = received.len() as u64;
        if count > 0 {
            self.shared.config.intake.submit(&self.generation.program, received).await?;
        }
        metrics::counter!("sonder_collect_received_total").increment(count);
        Ok(())
    }

    /// Sends on what belongs elsewhere, then takes in the rest: whoever is told to come back sends all of it again, and messages
    /// without an id would be there twice.
    async fn settle(&self, sorted: Sorted) -> Result<(), Rejection> {
        let Sorted { piles: Piles { here, elsewhere }, sender, letter } = sorted;
        for (region, texts) in elsewhere {
            self.send_on(&region, &texts, &sender, &letter).await?;
        }
        self.submit(here).await
    }

    /// Refuses a request whose body nobody has asked for, and takes a look at the body for the operator.
    async fn reject_unread(&self, rejection: Rejection, body: Body) -> Response {
        let read = body::read(&self.parts.headers, body, limits::BODY_BYTES, &self.shared.budget).await;
        self.reject(rejection, read.as_ref().map_or(&[], ReadBody::bytes))
    }

    fn reject(&self, rejection: Rejection, body: &[u8]) -> Response {
        self.note(rejection, body);
        rejection.into_response()
    }

    fn note(&self, rejection: Rejection, body: &[u8]) {
        // Nobody knows in which region it belongs.
        let body = if self.generation.governor.region().is_some() { &[] } else { body };
        self.shared.rejections.note(rejection, self.received_at, self.parts.uri.path(), body);
    }
}

fn success() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], r#"{"success":true}"#)
        .into_response()
}
