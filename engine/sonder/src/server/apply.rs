//! A version of the project that is pushed: it runs first, then its files take the place of those in the project's folder, so
//! that the next start runs it, too. Whoever watches the folder waits meanwhile, and finds that nothing has changed.

use super::answers::Answers;
use super::loader::Loader;
use super::reload::{Outcome, apply, compiled};
use super::speech::{refused, unavailable};
use crate::pipeline::Pipeline;
use crate::project::{Scan, is_text_of_project};
use sonder_console::engine::{Applied, ApplyRequest, Trouble};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Weak;
use std::{fs, io};

/// Where files are written before they take their place; hidden, so that it is no part of the project.
const DRAFT: &str = ".sonder-apply";

/// What makes a pushed version run.
pub struct Applier {
    pub(super) pipeline: Weak<Pipeline>,
    pub(super) loader: Loader,
}

impl Answers {
    pub(super) fn apply_project(&self, request: &ApplyRequest) -> Result<Applied, Trouble> {
        let Some(applier) = &self.applier else { return Err(unavailable("the engine does not run")) };
        let pipeline = applier.pipeline.upgrade().ok_or_else(|| unavailable("the engine is stopping"))?;
        if let Some((path, _)) = request.files.iter().find(|(path, _)| !is_inside(path)) {
            let help =
                "paths lead from the project's folder down to files that end in .yaml, .yml or .sonder".to_owned();
            return Err(refused(format!("`{path}` is no file of a project"), help));
        }
        let shared = pipeline.shared();
        let _folder = shared.folder.lock();
        let running = format!("{:016x}", shared.live.read().program.fingerprint.0);
        if request.base != running {
            let help = "somebody changed it after that plan: plan again, and look at what it says now".to_owned();
            return Err(refused(
                format!("the version that runs is {running}, and the plan was made against {}", request.base),
                help,
            ));
        }
        let root = shared.files.read().root.clone();
        let files = self.version_of(&request.files, request.reach)?;
        // A command for a key would run on this machine: whoever pushes rules has no say in that.
        let present = shared.live.read().program.settings.clone();
        let pushed = compiled(files.iter().cloned().collect(), &root).map(|program| program.settings.clone());
        let other = pushed.and_then(|pushed| {
            let keys = [
                ("encryption", pushed.encryption != present.encryption),
                ("pseudonyms", pushed.pseudonyms != applier.loader.keys),
            ];
            keys.into_iter().find(|(_, is_other)| *is_other)
        });
        if let Some((key, _)) = other {
            let help =
                "change it in the project's folder, where the engine runs, and start the engine again".to_owned();
            return Err(refused(format!("`{key}` of sonder.yaml is not what the engine started with"), help));
        }
        let draft = Draft::write(&root, &files).map_err(|error| {
            refused(
                format!("the project's folder on the engine cannot be written: {error}"),
                "change the files where they come from".to_owned(),
            )
        })?;
        let files = files.into_iter().map(|(path, text)| SourceFile { path, text });
        let scan = Scan { root, sources: SourceSet::new(files.collect()), hash: 0 };
        let changed = match apply(&pipeline, &applier.loader, scan, request.silent) {
            Outcome::Applied => true,
            Outcome::Unchanged => false,
            Outcome::Rejected(errors) => {
                return Err(refused(errors.join("; "), "`sonder check` shows all errors with their places".to_owned()));
            }
        };
        draft.put_in_place().map_err(|error| {
            Trouble::Internal(format!(
                "the new version runs, but its files are not all in the project's folder: {error}"
            ))
        })?;
        let fingerprint = format!("{:016x}", shared.live.read().program.fingerprint.0);
        tracing::info!(fingerprint, silent = request.silent, "a version of the project was pushed");
        Ok(Applied { changed, fingerprint })
    }
}

/// Whether a path names a text file within a project.
fn is_inside(path: &str) -> bool {
    let parts = Path::new(path).components();
    let is_plain =
        |part: Component<'_>| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.'));
    !path.is_empty() && !path.contains('\\') && parts.into_iter().all(is_plain) && is_text_of_project(Path::new(path))
}

/// Files that are written, and not in their place yet.
struct Draft {
    root: PathBuf,
    paths: BTreeSet<String>,
}

impl Draft {
    fn write(root: &Path, files: &[(String, String)]) -> io::Result<Self> {
        let draft = Self { root: root.to_owned(), paths: files.iter().map(|(path, _)| path.clone()).collect() };
        let folder = root.join(DRAFT);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for (path, text) in files {
            let path = folder.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, text)?;
        }
        Ok(draft)
    }

    /// Each file takes its place by a rename; files of the project that are not among them go.
    fn put_in_place(self) -> io::Result<()> {
        let before = crate::project::scan(&self.root).map_err(io::Error::other)?;
        for path in &self.paths {
            let place = self.root.join(path);
            place.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::rename(self.root.join(DRAFT).join(path), place)?;
        }
        for (_, file) in before.sources.iter().filter(|(_, file)| !self.paths.contains(&file.path)) {
            fs::remove_file(self.root.join(&file.path))?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What is left of it is hidden, and goes with the next one.
        drop(fs::remove_dir_all(self.root.join(DRAFT)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_files_inside_of_the_project_are_taken() {
        for path in ["sonder.yaml", "events/view.yaml", "rules/deep/r.sonder"] {
            assert!(is_inside(path), "{path}");
        }
        for path in ["", "../x.yaml", "/etc/x.yaml", "a/../../x.yaml", ".git/x.yaml", "x.wasm", "x", "a\\x.yaml"] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
