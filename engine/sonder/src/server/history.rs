//! What the API reads from the store: timelines, quarantine, deliveries, and SQL of users.

use super::answers::trouble;
use serde_json::{Map, Value as Json, json};
use sonder_console::engine::{
    Column, Delivery, DeliveryFilter, DeliveryPage, DeliveryState, Entry, EntryKind, QuarantineFilter, QuarantinePage,
    QuarantineReason, Quarantined, Query, ReasonCount, Rows, TimelineCursor, Trouble, instant,
};
use sonder_core::effect::PersonId;
use sonder_core::view::PersonView;
use sonder_dsl::time::Moment;
use sonder_store::Reader;

/// Entries of one moment keep their order by these: first what came in, then what it brought about, then what was sent.
const EVENT: u64 = 0;
const CHANGE: u64 = 1 << 61;
const SENT: u64 = 2 << 61;

/// Runs a user's statement.
pub(super) fn query(reader: &Reader, query: &Query) -> Result<Rows, Trouble> {
    let mut asked = sonder_store::Query::new(&query.sql);
    asked.max_rows = query.max_rows;
    asked.timeout = query.timeout;
    let answer = reader.query(&asked).map_err(trouble)?;
    let columns = answer.columns.into_iter().map(|column| Column { name: column.name, kind: column.kind });
    Ok(Rows { columns: columns.collect(), rows: answer.rows, truncated: answer.truncated })
}

/// What happened to a person, newest first.
pub(super) fn timeline(
    reader: &Reader,
    person: &PersonView,
    before: Option<&TimelineCursor>,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let mut entries = events(reader, person, before, limit)?;
    entries.extend(changes(reader, person, before, limit)?);
    entries.extend(sends(reader, person, before, limit)?);
    entries.sort_by(|a, b| b.cursor.cmp(&a.cursor));
    entries.truncate(limit);
    Ok(entries)
}

fn events(
    reader: &Reader,
    person: &PersonView,
    before: Option<&TimelineCursor>,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let identifiers: Vec<String> =
        person.identifiers.iter().map(|it| quoted(&format!("{}:{}", it.kind, it.value))).collect();
    let sql = format!(
        "SELECT seq, epoch_us(occurred_at), epoch_us(received_at), coalesce(event, call), source, message_id, payload FROM log
         WHERE list_has_any(identifiers, [{}]) {} ORDER BY occurred_at DESC, seq DESC LIMIT {limit}",
        identifiers.join(", "),
        earlier(before, "occurred_at", "seq", EVENT),
    );
    let rows = rows(reader, &sql)?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let [seq, at, received_at, event, source, message_id, payload] = &row[..] else { return None };
            let seq = seq.as_u64()?;
            let sent: Json = serde_json::from_str(payload.as_str()?).unwrap_or(Json::Null);
            let said = ["properties", "traits"].iter().find_map(|key| sent.get(key).filter(|value| value.is_object()));
            Some(entry(
                at.as_i64()?,
                EVENT + seq,
                EntryKind::Event {
                    seq,
                    event: text(event),
                    source: text(source),
                    received_at: instant(Moment(received_at.as_i64()?)),
                    message_id: text(message_id),
                    properties: said.cloned().unwrap_or_else(|| json!({})),
                },
            ))
        })
        .collect())
}

fn changes(
    reader: &Reader,
    person: &PersonView,
    before: Option<&TimelineCursor>,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let sql = format!(
        "SELECT id, epoch_us(changed_at), kind, name, value FROM changes WHERE person IN ({}) {}
         ORDER BY changed_at DESC, id DESC LIMIT {limit}",
        people(&[&[person.id][..], &person.absorbed].concat()),
        earlier(before, "changed_at", "id", CHANGE),
    );
    let rows = rows(reader, &sql)?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let [id, at, kind, name, value] = &row[..] else { return None };
            let name = text(name);
            let value: Json = value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Json::Null);
            let kind = match kind.as_str()? {
                "created" => EntryKind::Created {},
                "merged" => EntryKind::Merged { absorbed: text(&value) },
                "link_refused" => EntryKind::LinkRefused {
                    kind: text(&value["kind"]),
                    value: text(&value["value"]),
                    reason: text(&value["reason"]),
                },
                "entered" => EntryKind::Entered { segment: name },
                "left" => EntryKind::Left { segment: name },
                "trait_changed" => EntryKind::TraitChanged { name, value },
                _ => return None,
            };
            Some(entry(at.as_i64()?, CHANGE + id.as_u64()?, kind))
        })
        .collect())
}

fn sends(
    reader: &Reader,
    person: &PersonView,
    before: Option<&TimelineCursor>,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let sql = format!(
        "SELECT number, epoch_us(decided_at), id, destination, name, state FROM delivery_states WHERE person IN ({}) {}
         ORDER BY decided_at DESC, number DESC LIMIT {limit}",
        people(&[&[person.id][..], &person.absorbed].concat()),
        earlier(before, "decided_at", "number", SENT),
    );
    let rows = rows(reader, &sql)?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let [number, at, id, destination, name, state] = &row[..] else { return None };
            Some(entry(
                at.as_i64()?,
                SENT + number.as_u64()?,
                EntryKind::Sent {
                    delivery: text(id),
                    destination: text(destination),
                    name: text(name),
                    state: delivery_state(state.as_str()?),
                },
            ))
        })
        .collect())
}

/// A condition for rows before a cursor, where this table's places start at `base`.
fn earlier(before: Option<&TimelineCursor>, time: &str, number: &str, base: u64) -> String {
    let Some(cursor) = before else { return String::new() };
    let at = format!("make_timestamp({})", cursor.at.0);
    // Everything of a table whose places start later is after the cursor; of one whose end before it, before.
    let same_moment = match cursor.place.checked_sub(base) {
        None => "false".to_owned(),
        Some(place) => format!("{time} = {at} AND {number} < {}", place.min(1 << 61)),
    };
    format!("AND ({time} < {at} OR ({same_moment}))")
}

fn entry(at: i64, place: u64, kind: EntryKind) -> Entry {
    Entry { cursor: TimelineCursor { at: Moment(at), place }, at: instant(Moment(at)), kind }
}

/// Quarantined messages, newest first, with counts.
pub(super) fn quarantine(reader: &Reader, filter: &QuarantineFilter) -> Result<QuarantinePage, Trouble> {
    let mut conditions = vec!["resolved_at IS NULL".to_owned()];
    if let Some(reason) = &filter.reason {
        conditions.push(format!("list_contains(codes, {})", quoted(reason)));
    }
    if let Some(source) = &filter.source {
        conditions.push(format!("source = {}", quoted(source)));
    }
    if let Some(name) = &filter.name {
        conditions.push(format!("name = {}", quoted(name)));
    }
    let matching = conditions.join(" AND ");
    let total = count(reader, &format!("SELECT count(*) FROM quarantine WHERE {matching}"))?;
    let reasons = rows(
        reader,
        &format!(
            "SELECT code, count(*) AS n FROM (SELECT DISTINCT id, unnest(codes) AS code FROM quarantine WHERE {matching})
             GROUP BY code ORDER BY n DESC, code"
        ),
    )?;
    if let Some(before) = filter.before {
        conditions.push(format!("id < {before}"));
    }
    let page = rows(
        reader,
        &format!(
            "SELECT id, epoch_us(received_at), source, name, message_id, reasons, payload FROM quarantine
             WHERE {} ORDER BY id DESC LIMIT {}",
            conditions.join(" AND "),
            filter.limit + 1
        ),
    )?;
    let mut messages: Vec<Quarantined> = page.iter().filter_map(|row| quarantined(row)).collect();
    let more = messages.len() > filter.limit;
    messages.truncate(filter.limit);
    let next = messages.last().filter(|_| more).map(|last| last.id);
    let reasons =
        reasons.iter().filter_map(|row| Some(ReasonCount { code: text(row.first()?), count: row.get(1)?.as_u64()? }));
    Ok(QuarantinePage { total, reasons: reasons.collect(), messages, next })
}

fn quarantined(row: &[Json]) -> Option<Quarantined> {
    let [id, at, source, name, message_id, reasons, payload] = row else { return None };
    let reasons: Vec<Map<String, Json>> = serde_json::from_str(reasons.as_str()?).unwrap_or_default();
    let reasons = reasons.into_iter().map(|reason| QuarantineReason {
        code: reason.get("code").map(text).unwrap_or_default(),
        path: reason.get("path").and_then(Json::as_str).map(str::to_owned),
        message: reason.get("message").map(text).unwrap_or_default(),
    });
    Some(Quarantined {
        id: id.as_u64()?,
        received_at: instant(Moment(at.as_i64()?)),
        source: text(source),
        name: name.as_str().map(str::to_owned),
        message_id: message_id.as_str().map(str::to_owned),
        reasons: reasons.collect(),
        payload: parsed(payload),
    })
}

/// Deliveries, newest first.
pub(super) fn deliveries(
    reader: &Reader,
    filter: &DeliveryFilter,
    about: Option<&[PersonId]>,
) -> Result<DeliveryPage, Trouble> {
    let mut conditions = vec!["true".to_owned()];
    if let Some(destination) = &filter.destination {
        conditions.push(format!("destination = {}", quoted(destination)));
    }
    if let Some(state) = filter.state {
        conditions.push(match state {
            DeliveryState::Pending => "state IN ('pending', 'retry')".to_owned(),
            DeliveryState::Delivered => "state = 'delivered'".to_owned(),
            DeliveryState::Dead => "state IN ('dead', 'cancelled')".to_owned(),
        });
    }
    match (filter.person, about) {
        (Some(_), Some(about)) => conditions.push(format!("person IN ({})", people(about))),
        (Some(person), None) => conditions.push(format!("person IN ({})", people(&[person]))),
        (None, _) => {}
    }
    let total = count(reader, &format!("SELECT count(*) FROM delivery_states WHERE {}", conditions.join(" AND ")))?;
    if let Some((at, id)) = filter.before {
        conditions.push(format!("(decided_at, id) < (make_timestamp({at}), '{id:032x}'::UUID)"));
    }
    let page = rows(
        reader,
        &format!(
            "SELECT id, destination, person, kind, name, epoch_us(decided_at), state, attempts, epoch_us(ended_at), detail,
                payload
             FROM delivery_states WHERE {} ORDER BY decided_at DESC, id DESC LIMIT {}",
            conditions.join(" AND "),
            filter.limit + 1
        ),
    )?;
    let mut deliveries: Vec<Delivery> = page.iter().filter_map(|row| delivery(row)).collect();
    let more = deliveries.len() > filter.limit;
    deliveries.truncate(filter.limit);
    Ok(DeliveryPage { total, deliveries, more })
}

fn delivery(row: &[Json]) -> Option<Delivery> {
    let [id, destination, person, kind, name, at, state, attempts, ended_at, detail, payload] = row else {
        return None;
    };
    Some(Delivery {
        id: text(id),
        destination: text(destination),
        person: text(person),
        kind: text(kind),
        name: text(name),
        at: instant(Moment(at.as_i64()?)),
        state: delivery_state(state.as_str()?),
        attempts: u32::try_from(attempts.as_u64()?).ok()?,
        settled_at: ended_at.as_i64().map(|at| instant(Moment(at))),
        error: detail.as_str().map(str::to_owned),
        payload: parsed(payload),
    })
}

fn delivery_state(state: &str) -> DeliveryState {
    match state {
        "delivered" => DeliveryState::Delivered,
        "dead" | "cancelled" => DeliveryState::Dead,
        _ => DeliveryState::Pending,
    }
}

fn rows(reader: &Reader, sql: &str) -> Result<Vec<Vec<Json>>, Trouble> {
    reader.query(&sonder_store::Query::new(sql)).map(|answer| answer.rows).map_err(trouble)
}

fn count(reader: &Reader, sql: &str) -> Result<u64, Trouble> {
    Ok(rows(reader, sql)?.first().and_then(|row| row.first()).and_then(Json::as_u64).unwrap_or(0))
}

fn people(ids: &[PersonId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("'{:032x}'::UUID", id.0)).collect();
    ids.join(", ")
}

fn text(value: &Json) -> String {
    value.as_str().map(str::to_owned).unwrap_or_default()
}

/// JSON where it is, else a string.
fn parsed(value: &Json) -> Json {
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
