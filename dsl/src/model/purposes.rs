//! `purposes`: what data may be used for, as files declare it.
//!
//! Who says nothing restricts nothing; an empty list allows nothing.

use super::Reference;
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
