//! Snapshots in insta's format: `tests/snapshots/NAME.snap`, which `cargo insta review` can take over.

use super::compare;
use super::play::{Mismatch, Played};
use sonder_dsl::source::Span;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What to do with a snapshot that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Fail, and leave the new one beside it as `.snap.new`.
    Compare,
    /// Take the new one.
    Accept,
}

/// Compares what happened with the snapshot of a scenario file; a difference is shown at `span`.
pub fn check(root: &Path, file: &str, span: Span, played: &mut Played, mode: Mode) {
    let text = render(played);
    let path = place(root, file);
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
    played.mismatches.push(Mismatch { span, line: 0, step: "the end".to_owned(), what, details });
}

fn place(root: &Path, file: &str) -> PathBuf {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".yaml");
    root.join("tests/snapshots").join(format!("{stem}.snap"))
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
