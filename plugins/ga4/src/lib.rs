//! The bundled destination `sonder/ga4@1`: events for Google Analytics 4, through the Measurement Protocol.
//!
//! <https://developers.google.com/analytics/devguides/collection/protocol/ga4/sending-events>. The service answers 204 to
//! whatever it is told and keeps what it understands; so names and values are checked here. It knows no idempotency key.

mod config;
mod erase;
mod event;

use config::Config;
use serde_json::{Value, json};
use sonder_plugin::{Description, Destination, Entry, Item, ItemKind, Now, Outcome, Problem, Request, alike, together};

struct Ga4;

/// Events of one call.
const MOST: usize = 25;

impl Destination for Ga4 {
    type Config = Config;

    fn describe() -> Description {
        let description = Description::new("ga4", env!("CARGO_PKG_VERSION"))
            .summary("sends events, and who enters and leaves segments, to Google Analytics 4")
            .accepts([ItemKind::Event, ItemKind::SegmentEntered, ItemKind::SegmentLeft, ItemKind::Erase])
            .config(config::schema())
            .hosts(["www.google-analytics.com", "region1.google-analytics.com", erase::HOST, sonder_google::TOKEN_HOST])
            .secret("api_secret", "a Measurement Protocol API secret of the data stream");
        sonder_google::secrets_when(description, erase::SCOPE, json!({"required": ["erase_from"]}))
    }

    fn check(config: &Config) -> Vec<Problem> {
        config::check(config)
    }

    fn deliver(config: &Config, now: Now, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Delivered; items.len()];
        // A call is about one client.
        let mut clients: Vec<(Client<'_>, Vec<Entry>)> = Vec::new();
        for (place, item) in items.iter().enumerate().filter(|(_, item)| item.kind != ItemKind::Erase) {
            let read = Client::of(config, item).and_then(|client| Ok((client, event::read(config, now, item)?)));
            let (client, body) = match read {
                Ok(read) => read,
                Err(why) => {
                    outcomes[place] = Outcome::Rejected(why);
                    continue;
                }
            };
            let entry = Entry { items: vec![place], body };
            match clients.iter_mut().find(|(known, _)| *known == client) {
                Some((_, entries)) => entries.push(entry),
                None => clients.push((client, vec![entry])),
            }
        }
        for (client, entries) in &clients {
            together(entries, MOST, now, &mut outcomes, |entries| request(config, client, entries), alike);
        }
        erase::all(config, now, items, &mut outcomes);
        outcomes
    }
}

sonder_plugin::destination!(Ga4);

/// Whom a call is about.
#[derive(PartialEq, Eq)]
struct Client<'a> {
    id: &'a str,
    user: Option<&'a str>,
}

impl<'a> Client<'a> {
    fn of(config: &Config, item: &'a Item) -> Result<Self, String> {
        let id = item.identifier(&config.client_id).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| format!("no `{}` of the person is known", config.client_id))?;
        Ok(Self { id, user: config.user_id.as_deref().and_then(|kind| item.identifier(kind)) })
    }
}

fn request(config: &Config, client: &Client<'_>, entries: &[Entry]) -> Request {
    let events: Vec<&Value> = entries.iter().map(|entry| &entry.body).collect();
    let mut body = json!({"client_id": client.id, "events": events});
    if let Some(user) = client.user {
        body["user_id"] = user.into();
    }
    if let Some(consent) = &config.consent {
        body["consent"] = json!({
            "ad_user_data": consent.ad_user_data.name(),
            "ad_personalization": consent.ad_personalization.name(),
        });
    }
    let host = if config.eu { "region1" } else { "www" };
    let id = &config.measurement_id;
    let url = format!(
        "https://{host}.google-analytics.com/mp/collect?measurement_id={id}&api_secret={{{{secret:api_secret}}}}"
    );
    Request::post(&url).json(&body)
}
