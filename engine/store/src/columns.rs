//! Rows as Parquet: delivered items, which the destination `sonder/files@1` keeps for a warehouse, and members of a segment.
//!
//! Lines of JSON go in; DuckDB reads and writes files in a database of its own in memory, as for [`files`](crate::files).

use crate::database::quoted;
use crate::{StoreError, limits};
use duckdb::{Config, Connection};
use std::path::Path;

/// The columns, as DuckDB reads them from lines.
const COLUMNS: &str = "{id: 'VARCHAR', kind: 'VARCHAR', name: 'VARCHAR', \"at\": 'TIMESTAMPTZ', \
                       person: 'STRUCT(kind VARCHAR, value VARCHAR)[]', payload: 'JSON'}";

/// Those of members.
const MEMBERS: &str = "{person: 'VARCHAR', since: 'TIMESTAMPTZ', identifiers: 'STRUCT(kind VARCHAR, value VARCHAR)[]'}";

/// Writes the rows of a file of lines as the Parquet file `to`.
///
/// # Errors
/// When the lines are no rows, or the file cannot be written.
pub fn write(lines: &Path, to: &Path) -> Result<(), StoreError> {
    write_as(COLUMNS, lines, to)
}

/// The same for members of a segment.
pub(crate) fn write_members(lines: &Path, to: &Path) -> Result<(), StoreError> {
    write_as(MEMBERS, lines, to)
}

fn write_as(columns: &str, lines: &Path, to: &Path) -> Result<(), StoreError> {
    let from = format!("read_json({}, format = 'newline_delimited', columns = {columns})", place(lines)?);
    copy(&connection()?, &format!("FROM {from}"), to)
}

/// The ids in a Parquet file.
///
/// # Errors
/// When it cannot be read.
pub fn ids(file: &Path) -> Result<Vec<String>, StoreError> {
    let connection = connection()?;
    let mut statement = connection.prepare(&format!("SELECT id FROM read_parquet({})", place(file)?))?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Writes a Parquet file's rows as the file `to`, but for those about somebody with one of these identifiers (kind and value);
/// gives how many they are. With none, nothing is written.
///
/// # Errors
/// When the file cannot be read, or the other not be written.
pub fn without(file: &Path, identifiers: &[(String, String)], to: &Path) -> Result<u64, StoreError> {
    if identifiers.is_empty() {
        return Ok(0);
    }
    let connection = connection()?;
    let from = format!("read_parquet({})", place(file)?);
    let whose = identifiers.iter().map(|(kind, value)| {
        format!("list_contains(person, {{'kind': {}, 'value': {}}})", quoted(kind), quoted(value))
    });
    // A person without identifiers is an empty list, never none.
    let whose = whose.collect::<Vec<_>>().join(" OR ");
    let count: u64 =
        connection.query_row(&format!("SELECT count(*) FROM {from} WHERE {whose}"), [], |row| row.get(0))?;
    if count > 0 {
        copy(&connection, &format!("FROM {from} WHERE NOT ({whose})"), to)?;
    }
    Ok(count)
}

fn copy(connection: &Connection, query: &str, to: &Path) -> Result<(), StoreError> {
    let to = text(to).map(quoted)?;
    connection.execute_batch(&format!("COPY ({query}) TO {to} (FORMAT parquet, COMPRESSION zstd)"))?;
    Ok(())
}

fn connection() -> Result<Connection, StoreError> {
    let config = Config::default()
        .threads(1)?
        .max_memory(&format!("{}B", limits::FILE_MEMORY_BYTES))?
        .enable_autoload_extension(false)?;
    let connection = Connection::open_in_memory_with_flags(config)?;
    connection.execute_batch("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")?;
    Ok(connection)
}

/// DuckDB takes `*`, `?` and `[` in a path for a pattern; here a path is a path.
fn place(path: &Path) -> Result<String, StoreError> {
    Ok(quoted(&text(path)?.replace('[', "[[]").replace('*', "[*]").replace('?', "[?]")))
}

fn text(path: &Path) -> Result<&str, StoreError> {
    path.to_str().ok_or_else(|| StoreError::Refused {
        message: format!("the path `{}` is not UTF-8", path.display()),
        help: "choose another".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"id":"0a","kind":"segment-entered","name":"vip","at":"2026-03-01T02:59:00.000000Z","person":[{"kind":"email","value":"ann@shop.example"},{"kind":"user_id","value":"u7"}],"payload":{"segment":"vip","traits":{"lifetime_value":"129.90"}}}
{"id":"0b","kind":"event","name":"it's","at":"2026-03-01T03:00:00.123456Z","person":[],"payload":{"total":"9.95","lines":["a\nb"]}}
"#;

    #[test]
    fn rows_have_types_and_payloads_stay_json() {
        let folder = tempfile::tempdir().unwrap();
        let (lines, file) = (folder.path().join("it's [1].sealed"), folder.path().join("it's [1].parquet"));
        std::fs::write(&lines, LINES).unwrap();
        write(&lines, &file).unwrap();
        assert_eq!(ids(&file).unwrap(), ["0a", "0b"]);
        let connection = connection().unwrap();
        let types = "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM read_parquet(";
        let types: String =
            connection.query_row(&format!("{types}{}))", place(&file).unwrap()), [], |row| row.get(0)).unwrap();
        assert_eq!(
            types,
            "id VARCHAR, kind VARCHAR, name VARCHAR, at TIMESTAMP WITH TIME ZONE, \
             person STRUCT(kind VARCHAR, \"value\" VARCHAR)[], payload JSON"
        );
        let what = "SELECT (payload->>'total') || ' ' || (payload->>'$.lines[0]') || ' ' || epoch_us(\"at\")";
        let found: String = connection
            .query_row(&format!("{what} FROM read_parquet({}) WHERE id = '0b'", place(&file).unwrap()), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(found, "9.95 a\nb 1772334000123456");
    }

    #[test]
    fn whose_rows_are_left_out_is_said_by_kind_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let [lines, file, to] = ["lines", "a.parquet", "b.parquet"].map(|name| folder.path().join(name));
        std::fs::write(&lines, LINES).unwrap();
        write(&lines, &file).unwrap();
        let named = |kind: &str, value: &str| vec![(kind.to_owned(), value.to_owned())];
        assert_eq!(without(&file, &named("user_id", "ann@shop.example"), &to).unwrap(), 0);
        assert_eq!(without(&file, &[], &to).unwrap(), 0);
        assert!(!to.exists());
        assert_eq!(without(&file, &named("user_id", "u7"), &to).unwrap(), 1);
        assert_eq!(ids(&to).unwrap(), ["0b"]);
    }
}
