//! Which statements users may run: one query, whose table functions are on a list.
//!
//! The judge is DuckDB's own parser, by way of `json_serialize_sql`, which takes queries and nothing else and gives back
//! their syntax tree. The tree is scanned as text: a quotation mark inside a name or a string is escaped there, so the
//! patterns below match nothing but the tree's own keys, and deep nesting costs no stack.

use crate::{StoreError, limits};
use duckdb::{Connection, params};
use serde::Deserialize;

/// A statement that may run.
#[derive(Debug)]
pub(super) struct Guarded {
    /// Whether `DESCRIBE` can be put before it.
    pub describable: bool,
}

/// Table functions that touch nothing but the store's own tables.
const TABLE_FUNCTIONS: &[&str] = &[
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_keywords",
    "duckdb_schemas",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_views",
    "generate_series",
    "json_each",
    "json_tree",
    "pragma_storage_info",
    "pragma_table_info",
    "range",
    "repeat",
    "repeat_row",
    "summary",
    "unnest",
];
/// Scalar functions that do more than compute.
const FORBIDDEN: &[&str] = &["nextval", "currval", "setseed", "write_log", "getenv", "query", "query_table"];

const TABLE_FUNCTION: &str = "\"type\":\"TABLE_FUNCTION\"";
const FUNCTION_NAME: &str = "\"function_name\":\"";

#[derive(Deserialize)]
struct Verdict {
    error: bool,
    error_type: Option<String>,
    error_message: Option<String>,
}

/// Refuses whatever is not one read-only query.
pub(super) fn check(connection: &Connection, sql: &str) -> Result<Guarded, StoreError> {
    if sql.len() > limits::MAX_QUERY_TEXT {
        return refuse(format!("the statement is longer than {} bytes", limits::MAX_QUERY_TEXT));
    }
    if sql.contains('\0') {
        return refuse("the statement contains a NUL character".into());
    }
    let (query, explained) = match after_explain(sql) {
        Some(rest) => (rest, true),
        None => (sql, false),
    };
    let tree: String =
        connection.query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", params![query], |row| row.get(0))?;
    // Only the head is read: the tree itself may be deeper than a JSON reader goes.
    if tree.starts_with("{\"error\":true") {
        let verdict: Verdict = serde_json::from_str(&tree)
            .map_err(|error| StoreError::Damaged(format!("the parser's verdict cannot be read: {error}")))?;
        return refuse(objection(&verdict));
    }
    match tree.matches("{\"node\":{\"type\":").count() {
        0 => return refuse("there is no statement".into()),
        // Subqueries have nodes of their own; only the list of statements says how many there are.
        _ if statements(&tree) > 1 => return refuse("there is more than one statement".into()),
        _ => {}
    }
    check_functions(&tree)?;
    let word = first_word(query).to_ascii_lowercase();
    Ok(Guarded { describable: !explained && !matches!(word.as_str(), "describe" | "desc" | "show" | "summarize") })
}

fn check_functions(tree: &str) -> Result<(), StoreError> {
    let mut rest = tree;
    while let Some(place) = rest.find(FUNCTION_NAME) {
        let of_table = rest[..place].rfind(TABLE_FUNCTION).is_some();
        let name_and_more = &rest[place + FUNCTION_NAME.len()..];
        let name = name_and_more.split('"').next().unwrap_or_default().to_ascii_lowercase();
        if of_table && !TABLE_FUNCTIONS.contains(&name.as_str()) {
            return refuse(format!("the table function `{name}` is not available here"));
        }
        if !of_table && FORBIDDEN.contains(&name.as_str()) {
            return refuse(format!("the function `{name}` is not available here"));
        }
        rest = name_and_more;
    }
    Ok(())
}

/// How many statements the tree has: the elements of its outermost list, told by the depth of its brackets.
fn statements(tree: &str) -> usize {
    let Some(list) = tree.find("\"statements\":[") else { return 0 };
    let (mut depth, mut count, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in tree[list + "\"statements\":".len()..].bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                count += usize::from(depth == 2);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    count
}

fn objection(verdict: &Verdict) -> String {
    debug_assert!(verdict.error, "only errors are looked into");
    match (verdict.error_type.as_deref(), &verdict.error_message) {
        (Some("parser"), Some(message)) => message.clone(),
        _ => "only queries can be run: SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN".to_owned(),
    }
}

fn refuse<T>(message: String) -> Result<T, StoreError> {
    let help = "one query at a time; what changes or reaches outside is not possible here".to_owned();
    Err(StoreError::Refused { message, help })
}

/// What is explained, where the statement is an `EXPLAIN`.
fn after_explain(sql: &str) -> Option<&str> {
    let sql = skip_blank(sql);
    let rest = strip_word(sql, "explain")?;
    let rest = skip_blank(rest);
    Some(strip_word(rest, "analyze").unwrap_or(rest))
}

fn first_word(sql: &str) -> &str {
    let sql = skip_blank(sql);
    let end = sql.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(sql.len());
    &sql[..end]
}

fn strip_word<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    first_word(sql).eq_ignore_ascii_case(word).then(|| &sql[word.len()..])
}

/// Without white space and comments at its beginning.
fn skip_blank(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        let rest = if let Some(comment) = sql.strip_prefix("--") {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = sql.strip_prefix("/*") {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else {
            return sql;
        };
        sql = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_comments() {
        assert_eq!(first_word(" -- a\n/* b */ Select 1"), "Select");
        assert_eq!(after_explain("/**/EXPLAIN ANALYZE select 1"), Some(" select 1"));
        assert_eq!(after_explain("explainer"), None);
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(statements(r#"{"error":false,"statements":[{"a":"}]{\"["},{"b":[{}]}]}"#), 2);
        assert_eq!(statements(r#"{"error":false,"statements":[]}"#), 0);
    }
}
