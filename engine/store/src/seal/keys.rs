//! The file of the keys of subjects. It is apart from what they seal, so that a copy of the one is of no use without the other:
//! a backup has no keys, and a key that is destroyed here opens nothing in any backup.
//!
//! INVARIANT: a key is on the disk before anything that it seals, and goes after it: a crash between leaves a key that seals
//! nothing, which the next erasure destroys.

use super::Sealing;
use super::sealing::shown;
use super::state::STATE;
use crate::StoreError;
use crate::append::append;
use crate::database::{Database, KEYS, Role};
use crate::pseudonym::Pseudonyms;

/// In the file of keys. Only copies say who was erased: where the engine runs, the log's file does.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS keys.project_keys(version UINTEGER, fingerprint VARCHAR, since TIMESTAMP);
COMMENT ON TABLE keys.project_keys IS 'keys of the project that keys of subjects were wrapped with, by what is known of them: never the keys';

CREATE TABLE IF NOT EXISTS keys.subject_keys(
    id UBIGINT, subject VARCHAR, version UINTEGER, wrapped BLOB, made_at TIMESTAMP, destroyed_at TIMESTAMP);
COMMENT ON TABLE keys.subject_keys IS 'what personal data is sealed with, each wrapped by a key of the project; without a key where its subject was erased';
COMMENT ON COLUMN keys.subject_keys.subject IS 'HMAC-SHA-256, under the key of this directory, of the identifier that the messages name first';

CREATE TABLE IF NOT EXISTS keys.erased(hash VARCHAR, erased_at TIMESTAMP);
COMMENT ON TABLE keys.erased IS 'in a copy of the keys: HMAC-SHA-256 of identifiers that were erased by then';
";

/// Format 4 had the keys in the file of the log. A transaction changes one file only: first they are copied, then left. Keys that
/// are here already are of a later moment.
pub(crate) const COPY_FROM_4: &str = "
INSERT INTO keys.project_keys FROM sonder.project_keys WHERE version NOT IN (SELECT version FROM keys.project_keys);
INSERT INTO keys.subject_keys FROM sonder.subject_keys WHERE id NOT IN (SELECT id FROM keys.subject_keys);
";
pub(crate) const LEAVE_4: &str = "DROP TABLE sonder.subject_keys; DROP TABLE sonder.project_keys;";

/// What may be sealed: tables, and where they are.
pub(super) const SEALED: [&str; 6] = [
    "sonder.main.log",
    "sonder.main.quarantine",
    "sonder.main.changes",
    "sonder.main.deliveries",
    "state.main.people",
    "state.main.checkpoints",
];

/// The numbers of the keys that seal something.
pub(super) fn used() -> String {
    SEALED.map(|table| format!("SELECT sealed_by FROM {table} WHERE sealed_by IS NOT NULL")).join(" UNION ALL ")
}

impl Sealing<'_> {
    /// Writes the keys that were made: what they seal may be written from then on.
    pub fn keep(&mut self, database: &Database) -> Result<(), StoreError> {
        let rows = self.rows()?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        database.held().note(rows.num_rows() as u64);
        database.run(Role::Locksmith, |connection| Ok(append(connection, KEYS, "subject_keys", rows)?))?;
        self.kept();
        Ok(())
    }
}

/// Destroys the keys that seal nothing any more: of whoever was erased, and of what was kept for a time only. To be called when it
/// is durable that what they sealed is gone, and while nothing is appended. Those of whoever is back since seal something.
pub(crate) fn destroy_unused(database: &Database, pseudonyms: &Pseudonyms) -> Result<(), StoreError> {
    let state = shown(pseudonyms.number(STATE.0, STATE.1));
    let count = database.run(Role::Locksmith, |connection| {
        // The last key of people's state may be of a checkpoint that is being written. The row stays: its number is not given again.
        Ok(connection.execute(
            &format!(
                "UPDATE keys.main.subject_keys SET subject = NULL, wrapped = NULL, destroyed_at = now()::TIMESTAMP
                 WHERE wrapped IS NOT NULL AND id NOT IN ({})
                     AND id NOT IN (SELECT coalesce(max(id), 0) FROM keys.main.subject_keys WHERE subject = '{state}')",
                used()
            ),
            [],
        )?)
    })?;
    if count > 0 {
        database.keyring().forget();
    }
    Ok(())
}
