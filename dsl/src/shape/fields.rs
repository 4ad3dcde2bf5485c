//! Picking values out of a map that [`check`](super::check) has been over. Whatever does not fit is `None` here: it was
//! reported there.

use super::{Key, scalar};
use crate::time::Duration;
use crate::yaml::{Entry, Node};

/// A map and the keys that it may have.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    keys: &'static [Key],
}

impl<'n> Fields<'n> {
    /// Looks at a map by a table of keys.
    #[must_use]
    pub const fn new(node: &'n Node, keys: &'static [Key]) -> Self {
        Self { node, keys }
    }

    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.keys.iter().any(|known| known.name == key), "`{key}` is in no table");
        self.node.entry(key)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'n str> {
        self.get(key)?.text()
    }

    /// A text of one's own.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// A list of texts; empty where there is none.
    #[must_use]
    pub fn strings(&self, key: &str) -> Vec<String> {
        let items = self.get(key).map_or(&[][..], Node::items);
        items.iter().filter_map(Node::text).map(str::to_owned).collect()
    }

    /// A length of time.
    #[must_use]
    pub fn duration(&self, key: &str) -> Option<Duration> {
        scalar::duration(self.text(key)?)
    }

    /// A boolean.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.bool()
    }

    /// A whole number.
    #[must_use]
    pub fn integer<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        T::try_from(self.get(key)?.number()?.value.as_i64()?).ok()
    }

    /// Any number.
    #[must_use]
    pub fn float(&self, key: &str) -> Option<f64> {
        self.get(key)?.number()?.value.as_f64()
    }

    /// A map inside, with its own table.
    #[must_use]
    pub fn object(&self, key: &str, keys: &'static [Key]) -> Option<Fields<'n>> {
        Some(Fields::new(self.get(key)?, keys))
    }
}
