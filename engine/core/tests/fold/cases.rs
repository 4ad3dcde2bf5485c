//! The normative cases: what the language means, as data. See `tests/cases/README.md` in the repository.

use serde_json::Value as Json;
use sonder_core::eval::{Evaluation, Request};
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

fn program() -> Arc<Program> {
    let root = cases().join("project");
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(SourceFile { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
}

/// Lines of the table: `| 001 | what it shows | 2026-… |`.
fn table() -> Vec<(String, String, Moment)> {
    let readme = fs::read_to_string(cases().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [name, shows, at] = cells.as_slice() else { return None };
        Some(((*name).to_owned(), (*shows).to_owned(), Moment::parse(at)?))
    });
    rows.collect()
}

fn evaluate(program: &Program, case: &str, at: Moment) -> Vec<Json> {
    let request = Request { at, source: SourceId(0), rules: None, trace: false };
    let mut evaluation = Evaluation::new(program, request);
    for line in fs::read_to_string(cases().join(case).join("events.ndjson")).unwrap().lines() {
        evaluation.take(line).unwrap_or_else(|quarantined| panic!("{case}: {quarantined:?}"));
    }
    let mut lines: Vec<Json> = evaluation.finish().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("profile");
    }
    lines
}

#[test]
fn every_case_means_what_it_says() {
    let program = program();
    let table = table();
    assert_eq!(table.len(), 68, "the whole table is read");
    let mut wrong = Vec::new();
    for (case, shows, at) in table {
        let expected = fs::read_to_string(cases().join(&case).join("expected.ndjson")).unwrap();
        let expected: Vec<Json> = expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found = evaluate(&program, &case, at);
        if found != expected {
            let show = |lines: &[Json]| lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
            wrong.push(format!("{case} {shows}\nexpected\n{}found\n{}", show(&expected), show(&found)));
        }
    }
    assert!(wrong.is_empty(), "{} cases are wrong\n{}", wrong.len(), wrong.join("\n"));
}
