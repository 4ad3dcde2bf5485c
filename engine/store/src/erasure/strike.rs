//! The rows that somebody is in.

use super::search::condition;
use super::waiting::{self, Waiting};
use super::{ERASED, Target};
use crate::append::not_aside;
use crate::database::{identifier, quoted};
use crate::node::node;
use crate::reader::log::messages as read;
use crate::seal::{Keyring, NOBODY, Place, Places, Sealing, Unsealed};
use crate::typed::{TypedTable, fill_again};
use crate::{LoggedMessage, StoreError, Takeover, limits};
use duckdb::{Connection, params};
use serde_json::Value as Json;
use sonder_core::erasure::Names;
use sonder_core::erasure::redact::{self, Instead, Told, says};
use sonder_core::message::from_log;
use sonder_core::record::{Event, Seq};
use sonder_dsl::ir::SourceId;
use sonder_dsl::time::Moment;
use std::collections::BTreeMap;

/// Through which personal data that is sealed comes and goes.
pub(super) struct Doors<'d, 's> {
    pub keyring: &'d Keyring,
    pub sealing: &'d mut Sealing<'s>,
    pub places: &'d Places,
}

/// What became of the log.
pub(super) struct StruckLog {
    /// How many messages of theirs went.
    pub theirs: u64,
    /// Messages of others that named them, by place, as they are from now on.
    pub others: BTreeMap<u64, String>,
}

/// Empties the places of somebody's messages in the log, and takes their identifiers out of those of others. How they wrote
/// these is added to their names.
pub(super) fn messages(
    connection: &Connection,
    tables: &[TypedTable],
    target: &Target,
    names: &mut Names<'_>,
    is_theirs: &mut dyn FnMut(&LoggedMessage) -> bool,
    doors: &mut Doors<'_, '_>,
) -> Result<StruckLog, StoreError> {
    let nodes: Vec<String> = target.identifiers.iter().map(|(kind, value)| node(kind, value).to_string()).collect();
    let nodes = if nodes.is_empty() { "NULL".to_owned() } else { nodes.join(", ") };
    let which = format!(
        "WHERE seq IN (SELECT seq FROM log_identifiers WHERE node IN ({nodes})) AND call <> '{ERASED}' ORDER BY seq"
    );
    let carrying = read(connection, doors.keyring, &which)?;
    let (theirs, mut named): (Vec<_>, Vec<_>) = carrying.into_iter().partition(|message| is_theirs(message));
    let own = list(theirs.iter().map(|message| message.seq));
    for message in &theirs {
        let json = parsed(message)?;
        redact::written(&json, None, names).iter().for_each(|it| names.add(it));
    }
    let mut count = theirs.len() as u64;
    drop(theirs);
    remove(connection, tables, &own)?;
    connection.execute_batch(&format!("DELETE FROM log_identifiers WHERE node IN ({nodes})"))?;
    let kept = pairs(names);
    let (mut others, mut late) = (BTreeMap::new(), Vec::new());
    let mut after = 0;
    loop {
        let mut page = std::mem::take(&mut named);
        let which = format!(
            "WHERE (sealed_by IS NOT NULL OR {}) AND call <> '{ERASED}' AND seq > {after} ORDER BY seq LIMIT {}",
            condition(names, "payload"),
            limits::ROWS_SEALED
        );
        let mentioning = read(connection, doors.keyring, &which)?;
        let last = mentioning.last().map(|message| message.seq.0);
        page.extend(mentioning);
        for message in page {
            if others.contains_key(&message.seq.0) {
                continue;
            }
            let Some(payload) = redacted(&message, names)? else { continue };
            if is_theirs(&message) {
                late.push(message.seq);
                continue;
            }
            put(connection, doors, message.seq, &payload, &kept)?;
            others.insert(message.seq.0, payload);
        }
        let Some(last) = last else { break };
        after = last;
    }
    late.sort_unstable();
    late.dedup();
    count += late.len() as u64;
    remove(connection, tables, &list(late.into_iter()))?;
    let touched = list(others.keys().map(|seq| Seq(*seq)));
    connection.execute_batch(&format!(
        "UPDATE log SET identifiers = list_filter(identifiers, lambda it: it NOT IN ({kept})),
             user_id = CASE WHEN 'user_id:' || user_id IN ({kept}) THEN NULL ELSE user_id END,
             anonymous_id = CASE WHEN 'anonymous_id:' || anonymous_id IN ({kept}) THEN NULL ELSE anonymous_id END
         WHERE seq IN ({touched})"
    ))?;
    let aside = ("quarantine", "id", "payload");
    let kept_aside = rows(connection, doors.keyring, aside, Some(Place::Quarantine), &|text| names_them(text, names))?;
    let of_reasons = rows(connection, doors.keyring, ("quarantine", "id", "reasons"), None, &|text| says(text, names))?;
    connection.execute_batch(&format!("DELETE FROM quarantine WHERE id IN ({kept_aside}) OR id IN ({of_reasons})"))?;
    Ok(StruckLog { theirs: count, others })
}

/// Messages, as a list of SQL, leave empty places, and no typed rows.
fn remove(connection: &Connection, tables: &[TypedTable], seqs: &str) -> Result<(), StoreError> {
    for table in tables {
        connection.execute_batch(&format!("DELETE FROM {} WHERE seq IN ({seqs})", identifier(&table.name)))?;
    }
    empty(connection, seqs)
}

fn parsed(message: &LoggedMessage) -> Result<Json, StoreError> {
    serde_json::from_str(&message.payload)
        .map_err(|error| StoreError::Damaged(format!("a message of the log cannot be read: {error}")))
}

/// What is left of somebody else's message; `None` where it says nothing of them. What a schema accepts it accepts afterwards,
/// too, where that can be done: nobody else's event is to be lost.
fn redacted(message: &LoggedMessage, names: &Names<'_>) -> Result<Option<String>, StoreError> {
    let whole = parsed(message)?;
    let without = |event: Option<&str>, instead: Instead| {
        let mut json = whole.clone();
        redact::message(&mut json, event, names, instead).then(|| json.to_string())
    };
    // Mostly it is of no event that need be known.
    if without(None, Instead::Nothing).is_none() {
        return Ok(None);
    }
    let event = governed(&message.payload, names);
    let name = event.as_ref().and_then(|it| names.program().events.get(it.event?.index())).map(|it| it.name.as_str());
    let Some(payload) = without(name, Instead::Nothing) else { return Ok(None) };
    if event.is_some() && governed(&payload, names).is_none() {
        let word = without(name, Instead::Word).filter(|it| governed(it, names).is_some());
        return Ok(word.or(Some(payload)));
    }
    Ok(Some(payload))
}

/// What a message means to the project that runs.
fn governed(payload: &str, names: &Names<'_>) -> Option<Event> {
    let at = Moment(0);
    let message = from_log(payload, SourceId(0), at, at, true).ok()?;
    names.governor().govern(&message).ok()
}

/// Whether a message that was kept aside is theirs or names them.
fn names_them(text: &str, names: &Names<'_>) -> bool {
    match serde_json::from_str::<Json>(text) {
        Ok(mut json @ Json::Object(_)) => redact::message(&mut json, None, names, Instead::Nothing),
        _ => says(text, names),
    }
}

/// Rows of a table that are about them by what a text of theirs says, by their numbers, as a list of SQL.
fn rows(
    connection: &Connection,
    keyring: &Keyring,
    (table, number, text): (&str, &str, &str),
    place: Option<fn(u64) -> Place>,
    is_one: &dyn Fn(&str) -> bool,
) -> Result<String, StoreError> {
    let mut found: Vec<String> = Vec::new();
    let mut after = None;
    loop {
        let beyond = after.map_or_else(String::new, |last: u64| format!("AND {number} > {last}"));
        let columns = if place.is_some() { "sealed_by, sealed" } else { "NULL::UBIGINT, NULL::BLOB" };
        let mut statement = connection.prepare(&format!(
            "SELECT {number}::UBIGINT, {text}, {columns} FROM {table} WHERE {text} IS NOT NULL {beyond} ORDER BY {number} LIMIT {}",
            limits::ROWS_SEALED
        ))?;
        let mut page = statement.query([])?;
        let (mut numbers, mut sealed, mut last) = (Vec::new(), Vec::new(), None);
        while let Some(row) = page.next()? {
            let (number, text): (u64, String) = (row.get(0)?, row.get(1)?);
            last = Some(number);
            match (row.get::<_, Option<u64>>(2)?, place) {
                (Some(key), Some(place)) => {
                    numbers.push(number);
                    sealed.push(Unsealed { place: place(number), text, key, sealed: row.get(3)? });
                }
                _ if is_one(&text) => found.push(number.to_string()),
                _ => {}
            }
        }
        drop(page);
        let whole = keyring.open(connection, &sealed)?;
        let of_them = numbers.iter().zip(&whole).filter(|(_, text)| match not_aside(text) {
            // Of what was kept aside, the message and the reasons are sealed as one.
            Some((payload, reasons)) if table == "quarantine" => is_one(&payload) || is_one(&reasons),
            _ => is_one(text),
        });
        found.extend(of_them.map(|(number, _)| number.to_string()));
        let Some(last) = last else { break };
        after = Some(last);
    }
    Ok(if found.is_empty() { "NULL".to_owned() } else { found.join(", ") })
}

/// What the typed tables have of messages that are not as they were: as rules see them now.
pub(super) fn typed_rows(
    connection: &Connection,
    tables: &[TypedTable],
    names: &Names<'_>,
    others: &BTreeMap<u64, String>,
) -> Result<(), StoreError> {
    let touched = list(others.keys().map(|seq| Seq(*seq)));
    for table in tables {
        let schema = names.program().events.iter().find(|it| it.name == table.event);
        fill_again(connection, table, schema, names.governor(), others)?;
        // What an earlier version of the schema had.
        for column in table.columns.iter().filter(|column| column.is_earlier()) {
            let (name, table) = (identifier(&column.name), identifier(&table.name));
            let select = format!("(SELECT seq, CAST({name} AS VARCHAR) AS said FROM {table} WHERE seq IN ({touched}))");
            let named =
                rows(connection, &Keyring::default(), (&select, "seq", "said"), None, &|text| says(text, names))?;
            connection.execute_batch(&format!("UPDATE {table} SET {name} = NULL WHERE seq IN ({named})"))?;
        }
    }
    Ok(())
}

/// Writes another payload of somebody else's message. What was sealed is sealed again: under a key of an identifier that is not
/// `theirs`, whose keys are destroyed.
fn put(
    connection: &Connection,
    doors: &mut Doors<'_, '_>,
    seq: Seq,
    payload: &str,
    theirs: &str,
) -> Result<(), StoreError> {
    let (event, subject, is_sealed): (Option<String>, Option<String>, bool) = connection.query_row(
        &format!(
            "SELECT event, list_filter(identifiers, lambda it: NOT list_contains([{theirs}], it))[1], sealed_by IS NOT NULL
             FROM log WHERE seq = ?"
        ),
        params![seq.0],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let subject = subject.as_deref().and_then(|it| it.split_once(':')).unwrap_or(NOBODY);
    let sealed = match is_sealed {
        true => doors.sealing.message((doors.places, event.as_deref()), seq.0, subject, payload)?,
        false => None,
    };
    let (text, key, sealed) = match &sealed {
        Some(it) => (&*it.text, Some(it.key), Some(&*it.sealed)),
        None => (payload, None, None),
    };
    connection.execute(
        "UPDATE log SET payload = ?, sealed_by = ?, sealed = ? WHERE seq = ?",
        params![text, key, sealed, seq.0],
    )?;
    Ok(())
}

/// Empties places of the log: numbers as a list of SQL, or what selects them.
pub(crate) fn empty(connection: &Connection, seqs: &str) -> Result<(), StoreError> {
    connection.execute_batch(&format!(
        "UPDATE log SET call = '{ERASED}', event = NULL, message_id = '', anonymous_id = NULL, user_id = NULL,
             identifiers = [], labels = [], payload = '', sealed_by = NULL, sealed = NULL,
             occurred_at = received_at WHERE seq IN ({seqs});
         DELETE FROM log_identifiers WHERE seq IN ({seqs});"
    ))?;
    Ok(())
}

/// Takes somebody out of what was asked about them.
pub(super) fn requests(connection: &Connection, target: &Target, names: &Names<'_>) -> Result<(), StoreError> {
    let named = |table: &str, column: &str| {
        rows(connection, &Keyring::default(), (table, "rowid", column), None, &|text| says(text, names))
    };
    crate::privacy::strike(connection, &people(target), &named)
}

/// Removes changes of somebody, and deliveries about them with their outcomes, but for those that tell of an erasure; where a state
/// without them has taken over, up to there. Changes of others go where they name them; deliveries about others lose the mention.
/// Gives what is different about deliveries that had not ended.
pub(super) fn decisions(
    connection: &Connection,
    (keyring, sealing): (&Keyring, &mut Sealing<'_>),
    target: &Target,
    names: Names<'_>,
    takeover: Option<Takeover>,
) -> Result<Waiting, StoreError> {
    let people = people(target);
    let before = |at: &str| match takeover {
        None => "true".to_owned(),
        Some(Takeover { as_of, now, .. }) => {
            // What that state decided at this place was brought about by its taking over.
            format!(
                "(as_of_seq < {0} OR (as_of_seq = {0} AND (cause_seq IS NOT NULL OR {at} < make_timestamp({1}))))",
                as_of.0, now.0
            )
        }
    };
    let (changed, decided) = (before("changed_at"), before("decided_at"));
    let is_one = |text: &str| says(text, &names);
    let changes = rows(connection, keyring, ("changes", "id", "\"value\""), Some(Place::Change), &is_one)?;
    let details = rows(connection, keyring, ("delivery_outcomes", "rowid", "detail"), None, &is_one)?;
    let (amended, nameless) = waiting::amend(connection, (keyring, sealing), target, &Told::new(names), &decided)?;
    let nameless = list(nameless.into_iter().map(Seq));
    let theirs = format!("{decided} AND kind <> 'erase' AND (person IN ({people}) OR number IN ({nameless}))");
    let gone = waiting::gone(connection, &theirs)?;
    connection.execute_batch(&format!(
        "UPDATE delivery_outcomes SET detail = NULL WHERE rowid IN ({details});
         DELETE FROM changes WHERE {changed} AND (person IN ({people}) OR id IN ({changes}));
         DELETE FROM delivery_outcomes WHERE delivery IN (SELECT id FROM deliveries WHERE {theirs});
         DELETE FROM deliveries WHERE {theirs};"
    ))?;
    Ok(Waiting { gone, amended })
}

/// Removes what became of deliveries up to a place in the log that are no more: a start decides again what came after the last
/// checkpoint, but for what it had decided of messages that are struck since.
pub(super) fn orphans(connection: &Connection, up_to: Seq) -> Result<(), StoreError> {
    connection.execute_batch(&format!(
        "DELETE FROM delivery_outcomes WHERE as_of_seq <= {} AND delivery NOT IN (SELECT id FROM deliveries)",
        up_to.0
    ))?;
    Ok(())
}

/// All ids that somebody goes by, as a list of SQL.
pub(super) fn people(target: &Target) -> String {
    let people: Vec<String> = target.people.iter().map(|id| format!("'{:032x}'::UUID", id.0)).collect();
    if people.is_empty() { "NULL".to_owned() } else { people.join(", ") }
}

/// Their identifiers as the log has them, as a list of SQL.
fn pairs(names: &Names<'_>) -> String {
    let pairs = names.exact().map(|(kind, value)| quoted(&format!("{kind}:{value}")));
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    if pairs.is_empty() { "NULL".to_owned() } else { pairs }
}

fn list(seqs: impl Iterator<Item = Seq>) -> String {
    let seqs: Vec<String> = seqs.map(|seq| seq.0.to_string()).collect();
    if seqs.is_empty() { "NULL".to_owned() } else { seqs.join(", ") }
}
