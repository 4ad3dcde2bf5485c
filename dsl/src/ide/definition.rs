//! Where the thing under the cursor gets its name.

use super::Project;
use crate::source::{FileId, Span};

/// The place of the declaration.
#[must_use]
pub fn definition(project: &Project<'_>, file: FileId, offset: usize) -> Option<Span> {
    let found = project.symbol_at(file, offset)?;
    project.place(&found.symbol, file)
}
