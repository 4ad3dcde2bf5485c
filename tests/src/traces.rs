//! Where a data directory has texts that are to be nowhere in it, in letters of any size.

use crate::Engine;
use std::io;
use std::path::Path;

/// The files below a folder that have one of these texts in their bytes, and which.
///
/// # Errors
/// When one cannot be read.
pub fn in_files(folder: &Path, texts: &[&str]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(in_files(&path, texts)?);
            continue;
        }
        let bytes = std::fs::read(&path)?.to_ascii_lowercase();
        for text in texts {
            let text = text.to_lowercase();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(format!("{}: {text}", path.display()));
            }
        }
    }
    Ok(found)
}

/// The tables that have one of these texts, as DuckDB reads them, and which.
///
/// # Errors
/// When the engine does not answer, or has fewer tables than it should.
pub fn in_tables(engine: &Engine, texts: &[&str]) -> io::Result<Vec<String>> {
    let tables = "select database_name || '.main.\"' || table_name || '\"' from duckdb_tables() order by all";
    let tables = engine.query(tables)?;
    if tables.len() <= 10 {
        return Err(io::Error::other(format!("these are not all tables: {tables:?}")));
    }
    let mut found = Vec::new();
    for table in tables.iter().filter_map(|row| row[0].as_str()) {
        for text in texts {
            let text = text.to_lowercase();
            let sql = format!("select count(*) from {table} t where contains(lower(t::varchar), '{text}')");
            if engine.count(&sql)? > 0 {
                found.push(format!("{table}: {text}"));
            }
        }
    }
    Ok(found)
}
