//! Everywhere that the thing under the cursor is named.

use super::{Project, Symbol};
use crate::source::{FileId, Span};

/// All places, by file, with or without that of the declaration.
#[must_use]
pub fn references(project: &Project<'_>, file: FileId, offset: usize, with_declaration: bool) -> Vec<Span> {
    let Some(found) = project.symbol_at(file, offset) else { return Vec::new() };
    let mut places = of_symbol(project, file, &found.symbol);
    if !with_declaration {
        let declared = project.place(&found.symbol, file);
        places.retain(|place| Some(*place) != declared);
    }
    places
}

pub(super) fn of_symbol(project: &Project<'_>, file: FileId, symbol: &Symbol) -> Vec<Span> {
    let everywhere = !matches!(symbol, Symbol::Alias(..));
    let files = project.sources.iter().map(|(id, _)| id).filter(|id| everywhere || *id == file);
    let mut places: Vec<Span> = files
        .flat_map(|file| project.occurrences(file))
        .filter(|found| found.symbol == *symbol)
        .map(|found| found.span)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}
