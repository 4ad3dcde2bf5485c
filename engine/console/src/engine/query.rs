//! Read-only SQL.

use serde::Serialize;
use serde_json::Value as Json;
use sonder_dsl::time::Moment;
use std::time::Duration;

/// A statement and how far it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// One read-only statement.
    pub sql: String,
    /// No more rows than this are returned.
    pub max_rows: usize,
    /// It is interrupted after this long.
    pub timeout: Duration,
    /// As of this moment; now where there is none.
    pub at: Option<Moment>,
}

/// What a statement returned.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rows {
    /// In order.
    pub columns: Vec<Column>,
    /// Each with a value for every column. 64-bit integers are numbers; decimals, timestamps and larger integers are
    /// strings; lists and structs are JSON.
    pub rows: Vec<Vec<Json>>,
    /// Whether there were more rows than returned.
    pub truncated: bool,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its SQL type: `BIGINT`, `DECIMAL(18,2)`, `VARCHAR` …
    #[serde(rename = "type")]
    pub kind: String,
}
