//! Sonder's language: a project's text becomes a checked program.
//!
//! Pure: it takes (path, text) pairs, never does I/O, and builds for wasm32. Parsing and checking never fail; they
//! return a result and diagnostics, and only a project without errors becomes a [`Program`](ir::Program).

pub mod diagnostic;
pub mod ir;
pub mod limits;
pub mod model;
pub mod source;
pub mod time;
pub mod yaml;

use diagnostic::Diagnostic;
use source::SourceSet;
use std::sync::Arc;

/// What compiling a project gives.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The files that were compiled; diagnostics point into them.
    pub sources: SourceSet,
    /// All errors and warnings of all files, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// There when no diagnostic is an error.
    pub program: Option<Arc<ir::Program>>,
}
