//! Editors and code scanning: `sonder lsp` driven by the protocol library of VS Code, the grammar by its machinery, and what
//! `sonder check` prints against the official schema.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use sonder_tests::engine::binary;
use sonder_tests::{Engine, Options};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn an_editor_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().canonicalize().unwrap();
    copy(&here().join("project"), &project);
    let engine = Engine::start(&project, &project.join(".sonder"), &Options::default()).unwrap();
    let order = r#"{"userId":"u1","event":"order","properties":{"total":5},"writeKey":"wk"}"#;
    let headers = [("content-type", "application/json")];
    let answer = engine.connect().send("POST", "/v1/track", &headers, order.as_bytes()).unwrap();
    assert_eq!(answer.status, 200);
    let end = Instant::now() + Duration::from_secs(20);
    while engine.get("/api/v1/segments/buyers").unwrap()["size"] != 1 {
        assert!(Instant::now() < end, "who ordered is a buyer");
        std::thread::sleep(Duration::from_millis(20));
    }
    runs("lsp.mjs", &project);
}

#[test]
fn the_colours_are_those_of_the_language() {
    runs("grammar.mjs", &here().join("project"));
}

#[test]
fn sarif_is_what_its_schema_says() {
    runs("sarif.mjs", &here().join("project"));
}

fn runs(script: &str, project: &Path) {
    let home = installed();
    let run = Command::new("node")
        .arg("--test")
        .arg(here().join(script))
        .envs([("SONDER_EDITOR", home.as_path()), ("SONDER_PROJECT", project), ("SONDER_BIN", &binary())])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{script}:\n{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(!said.contains("# tests 0"), "{script} tests something");
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("editor")
}

/// Where `setup.sh` puts what the tests drive.
fn installed() -> PathBuf {
    let cache = std::env::var_os("SONDER_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/sonder")));
    let home = cache.unwrap().join("editor");
    assert!(home.join(".ready").is_file(), "its packages are not installed: type `tests/editor/setup.sh`");
    home
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
