//! What a file declares, for an editor's outline.

use super::Project;
use crate::project::FileKind;
use crate::source::FileId;
use crate::syntax::ast::ItemKind;
use crate::syntax::scan;
use crate::yaml::{self, Node};

/// One declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSymbol {
    /// Its name.
    pub name: String,
    /// What it is: `segment`, `event`, `property`.
    pub what: &'static str,
    /// The bytes of all of it.
    pub all: (usize, usize),
    /// The bytes of its name.
    pub named: (usize, usize),
    /// What is inside.
    pub inside: Vec<DocumentSymbol>,
}

/// What a file declares, in order.
#[must_use]
pub fn symbols(project: &Project<'_>, file: FileId) -> Vec<DocumentSymbol> {
    let text = project.text(file);
    match project.kind(file) {
        FileKind::Rules => of_rules(text),
        FileKind::Event => of_yaml(file, text, "event", "properties", "property"),
        FileKind::Profile => of_yaml(file, text, "profile", "traits", "trait"),
        FileKind::Source => of_yaml(file, text, "source", "", ""),
        FileKind::Destination => of_yaml(file, text, "destination", "", ""),
        FileKind::Identity => of_yaml(file, text, "identity", "identifiers", "identifier"),
        _ => Vec::new(),
    }
}

fn of_rules(text: &str) -> Vec<DocumentSymbol> {
    let one = |chunk: scan::Chunk| {
        let kind = ItemKind::of_word(text.get(chunk.head.start..chunk.head.end)?)?;
        let named = chunk.name.map(|name| (name.start, name.end))?;
        let name = text.get(named.0..named.1)?.to_owned();
        Some(DocumentSymbol {
            name,
            what: kind.word(),
            all: (chunk.range.start, chunk.range.end),
            named,
            inside: Vec::new(),
        })
    };
    scan::split(text).into_iter().filter_map(one).collect()
}

fn of_yaml(
    file: FileId,
    text: &str,
    key: &'static str,
    inside: &'static str,
    what: &'static str,
) -> Vec<DocumentSymbol> {
    let Some(root) = yaml::read(file, text, &mut crate::diagnostic::Report::default()) else { return Vec::new() };
    let bytes = |span: crate::source::Span| (span.start as usize, span.end as usize);
    let entries: Vec<DocumentSymbol> = root
        .get(inside)
        .map_or(&[][..], Node::entries)
        .iter()
        .map(|entry| {
            let named = bytes(entry.key_span);
            let end = (entry.value.span.end as usize).max(named.1);
            DocumentSymbol { name: entry.key.clone(), what, all: (named.0, end), named, inside: Vec::new() }
        })
        .collect();
    match root.get(key) {
        Some(name) => {
            let named = bytes(name.span);
            let name = name.text().unwrap_or_default().to_owned();
            vec![DocumentSymbol { name, what: key, all: (0, text.len()), named, inside: entries }]
        }
        None => entries,
    }
}
