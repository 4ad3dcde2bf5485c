//! What was made of each file, kept for the next time that the project is compiled.
//!
//! INVARIANT: what is kept of a file is a function of its id, path and text alone, so that it never matters whether it was
//! kept, made of what it was before, or made afresh. What files say of each other is resolved anew each time.

use crate::diagnostic::Report;
use crate::model::event::DecodedEvent;
use crate::source::{FileId, SourceFile};
use crate::syntax;
use crate::yaml::Node;
use std::collections::HashMap;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// What is kept of all files. Each comes with what was found wrong in it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// YAML files other than events, read and checked for their shape.
    pub trees: Kept<(Option<Arc<Node>>, Report)>,
    /// Event files, decoded.
    pub events: Kept<(Option<DecodedEvent>, Report)>,
    /// Rule files, item by item.
    pub rules: Kept<syntax::Reading>,
}

impl Memory {
    /// Forgets what was not asked for since the last time.
    pub fn end_round(&mut self) {
        self.trees.end_round();
        self.events.end_round();
        self.rules.end_round();
    }
}

/// What was made of files of one kind.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    files: HashMap<FileId, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    digest: u128,
    value: T,
    asked: bool,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { files: HashMap::new() }
    }
}

impl<T> Kept<T> {
    /// What is kept of a file, if it is still the same; else what `make` makes of it, given what it was before.
    pub fn of(&mut self, id: FileId, file: &SourceFile, make: impl FnOnce(Option<T>) -> T) -> &T {
        let digest = digest(file);
        let value = match self.files.remove(&id) {
            Some(entry) if entry.digest == digest => entry.value,
            other => make(other.map(|entry| entry.value)),
        };
        &self.files.entry(id).insert_entry(Entry { digest, value, asked: true }).into_mut().value
    }

    fn end_round(&mut self) {
        self.files.retain(|_, entry| std::mem::take(&mut entry.asked));
    }
}

fn digest(file: &SourceFile) -> u128 {
    let mut digest = Xxh3::new();
    digest.update(&(file.path.len() as u64).to_le_bytes());
    digest.update(file.path.as_bytes());
    digest.update(file.text.as_bytes());
    digest.digest128()
}
