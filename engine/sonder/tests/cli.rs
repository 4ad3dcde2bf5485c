//! What people read first: the help of every command, complete, with its examples; and the way in of a newcomer.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use std::ffi::OsString;
use std::process::Command;

fn sonder(arguments: &[&str]) -> std::process::Output {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    Command::new(env!("CARGO_BIN_EXE_sonder")).args(arguments).env("COLUMNS", "100").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_help_of_every_command() {
    let commands: &[&[&str]] = &[
        &[],
        &["init"],
        &["check"],
        &["fmt"],
        &["lsp"],
        &["run"],
        &["dev"],
        &["import"],
        &["eval"],
        &["explain"],
        &["preview"],
        &["match"],
        &["sql"],
        &["person"],
        &["person", "show"],
        &["person", "graph"],
        &["person", "pseudonym"],
        &["person", "merge"],
        &["person", "split"],
        &["person", "erase"],
        &["person", "export"],
        &["privacy"],
        &["privacy", "request"],
        &["privacy", "list"],
        &["privacy", "show"],
        &["privacy", "step"],
        &["privacy", "certificate"],
        &["plan"],
        &["apply"],
        &["journey"],
        &["journey", "list"],
        &["journey", "show"],
        &["query"],
        &["quarantine"],
        &["replay"],
        &["replay", "quarantine"],
        &["status"],
        &["top"],
        &["tap"],
        &["graph"],
        &["backup"],
        &["restore"],
        &["doctor"],
        &["key"],
        &["key", "create"],
        &["key", "list"],
        &["key", "revoke"],
        &["codegen"],
        &["schema"],
        &["schema", "infer"],
        &["schema", "import"],
        &["migrate"],
        &["migrate", "segment"],
        &["migrate", "rudderstack"],
        &["docs"],
        &["docs", "plan"],
        &["docs", "site"],
        &["plugin"],
        &["plugin", "new"],
        &["plugin", "build"],
        &["plugin", "test"],
        &["plugin", "inspect"],
        &["completions"],
    ];
    let mut all = String::new();
    for command in commands {
        let output = sonder(&[command, &["--help"][..]].concat());
        assert!(output.status.success(), "{command:?}");
        let help = text(&output.stdout);
        assert!(help.contains("Example"), "`{}` has no example", command.join(" "));
        all.push_str(&format!("$ sonder {}\n{help}\n", [command, &["--help"][..]].concat().join(" ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_new_project_passes_check_and_its_tests_and_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("mine");
    let project = project.to_str().unwrap();
    assert!(sonder(&["init", project]).status.success());
    let checked = sonder(&["check", project]);
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
    let tested = sonder(&["test", project]);
    assert!(tested.status.success(), "{}{}", text(&tested.stdout), text(&tested.stderr));
    let again = sonder(&["init", project]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is there already"));
}

#[test]
fn errors_come_all_at_once_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("sonder.yaml", "name: x\nnmae: y\n");
    write("rules/a.sonder", "segment s \"t\" { when did(nothing) }\n");
    let project = folder.path().to_str().unwrap();
    for (format, marks) in [
        ("human", ["sonder.yaml:2", "rules/a.sonder:1"]),
        ("json", ["sonder.yaml", "rules/a.sonder"]),
        ("github", ["::error file=sonder.yaml,line=2", "::error file=rules/a.sonder,line=1"]),
        ("sarif", ["\"2.1.0\"", "rules/a.sonder"]),
    ] {
        let output = sonder(&["check", project, "--format", format]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        for mark in marks {
            assert!(text(&output.stdout).contains(mark), "{format} lacks {mark}: {}", text(&output.stdout));
        }
    }
}

#[test]
fn an_example_that_its_schema_refuses_fails_check_and_keeps_the_engine_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("events")).unwrap();
    std::fs::write(folder.path().join("sonder.yaml"), "name: x\n").unwrap();
    let event = "event: order\nproperties:\n  total: {type: number, examples: [9.95, free]}\n";
    std::fs::write(folder.path().join("events/order.yaml"), event).unwrap();
    let (project, data) = (folder.path().to_str().unwrap(), folder.path().join("data"));
    let checked = sonder(&["check", project]);
    assert_eq!(checked.status.code(), Some(1));
    let shown = text(&checked.stdout);
    assert!(shown.contains("E0440") && shown.contains("events/order.yaml:3:"), "{shown}");
    assert!(shown.contains("`free` is a string, expected type `number`"), "{shown}");
    let run = sonder(&["run", project, "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("E0440"));
}

#[test]
fn addresses_that_are_none_are_refused_before_anything_starts() {
    for (arguments, complaint) in [
        (["--trusted-proxy", "10.0.0.0/33"], "is no range of addresses"),
        (["--public-url", "cdp.example.com/x"], "is no address such as"),
    ] {
        let output = sonder(&[&["run", "nowhere"][..], &arguments].concat());
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    }
}

#[test]
fn every_code_that_check_prints_can_be_explained() {
    let known = sonder(&["check", "--explain", "e0204"]);
    assert!(known.status.success() && text(&known.stdout).starts_with("# E0204"));
    let unknown = sonder(&["check", "--explain", "E9999"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn schemas_and_completions_are_printed() {
    for kind in ["settings", "event", "source", "identity", "profile", "destination"] {
        let output = sonder(&["schema", kind]);
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{kind}");
    }
    assert!(text(&sonder(&["completions", "bash"]).stdout).contains("_sonder"));
}

#[test]
fn keys_are_shown_once_and_can_be_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let made = sonder(&["key", "create", "--name", "ci", "--scope", "read", "--data", data]);
    assert!(made.status.success());
    let secret = text(&made.stdout).trim().to_owned();
    let listed = text(&sonder(&["key", "list", "--data", data]).stdout);
    assert!(listed.contains("ci") && listed.contains("read") && !listed.contains(&secret));
    let id = listed.split_whitespace().next().unwrap().to_owned();
    assert!(sonder(&["key", "revoke", &id, "--data", data]).status.success());
    assert_eq!(sonder(&["key", "revoke", &id, "--data", data]).status.code(), Some(1));
}

#[test]
fn an_address_that_others_can_reach_needs_keys() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sonder.yaml"), "name: x\n").unwrap();
    let (project, data) = (folder.path().to_str().unwrap(), folder.path().join("data"));
    let output = sonder(&["run", project, "--data", data.to_str().unwrap(), "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no keys") && text(&output.stderr).contains("sonder key create"));
}
