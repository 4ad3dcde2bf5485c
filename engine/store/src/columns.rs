//! Rows as Parquet: delivered items, which the destination `sonder/files@1` keeps for a warehouse, and members of a segment.
//!
//! Lines of JSON go in; DuckDB reads and writes files in a database of its own in memory, as for [`files`](crate::files).

use crate::database::quoted;
use crate::{StoreError, limits};
use duckdb::{Config, Connection, params};
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

/// Writes a Parquet file's rows as the file `to`: without those about somebody with one of these identifiers (kind and value),
/// and with another payload where `left` gives one for a row's kind, name and payload. Gives how many went or changed; with none,
/// nothing is written.
///
/// # Errors
/// When the file cannot be read, or the other not be written.
pub fn without(
    file: &Path,
    identifiers: &[(String, String)],
    left: &dyn Fn(&str, &str, &str) -> Option<String>,
    to: &Path,
) -> Result<u64, StoreError> {
    let connection = connection()?;
    let from = format!("read_parquet({}, file_row_number = true)", place(file)?);
    let whose = identifiers.iter().map(|(kind, value)| {
        format!("list_contains(person, {{'kind': {}, 'value': {}}})", quoted(kind), quoted(value))
    });
    // A person without identifiers is an empty list, never none.
    let whose = whose.chain(["false".to_owned()]).collect::<Vec<_>>().join(" OR ");
    let gone: u64 =
        connection.query_row(&format!("SELECT count(*) FROM {from} WHERE {whose}"), [], |row| row.get(0))?;
    let changed = note_changed(&connection, &from, &whose, left)?;
    if gone + changed > 0 {
        // What changed is what is looked up: it is in memory already.
        connection.execute_batch("SET disabled_optimizers = 'join_order,build_side_probe_side'")?;
        let rows = format!(
            "SELECT it.* EXCLUDE (file_row_number) REPLACE (CAST(coalesce(changed.payload, it.payload) AS JSON) AS payload)
             FROM {from} it LEFT JOIN changed USING (file_row_number) WHERE NOT ({whose})"
        );
        copy(&connection, &rows, to)?;
    }
    Ok(gone + changed)
}

/// Notes in the table `changed` what is left of payloads of others; gives how many they are.
fn note_changed(
    connection: &Connection,
    from: &str,
    whose: &str,
    left: &dyn Fn(&str, &str, &str) -> Option<String>,
) -> Result<u64, StoreError> {
    connection.execute_batch("CREATE TABLE changed(file_row_number BIGINT, payload VARCHAR)")?;
    let mut appender = connection.appender("changed")?;
    let rows: i64 = connection.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0))?;
    let mut page = connection.prepare(&format!(
        "SELECT file_row_number, kind, name, payload::VARCHAR FROM {from}
         WHERE file_row_number BETWEEN ? AND ? AND payload IS NOT NULL AND NOT ({whose})"
    ))?;
    let (mut first, mut count) = (0, 0);
    while first < rows {
        let next = first + limits::ROWS_SEALED as i64;
        let mut found = page.query(params![first, next - 1])?;
        while let Some(row) = found.next()? {
            let texts: (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            if let Some(other) = left(&texts.0, &texts.1, &texts.2) {
                appender.append_row(params![row.get::<_, i64>(0)?, other])?;
                count += 1;
            }
        }
        first = next;
    }
    appender.flush()?;
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
    use proptest::prelude::*;
    use sonder_core::effect::ItemKind;
    use sonder_core::erasure::Names;
    use sonder_core::erasure::redact::Told;
    use sonder_dsl::source::{SourceFile, SourceSet};
    use std::collections::BTreeMap;

    const LINES: &str = r#"{"id":"0a","kind":"segment-entered","name":"vip","at":"2026-03-01T02:59:00.000000Z","person":[{"kind":"email","value":"ann@shop.example"},{"kind":"user_id","value":"u7"}],"payload":{"segment":"vip","traits":{"lifetime_value":"129.90"}}}
{"id":"0b","kind":"event","name":"it's","at":"2026-03-01T03:00:00.123456Z","person":[],"payload":{"total":"9.95","lines":["a\nb"]}}
"#;

    fn types(file: &Path) -> String {
        let types = "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM read_parquet(";
        let types = format!("{types}{}))", place(file).unwrap());
        connection().unwrap().query_row(&types, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn rows_have_types_and_payloads_stay_json() {
        let folder = tempfile::tempdir().unwrap();
        let (lines, file) = (folder.path().join("it's [1].sealed"), folder.path().join("it's [1].parquet"));
        std::fs::write(&lines, LINES).unwrap();
        write(&lines, &file).unwrap();
        assert_eq!(ids(&file).unwrap(), ["0a", "0b"]);
        let connection = connection().unwrap();
        assert_eq!(
            types(&file),
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

    /// Payload and everything else of each row, by id.
    fn rows(file: &Path) -> BTreeMap<String, (String, String)> {
        let connection = connection().unwrap();
        let columns = "id, payload::VARCHAR, row(kind, name, \"at\", person)::VARCHAR";
        let sql = format!("SELECT {columns} FROM read_parquet({})", place(file).unwrap());
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn whose_rows_are_left_out_is_said_by_kind_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let [lines, file, to] = ["lines", "a.parquet", "b.parquet"].map(|name| folder.path().join(name));
        std::fs::write(&lines, LINES).unwrap();
        write(&lines, &file).unwrap();
        let named = |kind: &str, value: &str| vec![(kind.to_owned(), value.to_owned())];
        let stays = |_: &str, _: &str, _: &str| None;
        assert_eq!(without(&file, &named("user_id", "ann@shop.example"), &stays, &to).unwrap(), 0);
        assert_eq!(without(&file, &[], &stays, &to).unwrap(), 0);
        assert!(!to.exists());
        assert_eq!(without(&file, &named("user_id", "u7"), &stays, &to).unwrap(), 1);
        assert_eq!(ids(&to).unwrap(), ["0b"]);
    }

    #[test]
    fn another_payload_takes_its_place_and_all_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let [lines, file, to] = ["lines", "a.parquet", "b.parquet"].map(|name| folder.path().join(name));
        // More than are looked at in one go.
        let line = |n: usize| {
            let total = format!("{n}.5");
            format!(
                "{{\"id\":\"{n:x}\",\"kind\":\"event\",\"name\":\"it's\",\"at\":\"2026-03-01T03:00:00.123456Z\",\"person\":[],\
                 \"payload\":{{\"total\":{total},\"friend\":\"f{n}\"}}}}\n"
            )
        };
        std::fs::write(&lines, (0..limits::ROWS_SEALED + 5).map(line).collect::<String>()).unwrap();
        write(&lines, &file).unwrap();
        let left = |kind: &str, name: &str, payload: &str| {
            assert_eq!((kind, name), ("event", "it's"));
            let is_named = payload.contains("\"f7\"") || payload.contains("\"f20002\"");
            is_named.then(|| payload.replace("\"f7\"", "\"erased\"").replace("\"f20002\"", "\"erased\""))
        };
        assert_eq!(without(&file, &[], &left, &to).unwrap(), 2);
        let (before, mut after) = (rows(&file), rows(&to));
        for (n, payload) in
            [(7, r#"{"total":7.5,"friend":"erased"}"#), (20_002, r#"{"total":20002.5,"friend":"erased"}"#)]
        {
            let id = format!("{n:x}");
            assert_eq!(after[&id].0, payload);
            after.get_mut(&id).unwrap().0.clone_from(&before[&id].0);
        }
        assert_eq!(after, before);
        assert_eq!(types(&to), types(&file));
    }

    /// A word of what somebody else says, and what it is to be.
    fn word() -> impl Strategy<Value = (String, String)> {
        let mention = |text: &str| Just((text.to_owned(), "erased".to_owned()));
        prop_oneof![
            mention("vic@shop.example"),
            mention("Vic@Shop.example"),
            mention("vic%40shop.example"),
            mention("VIC-1815"),
            "[a-z0-9']{1,4}".prop_map(|text| (text.clone(), text)),
            "[a-z0-9]{1,3}".prop_map(|more| (format!("vic-1815{more}"), format!("vic-1815{more}"))),
            "[a-z0-9]{1,3}".prop_map(|more| (format!("{more}vic@shop.example"), format!("{more}vic@shop.example"))),
            Just(("1815".to_owned(), "1815".to_owned())),
        ]
    }

    proptest! {
        // Each case opens databases.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn nobody_elses_row_changes_but_where_it_names_them(
            said in proptest::collection::vec((any::<bool>(), proptest::collection::vec(word(), 0..5)), 1..40),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let [lines, file, to] = ["lines", "a.parquet", "b.parquet"].map(|name| folder.path().join(name));
            let payload = |words: Vec<&String>| {
                let text = words.into_iter().fold("to".to_owned(), |text, word| text + " " + word);
                format!(r#"{{"properties":{{"n":12.5,"text":"{text}","list":[1.0,"é\\n",null]}}}}"#)
            };
            let (mut text, mut left) = (String::new(), BTreeMap::new());
            let mut whose = 0;
            for (n, (is_theirs, words)) in said.iter().enumerate() {
                let user = if *is_theirs { "vic-1815" } else { "bob" };
                text += &format!(
                    "{{\"id\":\"{n:x}\",\"kind\":\"event\",\"name\":\"x\",\"at\":\"2026-03-01T03:00:00.123456Z\",\
                     \"person\":[{{\"kind\":\"user_id\",\"value\":\"{user}\"}}],\"payload\":{}}}\n",
                    payload(words.iter().map(|it| &it.0).collect()),
                );
                if *is_theirs {
                    whose += 1;
                } else {
                    left.insert(format!("{n:x}"), payload(words.iter().map(|it| &it.1).collect()));
                }
            }
            std::fs::write(&lines, text).unwrap();
            write(&lines, &file).unwrap();
            let changed = rows(&file).iter().filter(|(id, row)| left.get(*id).is_some_and(|left| *left != row.0)).count();
            let name = SourceFile { path: "sonder.yaml".to_owned(), text: "name: shop".to_owned() };
            let program = sonder_dsl::compile(SourceSet::new(vec![name])).program.unwrap();
            let known_by = ["vic-1815", "1815"].map(|it| ("user_id".to_owned(), it.to_owned()));
            let mut names = Names::new(&program, &known_by);
            names.add("vic@shop.example");
            let told = Told::new(names);
            let told = |_: &str, name: &str, payload: &str| told.left(ItemKind::Event, name, payload);
            let count = without(&file, &known_by, &told, &to).unwrap();
            prop_assert_eq!(count, (whose + changed) as u64);
            let found = rows(if count > 0 { &to } else { &file });
            let payloads: BTreeMap<String, String> = found.into_iter().map(|(id, row)| (id, row.0)).collect();
            prop_assert_eq!(payloads, left);
        }
    }
}
