//! What the files destination has written.

use crate::{Engine, Options, project, sonder};
use serde_json::Value as Json;
use std::io;
use std::path::{Path, PathBuf};

/// The finished files of a destination's folder.
#[must_use]
pub fn finished(folder: &Path) -> Vec<PathBuf> {
    let listed = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).map(|it| it.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
    };
    let days = listed(folder).into_iter().filter(|path| path.to_string_lossy().contains("day="));
    days.flat_map(|day| listed(&day)).collect()
}

/// Id and payload of all rows of Parquet files, by id, as the engine's own import reads them; `work` is a folder for that.
///
/// # Errors
/// When the files cannot be read.
pub fn parquet(files: &[PathBuf], work: &Path) -> io::Result<Vec<(String, Json)>> {
    let (rows, data) = (work.join("rows"), work.join("rows-data"));
    let event =
        "event: row\nproperties:\n  row_id: {type: string}\n  payload: {type: object}\nrequired: [row_id, payload]\n";
    project::write(
        &rows,
        &[
            ("sonder.yaml", "name: rows\n"),
            ("events/row.yaml", event),
            ("sources/files.yaml", "source: files\nkind: file\n"),
            ("identity.yaml", "identifiers: {user_id: {}}\n"),
        ],
    )?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut arguments = vec!["import".to_owned()];
    arguments.extend(files.iter().map(|file| path(file)));
    let (project, place) = (path(&rows), path(&data));
    let options = [
        "--project",
        &project,
        "--data",
        &place,
        "--event",
        "row",
        "--time",
        "at",
        "--id",
        "user_id=id",
        "--property",
        "row_id=id",
        "--property",
        "payload=payload",
    ];
    arguments.extend(options.map(str::to_owned));
    let output = sonder(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let engine = Engine::start(&rows, &data, &Options::default())?;
    let rows = engine.query("select row_id, payload::varchar from ev_row order by 1")?;
    let text = |cell: &Json| cell.as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| Ok((text(&row[0]), serde_json::from_str(&text(&row[1]))?))).collect()
}
