//! Rows for people (a table), for machines (JSON lines) and for spreadsheets (CSV).

use super::output::{Failure, Output};
use serde_json::Value as Json;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns in line, for reading
    Table,
    /// One JSON object a row
    Json,
    /// RFC 4180, with a header
    Csv,
}

/// What a statement returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Their names, in order.
    pub columns: Vec<String>,
    /// One value a column.
    pub rows: Vec<Vec<Json>>,
    /// Whether there were more.
    pub truncated: bool,
}

/// From the API's answer.
pub fn from_json(answer: &Json) -> Result<Rows, Failure> {
    let odd = || Failure::engine("the engine's answer has another shape than this version of sonder knows");
    let columns = answer["columns"].as_array().ok_or_else(odd)?;
    let columns = columns.iter().map(|column| column["name"].as_str().unwrap_or_default().to_owned()).collect();
    let rows = answer["rows"].as_array().ok_or_else(odd)?;
    let rows = rows.iter().map(|row| row.as_array().cloned().ok_or_else(odd)).collect::<Result<_, _>>()?;
    Ok(Rows { columns, rows, truncated: answer["truncated"].as_bool().unwrap_or(false) })
}

/// Prints them.
pub fn print(rows: &Rows, format: Format, output: &mut Output<'_>) -> Result<(), Failure> {
    match format {
        Format::Table => table(rows, output),
        Format::Json => json(rows, output),
        Format::Csv => csv(rows, output),
    }
}

fn table(rows: &Rows, output: &mut Output<'_>) -> Result<(), Failure> {
    let cells: Vec<Vec<String>> = rows.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let widths: Vec<usize> = rows
        .columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let widest = cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(name.chars().count())
        })
        .collect();
    let is_number: Vec<bool> =
        (0..widths.len()).map(|at| rows.rows.iter().any(|row| row.get(at).is_some_and(Json::is_number))).collect();
    let line = |cells: &[String]| {
        let padded =
            cells.iter().zip(&widths).zip(&is_number).map(|((cell, &width), &right)| {
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    output.line(line(&rows.columns))?;
    output.line(widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>().join("  "))?;
    for row in &cells {
        output.line(line(row))?;
    }
    Ok(())
}

fn json(rows: &Rows, output: &mut Output<'_>) -> Result<(), Failure> {
    for row in &rows.rows {
        let object: serde_json::Map<_, _> = rows.columns.iter().cloned().zip(row.iter().cloned()).collect();
        output.line(Json::Object(object))?;
    }
    Ok(())
}

fn csv(rows: &Rows, output: &mut Output<'_>) -> Result<(), Failure> {
    let quoted = |text: &str| {
        let must = text.contains(['"', ',', '\n', '\r']);
        if must { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let line = |cells: Vec<String>| format!("{}\r\n", cells.join(","));
    output.text(&line(rows.columns.iter().map(|name| quoted(name)).collect()))?;
    for row in &rows.rows {
        output.text(&line(row.iter().map(|value| quoted(&cell(value))).collect()))?;
    }
    Ok(())
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: Format) -> String {
        let rows = Rows {
            columns: vec!["event".into(), "n".into(), "note".into()],
            rows: vec![vec![json!("order"), json!(12), Json::Null], vec![json!("a, \"b\""), json!(3), json!({"x": 1})]],
            truncated: false,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
        print(&rows, format, &mut output).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_lines_up() {
        assert_eq!(
            printed(Format::Table),
            "event    n  note\n------  --  -------\norder   12\na, \"b\"   3  {\"x\":1}\n"
        );
    }

    #[test]
    fn csv_quotes_what_must_be_quoted() {
        assert_eq!(printed(Format::Csv), "event,n,note\r\norder,12,\r\n\"a, \"\"b\"\"\",3,\"{\"\"x\"\":1}\"\r\n");
    }

    #[test]
    fn json_is_one_object_a_row() {
        assert_eq!(
            printed(Format::Json),
            "{\"event\":\"order\",\"n\":12,\"note\":null}\n{\"event\":\"a, \\\"b\\\"\",\"n\":3,\"note\":{\"x\":1}}\n"
        );
    }
}
