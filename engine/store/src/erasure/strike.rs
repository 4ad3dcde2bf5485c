//! The rows that somebody is in.

use super::redact::{ERASED as NOTHING, redact};
use super::{ERASED, Target};
use crate::append::not_aside;
use crate::database::{identifier, quoted};
use crate::node::node;
use crate::reader::log::messages as read;
use crate::seal::{Keyring, NOBODY, Place, Places, Sealing, Unsealed};
use crate::{LoggedMessage, StoreError, limits};
use duckdb::{Connection, params};
use sonder_core::record::Seq;
use std::collections::BTreeSet;

/// From how many characters on an identifier is looked for within other texts: shorter ones are words and numbers that mean
/// something else there.
pub(super) const TELLING: usize = 6;

/// Through which personal data that is sealed comes and goes.
pub(super) struct Doors<'d, 's> {
    pub keyring: &'d Keyring,
    pub sealing: &'d mut Sealing<'s>,
    pub places: &'d Places,
}

/// Empties the places of somebody's messages in the log, and takes their identifiers out of those of others. Returns how many
/// there were of both.
pub(super) fn messages(
    connection: &Connection,
    tables: &[String],
    target: &Target,
    is_theirs: &mut dyn FnMut(&LoggedMessage) -> bool,
    doors: &mut Doors<'_, '_>,
) -> Result<(u64, u64), StoreError> {
    let nodes: Vec<String> = target.identifiers.iter().map(|(kind, value)| node(kind, value).to_string()).collect();
    let nodes = if nodes.is_empty() { "NULL".to_owned() } else { nodes.join(", ") };
    let values = values(target);
    let telling: Vec<&String> = values.iter().filter(|value| value.chars().count() >= TELLING).collect();
    let mentioned = if telling.is_empty() {
        "false".to_owned()
    } else {
        mentions("payload", telling.iter().map(|value| value.as_str()))
    };
    let which = format!(
        "WHERE (seq IN (SELECT seq FROM log_identifiers WHERE node IN ({nodes})) OR {mentioned})
         AND call <> '{ERASED}' ORDER BY seq"
    );
    let mut found = read(connection, doors.keyring, &which)?;
    found.extend(mentioned_sealed(connection, doors.keyring, &telling)?);
    found.sort_unstable_by_key(|message| message.seq);
    found.dedup_by_key(|message| message.seq);
    let (theirs, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|message| is_theirs(message));
    let own = list(theirs.iter().map(|message| message.seq));
    empty(connection, &own)?;
    connection.execute_batch(&format!("DELETE FROM log_identifiers WHERE node IN ({nodes})"))?;
    for table in tables {
        connection.execute_batch(&format!("DELETE FROM {} WHERE seq IN ({own})", identifier(table)))?;
    }
    let theirs_named = target.identifiers.iter().map(|(kind, value)| quoted(&format!("{kind}:{value}")));
    let theirs_named = theirs_named.collect::<Vec<_>>().join(", ");
    for message in &others {
        let mut json = serde_json::from_str(&message.payload)
            .map_err(|error| StoreError::Damaged(format!("a message of the log cannot be read: {error}")))?;
        redact(&mut json, &values);
        put(connection, doors, message.seq, &json.to_string(), &theirs_named)?;
    }
    let touched = list(others.iter().map(|message| message.seq));
    if !others.is_empty() {
        let kept = target.identifiers.iter().map(|(kind, value)| quoted(&format!("{kind}:{value}")));
        let kept = kept.collect::<Vec<_>>().join(", ");
        connection.execute_batch(&format!(
            "UPDATE log SET identifiers = list_filter(identifiers, lambda it: it NOT IN ({kept})) WHERE seq IN ({touched})"
        ))?;
        for table in tables.iter().map(String::as_str).chain(["log"]) {
            redact_columns(connection, table, &touched, &values)?;
        }
    }
    let of_quarantine = ("quarantine", "id", "payload");
    let sealed = mentioned_rows(connection, doors.keyring, of_quarantine, Place::Quarantine, &values)?;
    connection.execute_batch(&format!(
        "DELETE FROM quarantine WHERE {} OR {} OR id IN ({sealed})",
        mentions("payload", values.iter().map(String::as_str)),
        mentions("reasons", values.iter().map(String::as_str)),
    ))?;
    Ok((theirs.len() as u64, others.len() as u64))
}

/// Messages in which something is sealed that mentions one of these values.
fn mentioned_sealed(
    connection: &Connection,
    keyring: &Keyring,
    values: &[&String],
) -> Result<Vec<LoggedMessage>, StoreError> {
    let (mut after, mut mentioned) = (0, Vec::new());
    while !values.is_empty() {
        let which = format!(
            "WHERE sealed_by IS NOT NULL AND call <> '{ERASED}' AND seq > {after} ORDER BY seq LIMIT {}",
            limits::ROWS_SEALED
        );
        let chunk = read(connection, keyring, &which)?;
        let Some(last) = chunk.last() else { break };
        after = last.seq.0;
        let of_them =
            |message: &LoggedMessage| does_mention(&message.payload, values.iter().map(|value| value.as_str()));
        mentioned.extend(chunk.into_iter().filter(of_them));
    }
    Ok(mentioned)
}

/// Rows of a table whose sealed text mentions one of these values, by their numbers, as a list of SQL.
fn mentioned_rows(
    connection: &Connection,
    keyring: &Keyring,
    (table, number, text): (&str, &str, &str),
    place: fn(u64) -> Place,
    values: &[String],
) -> Result<String, StoreError> {
    let (mut after, mut mentioned) = (0_u64, Vec::new());
    while !values.is_empty() {
        let mut statement = connection.prepare(&format!(
            "SELECT {number}, {text}, sealed_by, sealed FROM {table} WHERE sealed_by IS NOT NULL AND {number} > {after}
             ORDER BY {number} LIMIT {}",
            limits::ROWS_SEALED
        ))?;
        let mut rows = statement.query([])?;
        let mut sealed = Vec::new();
        let mut numbers = Vec::new();
        while let Some(row) = rows.next()? {
            numbers.push(row.get(0)?);
            sealed.push(Unsealed {
                place: place(row.get(0)?),
                text: row.get(1)?,
                key: row.get(2)?,
                sealed: row.get(3)?,
            });
        }
        drop(rows);
        let Some(last) = numbers.last() else { break };
        after = *last;
        let whole = keyring.open(connection, &sealed)?;
        let says = |text: &str| does_mention(text, values.iter().map(String::as_str));
        let of_them = numbers.iter().zip(&whole).filter(|(_, text)| match not_aside(text) {
            // Of what was kept aside, the message and the reasons are sealed as one.
            Some((payload, reasons)) if table == "quarantine" => says(&payload) || says(&reasons),
            _ => says(text),
        });
        mentioned.extend(of_them.map(|(number, _)| number.to_string()));
    }
    Ok(if mentioned.is_empty() { "NULL".to_owned() } else { mentioned.join(", ") })
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
pub(super) fn requests(connection: &Connection, target: &Target) -> Result<(), StoreError> {
    let values = values(target);
    let named = |column: &str| {
        // `kind:value`, so that short identifiers are found as a whole, too.
        let whole = target.identifiers.iter().map(|(kind, value)| quoted(&format!("{kind}:{value}").to_lowercase()));
        let whole = whole.chain(["NULL".to_owned()]).collect::<Vec<_>>().join(", ");
        let mentioned = mentions(column, values.iter().map(String::as_str));
        format!("({mentioned} OR coalesce(lower({column}) IN ({whole}), false))")
    };
    crate::privacy::strike(connection, &people(target), &named)
}

/// Removes changes of somebody, and deliveries about them with their outcomes, but for those that tell of an erasure; up to a place in the log, where one is given.
pub(super) fn decisions(
    connection: &Connection,
    keyring: &Keyring,
    target: &Target,
    up_to: Option<Seq>,
) -> Result<(), StoreError> {
    let people = people(target);
    let before = up_to.map_or_else(|| "true".to_owned(), |seq| format!("as_of_seq <= {}", seq.0));
    let values = values(target);
    let named = |column: &str| mentions(column, values.iter().map(String::as_str));
    let of_changes = ("changes", "id", "\"value\"");
    let changes = mentioned_rows(connection, keyring, of_changes, Place::Change, &values)?;
    let of_deliveries = ("deliveries", "number", "payload");
    let told = mentioned_rows(connection, keyring, of_deliveries, Place::Delivery, &values)?;
    let in_value = format!("{} OR id IN ({changes})", named("\"value\""));
    let in_payload = format!("{} OR number IN ({told})", named("payload"));
    connection.execute_batch(&format!(
        "DELETE FROM changes WHERE {before} AND (person IN ({people}) OR {in_value});
         DELETE FROM delivery_outcomes WHERE delivery IN (
             SELECT id FROM deliveries WHERE {before} AND kind <> 'erase' AND (person IN ({people}) OR {in_names} OR {in_payload}));
         DELETE FROM deliveries WHERE {before} AND kind <> 'erase' AND (person IN ({people}) OR {in_names} OR {in_payload});
         UPDATE delivery_outcomes SET detail = NULL WHERE {in_detail};",
        in_names = named("identifiers"),
        in_detail = named("detail"),
    ))?;
    Ok(())
}

/// All ids that somebody goes by, as a list of SQL.
pub(super) fn people(target: &Target) -> String {
    let people: Vec<String> = target.people.iter().map(|id| format!("'{:032x}'::UUID", id.0)).collect();
    if people.is_empty() { "NULL".to_owned() } else { people.join(", ") }
}

/// Takes values out of the texts of a table's columns.
fn redact_columns(connection: &Connection, table: &str, seqs: &str, values: &[String]) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT column_name, data_type FROM duckdb_columns()
         WHERE database_name = 'sonder' AND table_name = ? AND data_type IN ('VARCHAR', 'VARCHAR[]', 'JSON')
             AND NOT (table_name = 'log' AND column_name IN ('payload', 'identifiers', 'labels', 'call', 'event', 'source'))",
    )?;
    let columns =
        statement.query_map(params![table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let columns: Vec<(String, String)> = columns.collect::<Result<_, _>>()?;
    let list = values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ");
    for (column, kind) in columns {
        let name = identifier(&column);
        let text = if kind == "VARCHAR" { name.clone() } else { format!("CAST({name} AS VARCHAR)") };
        let mut new = text.clone();
        for value in values.iter().filter(|value| value.chars().count() >= TELLING) {
            new = format!("regexp_replace({new}, {}, '{NOTHING}', 'gi')", quoted(&escaped(value)));
        }
        let new = format!("CASE WHEN lower(trim({text})) IN ({list}) THEN NULL ELSE CAST({new} AS {kind}) END");
        connection.execute_batch(&format!(
            "UPDATE {} SET {name} = {new} WHERE seq IN ({seqs}) AND {}",
            identifier(table),
            mentions(&text, values.iter().map(String::as_str)),
        ))?;
    }
    Ok(())
}

/// The values, in lower case, each once.
fn values(target: &Target) -> Vec<String> {
    let values: BTreeSet<String> = target.identifiers.iter().map(|(_, value)| value.to_lowercase()).collect();
    values.into_iter().collect()
}

/// A condition: the column has one of the values; short ones only as a whole, or as a whole string of JSON.
fn mentions<'a>(column: &str, values: impl Iterator<Item = &'a str>) -> String {
    let conditions = values.map(|value| {
        let json = serde_json::Value::from(value).to_string();
        let inner = json.trim_matches('"');
        if value.chars().count() >= TELLING {
            format!("contains(lower({column}), {}) OR contains(lower({column}), {})", quoted(value), quoted(inner))
        } else {
            format!("lower({column}) = {} OR contains(lower({column}), {})", quoted(value), quoted(&json))
        }
    });
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() { "false".to_owned() } else { format!("coalesce({}, false)", conditions.join(" OR ")) }
}

/// Whether a text does what [`mentions`] asks of a column.
fn does_mention<'a>(text: &str, mut values: impl Iterator<Item = &'a str>) -> bool {
    let text = text.to_lowercase();
    values.any(|value| {
        let json = serde_json::Value::from(value).to_string();
        if value.chars().count() >= TELLING {
            text.contains(value) || text.contains(json.trim_matches('"'))
        } else {
            text == value || text.contains(&json)
        }
    })
}

fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, character| {
        if !character.is_alphanumeric() && character.is_ascii() {
            text.push('\\');
        }
        text.push(character);
        text
    })
}

fn list(seqs: impl Iterator<Item = Seq>) -> String {
    let seqs: Vec<String> = seqs.map(|seq| seq.0.to_string()).collect();
    if seqs.is_empty() { "NULL".to_owned() } else { seqs.join(", ") }
}
