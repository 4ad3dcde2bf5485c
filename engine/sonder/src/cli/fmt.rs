//! `sonder fmt`: rule files in the one style of the language.
//!
//! A file is replaced as a whole (a temporary file beside it, renamed) and only when something changes, so that neither a
//! crash nor a watching engine ever meets half of one, and nothing is built anew for files that were fine.

use super::output::{Failure, Output};
use super::project::{colour, failure};
use crate::project::scan;
use sonder_dsl::diagnostic::render::human;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::syntax::format::format;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Bytes read of one file or of standard input, at most; the language's own limit is smaller, and says so with a place.
const MAX_TEXT: u64 = 16 << 20;

/// Put rule files into the one style of the language
///
/// Files with syntax errors are left as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder fmt shop\n  sonder fmt shop/rules/orders.sonder --diff\n  \
    sonder fmt --check\n  sonder fmt - < draft.sonder")]
pub struct Args {
    /// Projects' folders, `.sonder` files, or `-` for standard input
    #[arg(default_value = ".", value_name = "PROJECT|FILE")]
    paths: Vec<PathBuf>,
    /// Change nothing; name the files that would change, and exit with 2 when there are any
    #[arg(long)]
    check: bool,
    /// Change nothing; show what would change
    #[arg(long)]
    diff: bool,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut unreadable = 0;
    let mut differing = 0;
    let mut changed = 0;
    for file in files(&args.paths)? {
        let Some(formatted) = formatted(&file, output)? else {
            unreadable += 1;
            continue;
        };
        let differs = formatted != file.text;
        differing += usize::from(differs);
        let name = file.name();
        if args.diff && differs {
            output.text(&difference(&name, &file.text, &formatted))?;
        }
        if args.check {
            if differs && !args.diff {
                output.line(&name)?;
            }
        } else if !args.diff {
            match &file.path {
                None => output.text(&formatted)?,
                Some(path) if differs => {
                    replace(path, &formatted)?;
                    output.note(format!("formatted `{name}`"))?;
                    changed += 1;
                }
                Some(_) => {}
            }
        }
    }
    if unreadable > 0 {
        return Err(Failure::Reported);
    }
    if args.check && differing > 0 {
        let files = if differing == 1 { "1 file is".to_owned() } else { format!("{differing} files are") };
        output.note(format!("{files} not in the style of `sonder fmt`"))?;
        return Err(Failure::Different);
    }
    if changed > 1 {
        output.note(format!("{changed} files formatted"))?;
    }
    Ok(())
}

struct File {
    /// `None` for standard input.
    path: Option<PathBuf>,
    text: String,
}

impl File {
    fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
    }
}

/// All files that are asked for, each once, by path.
fn files(paths: &[PathBuf]) -> Result<Vec<File>, Failure> {
    let mut files: Vec<File> = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            files.push(File { path: None, text: read(std::io::stdin().lock(), "standard input")? });
        } else if path.is_dir() {
            let scan = scan(path).map_err(|error| failure(&error))?;
            let rules = scan.sources.iter().filter(|(_, file)| file.path.ends_with(".sonder"));
            files.extend(rules.map(|(_, file)| File { path: Some(path.join(&file.path)), text: file.text.clone() }));
        } else {
            let name = path.display().to_string();
            if path.extension().is_none_or(|extension| extension != "sonder") {
                return Err(Failure::user(format!("`{name}` is no `.sonder` file"))
                    .help("name a project's folder, or its rule files"));
            }
            let opened =
                fs::File::open(path).map_err(|error| Failure::user(format!("could not read `{name}`: {error}")))?;
            files.push(File { path: Some(path.clone()), text: read(opened, &name)? });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

fn read(source: impl Read, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let failed = |error| Failure::user(format!("could not read `{name}`: {error}"));
    source.take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(Failure::user(format!("`{name}` is larger than {MAX_TEXT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::user(format!("`{name}` is not UTF-8 text")))
}

/// The canonical text, or `None` when the file has errors, which have been shown.
fn formatted(file: &File, output: &mut Output<'_>) -> Result<Option<String>, Failure> {
    let sources = SourceSet::new(vec![SourceFile { path: file.name(), text: file.text.clone() }]);
    let Some((id, source)) = sources.iter().next() else { return Ok(None) };
    match format(id, &source.text) {
        Ok(text) => Ok(Some(text)),
        Err(diagnostics) => {
            let text = human::render(&sources, &diagnostics, colour(output.err_is_terminal));
            output.err.write_all(text.as_bytes())?;
            Ok(None)
        }
    }
}

/// Puts a text in a file's place, all at once, with the permissions that the file had.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::user(format!("could not write `{}`: {error}", path.display()));
    // A link stays one: what it points to is replaced.
    let target = path.canonicalize().map_err(failed)?;
    let mut temporary = target.clone().into_os_string();
    temporary.push(format!(".{}~", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = write(&temporary, &target, text);
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written.map_err(failed)
}

fn write(temporary: &Path, target: &Path, text: &str) -> std::io::Result<()> {
    let permissions = fs::metadata(target)?.permissions();
    if permissions.readonly() {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    let mut file = fs::File::create_new(temporary)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    file.sync_all()?;
    fs::rename(temporary, target)
}

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// What changes, as a unified diff. The formatter keeps words and their order, so between lines that both texts have the
/// changes are small: each is found by the nearest line that both share again.
fn difference(name: &str, before: &str, after: &str) -> String {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let mut text = format!("--- {name}\n+++ {name} (formatted)\n");
    let mut hunks: Vec<Hunk> = Vec::new();
    for change in changes(&old, &new) {
        match hunks.last_mut() {
            Some(hunk) if change.old.start <= hunk.changes.last().map_or(0, |last| last.old.end) + 2 * CONTEXT => {
                hunk.changes.push(change);
            }
            _ => hunks.push(Hunk { changes: vec![change] }),
        }
    }
    for hunk in &hunks {
        hunk.show(&old, &new, &mut text);
    }
    if hunks.is_empty() {
        // Line endings, or the one at the end.
        text.push_str("only line ends differ\n");
    }
    text
}

/// Lines that were, and those in their place.
struct Change {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

struct Hunk {
    // INVARIANT: at least one.
    changes: Vec<Change>,
}

impl Hunk {
    fn show(&self, old: &[&str], new: &[&str], text: &mut String) {
        let (Some(first), Some(last)) = (self.changes.first(), self.changes.last()) else { return };
        let lead = first.old.start.min(CONTEXT);
        let tail = (old.len() - last.old.end).min(CONTEXT);
        let place = |start: usize, end: usize| {
            let length = end - start;
            format!("{},{length}", if length == 0 { start } else { start + 1 })
        };
        text.push_str(&format!(
            "@@ -{} +{} @@\n",
            place(first.old.start - lead, last.old.end + tail),
            place(first.new.start - lead, last.new.end + tail)
        ));
        let mut line = |sign: char, line: &str| {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        };
        let mut at = first.old.start - lead;
        for change in &self.changes {
            old[at..change.old.start].iter().for_each(|same| line(' ', same));
            old[change.old.clone()].iter().for_each(|gone| line('-', gone));
            new[change.new.clone()].iter().for_each(|come| line('+', come));
            at = change.old.end;
        }
        old[at..at + tail].iter().for_each(|same| line(' ', same));
    }
}

fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            (a, b) = (a + 1, b + 1);
            continue;
        }
        let (skip_old, skip_new) = meeting(&old[a..], &new[b..]);
        changes.push(Change { old: a..a + skip_old, new: b..b + skip_new });
        (a, b) = (a + skip_old, b + skip_new);
    }
    changes
}

/// How many lines of each to pass until both go on with the same; blank lines are no place to meet.
fn meeting(old: &[&str], new: &[&str]) -> (usize, usize) {
    /// Lines to look ahead; one rule is rarely longer.
    const AHEAD: usize = 200;
    for distance in 1..AHEAD.min(old.len() + new.len()) {
        for skip_old in 0..=distance {
            let skip_new = distance - skip_old;
            if let (Some(left), Some(right)) = (old.get(skip_old), new.get(skip_new))
                && left == right
                && !left.trim().is_empty()
            {
                return (skip_old, skip_new);
            }
        }
    }
    (old.len(), new.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_can_be_applied() {
        let old = "trait a=1\ntrait b = 2\ntrait c = 3\n# d\n# e\n# f\n# g\n# h\n# i\ntrait j=4\n";
        let new = "trait a = 1\ntrait b = 2\ntrait c = 3\n# d\n# e\n# f\n# g\n# h\n# i\ntrait j = 4\n";
        let shown = difference("x.sonder", old, new);
        assert_eq!(
            shown,
            "--- x.sonder\n+++ x.sonder (formatted)\n@@ -1,4 +1,4 @@\n-trait a=1\n+trait a = 1\n trait b = 2\n \
             trait c = 3\n # d\n@@ -7,4 +7,4 @@\n # g\n # h\n # i\n-trait j=4\n+trait j = 4\n"
        );
    }

    #[test]
    fn lines_that_come_and_go_are_counted() {
        let shown = difference("x", "a { b }\n\n\nc\n", "a {\n  b\n}\n\nc\n");
        assert_eq!(shown, "--- x\n+++ x (formatted)\n@@ -1,4 +1,5 @@\n-a { b }\n-\n-\n+a {\n+  b\n+}\n+\n c\n");
    }
}
