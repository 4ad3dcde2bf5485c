//! Notices that a project may have changed: `notify` says that something moved, a short quiet time passes, the whole
//! folder is scanned again, and only another hash counts as a change.

use super::{Scan, ScanError, scan};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// No file event for so long, and the change is taken to be complete.
const QUIET: Duration = Duration::from_millis(150);
/// A folder that never comes to rest is scanned all the same.
const PATIENCE: Duration = Duration::from_secs(2);
/// Scans without any file event, for file systems that send none (network mounts, some containers).
const POLL: Duration = Duration::from_secs(10);

/// A watched project.
pub struct Watch {
    root: PathBuf,
    hash: Option<u64>,
    stirs: mpsc::Receiver<()>,
    // Dropping it ends the watching.
    _watcher: RecommendedWatcher,
}

/// The folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("could not watch `{path}`: {error}")]
pub struct WatchError {
    path: String,
    error: notify::Error,
}

/// Watches `root`, whose content was last seen with `hash`.
///
/// # Errors
/// When the system refuses to watch it.
pub fn watch(root: &Path, hash: u64) -> Result<Watch, WatchError> {
    let failed = |error| WatchError { path: root.display().to_string(), error };
    // One place is enough: all that matters is that something stirred since we last looked.
    let (sender, stirs) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_reading = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !is_reading {
            let _full_is_enough = sender.try_send(());
        }
    })
    .map_err(failed)?;
    watcher.watch(root, RecursiveMode::Recursive).map_err(failed)?;
    Ok(Watch { root: root.to_path_buf(), hash: Some(hash), stirs, _watcher: watcher })
}

impl Watch {
    /// Waits until the project's content differs from what was last returned; also returns when it became unreadable
    /// (once, until it can be read again).
    pub async fn changed(&mut self) -> Result<Scan, ScanError> {
        loop {
            self.settle().await;
            let root = self.root.clone();
            let Ok(result) = tokio::task::spawn_blocking(move || scan(&root)).await else { continue };
            let hash = result.as_ref().ok().map(|scan| scan.hash);
            if hash != self.hash {
                self.hash = hash;
                return result;
            }
        }
    }

    async fn settle(&mut self) {
        if timeout(POLL, self.stirs.recv()).await.is_err() {
            return;
        }
        let enough = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                () = sleep_until(enough) => return,
                still = timeout(QUIET, self.stirs.recv()) => if still.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn an_edit_is_seen_and_a_rewrite_of_the_same_text_is_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sonder.yaml"), "name: a").unwrap();
        let mut watch = watch(dir.path(), scan(dir.path()).unwrap().hash).unwrap();

        fs::write(dir.path().join("sonder.yaml"), "name: a").unwrap();
        assert!(timeout(Duration::from_millis(900), watch.changed()).await.is_err(), "nothing changed");

        fs::create_dir(dir.path().join("events")).unwrap();
        fs::write(dir.path().join("events/x.yaml"), "event: x").unwrap();
        let scan = timeout(Duration::from_secs(8), watch.changed()).await.expect("a change is seen").unwrap();
        assert_eq!(scan.sources.iter().count(), 2);
    }

    #[tokio::test]
    async fn a_project_that_vanishes_is_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sonder.yaml"), "name: a").unwrap();
        let mut watch = watch(dir.path(), scan(dir.path()).unwrap().hash).unwrap();
        fs::remove_file(dir.path().join("sonder.yaml")).unwrap();
        let gone = timeout(Duration::from_secs(8), watch.changed()).await.expect("seen");
        assert!(matches!(gone, Err(ScanError::NoProject(_))));
        fs::write(dir.path().join("sonder.yaml"), "name: a").unwrap();
        let back = timeout(Duration::from_secs(8), watch.changed()).await.expect("seen");
        assert!(back.is_ok());
    }
}
