//! After a start with another project key, the keys of personal data are wrapped with it while the engine runs: a few thousand at a
//! time, with a pause, so that nobody who sends messages waits for it.

use sonder_store::Store;
use std::sync::Weak;
use std::time::Duration;

/// Between two batches, and before a batch that failed is tried again.
const PAUSE: Duration = Duration::from_millis(100);
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Wraps on a thread of its own, until all keys are wrapped by the present project key or the engine stops.
pub(super) fn run(store: Weak<Store>) -> std::io::Result<()> {
    let run = move || {
        let mut count = 0;
        while let Some(store) = store.upgrade() {
            match store.rotate_keys() {
                Ok(0) => {
                    if let Some((version, fingerprint)) = store.project_key().filter(|_| count > 0) {
                        tracing::info!(keys = count, version, %fingerprint, "all keys of personal data are wrapped by the present project key");
                    }
                    return;
                }
                Ok(some) => count += some,
                Err(error) => {
                    tracing::error!(%error, "keys of personal data are not wrapped anew; trying again");
                    drop(store);
                    std::thread::sleep(AFTER_FAILURE);
                    continue;
                }
            }
            drop(store);
            std::thread::sleep(PAUSE);
        }
    };
    std::thread::Builder::new().name("keys".to_owned()).spawn(run).map(drop)
}
