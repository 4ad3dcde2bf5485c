//! The copy of the keys that `encryption: copy_to` of the project asks for: backups have no keys. It is put there at a start,
//! within seconds once keys were destroyed or somebody else put another there, and some minutes after keys were made. Whatever
//! fails is tried again, and the metric `sonder_keys_copy_behind_seconds` says for how long.

use crate::backup::{keep_keys, keys_in};
use crate::pipeline::{Shared, clock};
use metrics::gauge;
use sonder_store::{Store, StoreError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How often it is looked whether the copy is up to date.
const LOOK: Duration = Duration::from_secs(1);
/// How long keys that were made may wait: a backup that is made meanwhile brings its own copy.
const MADE: Duration = Duration::from_secs(15 * 60);
/// How long a copy that failed waits.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The copy as it was put there.
struct Kept {
    file: PathBuf,
    /// Tells the file from one that somebody else put there.
    identity: Option<(u64, i64, i64)>,
    changes: (u64, u64),
    at: Instant,
}

impl Kept {
    /// Whether another is due.
    fn is_behind(&self, file: &Path, changes: (u64, u64)) -> bool {
        let (destroyed, made) = self.changes;
        let is_old = made != changes.1 && self.at.elapsed() >= MADE;
        self.file != file || destroyed != changes.0 || is_old || self.identity != identity(file)
    }
}

/// Keeps it on a thread of its own, until the engine stops.
pub(super) fn run(shared: &Arc<Shared>, store: &Arc<Store>) -> io::Result<()> {
    let (shared, store) = (Arc::downgrade(shared), Arc::downgrade(store));
    let run = move || {
        let (mut kept, mut behind): (Option<Kept>, Option<Instant>) = (None, None);
        while let Some(folder) = folder(&shared) {
            let Some(store) = store.upgrade() else { return };
            let outcome = folder.map_or(Ok(()), |folder| keep(&store, &folder, &mut kept));
            drop(store);
            if let Err(error) = &outcome {
                tracing::error!(%error, "the copy of the keys is not up to date; trying again");
            }
            behind = outcome.is_err().then(|| behind.unwrap_or_else(Instant::now));
            gauge!("sonder_keys_copy_behind_seconds").set(behind.map_or(0.0, |since| since.elapsed().as_secs_f64()));
            std::thread::sleep(if behind.is_some() { AFTER_FAILURE } else { LOOK });
        }
    };
    std::thread::Builder::new().name("keys-copy".to_owned()).spawn(run).map(drop)
}

/// Where the project wants it; `None` when the engine has stopped.
fn folder(shared: &Weak<Shared>) -> Option<Option<PathBuf>> {
    let shared = shared.upgrade()?;
    let live = shared.live.read();
    let encryption = live.program.settings.encryption.as_ref();
    Some(encryption.and_then(|it| it.copy_to.as_deref()).map(PathBuf::from))
}

fn keep(store: &Store, folder: &Path, kept: &mut Option<Kept>) -> Result<(), String> {
    // What changes while it is copied is copied the next time.
    let (changes, reader) = (store.key_changes(), store.reader());
    let text = |error: StoreError| error.to_string();
    let file = match kept {
        Some(kept) if kept.file.parent() == Some(folder) => kept.file.clone(),
        _ => keys_in(folder, &reader.key_figures().map_err(text)?.directory).unwrap_or_default(),
    };
    if kept.as_ref().is_some_and(|kept| !kept.is_behind(&file, changes)) {
        return Ok(());
    }
    let failed = |error| format!("`{}`: {error}", file.display());
    let manifest = keep_keys(&reader, &file, clock::wall().to_string()).map_err(failed)?;
    tracing::info!(file = %file.display(), bytes = manifest.bytes(), "the copy of the keys is up to date");
    *kept = Some(Kept { identity: identity(&file), file, changes, at: Instant::now() });
    Ok(())
}

fn identity(file: &Path) -> Option<(u64, i64, i64)> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec()))
}
