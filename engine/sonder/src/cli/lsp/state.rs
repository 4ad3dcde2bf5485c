//! What is known of one project: its files on disk, and what compiling them with the editor's texts over them said.
//!
//! INVARIANT: what is shown of a project is what `sonder check` says of the same files.

use super::position::range;
use super::projects::{Document, real_path, relative};
use crate::project::{asked, scan, schema_errors};
use lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, PublishDiagnosticsParams,
    Url,
};
use sonder_dsl::diagnostic::{self, Severity};
use sonder_dsl::ide::Project;
use sonder_dsl::model::Plugins;
use sonder_dsl::project::FileKind;
use sonder_dsl::source::{FileId, SourceFile, SourceSet, Span};
use sonder_dsl::{Analysis, Workspace, scenario};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Everything between two messages.
pub struct State {
    root: PathBuf,
    /// Files on disk, by path in the project.
    disk: BTreeMap<String, String>,
    workspace: Workspace,
    plugins: Plugins,
    analysis: Option<Analysis>,
    /// What the validator said of the events' schemas, which is slow to ask: by a hash of their files.
    schemas: Option<(u64, Vec<diagnostic::Diagnostic>)>,
    /// What the editor shows: files with something wrong.
    shown: BTreeMap<String, Vec<Diagnostic>>,
    stale: bool,
}

impl State {
    /// The project in a folder.
    pub fn new(root: PathBuf) -> Self {
        let mut state = Self {
            root,
            disk: BTreeMap::new(),
            workspace: Workspace::default(),
            plugins: Plugins::default(),
            analysis: None,
            schemas: None,
            shown: BTreeMap::new(),
            stale: true,
        };
        state.read_again();
        state
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads the folder again; a folder that is no project any more is one without files.
    pub fn read_again(&mut self) {
        let sources = scan(&self.root).map(|scan| scan.sources).unwrap_or_default();
        self.disk = sources.iter().map(|(_, file)| (file.path.clone(), file.text.clone())).collect();
        self.stale = true;
    }

    /// A plugin is another one now, and has to be asked again.
    pub fn forget_plugins(&mut self) {
        self.plugins = Plugins::default();
        self.workspace = Workspace::default();
    }

    /// A text in the editor is another one.
    pub const fn touch(&mut self) {
        self.stale = true;
    }

    /// A document was opened: whatever the editor shows of it is said once more.
    pub fn opened(&mut self, path: &Path) {
        self.shown.extend(relative(&self.root, path).map(|path| (path, Vec::new())));
        self.stale = true;
    }

    /// The project as it was last compiled.
    pub fn project(&self) -> Option<Project<'_>> {
        self.analysis.as_ref()?.project(&self.plugins)
    }

    pub const fn analysis(&self) -> Option<&Analysis> {
        self.analysis.as_ref()
    }

    /// A file of the project, as it was last compiled.
    pub fn file(&self, uri: &Url) -> Option<(FileId, &str)> {
        let path = relative(&self.root, &real_path(uri)?)?;
        let sources = &self.analysis.as_ref()?.compilation.sources;
        sources.iter().find(|(_, file)| file.path == path).map(|(id, file)| (id, file.text.as_str()))
    }

    pub fn location(&self, span: Span) -> Option<Location> {
        let file = self.analysis.as_ref()?.compilation.sources.file(span.file)?;
        Some(Location { uri: self.uri(&file.path)?, range: range(&file.text, span.start as usize, span.end as usize) })
    }

    fn uri(&self, path: &str) -> Option<Url> {
        Url::from_file_path(self.root.join(Path::new(path))).ok()
    }

    /// Compiles if something has changed: what is to be shown of the files for which that is another than before.
    pub fn check<'d>(&mut self, open: impl Iterator<Item = (String, &'d Document)>) -> Vec<PublishDiagnosticsParams> {
        if !std::mem::take(&mut self.stale) {
            return Vec::new();
        }
        let mut texts = self.disk.clone();
        let mut versions = BTreeMap::new();
        for (path, document) in open {
            versions.insert(path.clone(), document.version);
            texts.insert(path, document.text.clone());
        }
        let files = texts.into_iter().map(|(path, text)| SourceFile { path, text });
        let mut analysis = self.workspace.analyse(SourceSet::new(files.collect()));
        let unknown = std::mem::take(&mut analysis.compilation.undescribed);
        if !unknown.is_empty() {
            let asked = asked(unknown, &self.root);
            self.plugins.described.extend(asked.described);
            self.plugins.silent.extend(asked.silent);
            self.workspace = Workspace::with_plugins(self.plugins.clone());
            analysis = self.workspace.analyse(analysis.compilation.sources);
        }
        self.look_further(&mut analysis);
        self.analysis = Some(analysis);
        self.news(&versions)
    }

    /// Looks at what makes sense only in a project that compiles: the values of schemas, and scenarios.
    fn look_further(&mut self, analysis: &mut Analysis) {
        let compilation = &mut analysis.compilation;
        let is_error = |found: &diagnostic::Diagnostic| found.severity == Severity::Error;
        if compilation.diagnostics.iter().any(is_error) {
            return;
        }
        let Some(program) = &compilation.program else { return };
        let hash = hash_of_events(&compilation.sources);
        let known = self.schemas.take().filter(|(of, _)| *of == hash);
        let (_, found) = self.schemas.insert(known.unwrap_or_else(|| {
            let found = schema_errors(program, &compilation.sources);
            (hash, found)
        }));
        let wrong = if found.is_empty() { scenario::read(&compilation.sources, program).1 } else { found.clone() };
        compilation.diagnostics.extend(wrong);
    }

    fn news(&mut self, versions: &BTreeMap<String, i32>) -> Vec<PublishDiagnosticsParams> {
        let mut found: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
        if let Some(Analysis { compilation, .. }) = &self.analysis {
            for one in &compilation.diagnostics {
                let file = one.labels.first().map_or("sonder.yaml", |label| compilation.sources.path(label.span.file));
                found.entry(file.to_owned()).or_default().push(self.diagnostic(one));
            }
        }
        let before = std::mem::replace(&mut self.shown, found);
        let gone = before.keys().filter(|path| !self.shown.contains_key(*path)).map(|path| (path, Vec::new()));
        let changed = self.shown.iter().filter(|(path, found)| before.get(*path) != Some(found));
        let changed = changed.map(|(path, found)| (path, found.clone()));
        gone.chain(changed)
            .filter_map(|(path, diagnostics)| {
                let version = versions.get(path).copied();
                Some(PublishDiagnosticsParams { uri: self.uri(path)?, diagnostics, version })
            })
            .collect()
    }

    fn diagnostic(&self, found: &diagnostic::Diagnostic) -> Diagnostic {
        let place = |span: Span| self.location(span);
        let mut message = found.message.clone();
        let first = found.labels.first();
        for text in first.map(|label| &label.text).into_iter().chain(&found.help).chain(&found.notes) {
            if !text.is_empty() {
                message.push('\n');
                message.push_str(text);
            }
        }
        let related = found.labels.iter().skip(1).filter_map(|label| {
            Some(DiagnosticRelatedInformation { location: place(label.span)?, message: label.text.clone() })
        });
        Diagnostic {
            range: first.and_then(|label| place(label.span)).map(|location| location.range).unwrap_or_default(),
            severity: Some(match found.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
            }),
            code: Some(NumberOrString::String(found.code.to_owned())),
            source: Some("sonder".to_owned()),
            message,
            related_information: Some(related.collect()),
            ..Diagnostic::default()
        }
    }
}

/// Of the files that declare events, and of where each stands among all files.
fn hash_of_events(sources: &SourceSet) -> u64 {
    let mut hash = Xxh3::new();
    for (at, (_, file)) in
        sources.iter().enumerate().filter(|(_, (_, file))| FileKind::of(&file.path) == FileKind::Event)
    {
        for part in [&at.to_le_bytes()[..], &file.text.len().to_le_bytes(), file.text.as_bytes()] {
            hash.update(part);
        }
    }
    hash.digest()
}
