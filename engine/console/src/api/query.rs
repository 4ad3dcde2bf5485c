//! Read-only SQL.

use super::people::short;
use crate::accept::{Format, preferred};
use crate::csv;
use crate::endpoint::{About, Endpoint, json_of, text_of};
use crate::engine::{Query, Rows, parse_instant};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::limits;
use crate::request::{Parameters, read_json};
use crate::turn::{Work, in_turn};
use crate::{Api, audit};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Number;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::post(
        "/api/v1/query",
        Some(Scope::Read),
        query,
        About {
            id: "query",
            group: "SQL",
            summary: "Run one read-only SQL statement",
            description: "DuckDB's SQL over the log (`log`), a table for each event (`ev_product_viewed` …) and the other \
            tables of the store. With `Accept: text/csv` the rows come as CSV. No more than `limit` rows are returned; \
            `truncated`, or the header `sonder-truncated: true`, says that there were more. With `at` all tables are what they were \
            then: the log is folded again up to there, which takes as long as it is.",
            parameters: vec![],
            body: Some("Query"),
            answers: vec![json_of("Rows"), text_of("text/csv")],
            refusals: &[400, 406, 413, 415, 422, 503],
        },
    )]
}

/// The body of a query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sql: String,
    limit: Option<Number>,
    at: Option<String>,
}

async fn query(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    Parameters::read(request.uri(), &[])?;
    let format = preferred(request.headers(), &[Format::Json, Format::Csv])?;
    let asked: Asked = read_json(request, r#"{"sql": "select count(*) from log"}"#).await?;
    let query = checked(asked)?;
    audit::note_about(audit::without_values(&query.sql));
    let rows = in_turn(&api, Work::Query, move |engine| engine.query(&query)).await?;
    Ok(match format {
        Format::Csv => as_csv(&rows),
        _ => Json(rows).into_response(),
    })
}

fn checked(asked: Asked) -> Result<Query, ApiError> {
    let length = asked.sql.chars().count();
    if asked.sql.trim().is_empty() || length > limits::SQL_CHARS || asked.sql.contains('\0') {
        let help = format!("a statement has 1 to {} characters", limits::SQL_CHARS);
        return Err(ApiError::bad("bad_body", "`sql` is not a statement", help));
    }
    let max_rows = asked.limit.map_or(Some(limits::ROWS_DEFAULT), |limit| whole(&limit));
    let Some(max_rows) = max_rows.filter(|rows| (1..=limits::ROWS_MOST).contains(rows)) else {
        let help = format!("it is a whole number from 1 to {}", limits::ROWS_MOST);
        return Err(ApiError::bad("bad_body", "`limit` is out of range", help));
    };
    let at = asked.at.map(|text| {
        let help = "it is a timestamp such as `2026-03-01T12:00:00Z`";
        parse_instant(&text)
            .ok_or_else(|| ApiError::bad("bad_body", format!("`at` cannot be `{}`", short(&text)), help))
    });
    Ok(Query { sql: asked.sql, max_rows, timeout: limits::QUERY_TIME, at: at.transpose()? })
}

/// A whole number, however it is written: to JSON `5.0` is one too.
fn whole(number: &Number) -> Option<usize> {
    if let Some(number) = number.as_u64() {
        return usize::try_from(number).ok();
    }
    let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
    (1..=limits::ROWS_MOST).contains(&(number as usize)).then_some(number as usize)
}

fn as_csv(rows: &Rows) -> Response {
    let mut text = csv::line(rows.columns.iter().map(|column| column.name.as_str()));
    for row in &rows.rows {
        let fields: Vec<String> = row.iter().map(csv::field).collect();
        text.push_str(&csv::line(fields.iter().map(String::as_str)));
    }
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if rows.truncated {
        response.headers_mut().insert("sonder-truncated", header::HeaderValue::from_static("true"));
    }
    response
}
