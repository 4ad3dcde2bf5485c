//! Which key each version of the pseudonyms that destinations and exports get has: pseudonyms of one version are of one key for
//! ever, or nobody could tell who is the same.

use crate::database::Role;
use crate::{Store, StoreError};
use duckdb::{Connection, params};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS pseudonym_keys(version UINTEGER, fingerprint VARCHAR, since TIMESTAMP);
COMMENT ON TABLE pseudonym_keys IS 'which key each version of pseudonyms has, by what is known of it: never the key';
";

impl Store {
    /// Remembers which key a version of the pseudonyms has.
    ///
    /// # Errors
    /// [`StoreError::OtherPseudonymKey`] where it had another one before; when the file cannot be written.
    pub fn keep_pseudonym_key(&self, version: u32, fingerprint: &str) -> Result<(), StoreError> {
        self.database.run(Role::Writer, |connection| keep(connection, version, fingerprint))
    }
}

fn keep(connection: &Connection, version: u32, fingerprint: &str) -> Result<(), StoreError> {
    let kept: Option<String> = connection.query_row(
        "SELECT max(fingerprint) FROM sonder.main.pseudonym_keys WHERE version = ?",
        params![version],
        |row| row.get(0),
    )?;
    match kept {
        Some(kept) if kept == fingerprint => Ok(()),
        Some(kept) => Err(StoreError::OtherPseudonymKey { version, kept, found: fingerprint.to_owned() }),
        None => {
            let insert = "INSERT INTO sonder.main.pseudonym_keys VALUES (?, ?, now()::TIMESTAMP)";
            connection.execute(insert, params![version, fingerprint])?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::source::{SourceFile, SourceSet};

    #[test]
    fn a_version_has_one_key_for_ever() {
        let settings = SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop".to_owned() };
        let program = sonder_dsl::compile(SourceSet::new(vec![settings])).program.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), &program).unwrap();
        store.keep_pseudonym_key(1, "aa").unwrap();
        drop(store);
        let (store, _) = Store::open(dir.path(), &program).unwrap();
        store.keep_pseudonym_key(1, "aa").unwrap();
        let error = store.keep_pseudonym_key(1, "bb").unwrap_err();
        assert!(
            error.to_string().contains("version 1") && error.help().unwrap().contains("raise `version`"),
            "{error}"
        );
        store.keep_pseudonym_key(2, "bb").unwrap();
        store.keep_pseudonym_key(1, "aa").unwrap();
    }
}
