//! What plugins keep: a few small values for each destination.
//!
//! A batch reads what is kept and writes beside it; what it wrote is kept when it ended well.

use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Values of one destination, by key.
pub type Values = BTreeMap<String, Vec<u8>>;

/// Where values are kept.
pub trait Storage: Send + Sync + 'static {
    /// All that is kept for a destination; nothing where nothing was.
    fn load(&self, destination: &str) -> std::io::Result<Values>;
    /// Keeps all values of a destination in place of what was there.
    fn save(&self, destination: &str, values: &Values) -> std::io::Result<()>;
    /// Removes values of all destinations, also of those that the project has no more.
    fn purge(&self, is_theirs: &IsTheirs<'_>) -> std::io::Result<()>;
}

/// Whether a value (by key and bytes) is about somebody.
pub type IsTheirs<'a> = dyn Fn(&str, &[u8]) -> bool + 'a;

/// Keeps values as long as the engine runs.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<BTreeMap<String, Values>>);

impl Storage for InMemory {
    fn load(&self, destination: &str) -> std::io::Result<Values> {
        Ok(self.0.lock().get(destination).cloned().unwrap_or_default())
    }

    fn save(&self, destination: &str, values: &Values) -> std::io::Result<()> {
        self.0.lock().insert(destination.to_owned(), values.clone());
        Ok(())
    }

    fn purge(&self, is_theirs: &IsTheirs<'_>) -> std::io::Result<()> {
        self.0.lock().values_mut().for_each(|values| values.retain(|key, value| !is_theirs(key, value)));
        Ok(())
    }
}

/// Keeps values in a directory: one JSON file a destination, values in base64.
#[derive(Debug)]
pub struct InDirectory(PathBuf);

impl InDirectory {
    /// In this directory, which is made when something is to be kept.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    fn path(&self, destination: &str) -> PathBuf {
        // Names are the project's own, but a file's name is not the place to trust that.
        let name: String =
            destination.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
        let mark = xxhash_rust::xxh3::xxh3_64(destination.as_bytes());
        self.0.join(format!("{name}-{mark:016x}.json"))
    }
}

fn read(path: &Path) -> std::io::Result<Values> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Values::new()),
        Err(error) => return Err(error),
    };
    let encoded: BTreeMap<String, String> = serde_json::from_slice(&text)?;
    let decode = |(key, value): (String, String)| {
        let value =
            BASE64.decode(value).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
        Ok((key, value))
    };
    encoded.into_iter().map(decode).collect()
}

fn write(path: &Path, values: &Values) -> std::io::Result<()> {
    let encoded: BTreeMap<&str, String> =
        values.iter().map(|(key, value)| (key.as_str(), BASE64.encode(value))).collect();
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec(&encoded)?)?;
    std::fs::rename(beside, path)
}

impl Storage for InDirectory {
    fn load(&self, destination: &str) -> std::io::Result<Values> {
        read(&self.path(destination))
    }

    fn save(&self, destination: &str, values: &Values) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        write(&self.path(destination), values)
    }

    fn purge(&self, is_theirs: &IsTheirs<'_>) -> std::io::Result<()> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            match path.extension().and_then(|it| it.to_str()) {
                // What a crash left of a save.
                Some("new") => std::fs::remove_file(&path)?,
                Some("json") => {
                    let mut values = read(&path)?;
                    let count = values.len();
                    values.retain(|key, value| !is_theirs(key, value));
                    if values.len() < count {
                        write(&path, &values)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What one destination keeps, shared by its batches.
pub struct Shelf {
    destination: String,
    storage: Arc<dyn Storage>,
    values: Mutex<Values>,
}

impl Shelf {
    /// Opens what is kept for a destination. What cannot be read is treated as lost, and that is logged.
    #[must_use]
    pub fn open(destination: &str, storage: Arc<dyn Storage>) -> Self {
        let values = storage.load(destination).unwrap_or_else(|error| {
            tracing::error!(destination, %error, "what the plugin kept cannot be read");
            Values::new()
        });
        Self { destination: destination.to_owned(), storage, values: Mutex::new(values) }
    }

    /// Removes what is kept about somebody.
    ///
    /// # Errors
    /// When what remains cannot be saved.
    pub fn forget(&self, is_theirs: &IsTheirs<'_>) -> std::io::Result<()> {
        let mut values = self.values.lock();
        let count = values.len();
        values.retain(|key, value| !is_theirs(key, value));
        if values.len() < count { self.storage.save(&self.destination, &values) } else { Ok(()) }
    }

    /// Starts a batch.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Writes {
        Writes { shelf: Arc::clone(self), written: Values::new() }
    }
}

/// What one batch has written.
pub struct Writes {
    shelf: Arc<Shelf>,
    // An empty value is a removal.
    written: Values,
}

impl Writes {
    /// Reads what this batch wrote, or else what is kept.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let own = self.written.get(key).cloned();
        own.or_else(|| self.shelf.values.lock().get(key).cloned()).filter(|value| !value.is_empty())
    }

    /// Writes, for the case that the batch ends well.
    ///
    /// # Errors
    /// Which bound is exceeded.
    pub fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), String> {
        if key.is_empty() || key.len() > limits::KEY_BYTES {
            return Err(format!("a key has 1 to {} bytes", limits::KEY_BYTES));
        }
        if value.len() > limits::VALUE_BYTES {
            return Err(format!("a value has no more than {} KiB", limits::VALUE_BYTES >> 10));
        }
        let bytes = |values: &Values, but: &Values| -> usize {
            let counted = values.iter().filter(|(key, _)| !but.contains_key(*key));
            counted.map(|(key, value)| key.len() + value.len()).sum()
        };
        let previous = self.written.insert(key.clone(), value);
        if bytes(&self.written, &Values::new()) + bytes(&self.shelf.values.lock(), &self.written)
            > limits::STORAGE_BYTES
        {
            match previous {
                Some(previous) => self.written.insert(key, previous),
                None => self.written.remove(&key),
            };
            return Err(format!("a destination keeps no more than {} KiB", limits::STORAGE_BYTES >> 10));
        }
        Ok(())
    }

    /// The batch has ended well: keeps what it wrote.
    pub fn keep(self) {
        if self.written.is_empty() {
            return;
        }
        // The lock is held while saving, so that the file always has the latest.
        let mut values = self.shelf.values.lock();
        values.extend(self.written);
        values.retain(|_, value| !value.is_empty());
        if let Err(error) = self.shelf.storage.save(&self.shelf.destination, &values) {
            tracing::error!(destination = self.shelf.destination, %error, "what the plugin keeps cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_good_batch_wrote_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Arc::new(Shelf::open("crm/1", Arc::new(InDirectory::new(folder.path()))));
        let shelf = open();
        let mut good = shelf.begin();
        good.set("cursor".to_owned(), vec![1, 2]).unwrap();
        let mut bad = shelf.begin();
        bad.set("cursor".to_owned(), vec![9]).unwrap();
        assert_eq!(good.get("cursor"), Some(vec![1, 2]));
        assert_eq!(shelf.begin().get("cursor"), None);
        good.keep();
        drop(bad);
        assert_eq!(open().begin().get("cursor"), Some(vec![1, 2]));

        let mut removal = open().begin();
        removal.set("cursor".to_owned(), Vec::new()).unwrap();
        removal.keep();
        assert_eq!(open().begin().get("cursor"), None);
    }

    #[test]
    fn what_is_kept_about_somebody_goes_and_stays_gone() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| Arc::new(Shelf::open(name, Arc::new(InDirectory::new(folder.path()))));
        let (running, removed) = (open("crm"), open("of a version before"));
        for shelf in [&running, &removed] {
            let mut batch = shelf.begin();
            batch.set("cursor".to_owned(), b"after ada@x.example".to_vec()).unwrap();
            batch.set("token".to_owned(), b"t".to_vec()).unwrap();
            batch.keep();
        }
        let is_theirs: &IsTheirs<'_> = &|_, value| value.ends_with(b"ada@x.example");
        running.forget(is_theirs).unwrap();
        InDirectory::new(folder.path()).purge(is_theirs).unwrap();
        assert_eq!(running.begin().get("cursor"), None);
        for shelf in [open("crm"), open("of a version before")] {
            assert_eq!((shelf.begin().get("cursor"), shelf.begin().get("token")), (None, Some(b"t".to_vec())));
        }
    }

    #[test]
    fn bounds_hold_at_n_and_break_at_n_plus_1() {
        let shelf = Arc::new(Shelf::open("d", Arc::new(InMemory::default())));
        let mut batch = shelf.begin();
        assert!(batch.set("k".repeat(limits::KEY_BYTES), vec![1]).is_ok());
        assert!(batch.set("k".repeat(limits::KEY_BYTES + 1), vec![1]).is_err());
        assert!(batch.set("v".to_owned(), vec![1; limits::VALUE_BYTES]).is_ok());
        assert!(batch.set("v".to_owned(), vec![1; limits::VALUE_BYTES + 1]).is_err());

        let mut batch = shelf.begin();
        let entries = limits::STORAGE_BYTES / limits::VALUE_BYTES;
        for n in 0..entries {
            assert!(batch.set(n.to_string(), vec![1; limits::VALUE_BYTES - 1]).is_ok(), "{n}");
        }
        assert!(batch.set("more".to_owned(), vec![1]).is_err());
        assert_eq!(batch.get("more"), None);
    }
}
