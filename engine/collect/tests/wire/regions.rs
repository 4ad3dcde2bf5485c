//! People belong to regions: what comes in for another one is sent on to the engine there, once, and nothing of it is kept.

use crate::harness::{Server, compile, good};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use sonder_collect::{BoxFuture, CollectorConfig, Forward, Neighbours, People, Received, Refused};
use sonder_core::consent::collection::Question;
use sonder_core::govern::Lives;
use sonder_core::message::Quarantined;
use sonder_core::record::Identifier;
use sonder_dsl::ir::{Program, Value};
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;

const SETTINGS: &str = "name: shop
residency:
  regions:
    eu: {regimes: [gdpr], url: https://eu.example}
    us: {countries: [US], url: https://us.example}
";

fn project(settings: &str, region: &str) -> Arc<Program> {
    let program = compile(&[
        ("sonder.yaml", settings),
        ("profile.yaml", "traits: {country: {type: string}}"),
        ("consent.yaml", "{purposes: [marketing], residence: [country]}"),
        ("sources/us_shops.yaml", "{source: us_shops, kind: server, write_keys: [wk_us], region: us}"),
    ]);
    Arc::new(program.in_region(Some(region.to_owned())))
}

/// The way to the other engine: there as if through the network, from the address of this one.
#[derive(Default)]
struct Road {
    there: Mutex<Option<Router>>,
    sent: Mutex<Vec<(String, HeaderMap, Json)>>,
}

impl Neighbours for Road {
    fn post(&self, forward: Forward) -> BoxFuture<'_, Result<u16, String>> {
        Box::pin(async move {
            let path =
                forward.url.strip_prefix("https://us.example").or(forward.url.strip_prefix("https://eu.example"));
            let mut request = Request::post(path.unwrap()).body(Body::from(forward.body.clone())).unwrap();
            *request.headers_mut() = forward.headers.clone();
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new("10.0.0.7".parse().unwrap(), 1)));
            self.sent.lock().push((forward.url, forward.headers, serde_json::from_str(&forward.body).unwrap()));
            let there = self.there.lock().clone();
            match there {
                Some(there) => Ok(there.oneshot(request).await.unwrap().status().as_u16()),
                None => Err("nobody is there".to_owned()),
            }
        })
    }
}

/// Who is known to an engine.
struct Known;

impl People for Known {
    fn lives(&self, _: &Program, who: &[Identifier]) -> Option<Lives> {
        let who = who.first()?;
        let country = match &*who.value {
            "ada" => Some("US"),
            "bob" => None,
            _ => return None,
        };
        Some(Lives(vec![country.map(|country| Value::String(country.into()))]))
    }

    fn collects(&self, _: &Program, _: &Question) -> Option<bool> {
        None
    }
}

/// Two engines of one project, with a road between them.
struct Regions {
    eu: Server,
    us: Server,
    to_us: Arc<Road>,
}

impl Regions {
    fn new(settings: &str) -> Self {
        let (to_us, to_eu) = (Arc::new(Road::default()), Arc::new(Road::default()));
        let server = |region: &str, road: &Arc<Road>| {
            let (people, road) = (Some(Arc::new(Known) as _), Some(Arc::clone(road) as _));
            Server::of(project(settings, region), |config| CollectorConfig { people, neighbours: road, ..config })
        };
        let (eu, us) = (server("eu", &to_us), server("us", &to_eu));
        *to_us.there.lock() = Some(us.router.clone());
        *to_eu.there.lock() = Some(eu.router.clone());
        Self { eu, us, to_us }
    }
}

fn of(country: &str, id: &str) -> Json {
    json!({"type": "identify", "userId": id, "messageId": id, "traits": {"country": country},
        "timestamp": "2026-03-01T11:59:00Z", "sentAt": "2026-03-01T12:00:30Z"})
}

fn ids(server: &Server) -> Vec<String> {
    server.messages().into_iter().map(|message| message.message_id).collect()
}

#[tokio::test]
async fn each_goes_where_it_belongs_and_nothing_is_kept_here() {
    let regions = Regions::new(SETTINGS);
    let batch = json!({"batch": [of("DE", "m1"), of("US", "m2"), of("fr", "m3")], "context": {"channel": "x"}});
    let answer = regions.eu.post("/v1/batch").key("wk_web").from("198.51.100.7").json(&batch).send().await;
    assert!(answer.is_ok());
    assert_eq!(ids(&regions.eu), ["m1", "m3"]);
    let sent = regions.us.message();
    assert_eq!(sent.message_id, "m2");
    assert_eq!(sent.context["ip"], "198.51.100.0", "the client's address, not that of the engine between");
    assert_eq!(sent.context["channel"], "x");
    // The client's clock is half a minute ahead.
    assert_eq!(sent.occurred_at.to_string(), "2026-03-01T11:58:30.000000Z");

    assert!(regions.eu.post("/v1/track").key("wk_us").json(&good(json!({"messageId": "m4"}))).send().await.is_ok());
    assert_eq!((ids(&regions.eu), ids(&regions.us)), (vec![], vec!["m4".to_owned()]), "the source says it");
    assert!(regions.eu.post("/v1/import").key("wk").json(&json!({"batch": [of("US", "m5")]})).send().await.is_ok());
    let imported = regions.us.message();
    assert!(imported.historical && imported.message_id == "m5");
    assert_eq!(imported.occurred_at.to_string(), "2026-03-01T11:59:00.000000Z", "history is right as it is");

    let (url, headers, _) = regions.to_us.sent.lock().pop().unwrap();
    assert_eq!((url.as_str(), &headers["sonder-forwarded"]), ("https://us.example/v1/import", &"eu".parse().unwrap()));
}

#[tokio::test]
async fn a_picture_is_sent_on_too() {
    let regions = Regions::new(SETTINGS);
    let path = "/v1/pixel/track?writeKey=wk_web&event=Product%20Viewed&anonymousId=a1&properties.product_id=p1\
                &context.traits.country=US";
    let answer = regions.eu.get(path).header("user-agent", "Mail 1").from("198.51.100.7").send().await;
    assert!(answer.is_ok());
    assert_eq!(regions.eu.received(), []);
    let sent = regions.us.message();
    assert_eq!(sent.name.as_deref(), Some("Product Viewed"));
    let path = "/v1/pixel/track?writeKey=wk_us&event=Product%20Viewed&anonymousId=a1&properties.product_id=p1";
    assert!(regions.eu.get(path).header("user-agent", "Mail 1").send().await.is_ok());
    assert_eq!(regions.us.message().context["userAgent"], "Mail 1");
}

#[tokio::test]
async fn who_is_known_here_belongs_where_they_are_known_to_live() {
    let regions = Regions::new(SETTINGS);
    for (user, eu, us) in [("bob", 1, 0), ("ada", 0, 1)] {
        let answer = regions.eu.send("/v1/track", json!({"userId": user, "messageId": user})).await;
        assert!(answer.is_ok());
        assert_eq!((regions.eu.received().len(), regions.us.received().len()), (eu, us), "{user}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_on_is_sent_again_by_the_client_and_nothing_is_stored() {
    let regions = Regions::new(SETTINGS);
    let batch = json!({"batch": [of("DE", "m1"), of("US", "m2")]});
    let send = || regions.eu.post("/v1/batch").key("wk").json(&batch).send();
    *regions.us.memory.refuse.lock() = Some(Refused::Unavailable);
    let answer = send().await;
    assert_eq!(answer.error(), (503, "region_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), "5");
    *regions.us.memory.refuse.lock() = Some(Refused::Overloaded { retry_after_s: 1 });
    assert_eq!(send().await.status, 503, "the other engine said 429");
    *regions.us.memory.refuse.lock() = None;
    let there = regions.to_us.there.lock().take();
    assert_eq!(send().await.status, 503, "nobody is there");
    assert_eq!((regions.eu.received(), regions.us.received()), (vec![], vec![]));
    // Not even a sample of what was refused.
    assert!(regions.eu.collector.rejections().iter().all(|it| it.last_sample.is_empty()));
    *regions.to_us.there.lock() = there;
    assert!(send().await.is_ok());
    // The log here is full for a moment: what was taken in there is there once.
    *regions.eu.memory.refuse.lock() = Some(Refused::Unavailable);
    assert_eq!(send().await.status, 503);
    *regions.eu.memory.refuse.lock() = None;
    assert!(send().await.is_ok());
    assert_eq!((ids(&regions.eu), ids(&regions.us)), (vec!["m1".to_owned()], vec!["m2".to_owned()]));
}

#[tokio::test]
async fn nothing_is_sent_on_twice() {
    let regions = Regions::new(SETTINGS);
    // The engine in the US still believes that Americans belong to the EU.
    let moved = SETTINGS
        .replace("regimes: [gdpr]", "countries: [US]")
        .replace("countries: [US], url: https://us", "countries: [DE], url: https://us");
    regions.us.program.send_replace(project(&moved, "us"));
    let answer = regions.eu.post("/v1/identify").key("wk").json(&of("US", "m1")).send().await;
    assert_eq!(answer.error(), (503, "region_unavailable".to_owned()));
    let direct = regions.us.post("/v1/identify").key("wk").header("sonder-forwarded", "eu").json(&of("US", "m1"));
    assert_eq!(direct.send().await.error(), (421, "misdirected".to_owned()));
    assert_eq!((regions.eu.received(), regions.us.received()), (vec![], vec![]));
    // Of whom nothing is said stays where it was sent to.
    let unknown = good(json!({"messageId": "m2"}));
    let answer = regions.us.post("/v1/track").key("wk").header("sonder-forwarded", "eu").json(&unknown).send().await;
    assert!(answer.is_ok());
    assert_eq!(ids(&regions.us), ["m2"]);
}

#[tokio::test]
async fn what_belongs_nowhere_is_kept_aside_or_goes_to_the_default() {
    let reasons = |aside: &[Quarantined]| -> Vec<String> {
        aside.iter().flat_map(|it| it.reasons.iter().map(|reason| reason.code.clone())).collect()
    };
    let regions = Regions::new(SETTINGS);
    let unknown = json!({"batch": [good(json!({"messageId": "m1"})), of("BR", "m2"), 7]});
    assert!(regions.eu.post("/v1/batch").key("wk").json(&unknown).send().await.is_ok());
    let aside = regions.eu.quarantined();
    assert_eq!(reasons(&aside), ["no_region", "no_region", "malformed"]);

    let regions = Regions::new(&format!("{SETTINGS}  default: us\n"));
    assert!(regions.eu.post("/v1/batch").key("wk").json(&unknown).send().await.is_ok());
    assert_eq!(regions.eu.received(), []);
    let there = regions.us.received();
    assert_eq!(there.iter().filter(|it| matches!(it, Received::Message(..))).count(), 2, "{there:?}");
    assert_eq!(there.len(), 3, "what cannot be read is kept aside there");
}

#[tokio::test]
async fn what_violates_its_schema_is_kept_aside_where_it_belongs() {
    let regions = Regions::new(SETTINGS);
    let wrong = good(json!({"messageId": "m1", "properties": {}, "context": {"traits": {"country": "US"}}}));
    let unreadable = json!({"type": "nonsense", "messageId": "m2", "traits": {"country": "US"}});
    for message in [wrong, unreadable] {
        assert!(regions.eu.post("/v1/batch").key("wk").json(&json!({"batch": [message]})).send().await.is_ok());
    }
    assert_eq!(regions.eu.received(), []);
    assert_eq!(regions.us.quarantined().len(), 2);
}
