//! Snapshots in insta's format: `tests/snapshots/NAME.snap`, which `cargo insta review` can take over.

use super::compare;
use super::play::{Mismatch, Played};
use sonder_dsl::scenario::Scenario;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// What to do with a snapshot that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Fail, and leave the new one beside it as `.snap.new`.
    Compare,
    /// Take the new one.
    Accept,
}

/// Compares what happened with the snapshot of a scenario of this file.
pub fn check(root: &Path, file: &str, scenario: &Scenario, played: &mut Played, mode: Mode) {
    let text = render(played);
    let path = place(root, file, scenario.case.as_deref());
    let new = path.with_extension("snap.new");
    let before = std::fs::read_to_string(&path).ok();
    let content = before.as_deref().map(body);
    if content == Some(text.as_str()) {
        drop(std::fs::remove_file(&new));
        return;
    }
    let whole = format!("---\nsource: {file}\nexpression: scenario\n---\n{text}");
    let target = if mode == Mode::Accept { &path } else { &new };
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(target, whole));
    let mut details = match (mode, &written) {
        (Mode::Accept, Ok(())) => {
            drop(std::fs::remove_file(&new));
            return;
        }
        (_, Err(error)) => vec![format!("`{}` cannot be written: {error}", target.display())],
        (Mode::Compare, Ok(())) => Vec::new(),
    };
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    details.extend(compare::lines(&lines(content.unwrap_or_default()), &lines(&text)));
    let what = match before {
        None => "there is no snapshot yet: look at this, then `sonder test --accept` keeps it".to_owned(),
        Some(_) => "the snapshot differs; `sonder test --accept` keeps the new one".to_owned(),
    };
    played.mismatches.push(Mismatch { span: scenario.place, line: 0, step: "the end".to_owned(), what, details });
}

/// A new snapshot that nobody has accepted.
#[derive(Debug)]
pub struct Pending {
    /// The file of the one that is kept.
    pub name: String,
    kept: PathBuf,
    new: PathBuf,
}

/// All of a project, by name.
///
/// # Errors
/// When the folder cannot be read; that there is none is no error.
pub fn pending(root: &Path) -> io::Result<Vec<Pending>> {
    let folder = match std::fs::read_dir(root.join("tests/snapshots")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folder => folder?,
    };
    let mut found = Vec::new();
    for entry in folder {
        let new = entry?.path();
        if new.extension().is_some_and(|extension| extension == "new") {
            let kept = new.with_extension("");
            let name = kept.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.push(Pending { name, kept, new });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Pending {
    /// What differs from the one that is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn difference(&self) -> io::Result<Vec<String>> {
        let lines = |text: &str| body(text).lines().map(str::to_owned).collect::<Vec<_>>();
        let kept = std::fs::read_to_string(&self.kept).unwrap_or_default();
        Ok(compare::lines(&lines(&kept), &lines(&std::fs::read_to_string(&self.new)?)))
    }

    /// Keeps the new one.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn accept(&self) -> io::Result<()> {
        std::fs::rename(&self.new, &self.kept)
    }

    /// Forgets the new one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn reject(&self) -> io::Result<()> {
        std::fs::remove_file(&self.new)
    }
}

/// `tests/snapshots/orders@big.snap`
fn place(root: &Path, file: &str, case: Option<&str>) -> PathBuf {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".yaml");
    let case = case.map_or(String::new(), |case| format!("@{case}"));
    root.join("tests/snapshots").join(format!("{stem}{case}.snap"))
}

/// What comes after insta's header.
fn body(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---\n") else { return text };
    rest.split_once("\n---\n").map_or(rest, |(_, body)| body)
}

fn render(played: &Played) -> String {
    let mut text = String::new();
    for (title, lines) in [("changes", &played.trace), ("deliveries", &played.deliveries), ("people", &played.people)] {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{title}:");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}
