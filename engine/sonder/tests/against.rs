//! `sonder check --against`: an event that changes further than its version says is an error.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use std::path::Path;
use std::process::Command;

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@x.example", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn check(project: &Path, revision: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonder"));
    let output = command.arg("check").arg(project).args(["--against", revision]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_event_that_changes_further_than_its_version_says_is_an_error() {
    let repository = tempfile::tempdir().unwrap();
    let project = repository.path().join("shop");
    std::fs::create_dir_all(project.join("events")).unwrap();
    let event = |version: &str, more: &str| {
        let text = format!("event: view\nversion: {version}\nproperties:\n  sku: {{type: string}}\n{more}");
        std::fs::write(project.join("events/view.yaml"), text).unwrap();
    };
    std::fs::write(project.join("sonder.yaml"), "name: shop\n").unwrap();
    event("1-0-0", "");
    git(repository.path(), &["init", "-q", "-b", "main"]);
    git(repository.path(), &["add", "."]);
    git(repository.path(), &["commit", "-q", "-m", "one"]);
    assert!(check(&project, "main").1.ends_with("events are what they are at `main`\n"));

    event("1-0-0", "required: [sku]\n");
    let (code, shown, said) = check(&project, "main");
    assert_eq!(code, Some(1));
    assert!(said.contains("1 event changes more than its version says"), "{said}");
    assert!(shown.contains("version: 2-0-0 would say so"), "{shown}");
    event("2-0-0", "required: [sku]\n");
    let (code, shown, _) = check(&project, "main");
    assert!(code == Some(0) && shown.contains("~ view 2-0-0, was 1-0-0, what was sent so far does not fit"), "{shown}");

    std::fs::remove_file(project.join("events/view.yaml")).unwrap();
    let (code, shown, _) = check(&project, "main");
    assert!(code == Some(1) && shown.contains("- view 1-0-0"), "{shown}");
    let (code, _, said) = check(&project, "no-such-branch");
    assert!(code == Some(1) && said.contains("git does not give the project at `no-such-branch`"), "{said}");
    assert_eq!(check(&project, "--output=x").0, Some(1));
}
