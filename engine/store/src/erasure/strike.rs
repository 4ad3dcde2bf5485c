//! The rows that somebody is in.

use super::redact::{ERASED as NOTHING, redact};
use super::{ERASED, Target};
use crate::database::{identifier, quoted};
use crate::node::node;
use crate::reader::log::{COLUMNS, messages as read};
use crate::{LoggedMessage, StoreError};
use duckdb::{Connection, params};
use sonder_core::record::Seq;
use std::collections::BTreeSet;

/// From how many characters on an identifier is looked for within other texts: shorter ones are words and numbers that mean
/// something else there.
pub(super) const TELLING: usize = 6;

/// Empties the places of somebody's messages in the log, and takes their identifiers out of those of others. Returns how many
/// there were of both.
pub(super) fn messages(
    connection: &Connection,
    tables: &[String],
    target: &Target,
    is_theirs: &mut dyn FnMut(&LoggedMessage) -> bool,
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
    let sql = format!(
        "SELECT {COLUMNS} FROM log WHERE (seq IN (SELECT seq FROM log_identifiers WHERE node IN ({nodes})) OR {mentioned})
         AND call <> '{ERASED}' ORDER BY seq"
    );
    let mut statement = connection.prepare(&sql)?;
    drop(statement.stream_arrow([])?);
    let found = read(&mut statement)?;
    drop(statement);
    let (theirs, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|message| is_theirs(message));
    let own = list(theirs.iter().map(|message| message.seq));
    empty(connection, &own)?;
    connection.execute_batch(&format!("DELETE FROM log_identifiers WHERE node IN ({nodes})"))?;
    for table in tables {
        connection.execute_batch(&format!("DELETE FROM {} WHERE seq IN ({own})", identifier(table)))?;
    }
    for message in &others {
        let mut json = serde_json::from_str(&message.payload)
            .map_err(|error| StoreError::Damaged(format!("a message of the log cannot be read: {error}")))?;
        redact(&mut json, &values);
        connection.execute("UPDATE log SET payload = ? WHERE seq = ?", params![json.to_string(), message.seq.0])?;
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
    connection.execute_batch(&format!(
        "DELETE FROM quarantine WHERE {} OR {}",
        mentions("payload", values.iter().map(String::as_str)),
        mentions("reasons", values.iter().map(String::as_str)),
    ))?;
    Ok((theirs.len() as u64, others.len() as u64))
}

/// Empties places of the log: numbers as a list of SQL, or what selects them.
pub(crate) fn empty(connection: &Connection, seqs: &str) -> Result<(), StoreError> {
    connection.execute_batch(&format!(
        "UPDATE log SET call = '{ERASED}', event = NULL, message_id = '', anonymous_id = NULL, user_id = NULL,
             identifiers = [], labels = [], payload = '', occurred_at = received_at WHERE seq IN ({seqs});
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
pub(super) fn decisions(connection: &Connection, target: &Target, up_to: Option<Seq>) -> Result<(), StoreError> {
    let people = people(target);
    let before = up_to.map_or_else(|| "true".to_owned(), |seq| format!("as_of_seq <= {}", seq.0));
    let values = values(target);
    let named = |column: &str| mentions(column, values.iter().map(String::as_str));
    connection.execute_batch(&format!(
        "DELETE FROM changes WHERE {before} AND (person IN ({people}) OR {in_value});
         DELETE FROM delivery_outcomes WHERE delivery IN (
             SELECT id FROM deliveries WHERE {before} AND kind <> 'erase' AND (person IN ({people}) OR {in_names} OR {in_payload}));
         DELETE FROM deliveries WHERE {before} AND kind <> 'erase' AND (person IN ({people}) OR {in_names} OR {in_payload});
         UPDATE delivery_outcomes SET detail = NULL WHERE {in_detail};",
        in_value = named("\"value\""),
        in_names = named("identifiers"),
        in_payload = named("payload"),
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
