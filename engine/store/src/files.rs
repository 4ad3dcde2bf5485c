//! Reading files of events or records: CSV, JSON lines and Parquet, also gzipped.
//!
//! DuckDB reads them, in a database of its own in memory, so that the store's is never opened to the file system. Rows come
//! in the order of the file, some thousand at a time, in bounded memory; reading can begin at any row, so that an import
//! that was interrupted goes on where it was.
//!
//! A row is a JSON object. JSON lines come as they are written; columns of the other formats become its fields, those
//! without a value are left out. A `SELECT` may stand between, over the table `file`: with it columns are renamed,
//! converted, filtered, before anything sees them.

use crate::database::{quoted, says};
use crate::sql::cell;
use crate::{Column, StoreError, limits};
use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::DataType;
use duckdb::{Config, Connection};
use serde_json::{Map, Number, Value as Json};
use std::ops::ControlFlow;
use std::path::Path;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated (or semicolons, tabs, bars: it looks), with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Parquet.
    Parquet,
}

impl FileFormat {
    /// By the file's name: `.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.json`, `.parquet`, each also with `.gz` but the last.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        Some(match name.rsplit_once('.')?.1 {
            "csv" | "tsv" => Self::Csv,
            "ndjson" | "jsonl" | "json" => Self::JsonLines,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }
}

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// `None` to go by the name.
    pub format: Option<FileFormat>,
    /// A query over the table `file`; `None` for all of it. JSON lines have one column, `json`.
    pub select: Option<String>,
    /// Whether CSV values stay text, instead of being numbers, moments and truths where a whole column looks like it.
    /// Names that look like numbers (`20e1`) need that; a leading zero alone keeps a column text.
    pub text: bool,
}

/// The rows of a file.
#[derive(Debug)]
pub struct FileRows {
    connection: Connection,
    query: String,
    columns: Vec<Column>,
    /// Whether a row is the JSON object in its only column.
    objects: bool,
}

impl FileRows {
    /// Opens a file, and looks at its beginning to learn its columns.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it cannot be read as what it should be, or its format is not known.
    pub fn open(path: &Path, options: &FileOptions) -> Result<Self, StoreError> {
        let Some(format) = options.format.or_else(|| FileFormat::of(path)) else {
            return Err(StoreError::Refused {
                message: format!("the format of `{}` is not known", path.display()),
                help: "name it with one of .csv, .ndjson, .jsonl, .parquet, or say which it is".to_owned(),
            });
        };
        std::fs::File::open(path).map_err(|error| StoreError::Io { action: "open", path: path.to_owned(), error })?;
        let Some(text) = path.to_str() else {
            let message = format!("the path `{}` is not UTF-8", path.display());
            return Err(StoreError::Refused { message, help: "rename the file".to_owned() });
        };
        // DuckDB takes `*`, `?` and `[` in a path for a pattern; here a path is a path.
        let text = quoted(&text.replace('[', "[[]").replace('*', "[*]").replace('?', "[?]"));
        let config = Config::default()
            .threads(2)?
            .max_memory(&format!("{}B", limits::FILE_MEMORY_BYTES))?
            .enable_autoload_extension(false)?;
        let connection = Connection::open_in_memory_with_flags(config)?;
        let source = match format {
            FileFormat::Csv => format!("read_csv({text}, header = true, all_varchar = {})", options.text),
            FileFormat::JsonLines => format!("read_ndjson_objects({text})"),
            FileFormat::Parquet => format!("read_parquet({text})"),
        };
        let query = options.select.clone().unwrap_or_else(|| "FROM file".to_owned());
        let query = query.trim().trim_end_matches(';').to_owned();
        let prepare = || -> Result<Vec<Column>, StoreError> {
            connection.execute_batch(&format!("CREATE TEMP VIEW file AS FROM {source}"))?;
            let mut statement =
                connection.prepare(&format!("SELECT column_name, column_type FROM (DESCRIBE {query}\n)"))?;
            let columns = statement.query_map([], |row| Ok(Column { name: row.get(0)?, kind: row.get(1)? }))?;
            Ok(columns.collect::<Result<_, _>>()?)
        };
        let columns = prepare().map_err(|error| objection(error, path))?;
        let objects = format == FileFormat::JsonLines && columns.len() == 1 && columns[0].name == "json";
        Ok(Self { connection, query, columns, objects })
    }

    /// The columns, after the query.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are. Parquet says; other files are read to their end for it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the file cannot be read.
    pub fn count(&self) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM ({}\n)", self.query);
        self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| objection(error.into(), Path::new("")))
    }

    /// Hands the rows from number `skip` (0 is the first) on to `visit`, some thousand at a time, with the number of the
    /// first of them, until it breaks or there are no more. Returns the number of the row after the last one visited.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the file cannot be read on; rows before that were visited.
    pub fn each(
        &self,
        skip: u64,
        mut visit: impl FnMut(u64, Vec<Map<String, Json>>) -> ControlFlow<()>,
    ) -> Result<u64, StoreError> {
        let mut next = skip;
        let mut read = || -> Result<(), StoreError> {
            let mut statement = self.connection.prepare(&format!("FROM ({}\n) OFFSET {skip}", self.query))?;
            drop(statement.stream_arrow([])?);
            let mut rows = Vec::with_capacity(limits::FILE_CHUNK_ROWS);
            loop {
                let chunk = statement.step()?;
                let done = chunk.is_none();
                if let Some(chunk) = chunk {
                    self.take(&chunk, next + rows.len() as u64, &mut rows)?;
                }
                if rows.len() >= limits::FILE_CHUNK_ROWS || (done && !rows.is_empty()) {
                    let count = rows.len() as u64;
                    let full = std::mem::replace(&mut rows, Vec::with_capacity(limits::FILE_CHUNK_ROWS));
                    let flow = visit(next, full);
                    next += count;
                    if flow.is_break() {
                        return Ok(());
                    }
                }
                if done {
                    return Ok(());
                }
            }
        };
        read().map_err(|error| objection(error, Path::new("")))?;
        Ok(next)
    }

    fn take(&self, chunk: &StructArray, first: u64, rows: &mut Vec<Map<String, Json>>) -> Result<(), StoreError> {
        if self.objects {
            let texts = chunk.column(0).as_string::<i32>();
            for (row, number) in (0..texts.len()).zip(first..) {
                let object = serde_json::from_str(texts.value(row)).map_err(|error| StoreError::Refused {
                    message: format!("row {} is not a JSON object: {error}", number + 1),
                    help: "each line is one message, as `{\"type\": …}`".to_owned(),
                })?;
                rows.push(object);
            }
            return Ok(());
        }
        for row in 0..chunk.len() {
            let mut object = Map::with_capacity(self.columns.len());
            for (column, array) in self.columns.iter().zip(chunk.columns()) {
                if !array.is_null(row) {
                    object.insert(column.name.clone(), value(array, row, &column.kind)?);
                }
            }
            rows.push(object);
        }
        Ok(())
    }
}

/// A cell as a client would send it: decimals are numbers there, not text.
fn value(array: &ArrayRef, row: usize, kind: &str) -> Result<Json, StoreError> {
    if kind == "JSON" && array.data_type() == &DataType::Utf8 {
        let text = array.as_string::<i32>().value(row);
        return Ok(serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned())));
    }
    let value = cell(array, row, kind)?;
    if let (DataType::Decimal128(..), Json::String(text)) = (array.data_type(), &value) {
        let whole = text.parse::<i64>().map(Number::from).ok();
        let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
        return Ok(number.map_or(value, Json::Number));
    }
    Ok(value)
}

fn objection(error: StoreError, path: &Path) -> StoreError {
    let StoreError::Database(database) = &error else { return error };
    let duckdb::Error::DuckDBFailure(_, Some(message)) = database else { return error };
    if says(database, &["INTERNAL"]) {
        return error;
    }
    let place = if path.as_os_str().is_empty() { String::new() } else { format!("`{}`: ", path.display()) };
    StoreError::Refused {
        message: format!("{place}{}", message.trim()),
        help: "check the file's format and the query over it".to_owned(),
    }
}
