//! An answer as CSV, in RFC 4180's form: a header line, and quotes where a value needs them.

use super::Answer;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::io::{self, Write};

impl Answer {
    /// Writes the answer. Unknown values are empty; lists and structs are JSON.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let header = self.columns.iter().map(|column| Cow::Borrowed(column.name.as_str()));
        line(out, header)?;
        for row in &self.rows {
            line(out, row.iter().map(text))?;
        }
        Ok(())
    }
}

fn line<'a>(out: &mut impl Write, cells: impl Iterator<Item = Cow<'a, str>>) -> io::Result<()> {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

fn text(value: &Json) -> Cow<'_, str> {
    match value {
        Json::Null => Cow::Borrowed(""),
        Json::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Column;
    use serde_json::json;

    #[test]
    fn quotes_only_what_needs_it() {
        let column = |name: &str| Column { name: name.into(), kind: "VARCHAR".into() };
        let answer = Answer {
            columns: vec![column("a"), column("b,c")],
            rows: vec![vec![json!("x"), json!("say \"hi\"\n")], vec![json!(null), json!([1, "2"])]],
            truncated: false,
        };
        let mut out = Vec::new();
        answer.write_csv(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\"\r\nx,\"say \"\"hi\"\"\n\"\r\n,\"[1,\"\"2\"\"]\"\r\n");
    }
}
