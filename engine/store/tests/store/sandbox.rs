//! SQL of users reads the store, and nothing else.

use crate::support::*;
use serde_json::json;
use sonder_store::{Query, Reader, StoreError};
use std::time::{Duration, Instant};

fn refusal(reader: &Reader, sql: &str) -> String {
    match reader.query(&Query::new(sql)) {
        Err(StoreError::Refused { message, .. }) => message,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn queries_of_every_form_run() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    store.append(&program, &batch(views(&program, 1, 3))).unwrap();
    for sql in [
        "SELECT 1",
        "-- how many\nselect count(*) from log;",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "FROM log LIMIT 1",
        "VALUES (1, 'a')",
        "TABLE log",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "DESCRIBE log",
        "DESCRIBE SELECT 1",
        "SHOW TABLES",
        "SUMMARIZE log",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT count(*) FROM log",
        "SELECT * FROM range(3)",
        "SELECT unnest(identifiers) FROM log",
        "SELECT * FROM log, unnest(identifiers) AS u(i)",
        "SELECT payload->>'$.type' FROM log",
        "SELECT ';', 'a; drop table log', $$;$$ -- ;\n",
        "SELECT '\"type\":\"TABLE_FUNCTION\"', '\"function_name\":\"read_text\"'",
        "SELECT table_name FROM information_schema.tables",
        "SELECT event, column_name FROM typed_columns",
    ] {
        reader.query(&Query::new(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[test]
fn whatever_changes_or_reaches_outside_is_refused() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let Opened { store, reader, .. } = open(dir.path(), &program);
    store.append(&program, &batch(views(&program, 1, 3))).unwrap();
    let secret = dir.path().join("secret.csv");
    std::fs::write(&secret, "a\n1\n").unwrap();
    let secret = secret.display();
    let own = dir.path().join("sonder.duckdb");
    for sql in [
        "".to_owned(),
        "-- nothing".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "SELECT 1; DROP TABLE log".to_owned(),
        "COMMIT; DROP TABLE log; SELECT 1".to_owned(),
        "ROLLBACK".to_owned(),
        "DELETE FROM log".to_owned(),
        "INSERT INTO log(seq) VALUES (9)".to_owned(),
        "UPDATE log SET payload = ''".to_owned(),
        "CREATE TABLE x(i INT)".to_owned(),
        "CREATE TEMP TABLE x(i INT)".to_owned(),
        "CREATE MACRO f(a) AS a + 1".to_owned(),
        "DROP TABLE log".to_owned(),
        "ALTER TABLE log ADD COLUMN x INT".to_owned(),
        "WITH x AS (DELETE FROM log RETURNING *) SELECT * FROM x".to_owned(),
        format!("COPY log TO '{secret}'"),
        format!("COPY (SELECT 1) TO '{}'", dir.path().join("out.csv").display()),
        format!("EXPLAIN ANALYZE COPY log TO '{}'", dir.path().join("out.csv").display()),
        "EXPLAIN ANALYZE DELETE FROM log".to_owned(),
        "EXPLAIN EXPLAIN SELECT 1".to_owned(),
        format!("EXPORT DATABASE '{}'", dir.path().display()),
        format!("ATTACH '{}'", dir.path().join("x.db").display()),
        "DETACH sonder".to_owned(),
        "USE memory".to_owned(),
        "INSTALL httpfs".to_owned(),
        "LOAD httpfs".to_owned(),
        "PRAGMA database_list".to_owned(),
        "SET threads = 9".to_owned(),
        "RESET threads".to_owned(),
        "CHECKPOINT".to_owned(),
        "CALL enable_logging()".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "VACUUM".to_owned(),
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT (SELECT content FROM read_text('{secret}'))"),
        format!("SELECT * FROM read_blob('{}')", own.display()),
        format!("WITH x AS (SELECT * FROM glob('{}/*')) SELECT * FROM x", dir.path().display()),
        format!("DESCRIBE SELECT * FROM read_csv('{secret}')"),
        format!("SUMMARIZE FROM read_csv('{secret}')"),
        format!("EXPLAIN ANALYZE SELECT * FROM read_csv('{secret}')"),
        "SELECT * FROM read_csv('https://example.com/a.csv')".to_owned(),
        "SELECT * FROM checkpoint()".to_owned(),
        "SELECT * FROM force_checkpoint()".to_owned(),
        "SELECT * FROM enable_logging()".to_owned(),
        format!("SELECT * FROM query('FROM read_blob(''{}'')')", own.display()),
        "SELECT * FROM json_execute_serialized_sql('{}')".to_owned(),
        "SELECT * FROM no_such_table".to_owned(),
        "SELEC 1".to_owned(),
        "SELECT 1 \0".to_owned(),
        format!("SELECT '{}'", "x".repeat(2 << 20)),
    ] {
        let message = refusal(&reader, &sql);
        assert!(!message.is_empty() && !message.contains("INTERNAL"), "{sql}: {message}");
    }
    assert_eq!(ask(&reader, "SELECT count(*), max(seq) FROM log"), json!([[3, 3]]));
    assert!(!dir.path().join("out.csv").exists());
    store.append(&program, &batch(views(&program, 4, 1))).unwrap();
}

#[test]
fn refusals_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { reader, .. } = open(dir.path(), &shop());
    for (sql, words) in [
        ("SELECT 1; SELECT 2", "there is more than one statement"),
        ("", "there is no statement"),
        ("DROP TABLE log", "only queries can be run"),
        ("SELECT * FROM read_csv('x')", "the table function `read_csv` is not available here"),
        ("SELEC 1", "syntax error at or near \"SELEC\""),
        ("SELECT nothing FROM log", "\"nothing\" not found"),
    ] {
        let message = refusal(&reader, sql);
        assert!(message.contains(words), "{sql}: {message}");
    }
}

#[test]
fn rows_bytes_and_time_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { reader, .. } = open(dir.path(), &shop());
    let numbers = Query { max_rows: 10, ..Query::new("SELECT * FROM range(1000000000000)") };
    for (max_rows, rows) in [(9, 9), (10, 10)] {
        let answer = reader.query(&Query { max_rows, ..numbers.clone() }).unwrap();
        assert_eq!((answer.rows.len(), answer.truncated), (rows, true));
    }
    let exactly = reader.query(&Query { max_rows: 3, ..Query::new("SELECT * FROM range(3)") }).unwrap();
    assert_eq!((exactly.rows.len(), exactly.truncated), (3, false));
    let long =
        reader.query(&Query { max_bytes: 5_000, ..Query::new("SELECT repeat('x', 1000) FROM range(100)") }).unwrap();
    assert!(long.truncated && long.rows.len() < 7, "{}", long.rows.len());

    let slow = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3";
    let started = Instant::now();
    let late = reader.query(&Query { timeout: Duration::from_millis(200), ..Query::new(slow) });
    assert!(matches!(late, Err(StoreError::TimedOut)), "{late:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(ask(&reader, "SELECT 1"), json!([[1]]));
}

#[test]
fn values_of_every_type_become_json() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { reader, .. } = open(dir.path(), &shop());
    let answer = reader
        .query(&Query::new(
            "SELECT true AS a, -5::TINYINT AS b, 9223372036854775807 AS c, 170141183460469231731687303715884105727::HUGEINT AS d,
                1.50::DECIMAL(9,2) AS e, 2.5::DOUBLE AS f, 'x' AS g, TIMESTAMP '2026-03-01 10:00:00.5' AS h, DATE '2026-03-01' AS i,
                [1, NULL] AS j, {'k': 1, 'l': ['x']} AS k, MAP {'m': 1} AS l, NULL AS m, '\\xAB'::BLOB AS n,
                '0123456789abcdef0123456789abcdef'::UUID AS o, 'happy'::ENUM('sad', 'happy') AS p, INTERVAL 1 DAY AS q, TIME '10:00:01' AS r",
        ))
        .unwrap();
    assert_eq!(
        json!(answer.rows[0][..16]),
        json!([
            true, -5, 9_223_372_036_854_775_807_i64, "170141183460469231731687303715884105727", "1.50", 2.5, "x",
            "2026-03-01T10:00:00.500000Z", "2026-03-01", [1, null], {"k": 1, "l": ["x"]}, {"m": 1}, null, "ab",
            "0123456789abcdef0123456789abcdef", "happy"
        ])
    );
    assert!(answer.rows[0][16].is_string() && answer.rows[0][17].is_string());
    assert_eq!((&*answer.columns[4].name, &*answer.columns[4].kind), ("e", "DECIMAL(9,2)"));
    reader.query(&Query::new("SELECT * FROM log")).unwrap();
}
