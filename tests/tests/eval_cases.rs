//! The normative cases, through the binary: what `sonder eval` prints is what the language means.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use serde_json::Value as Json;
use sonder_tests::sonder;
use std::fs;
use std::path::{Path, PathBuf};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Rows of the table in the README: number, what it shows, moment.
fn table() -> Vec<(String, String)> {
    let text = fs::read_to_string(cases().join("README.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (number, _, at) = (cells.next()?, cells.next()?, cells.next()?);
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| (number.to_owned(), at.to_owned()))
    });
    rows.filter(|(number, _)| !number.is_empty()).collect()
}

fn lines(text: &str) -> Vec<Json> {
    let mut lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        // What people told about themselves is not part of these files.
        line.as_object_mut().unwrap().retain(|key, _| key != "profile" && key != "journeys");
    }
    lines
}

#[test]
fn every_case_is_what_both_evaluators_print() {
    let table = table();
    assert!(table.len() >= 68, "the table has {} rows", table.len());
    let mut wrong = Vec::new();
    for (number, at) in table {
        let folder = cases().join(&number);
        let (project, events) = (cases().join("project"), folder.join("events.ndjson"));
        let expected = lines(&fs::read_to_string(folder.join("expected.ndjson")).unwrap());
        let print = |engine: &str| {
            let (project, events) = (project.to_str().unwrap(), events.to_str().unwrap());
            let output = sonder(&["eval", project, "--events", events, "--at", &at, "--engine", engine]).unwrap();
            assert!(output.status.success(), "{number}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let (incremental, sql) = (print("incremental"), print("sql"));
        if lines(&incremental) != expected || incremental != sql {
            wrong.push(number);
        }
    }
    assert!(wrong.is_empty(), "wrong: {wrong:?}");
}

#[test]
fn mistakes_of_the_user_are_exit_code_1() {
    let project = cases().join("project");
    let project = project.to_str().unwrap();
    for arguments in [
        &["eval", project, "--events", "nowhere.ndjson", "--at", "2026-03-01T00:00:00Z"][..],
        &["eval", project, "--events", "nowhere.ndjson", "--at", "noon"],
        &["eval", "nowhere", "--events", "nowhere.ndjson", "--at", "2026-03-01T00:00:00Z"],
        &["check", "nowhere"],
        &["frobnicate"],
    ] {
        let output = sonder(arguments).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("error"), "{arguments:?}");
    }
}
