//! Files are read in order, typed, and from any row on.

use serde_json::{Map, Value as Json, json};
use sonder_store::StoreError;
use sonder_store::files::{FileFormat, FileOptions, FileRows};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn all(path: &Path, options: &FileOptions, skip: u64) -> Vec<Map<String, Json>> {
    let file = FileRows::open(path, options).unwrap();
    let mut rows = Vec::new();
    let end = file
        .each(skip, |first, chunk| {
            assert_eq!(first, skip + rows.len() as u64);
            rows.extend(chunk);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(end, skip + rows.len() as u64);
    rows
}

#[test]
fn csv_columns_are_typed_unless_they_are_to_stay_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(
        dir.path(),
        "a[1].csv",
        "id,price,at,name\n007,4.99,2026-03-01 10:00:00,\"Ann, A.\"\n008,5,2026-03-02 10:00:00,\n",
    );
    let typed = all(&path, &FileOptions::default(), 0);
    assert_eq!(
        json!(typed[0]),
        json!({"id": "007", "price": 4.99, "at": "2026-03-01T10:00:00.000000Z", "name": "Ann, A."})
    );
    assert_eq!(json!(typed[1]), json!({"id": "008", "price": 5.0, "at": "2026-03-02T10:00:00.000000Z"}));
    let text = all(&path, &FileOptions { text: true, ..FileOptions::default() }, 1);
    assert_eq!(json!(text), json!([{"id": "008", "price": "5", "at": "2026-03-02 10:00:00"}]));
}

#[test]
fn json_lines_come_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "{\"b\": 1, \"a\": {\"x\": null}}\n{\"b\": \"two\"}\n";
    let path = written(dir.path(), "events.ndjson", lines);
    assert_eq!(json!(all(&path, &FileOptions::default(), 0)), json!([{"b": 1, "a": {"x": null}}, {"b": "two"}]));
    let select = FileOptions { select: Some("SELECT json->>'b' AS b FROM file;".into()), ..FileOptions::default() };
    assert_eq!(json!(all(&path, &select, 1)), json!([{"b": "two"}]));
}

#[test]
fn parquet_keeps_its_types_and_large_files_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sales.parquet");
    let connection = duckdb::Connection::open_in_memory().unwrap();
    connection
        .execute_batch(&format!(
            "COPY (SELECT i AS n, (i / 100)::DECIMAL(9,2) AS price, ['a', 'b'] AS tags, i % 2 = 0 AS even
             FROM range(30000) t(i)) TO '{}'",
            path.display()
        ))
        .unwrap();
    let rows = all(&path, &FileOptions::default(), 12_345);
    assert_eq!(rows.len(), 30_000 - 12_345);
    assert_eq!(json!(rows[0]), json!({"n": 12_345, "price": 123.45, "tags": ["a", "b"], "even": false}));
    assert!(rows.iter().zip(12_345..).all(|(row, number)| row["n"] == json!(number)));
    let file = FileRows::open(&path, &FileOptions::default()).unwrap();
    assert_eq!(file.count().unwrap(), 30_000);
    assert_eq!(file.columns()[1].kind, "DECIMAL(9,2)");
}

#[test]
fn reading_stops_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = std::iter::once("n\n".to_owned()).chain((0..50_000).map(|n| format!("{n}\n"))).collect();
    let path = written(dir.path(), "n.csv", &text);
    let file = FileRows::open(&path, &FileOptions::default()).unwrap();
    let mut calls = 0;
    let end = file
        .each(0, |_, _| {
            calls += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(calls, 1);
    assert!((1..50_000).contains(&end));
    assert_eq!(all(&path, &FileOptions::default(), end)[0]["n"], json!(end));
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path, options: &FileOptions| {
        let error =
            FileRows::open(path, options).and_then(|file| file.each(0, |_, _| ControlFlow::Continue(()))).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        error.to_string()
    };
    let unknown = written(dir.path(), "a.xls", "");
    assert!(refused(&unknown, &FileOptions::default()).contains("format"));
    let broken = written(dir.path(), "a.ndjson", "{\"a\": 1}\n{\"a\": \n");
    assert!(!refused(&broken, &FileOptions::default()).is_empty());
    let array = written(dir.path(), "b.ndjson", "{\"a\": 1}\n[1]\n");
    assert!(!refused(&array, &FileOptions::default()).is_empty());
    let not_parquet = FileOptions { format: Some(FileFormat::Parquet), ..FileOptions::default() };
    assert!(refused(&broken, &not_parquet).contains("a.ndjson"));
    let missing = FileRows::open(&dir.path().join("none.csv"), &FileOptions::default()).unwrap_err();
    assert!(matches!(missing, StoreError::Io { .. }));
}
