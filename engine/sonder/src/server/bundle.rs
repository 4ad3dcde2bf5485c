//! All that is known of a person, to be handed over to them: what, from whom, since when, and what for.
//!
//! Messages that carry identifiers of several people are theirs whose the fold says they are.

use super::answers::{Answers, trouble};
use super::speech::refused;
use crate::pipeline::{clock, record};
use serde_json::{Value as Json, json};
use sonder_console::engine::{Trouble, instant, person_id};
use sonder_core::effect::PersonId;
use sonder_core::record::{Fact, Seq};
use sonder_core::view::PersonView;
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_store::{DeliveryFilter, LoggedMessage, QuarantineFilter, Query, StoredDelivery};
use std::collections::BTreeMap;

/// Bytes of messages beyond which one answer does not take them.
const MOST_BYTES: usize = 256 << 20;
/// Deliveries that are read at a time.
const PAGE: usize = 5_000;
/// Messages that were kept aside that are read at a time.
const ASIDE: usize = 500;

pub(super) fn of(answers: &Answers, view: &PersonView) -> Result<Json, Trouble> {
    let program = answers.shared.live.read().program.clone();
    let people: Vec<PersonId> = [vec![view.id], view.absorbed.clone()].concat();
    let messages = messages(answers, view, &people)?;
    let deliveries = deliveries(answers, &people)?;
    let (aside, said) = (kept_aside(answers, view)?, said(answers, &messages)?);
    let parts = Parts { program: &program, view, messages: &messages, deliveries: &deliveries };
    Ok(json!({
        "format": "sonder-bundle-1",
        "project": program.settings.name,
        "made_at": instant(clock::wall()),
        "person": person_id(view.id),
        "first_seen": instant(view.first_seen),
        "last_seen": instant(view.last_seen),
        "restricted_since": view.restricted_since.map(instant),
        "purposes": parts.purposes(),
        "identifiers": parts.identifiers(),
        "traits": parts.traits(),
        "computed": parts.computed(),
        "segments": parts.segments(),
        "journeys": parts.journeys(),
        "consent": parts.consent(),
        "statements": parts.statements(&said),
        "deliveries": parts.told(),
        "messages": messages.iter().map(|it| it.shown(&program)).collect::<Vec<_>>(),
        "kept_aside": aside,
    }))
}

/// A message of theirs.
struct Own {
    logged: LoggedMessage,
    payload: Json,
    /// Its declared type, or what was called.
    event: String,
}

impl Own {
    fn shown(&self, program: &Program) -> Json {
        json!({
            "event": self.event,
            "at": instant(self.logged.occurred_at),
            "received_at": instant(self.logged.received_at),
            "source": &*self.logged.source,
            "purposes": purposes_of_event(program, &self.event),
            "message": self.payload,
        })
    }
}

fn purposes_of_event<'p>(program: &'p Program, event: &str) -> &'p [String] {
    program.events.iter().find(|it| it.name == event).map_or(&[], |it| &it.purposes)
}

fn messages(answers: &Answers, view: &PersonView, people: &[PersonId]) -> Result<Vec<Own>, Trouble> {
    let identifiers: Vec<(String, String)> =
        view.identifiers.iter().map(|it| (it.kind.clone(), it.value.clone())).collect();
    let logged = answers.reader.carrying(&identifiers, Seq(u64::MAX)).map_err(trouble)?;
    let program = answers.shared.live.read().program.clone();
    let governor = answers.governor(&program);
    let mut bytes = 0;
    let mut own = Vec::new();
    for logged in logged {
        let Some(record) = record(&program, &governor, &logged) else { continue };
        let Fact::Event(event) = &record.fact;
        let whose = answers.shared.live.read().state.whose(event, record.seq);
        // Decisions about who is who, and restrictions, are nobody's event, and about whom they name.
        if whose.is_some_and(|whose| !people.contains(&whose)) {
            continue;
        }
        bytes += logged.payload.len();
        if bytes > MOST_BYTES {
            let message = format!("there are more than {} MiB of messages", MOST_BYTES >> 20);
            return Err(refused(message, "read them with `sonder query`, from `log`".to_owned()));
        }
        let payload = serde_json::from_str(&logged.payload).unwrap_or(Json::Null);
        let declared = event.event.and_then(|id| program.events.get(id.index()));
        let event = declared.map_or_else(|| event.call.name().to_owned(), |it| it.name.clone());
        own.push(Own { logged, payload, event });
    }
    Ok(own)
}

fn deliveries(answers: &Answers, people: &[PersonId]) -> Result<Vec<StoredDelivery>, Trouble> {
    let mut all: Vec<StoredDelivery> = Vec::new();
    loop {
        let before = all.last().map(|it| (it.at, it.id));
        let filter = DeliveryFilter { people: people.to_vec(), before, limit: PAGE, ..DeliveryFilter::default() };
        let page = answers.reader.deliveries(&filter).map_err(trouble)?;
        all.extend(page.deliveries);
        if !page.more {
            return Ok(all);
        }
    }
}

/// Messages that were kept aside in which any text is an identifier of theirs: nobody has said whose they are.
fn kept_aside(answers: &Answers, view: &PersonView) -> Result<Vec<Json>, Trouble> {
    let program = answers.shared.live.read().program.clone();
    let governor = answers.governor(&program);
    let kinds: Vec<_> = program.identity.identifiers.iter().zip(0..).collect();
    let is_theirs = |text: &str| {
        kinds.iter().any(|(kind, id)| {
            let made = governor.identifier(IdentifierKindId(*id), text);
            made.is_some_and(|made| view.identifiers.iter().any(|it| it.kind == kind.name && *it.value == *made.value))
        })
    };
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let filter = QuarantineFilter { limit: ASIDE, ..QuarantineFilter::default() };
        let page = answers.reader.kept_aside(&filter, after).map_err(trouble)?;
        for it in &page {
            let whole: Json = serde_json::from_str(&it.payload).unwrap_or(Json::Null);
            if !says(&whole, &is_theirs) {
                continue;
            }
            found.push(json!({
                "event": it.name,
                "received_at": instant(it.received_at),
                "source": it.source,
                "message": whole,
            }));
        }
        let Some(last) = page.last().filter(|_| page.len() == ASIDE) else { return Ok(found) };
        after = last.id;
    }
}

/// Whether any text or number in there is what is asked for.
fn says(json: &Json, is_it: &dyn Fn(&str) -> bool) -> bool {
    match json {
        Json::String(text) => is_it(text),
        Json::Number(number) => is_it(&number.to_string()),
        Json::Array(items) => items.iter().any(|item| says(item, is_it)),
        Json::Object(fields) => fields.values().any(|field| says(field, is_it)),
        Json::Null | Json::Bool(_) => false,
    }
}

/// By purpose and moment of an answer, the method and the notice.
type Answered = BTreeMap<(String, i64), (Json, Json)>;

/// How the ledger of consent says that they answered.
fn said(answers: &Answers, messages: &[Own]) -> Result<Answered, Trouble> {
    let mut said = BTreeMap::new();
    for chunk in messages.chunks(PAGE) {
        let seqs = chunk.iter().map(|it| it.logged.seq.0.to_string()).collect::<Vec<_>>().join(", ");
        let sql =
            format!("SELECT purpose, epoch_us(said_at), method, notice FROM consent_ledger WHERE seq IN ({seqs})");
        for row in answers.reader.query(&Query::new(&sql)).map_err(trouble)?.rows {
            if let [purpose, at, method, notice] = row.as_slice()
                && let (Some(purpose), Some(at)) = (purpose.as_str(), at.as_i64())
            {
                said.insert((purpose.to_owned(), at), (method.clone(), notice.clone()));
            }
        }
    }
    Ok(said)
}

struct Parts<'a> {
    program: &'a Program,
    view: &'a PersonView,
    messages: &'a [Own],
    deliveries: &'a [StoredDelivery],
}

impl Parts<'_> {
    fn identifiers(&self) -> Vec<Json> {
        let shown = self.view.identifiers.iter().map(|it| {
            json!({"kind": it.kind, "value": it.value, "source": it.source, "first_seen": instant(it.first_seen),
                "last_seen": instant(it.last_seen), "former": it.former})
        });
        shown.collect()
    }

    fn traits(&self) -> Vec<Json> {
        let shown = self.view.traits.iter().map(|it| {
            let declared = self.program.profile.iter().find(|known| known.name == it.name);
            json!({"name": it.name, "value": it.value, "source": it.source, "at": instant(it.at),
                "purposes": declared.map(|it| &it.purposes)})
        });
        shown.collect()
    }

    fn computed(&self) -> Vec<Json> {
        let shown = self.view.computed.iter().map(|it| {
            let (description, purpose) = self.rule(&it.name);
            json!({"name": it.name, "value": it.value, "description": description, "purpose": purpose})
        });
        shown.collect()
    }

    fn segments(&self) -> Vec<Json> {
        let shown = self.view.segments.iter().map(|it| {
            let (description, purpose) = self.rule(&it.name);
            json!({"name": it.name, "since": instant(it.since), "description": description, "purpose": purpose})
        });
        shown.collect()
    }

    fn rule(&self, name: &str) -> (Option<&str>, Option<&str>) {
        let rule = self.program.rule_named(name).map(|(_, rule)| rule);
        (rule.and_then(|it| it.description.as_deref()), rule.and_then(|it| it.purpose.as_deref()))
    }

    fn journeys(&self) -> Vec<Json> {
        let shown = self.view.journeys.iter().map(|it| {
            let purpose = self.program.journey_named(&it.name).and_then(|(_, journey)| journey.purpose.as_deref());
            json!({"name": it.name, "status": it.status, "step": it.step, "since": instant(it.since),
                "entered": instant(it.entered), "per": it.per, "purpose": purpose})
        });
        shown.collect()
    }

    fn consent(&self) -> Vec<Json> {
        let shown = self.view.consent.iter().map(|it| {
            json!({"purpose": it.purpose, "granted": it.granted, "held": it.held, "since": it.since.map(instant),
                "description": self.description(&it.purpose)})
        });
        shown.collect()
    }

    /// `said` is what the ledger has of them.
    fn statements(&self, said: &Answered) -> Vec<Json> {
        let shown = self.view.answers.iter().map(|it| {
            let (method, notice) = said.get(&(it.purpose.clone(), it.at.0)).cloned().unwrap_or_default();
            json!({"purpose": it.purpose, "granted": it.granted, "at": instant(it.at), "method": method, "notice": notice})
        });
        shown.collect()
    }

    fn told(&self) -> Vec<Json> {
        let shown = self.deliveries.iter().map(|it| {
            let payload: Json = serde_json::from_str(&it.payload).unwrap_or(Json::Null);
            json!({"destination": it.destination, "purposes": self.purposes_of(&it.destination), "kind": it.kind,
                "name": it.name, "at": instant(it.at), "state": it.state, "payload": payload})
        });
        shown.collect()
    }

    fn purposes_of(&self, destination: &str) -> &[String] {
        self.program.destinations.iter().find(|it| it.name == destination).map_or(&[], |it| &it.purposes)
    }

    fn description(&self, purpose: &str) -> Option<&str> {
        let declared = self.program.consent.purposes.iter().find(|it| it.name == purpose);
        declared.and_then(|it| it.description.as_deref())
    }

    /// For each purpose what is used for it.
    fn purposes(&self) -> Vec<Json> {
        let mut messages: BTreeMap<&str, u64> = BTreeMap::new();
        for purpose in self.messages.iter().flat_map(|it| purposes_of_event(self.program, &it.event)) {
            *messages.entry(purpose).or_default() += 1;
        }
        let shown = self.program.consent.purposes.iter().map(|it| {
            let is_for = |purposes: &[String]| purposes.contains(&it.name);
            let traits = self.view.traits.iter().filter(|known| {
                let declared = self.program.profile.iter().find(|declared| declared.name == known.name);
                declared.is_some_and(|declared| is_for(&declared.purposes))
            });
            let segments = self.view.segments.iter().filter(|known| self.rule(&known.name).1 == Some(&it.name));
            let destinations = self.program.destinations.iter().filter(|to| is_for(&to.purposes));
            let told = destinations.filter(|to| self.deliveries.iter().any(|it| it.destination == to.name));
            json!({
                "purpose": it.name,
                "description": it.description,
                "messages": messages.get(it.name.as_str()).copied().unwrap_or(0),
                "traits": traits.map(|it| it.name.as_str()).collect::<Vec<_>>(),
                "segments": segments.map(|it| it.name.as_str()).collect::<Vec<_>>(),
                "destinations": told.map(|it| it.name.as_str()).collect::<Vec<_>>(),
            })
        });
        shown.collect()
    }
}
