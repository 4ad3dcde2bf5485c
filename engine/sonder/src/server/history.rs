//! What the API reads from the store: timelines, quarantine, deliveries, and SQL of users. The store's words become the
//! API's.

use super::answers::trouble;
use crate::pipeline::{RefoldError, clock, people_then};
use serde_json::{Value as Json, json};
use sonder_console::engine::{
    Column, Delivery, DeliveryFilter, DeliveryPage, DeliveryState, Entry, EntryKind, IdentityCause, QuarantineFilter,
    QuarantineGroup, QuarantinePage, QuarantineReason, Quarantined, Query, ReasonCount, Rows, TimelineCursor, Trouble,
    effect_id, instant, person_id,
};
use sonder_core::effect::{EffectId, PersonId};
use sonder_core::view::PersonView;
use sonder_dsl::ir::Program;
use sonder_dsl::time::Moment;
use sonder_store::{Happening, Reader, TimelineEntry, TimelinePlace, Whose};
use std::sync::Arc;

/// Runs a user's statement.
pub(super) fn query(reader: &Reader, query: &Query) -> Result<Rows, Trouble> {
    Ok(rows(reader.query(&asked(query)).map_err(trouble)?))
}

/// Runs a user's statement over what was there at its moment.
pub(super) fn query_then(reader: &Reader, program: &Arc<Program>, query: &Query) -> Result<Rows, Trouble> {
    // What is still to come cannot be asked.
    let at = query.at.unwrap_or(Moment::MAX).min(clock::wall());
    let (place, people) = people_then(reader, program, at).map_err(|error| match error {
        RefoldError::Store(error) => trouble(error),
        RefoldError::Spilled => Trouble::Internal(error.to_string()),
    })?;
    Ok(rows(reader.query_then(&asked(query), place, at, (program, &people)).map_err(trouble)?))
}

fn asked(query: &Query) -> sonder_store::Query {
    let mut asked = sonder_store::Query::new(&query.sql);
    asked.max_rows = query.max_rows;
    asked.timeout = query.timeout;
    asked
}

fn rows(answer: sonder_store::Answer) -> Rows {
    let columns = answer.columns.into_iter().map(|column| Column { name: column.name, kind: column.kind });
    Rows { columns: columns.collect(), rows: answer.rows, truncated: answer.truncated }
}

/// What happened to a person, newest first.
pub(super) fn timeline(
    reader: &Reader,
    person: PersonView,
    before: Option<&TimelineCursor>,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let whose = Whose {
        identifiers: person.identifiers.into_iter().map(|it| (it.kind, it.value)).collect(),
        people: [vec![person.id], person.absorbed].concat(),
    };
    let before = before.map(|cursor| TimelinePlace { at: cursor.at, place: cursor.place });
    let entries = reader.timeline(&whose, before, limit).map_err(trouble)?;
    Ok(entries.into_iter().filter_map(entry).collect())
}

/// `None` for what a later version of the store may know and this one does not.
fn entry(entry: TimelineEntry) -> Option<Entry> {
    let TimelineEntry { place: TimelinePlace { at, place }, what } = entry;
    let kind = match what {
        Happening::Message { seq, call, event, source, received_at, message_id, payload } => EntryKind::Event {
            seq: seq.0,
            event: event.unwrap_or(call),
            source,
            received_at: instant(received_at),
            message_id,
            properties: said(&payload),
        },
        Happening::Change { kind, name, value, .. } => change(&kind, name.unwrap_or_default(), value)?,
        Happening::Delivery { id, destination, name, state, .. } => {
            EntryKind::Sent { delivery: effect_id(id), destination, name, state: delivery_state(&state) }
        }
    };
    Some(Entry { cursor: TimelineCursor { at, place }, at: instant(at), kind })
}

fn change(kind: &str, name: String, value: Json) -> Option<EntryKind> {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Some(match kind {
        "created" => EntryKind::Created { cause: cause(&value) },
        "merged" => EntryKind::Merged { absorbed: text("absorbed"), cause: cause(&value) },
        "split" => EntryKind::Split { parted: text("parted"), cause: cause(&value) },
        "identifier_moved" => EntryKind::IdentifierMoved {
            kind: text("kind"),
            value: text("value"),
            from: text("from"),
            to: text("to"),
            cause: cause(&value),
        },
        "link_refused" => EntryKind::LinkRefused { kind: text("kind"), value: text("value"), reason: text("reason") },
        "entered" => EntryKind::Entered { segment: name },
        "left" => EntryKind::Left { segment: name },
        "trait_changed" => EntryKind::TraitChanged { name, value },
        "journey" => EntryKind::Journey {
            journey: name,
            what: text("what"),
            passage: text("passage"),
            step: value["step"].as_str().map(str::to_owned),
            detail: ["per", "branch", "delivery", "reason", "outcome"]
                .into_iter()
                .find_map(|key| value.get(key).cloned())
                .unwrap_or(Json::Null),
        },
        _ => return None,
    })
}

/// Why people are others than before. Earlier versions of the engine noted what messages brought about alone, and no cause.
fn cause(value: &Json) -> IdentityCause {
    match value["cause"].as_str() {
        Some("project") => IdentityCause::Project,
        _ => IdentityCause::Message,
    }
}

/// `properties` of a message, or the `traits` of one that has none.
fn said(payload: &str) -> Json {
    let sent: Json = serde_json::from_str(payload).unwrap_or(Json::Null);
    let part = ["properties", "traits"].iter().find_map(|key| sent.get(key).filter(|value| value.is_object()));
    part.cloned().unwrap_or_else(|| json!({}))
}

/// Quarantined messages, newest first, with counts.
pub(super) fn quarantine(reader: &Reader, filter: &QuarantineFilter) -> Result<QuarantinePage, Trouble> {
    let page = reader
        .quarantine(&sonder_store::QuarantineFilter {
            reason: filter.reason.clone(),
            source: filter.source.clone(),
            name: filter.name.clone(),
            ids: Vec::new(),
            before: filter.before,
            limit: filter.limit,
        })
        .map_err(trouble)?;
    let next = page.messages.last().filter(|_| page.more).map(|last| last.id);
    let reasons = page.reasons.into_iter().map(|(code, count)| ReasonCount { code, count });
    let messages = page.messages.into_iter().map(|message| Quarantined {
        id: message.id,
        received_at: instant(message.received_at),
        source: message.source.unwrap_or_default(),
        name: message.name,
        message_id: message.message_id,
        reasons: message
            .reasons
            .into_iter()
            .map(|reason| QuarantineReason { code: reason.code, path: reason.path, message: reason.message })
            .collect(),
        payload: parsed(message.payload),
    });
    let groups = page.groups.into_iter().map(|group| QuarantineGroup {
        code: group.code,
        path: group.path,
        name: group.name,
        source: group.source.unwrap_or_default(),
        count: group.count,
        first_at: instant(group.first_at),
        last_at: instant(group.last_at),
        message: group.message,
        last: group.last,
    });
    Ok(QuarantinePage {
        total: page.total,
        reasons: reasons.collect(),
        groups: groups.collect(),
        messages: messages.collect(),
        next,
    })
}

/// Deliveries, newest first; `about` are all ids of the person that the filter names.
pub(super) fn deliveries(
    reader: &Reader,
    filter: &DeliveryFilter,
    about: Vec<PersonId>,
) -> Result<DeliveryPage, Trouble> {
    let states: &[&str] = match filter.state {
        None => &[],
        Some(DeliveryState::Pending) => &["pending", "retry"],
        Some(DeliveryState::Delivered) => &["delivered"],
        Some(DeliveryState::Dead) => &["dead"],
        Some(DeliveryState::Cancelled) => &["cancelled"],
    };
    let page = reader
        .deliveries(&sonder_store::DeliveryFilter {
            destination: filter.destination.clone(),
            states: states.iter().map(|&state| state.to_owned()).collect(),
            people: about,
            before: filter.before.map(|(at, id)| (Moment(at), EffectId(id))),
            limit: filter.limit,
        })
        .map_err(trouble)?;
    let deliveries = page.deliveries.into_iter().map(|it| Delivery {
        id: effect_id(it.id),
        destination: it.destination,
        person: person_id(it.person),
        kind: it.kind,
        name: it.name,
        at: instant(it.at),
        state: delivery_state(&it.state),
        attempts: it.attempts,
        settled_at: it.ended_at.map(instant),
        error: it.detail,
        payload: parsed(it.payload),
    });
    Ok(DeliveryPage { total: page.total, deliveries: deliveries.collect(), more: page.more })
}

fn delivery_state(state: &str) -> DeliveryState {
    match state {
        "delivered" => DeliveryState::Delivered,
        "dead" => DeliveryState::Dead,
        "cancelled" => DeliveryState::Cancelled,
        _ => DeliveryState::Pending,
    }
}

/// JSON where it is, else a string.
pub(super) fn parsed(text: String) -> Json {
    serde_json::from_str(&text).unwrap_or(Json::String(text))
}
