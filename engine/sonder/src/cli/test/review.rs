//! Asking about snapshots that differ, one after the other.

use super::super::output::{Failure, Output};
use crate::testkit::snapshot;
use std::io::BufRead;
use std::path::Path;

/// Shows each new snapshot beside the old one, and does what is answered. Says whether one was accepted.
pub fn pending(project: &Path, answers: &mut impl BufRead, output: &mut Output<'_>) -> Result<bool, Failure> {
    let mut accepted = false;
    for pending in snapshot::pending(project)? {
        output.text(&format!("\n{}\n", pending.name))?;
        for line in pending.difference()? {
            output.text(&format!("  {line}\n"))?;
        }
        loop {
            output.text("[a]ccept, [r]eject, [s]kip? ")?;
            output.out.flush()?;
            let mut answer = String::new();
            // Whoever says nothing more skips the rest.
            if answers.read_line(&mut answer)? == 0 {
                return Ok(accepted);
            }
            match answer.trim() {
                "a" | "accept" => {
                    pending.accept()?;
                    accepted = true;
                }
                "r" | "reject" => pending.reject()?,
                "s" | "skip" => {}
                _ => continue,
            }
            break;
        }
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_snapshot_is_kept_or_not_as_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let snapshots = folder.path().join("tests/snapshots");
        std::fs::create_dir_all(&snapshots).expect("folders");
        let write =
            |name: &str, text: &str| std::fs::write(snapshots.join(name), format!("---\nsource: x\n---\n{text}"));
        for name in ["a", "b", "c"] {
            write(&format!("{name}.snap"), "one\ntwo\n").expect("a file");
            write(&format!("{name}.snap.new"), "two\none\n").expect("a file");
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
        let mut answers = "a\nwhat\nr\n".as_bytes();
        assert!(pending(folder.path(), &mut answers, &mut output).expect("files"));
        let read = |name: &str| std::fs::read_to_string(snapshots.join(name)).ok();
        assert!(read("a.snap").expect("a file").ends_with("two\none\n"));
        assert!(read("b.snap").expect("a file").ends_with("one\ntwo\n"));
        assert_eq!((read("a.snap.new"), read("b.snap.new")), (None, None));
        assert!(read("c.snap.new").is_some(), "nothing was said of the last one");
        let out = String::from_utf8(out).expect("text");
        assert!(out.contains("  + two\n    one\n  - two\n"), "{out}");
    }
}
