//! Files without free blocks. Each is copied table by table into a new file, which then takes its place by a rename: whatever
//! stops it leaves the old file whole. The log's comes last, for it is the one that says what is done.

use super::super::database::{KEYS, LOG, ROW_GROUP, STATE, identifier, quoted};
use crate::{StoreError, StoreOptions};
use duckdb::{Config, Connection};
use sonder_dsl::time::Moment;
use std::fs::{self, File};
use std::path::Path;

pub(super) fn files(dir: &Path, options: &StoreOptions, done: &[String], now: Moment) -> Result<(), StoreError> {
    let done = if done.is_empty() {
        "NULL".to_owned()
    } else {
        done.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(", ")
    };
    let erasures = format!(
        "SELECT * REPLACE (CASE WHEN id IN ({done}) THEN 'erased' ELSE state END AS state,
             CASE WHEN id IN ({done}) THEN make_timestamp({}) ELSE erased_at END AS erased_at,
             CASE WHEN id IN ({done}) THEN NULL ELSE target END AS target,
             CASE WHEN completed_at IS NULL AND (id IN ({done}) OR state = 'erased')
                 AND id NOT IN (SELECT erasure FROM old.main.erasure_deliveries WHERE state IS NULL)
                 THEN make_timestamp({}) ELSE completed_at END AS completed_at)",
        now.0, now.0
    );
    for catalog in [KEYS, STATE, LOG] {
        file(dir, catalog, options, &erasures)?;
    }
    // Views and comments are not copied with the tables; nobody reads before they are there.
    let connection = Connection::open_in_memory()?;
    let path = |catalog: &str| quoted(&dir.join(format!("{catalog}.duckdb")).to_string_lossy());
    for catalog in [LOG, STATE, KEYS] {
        connection.execute_batch(&format!("ATTACH {} AS {catalog} (ROW_GROUP_SIZE {ROW_GROUP})", path(catalog)))?;
    }
    connection.execute_batch(&format!("USE {LOG}"))?;
    crate::schema::prepare(&connection, dir)?;
    connection.execute_batch(&format!("CHECKPOINT {LOG}; CHECKPOINT {STATE}; CHECKPOINT {KEYS};"))?;
    drop(connection);
    // What was too large for memory may have been spilled here.
    let spilled = dir.join("tmp");
    if spilled.exists() {
        fs::remove_dir_all(&spilled).map_err(io("remove", &spilled))?;
    }
    Ok(())
}

fn file(dir: &Path, catalog: &str, options: &StoreOptions, erasures: &str) -> Result<(), StoreError> {
    let old = dir.join(format!("{catalog}.duckdb"));
    let new = dir.join(format!("{catalog}.duckdb.new"));
    let wal = |path: &Path| path.with_extension(format!("{}.wal", path.extension().unwrap_or_default().display()));
    for left in [new.clone(), wal(&new)] {
        if left.exists() {
            fs::remove_file(&left).map_err(io("remove", &left))?;
        }
    }
    copy(&old, &new, dir, options, erasures)?;
    for path in [&old, &new] {
        // Everything is in the file; a log that stayed would be taken for that of the new one.
        let wal = wal(path);
        if fs::metadata(&wal).is_ok_and(|meta| meta.len() > 0) {
            return Err(StoreError::Damaged(format!("`{}` was not folded into its file", wal.display())));
        }
    }
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all()).map_err(io("write", path));
    sync(&new)?;
    fs::rename(&new, &old).map_err(io("replace", &old))?;
    sync(dir)
}

fn copy(old: &Path, new: &Path, dir: &Path, options: &StoreOptions, erasures: &str) -> Result<(), StoreError> {
    let text = |path: &Path| quoted(&path.to_string_lossy());
    let config = Config::default()
        .threads(i64::try_from(options.threads.max(1)).unwrap_or(1))?
        .max_memory(&format!("{}B", options.memory_bytes))?
        .with("temp_directory", dir.join("tmp").to_string_lossy())?
        .with("preserve_insertion_order", "true")?
        .enable_autoload_extension(false)?;
    let connection = Connection::open_in_memory_with_flags(config)?;
    connection.execute_batch(&format!(
        "ATTACH {} AS old; CHECKPOINT old; ATTACH {} AS new (ROW_GROUP_SIZE {ROW_GROUP});",
        text(old),
        text(new),
    ))?;
    let mut statement =
        connection.prepare("SELECT table_name FROM duckdb_tables() WHERE database_name = 'old' ORDER BY table_name")?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    drop(statement);
    for table in tables {
        let name = identifier(&table);
        let columns = match table.as_str() {
            // Whom it was about goes with the rest.
            "erasures" => erasures,
            _ => "SELECT *",
        };
        // What was emptied has left its place.
        let order = if table == "log" { "ORDER BY seq" } else { "" };
        connection.execute_batch(&format!("CREATE TABLE new.main.{name} AS {columns} FROM old.main.{name} {order}"))?;
    }
    connection.execute_batch("CHECKPOINT new; DETACH new; DETACH old;")?;
    Ok(())
}

fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |error| StoreError::Io { action, path: path.to_owned(), error }
}
