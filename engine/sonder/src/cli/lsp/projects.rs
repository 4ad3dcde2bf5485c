//! Which project a document belongs to: that of the nearest folder above it with a `sonder.yaml`.
//!
//! So it does not matter whether the editor has a project open, a repository with several, or a single file. A project is
//! read when its first document is opened, or at the start if its folder is one that the editor has open.

use super::live::Engine;
use super::position::offset;
use super::state::State;
use lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    InitializeParams, PublishDiagnosticsParams, Url,
};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What makes a folder a project.
const SETTINGS: &str = "sonder.yaml";

/// All projects that the editor has to do with, and the documents it has open.
pub struct Projects {
    /// The only one, where the command line names it.
    only: Option<PathBuf>,
    by_root: BTreeMap<PathBuf, State>,
    documents: BTreeMap<PathBuf, Document>,
    engine: Engine,
}

/// A document as the editor has it.
pub struct Document {
    pub text: String,
    pub version: i32,
    root: Option<PathBuf>,
}

impl Projects {
    pub fn new(only: Option<&Path>, engine: Engine, params: &InitializeParams) -> Self {
        let only = only.map(|root| root.canonicalize().unwrap_or_else(|_| root.to_path_buf()));
        let mut projects = Self { only, by_root: BTreeMap::new(), documents: BTreeMap::new(), engine };
        projects.configure(params.initialization_options.as_ref());
        let folders = params.workspace_folders.iter().flatten().map(|folder| &folder.uri);
        #[expect(deprecated, reason = "older editors only send this")]
        let root = params.root_uri.iter();
        let opened: Vec<PathBuf> = folders.chain(root).filter_map(real_path).collect();
        for folder in projects.only.clone().into_iter().chain(opened) {
            // The folder may be one inside a project.
            if let Some(root) = projects.root_of(&folder.join(SETTINGS)) {
                projects.project(root);
            }
        }
        projects
    }

    /// Takes in `sonder.url` and `sonder.key` from the editor's settings.
    pub fn configure(&mut self, settings: Option<&Json>) {
        let Some(settings) = settings else { return };
        let settings = settings.get("sonder").unwrap_or(settings);
        let text = |key: &str| Some(settings.get(key)?.as_str()?.trim().to_owned());
        if let Some(url) = text("url") {
            self.engine.url = Some(url).filter(|url| !url.is_empty());
        }
        if let Some(key) = text("key") {
            self.engine.key = Some(key).filter(|key| !key.is_empty());
        }
    }

    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The project of a document.
    pub fn of(&self, uri: &Url) -> Option<&State> {
        self.by_root.get(&self.root_of(&real_path(uri)?)?)
    }

    pub fn open(&mut self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let Some(path) = real_path(&document.uri) else { return };
        let root = self.root_of(&path);
        if let Some(root) = root.clone() {
            self.project(root).opened(&path);
        }
        self.documents.insert(path, Document { text: document.text, version: document.version, root });
    }

    pub fn change(&mut self, params: DidChangeTextDocumentParams) {
        let Some(document) = real_path(&params.text_document.uri).and_then(|path| self.documents.get_mut(&path)) else {
            return;
        };
        document.version = params.text_document.version;
        for change in params.content_changes {
            match change.range {
                Some(range) => {
                    let (start, end) = (offset(&document.text, range.start), offset(&document.text, range.end));
                    document.text.replace_range(start..end.max(start), &change.text);
                }
                None => document.text = change.text,
            }
        }
        document.root.as_ref().and_then(|root| self.by_root.get_mut(root)).map(State::touch);
    }

    pub fn close(&mut self, params: &DidCloseTextDocumentParams) {
        let document = real_path(&params.text_document.uri).and_then(|path| self.documents.remove(&path));
        let root = document.and_then(|document| document.root);
        // What was not saved is gone: the file on disk counts again.
        root.and_then(|root| self.by_root.get_mut(&root)).map(State::read_again);
    }

    /// Something on disk is another than before.
    pub fn files_changed(&mut self, params: &DidChangeWatchedFilesParams) {
        let paths: Vec<PathBuf> = params.changes.iter().filter_map(|change| real_path(&change.uri)).collect();
        for (root, project) in &mut self.by_root {
            let of_project = || paths.iter().filter(|path| path.starts_with(root));
            if of_project().any(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
                project.forget_plugins();
            }
            if of_project().next().is_some() {
                project.read_again();
            }
        }
        if paths.iter().any(|path| path.ends_with(SETTINGS)) {
            self.settle();
        }
    }

    /// A document was saved: editors that watch no files say at least that.
    pub fn saved(&mut self, uri: &Url) {
        let path = real_path(uri);
        if path.as_ref().is_some_and(|path| path.ends_with(SETTINGS)) {
            self.settle();
        }
        let root = path.and_then(|path| self.root_of(&path));
        root.and_then(|root| self.by_root.get_mut(&root)).map(State::read_again);
    }

    /// What is to be shown, of all projects in which something has changed.
    pub fn check(&mut self) -> Vec<PublishDiagnosticsParams> {
        let documents = &self.documents;
        let mut shown = Vec::new();
        for (root, project) in &mut self.by_root {
            let of_project = || documents.iter().filter(|(_, document)| document.root.as_ref() == Some(root));
            let open = of_project().filter_map(|(path, document)| Some((relative(root, path)?, document)));
            shown.extend(project.check(open));
        }
        shown
    }

    /// Documents find their projects anew: a `sonder.yaml` came or went.
    fn settle(&mut self) {
        let found: Vec<_> = self.documents.keys().map(|path| (path.clone(), self.root_of(path))).collect();
        for (path, root) in found {
            if let Some(root) = root.clone() {
                self.project(root).touch();
            }
            if let Some(document) = self.documents.get_mut(&path) {
                document.root = root;
            }
        }
    }

    fn root_of(&self, path: &Path) -> Option<PathBuf> {
        match &self.only {
            Some(root) => path.starts_with(root).then(|| root.clone()),
            None => path.ancestors().skip(1).find(|folder| folder.join(SETTINGS).is_file()).map(Path::to_path_buf),
        }
    }

    fn project(&mut self, root: PathBuf) -> &mut State {
        self.by_root.entry(root.clone()).or_insert_with(|| State::new(root))
    }
}

/// The path of a document, whatever the name under which the editor has its folder open.
pub fn real_path(uri: &Url) -> Option<PathBuf> {
    let path = uri.to_file_path().ok()?;
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    Some(match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    })
}

/// The path in the project, with `/` between folders.
pub fn relative(root: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root).ok()?;
    let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(parts.join("/"))
}
