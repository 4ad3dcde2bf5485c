//! `purposes`: what data may be used for, as files declare it.
//!
//! Who says nothing restricts nothing; an empty list allows nothing.

use super::Reference;
use crate::shape::{Format, Key, Shape};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// A list of purposes and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purposes {
    /// The purposes.
    pub names: Vec<Reference>,
    /// The whole list.
    pub span: Span,
}

impl Purposes {
    /// Whether data may be used for it.
    #[must_use]
    pub fn allow(&self, purpose: &str) -> bool {
        self.names.iter().any(|name| name.name == purpose)
    }

    /// The list of a `purposes` key; `None` where there is no such key.
    pub(crate) fn decode(node: Option<&Node>) -> Option<Self> {
        let node = node.filter(|node| matches!(node.value, Value::List(_)))?;
        let name = |item: &Node| Some(Reference { name: item.text()?.to_owned(), span: item.span });
        Some(Self { names: node.items().iter().filter_map(name).collect(), span: node.span })
    }
}

/// What `consent.yaml` declares of purposes: a list of names, or a map with what belongs to each.
pub(crate) const CONSENT: Key = Key::optional(
    "purposes",
    Shape::Either(&[Shape::NAMES, Shape::Map(Format::Name, &Shape::Json)]),
    "the purposes that data is used for, by name",
);

/// The purposes that `consent.yaml` declares; `None` when it does not say, or says it wrongly.
pub(crate) fn of_consent(root: &Node) -> Option<Vec<Reference>> {
    let node = root.get("purposes")?;
    let keys = node.entries().iter().map(|entry| Reference { name: entry.key.clone(), span: entry.key_span });
    let items = Purposes::decode(Some(node)).map_or(Vec::new(), |purposes| purposes.names);
    Some(keys.chain(items).collect())
}

/// Whether `consent.yaml` says more than the names of purposes.
pub(crate) fn says_more(root: &Node) -> bool {
    let bare = |node: &Node| {
        node.entries().iter().all(|entry| entry.value.entries().is_empty() && entry.value.text().is_none())
    };
    root.entries().iter().any(|entry| entry.key != "purposes" || !bare(&entry.value))
}
