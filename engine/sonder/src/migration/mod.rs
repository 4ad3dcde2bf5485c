//! Projects made of what other products export, so that a team can try Sonder beside what it has.
//!
//! What is made compiles: the compiler itself is asked, and whatever it refuses becomes a comment. INVARIANT: nothing is left out
//! in silence. Each thing of an export is in a file, as itself or as a comment with the reason, and what is a comment has a
//! [`Note`].

mod project;
mod rudderstack;
mod segment;

pub use project::{Migrated, Note};

use project::Draft;
use serde_json::Value as Json;
use sonder_dsl::source::SourceFile;

/// Whose exports they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Answers of the Public API: tracking plans, audiences, computed traits, sources.
    Segment,
    /// `workspaceConfig.json`, and answers of the Data Catalog API.
    Rudderstack,
}

/// An export.
#[derive(Clone, Debug)]
pub struct Export {
    /// As people call the file.
    pub name: String,
    /// What is in it.
    pub document: Json,
}

/// Why an export could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// It is nothing that is known here.
    #[error("`{name}` is no export that is known here: {known}")]
    Unknown {
        /// The file.
        name: String,
        /// What would be.
        known: &'static str,
    },
}

/// Makes a project called `name` of exports. `existing` are the files that are there already: they stay as they are, and what is
/// made fits them.
///
/// # Errors
/// When an export is none.
pub fn migrate(
    product: Product,
    name: &str,
    exports: &[Export],
    existing: Vec<SourceFile>,
) -> Result<Migrated, MigrationError> {
    let mut draft = Draft::default();
    for export in exports {
        match product {
            Product::Segment => segment::read(export, &mut draft)?,
            Product::Rudderstack => rudderstack::read(export, &mut draft)?,
        }
    }
    Ok(draft.finish(product, name, existing))
}

/// A text as a name of the project: lower-case snake case, beginning with a letter.
fn name_of(text: &str) -> String {
    let folded: String = sonder_dsl::model::fold_event_name(text)
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() { it } else { '_' })
        .collect();
    match folded.chars().next() {
        Some(first) if first.is_ascii_lowercase() => folded,
        Some(_) => format!("x_{folded}"),
        None => "unnamed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
