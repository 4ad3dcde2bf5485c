//! How much there is.

use super::Reader;
use crate::StoreError;

/// Sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// (event, rows) of the typed tables, by name.
    pub events: Vec<(String, u64)>,
    /// (table, rows) of all other tables, by name. Rows may be counted that were deleted and not yet folded away.
    pub tables: Vec<(String, u64)>,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
}

impl Reader {
    /// Counts, from DuckDB's own books: it costs the same however much there is.
    ///
    /// # Errors
    /// Whatever the database may say.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let (file_bytes, wal_bytes) = (self.database.file_bytes(), self.database.wals_bytes());
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT t.event, d.table_name, d.estimated_size FROM duckdb_tables() d
                 LEFT JOIN typed_tables t ON t.table_name = d.table_name
                 WHERE d.database_name = 'sonder' ORDER BY d.table_name",
            )?;
            let mut rows = statement.query([])?;
            let mut stats = Stats { file_bytes, wal_bytes, ..Stats::default() };
            while let Some(row) = rows.next()? {
                let (event, table): (Option<String>, String) = (row.get(0)?, row.get(1)?);
                let count = row.get::<_, i64>(2)?.unsigned_abs();
                match event {
                    Some(event) => stats.events.push((event, count)),
                    None => stats.tables.push((table, count)),
                }
            }
            Ok(stats)
        })
    }
}
