//! A project that is compiled again and again while somebody edits it: files that did not change are not read again, and of
//! a rule file that did, only the items that did.
//!
//! A language server keeps one [`Workspace`] for a project and hands it all files after each edit, the open ones as the
//! editor has them:
//!
//! ```
//! use sonder_dsl::Workspace;
//! use sonder_dsl::source::{SourceFile, SourceSet};
//!
//! let files = |rule: &str| {
//!     let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
//!     SourceSet::new(vec![
//!         file("sonder.yaml", "name: shop"),
//!         file("events/order.yaml", "event: order"),
//!         file("rules/buyers.sonder", rule),
//!     ])
//! };
//! let mut workspace = Workspace::default();
//! assert!(workspace.compile(files("segment buyers { when did(order) }")).program.is_some());
//! let edited = workspace.compile(files("segment buyers { when did(ordr) }"));
//! assert_eq!(edited.diagnostics[0].code, "E0201");
//! ```
//!
//! INVARIANT: the result is that of [`compile`](crate::compile) on the same files; the workspace only saves time. Files
//! are known by their place in the order of paths, so that adding or removing one reads those behind it again.

use crate::Compilation;
use crate::diagnostic::{Report, Severity, codes};
use crate::ide;
use crate::ir;
use crate::model::{Places, Plugins};
use crate::project::{self, Declared, Memory};
use crate::source::{FileId, SourceSet};
use crate::syntax;
use crate::types::purposes;
use std::sync::Arc;

/// What is known of a project's files from the last time that they were compiled.
#[derive(Debug, Default)]
pub struct Workspace {
    memory: Memory,
    plugins: Plugins,
}

impl Workspace {
    /// Nothing is known yet but what plugins say of themselves.
    #[must_use]
    pub fn with_plugins(plugins: Plugins) -> Self {
        Self { memory: Memory::default(), plugins }
    }

    /// What is known of plugins.
    #[must_use]
    pub const fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Compiles all files of a project, reading only what is another text than the last time.
    pub fn compile(&mut self, sources: SourceSet) -> Compilation {
        self.analyse(sources).compilation
    }

    /// The same, with what is known of the project even when it has errors.
    pub fn analyse(&mut self, sources: SourceSet) -> Analysis {
        let mut report = Report::default();
        if !project::fits(&sources, &mut report) {
            let compilation =
                Compilation { diagnostics: report.finish(), sources, program: None, undescribed: Vec::new() };
            return Analysis { compilation, outline: None, places: Places::default() };
        }
        let Declared { declarations, rule_files, rule_files_before } =
            project::declare(&sources, &mut self.memory, &mut report);
        let mut parsed = |ids: Vec<FileId>| -> Vec<syntax::File> {
            let read = ids.into_iter().filter_map(|id| {
                let file = sources.file(id)?;
                let reading = self.memory.rules.of(id, file, |before| syntax::Reading::of(id, &file.text, before));
                let mut found = Vec::new();
                let file = reading.file(&mut found);
                report.extend(found);
                Some(file)
            });
            read.collect()
        };
        let (now, before) = (parsed(rule_files), parsed(rule_files_before));
        let (lowered, found) = ir::lower(&sources, (now, before), &declarations, &self.plugins);
        report.extend(found);
        purposes::check(&sources, &declarations, &lowered, &mut report);
        let undescribed = lowered.undescribed.iter().cloned().collect();
        let places = declarations.places.clone();
        let outline = Arc::new(project::assemble(declarations, lowered, &mut report));
        self.memory.end_round();
        let diagnostics = report.finish();
        let sound = diagnostics
            .iter()
            .all(|found| found.severity != Severity::Error || codes::NEVER_TRUE.contains(&found.code));
        let program = sound.then(|| Arc::clone(&outline));
        let compilation = Compilation { sources, diagnostics, program, undescribed };
        Analysis { compilation, outline: Some(outline), places }
    }
}

/// A project as it stands while somebody edits it.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// What [`compile`](crate::compile) says.
    pub compilation: Compilation,
    /// What the project declares as far as it could be read; nothing may run it. None for a project that is too large.
    outline: Option<Arc<ir::Program>>,
    places: Places,
}

impl Analysis {
    /// The project, for the questions of an editor.
    #[must_use]
    pub fn project<'a>(&'a self, plugins: &'a Plugins) -> Option<ide::Project<'a>> {
        let program = self.outline.as_deref()?;
        Some(ide::Project { sources: &self.compilation.sources, program, places: &self.places, plugins })
    }
}
