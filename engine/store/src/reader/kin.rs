//! All messages that bear upon one person: who they are, and what they did.
//!
//! Who somebody is at a moment depends on the messages with their identifiers, on those with the identifiers in these,
//! and so on. So they are found from identifier to identifier, until there are no new ones. Hashes that collide bring in
//! strangers, which does no harm: they fold into people of their own.

use super::Reader;
use super::log::{LoggedMessage, messages};
use crate::node::node;
use crate::seal::Keyring;
use crate::sql::in_time;
use crate::{StoreError, limits};
use duckdb::{Connection, params};
use sonder_core::record::Seq;
use sonder_dsl::time::Moment;
use std::collections::BTreeSet;

impl Reader {
    /// The messages that are connected with these identifiers (kind, value), of all that were received up to a moment; in
    /// the order of the log.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there are too many of them; [`StoreError::TimedOut`].
    pub fn kin(&self, identifiers: &[(String, String)], until: Moment) -> Result<Vec<LoggedMessage>, StoreError> {
        let keyring = self.keyring();
        self.read(|connection| {
            in_time(connection, limits::MAX_KIN_TIME, None, || kin(connection, keyring, identifiers, until))
        })
    }

    /// The messages before a place in the log that carry one of these identifiers (kind, value), in the order of the log.
    /// Hashes that collide bring in others.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn carrying(&self, identifiers: &[(String, String)], before: Seq) -> Result<Vec<LoggedMessage>, StoreError> {
        let nodes: BTreeSet<u64> = identifiers.iter().map(|(kind, value)| node(kind, value)).collect();
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        self.read(|connection| carrying(connection, self.keyring(), &nodes, before.0))
    }
}

fn carrying(
    connection: &Connection,
    keyring: &Keyring,
    nodes: &BTreeSet<u64>,
    before: u64,
) -> Result<Vec<LoggedMessage>, StoreError> {
    let nodes = list(nodes);
    let which = format!(
        "WHERE seq IN (SELECT DISTINCT seq FROM log_identifiers WHERE node IN ({nodes}) AND seq < {before}) ORDER BY seq"
    );
    messages(connection, keyring, &which)
}

fn kin(
    connection: &Connection,
    keyring: &Keyring,
    own: &[(String, String)],
    until: Moment,
) -> Result<Vec<LoggedMessage>, StoreError> {
    let last: Option<u64> = connection.query_row(
        "SELECT max(seq) FROM log WHERE received_at <= make_timestamp(?::BIGINT)",
        params![until.0],
        |row| row.get(0),
    )?;
    let Some(last) = last else { return Ok(Vec::new()) };
    let mut known: BTreeSet<u64> = own.iter().map(|(kind, value)| node(kind, value)).collect();
    let mut fresh: Vec<u64> = known.iter().copied().collect();
    while !fresh.is_empty() {
        if known.len() > limits::MAX_KIN_IDENTIFIERS {
            return too_many(&format!("{} identifiers", limits::MAX_KIN_IDENTIFIERS));
        }
        let found = beside(connection, &fresh, last)?;
        fresh = found.into_iter().filter(|node| known.insert(*node)).collect();
    }
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let carrying =
        format!("SELECT DISTINCT seq FROM log_identifiers WHERE node IN ({}) AND seq <= {last}", list(&known));
    let count: u64 = connection.query_row(&format!("SELECT count(*) FROM ({carrying})"), [], |row| row.get(0))?;
    if count > limits::MAX_KIN_MESSAGES as u64 {
        return too_many(&format!("{} messages", limits::MAX_KIN_MESSAGES));
    }
    messages(connection, keyring, &format!("WHERE seq IN ({carrying}) ORDER BY seq"))
}

/// The identifiers of the messages that carry one of these.
fn beside(connection: &Connection, nodes: &[u64], last: u64) -> Result<Vec<u64>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT other.node FROM log_identifiers AS one JOIN log_identifiers AS other USING (seq)
         WHERE one.node IN ({}) AND one.seq <= {last}",
        list(nodes)
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn list<'a>(nodes: impl IntoIterator<Item = &'a u64>) -> String {
    nodes.into_iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn too_many<T>(what: &str) -> Result<T, StoreError> {
    Err(StoreError::Refused {
        message: format!("the person is connected with others through more than {what}"),
        help:
            "an identifier that many people share connects them; `block` it, or set `generic_after` in `identity.yaml`"
                .to_owned(),
    })
}
