//! Sonder's language: a project's text becomes a checked program.
//!
//! Pure: it takes (path, text) pairs, never does I/O, and builds for wasm32. Parsing and checking never fail; they
//! return a result and diagnostics, and only a project without errors becomes a [`Program`](ir::Program).

pub mod diagnostic;
pub mod ide;
pub mod ir;
pub mod limits;
pub mod model;
pub mod phone;
pub mod plan;
pub mod project;
pub mod reference;
pub mod scenario;
pub mod shape;
pub mod source;
pub mod syntax;
pub mod time;
pub mod types;
pub mod workspace;
pub mod yaml;

use diagnostic::Diagnostic;
use model::Plugins;
use source::SourceSet;
use std::sync::Arc;
pub use workspace::{Analysis, Workspace};

/// What compiling a project gives.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The files that were compiled; diagnostics point into them.
    pub sources: SourceSet,
    /// All errors and warnings of all files, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// There when everything has a meaning: also when the only errors are that something can
    /// [never be true](diagnostic::codes::NEVER_TRUE). Who runs a project refuses all errors.
    pub program: Option<Arc<ir::Program>>,
    /// What `plugin:` names where journeys send something with a plugin that was not asked what it takes: whoever can ask
    /// these compiles again, [with](compile_with) what they say.
    pub undescribed: Vec<String>,
}

/// Compiles a project: all its files at once, so that all errors of all files come in one run.
///
/// ```
/// use sonder_dsl::source::{SourceFile, SourceSet};
///
/// let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
/// let compilation = sonder_dsl::compile(SourceSet::new(vec![
///     file("sonder.yaml", "name: shop"),
///     file("events/order.yaml", "event: order\nproperties: {total: {type: number, multipleOf: 0.01}}"),
/// ]));
/// assert!(compilation.diagnostics.is_empty());
/// assert_eq!(compilation.program.unwrap().events[0].name, "order");
/// ```
#[must_use]
pub fn compile(sources: SourceSet) -> Compilation {
    compile_with(sources, Plugins::default())
}

/// Compiles a project whose plugins have been asked what they are, so that what journeys send is checked too.
#[must_use]
pub fn compile_with(sources: SourceSet, plugins: Plugins) -> Compilation {
    Workspace::with_plugins(plugins).compile(sources)
}
