//! `sonder fmt` as people and their hooks type it.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const LOOSE: &str = "segment a{when did(x)} # why\n";
const CANONICAL: &str = "segment a {\n  when did(x)\n}  # why\n";

fn fmt(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonder"));
    command.arg("fmt").args(arguments).current_dir(folder);
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sonder.yaml"), "name: x\n").unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/loose.sonder"), LOOSE).unwrap();
    fs::write(folder.path().join("rules/fine.sonder"), CANONICAL).unwrap();
    folder
}

fn read(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap()
}

#[test]
fn a_project_is_formatted_and_what_is_fine_is_not_touched() {
    let project = project();
    let folder = project.path();
    let modified = || fs::metadata(folder.join("rules/fine.sonder")).unwrap().modified().unwrap();
    let before = modified();
    let output = fmt(folder, &[], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("loose.sonder") && !text(&output.stderr).contains("fine.sonder"));
    assert_eq!(read(folder, "rules/loose.sonder"), CANONICAL);
    assert_eq!(modified(), before);
    let names: Vec<_> = fs::read_dir(folder.join("rules")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(fmt(folder, &["--check"], "").status.success());
}

#[test]
fn check_names_what_would_change_and_changes_nothing() {
    let project = project();
    let output = fmt(project.path(), &["--check", "."], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).trim_end().ends_with("loose.sonder") && text(&output.stdout).lines().count() == 1);
    assert_eq!(read(project.path(), "rules/loose.sonder"), LOOSE);
}

#[test]
fn diff_shows_what_would_change() {
    let project = project();
    let output = fmt(project.path(), &["rules/loose.sonder", "--diff"], "");
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("-segment a{when did(x)} # why\n+segment a {\n+  when did(x)\n+}  # why\n"));
    assert_eq!(fmt(project.path(), &["--diff", "--check"], "").status.code(), Some(2));
    assert_eq!(read(project.path(), "rules/loose.sonder"), LOOSE);
}

#[test]
fn standard_input_comes_out_formatted() {
    let project = project();
    let output = fmt(project.path(), &["-"], LOOSE);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), CANONICAL);
    assert_eq!(fmt(project.path(), &["-", "--check"], LOOSE).status.code(), Some(2));
}

#[test]
fn a_file_with_errors_is_left_alone_and_the_others_are_formatted() {
    let project = project();
    fs::write(project.path().join("rules/broken.sonder"), "segment b { when }\n").unwrap();
    let output = fmt(project.path(), &[], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("broken.sonder:1:"), "{}", text(&output.stderr));
    assert_eq!(read(project.path(), "rules/broken.sonder"), "segment b { when }\n");
    assert_eq!(read(project.path(), "rules/loose.sonder"), CANONICAL);
}

#[test]
fn what_is_no_rule_file_is_refused() {
    let project = project();
    for (path, word) in [("sonder.yaml", "no `.sonder` file"), ("nowhere.sonder", "could not read")] {
        let output = fmt(project.path(), &[path], "");
        assert_eq!(output.status.code(), Some(1), "{path}");
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
    }
}

#[cfg(unix)]
#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let project = project();
    let file = project.path().join("rules/loose.sonder");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let link = project.path().join("link.sonder");
    symlink(&file, &link).unwrap();
    assert!(fmt(project.path(), &["link.sonder"], "").status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), CANONICAL);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}
