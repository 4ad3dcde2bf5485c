//! Reads a project's folder whole: every text file of it, by path, and a hash of everything that has a meaning.
//!
//! Single file events are never trusted (editors rename, git moves many files, symlinks swap): whoever wants to know
//! what changed scans again and compares hashes.

use sonder_dsl::source::{SourceFile, SourceSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Folders inside folders, at most.
const MAX_DEPTH: usize = 16;
/// Files of a project, at most.
const MAX_FILES: usize = 20_000;
/// One text file, at most; the compiler has its own, smaller limit, and says so with a place.
const MAX_TEXT: u64 = 16 << 20;
/// One plugin, at most.
const MAX_PLUGIN: u64 = 256 << 20;

/// A project as it was at one moment.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Its folder.
    pub root: PathBuf,
    /// Its text files.
    pub sources: SourceSet,
    /// Of all text files and plugins with their paths: equal content, equal hash.
    pub hash: u64,
}

/// Why a folder could not be read as a project.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The folder is not there.
    #[error("there is no folder `{0}`")]
    NoFolder(String),
    /// It has no `sonder.yaml`.
    #[error("`{0}` is not a project: it has no `sonder.yaml`")]
    NoProject(String),
    /// A file or folder could not be read.
    #[error("could not read `{path}`: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not text.
    #[error("`{0}` is not UTF-8 text")]
    NotText(String),
    /// A file is too large.
    #[error("`{path}` is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// There are too many files.
    #[error("`{0}` has more than {MAX_FILES} files")]
    TooMany(String),
    /// Folders are nested too deep.
    #[error("`{0}` is nested deeper than {MAX_DEPTH} folders")]
    TooDeep(String),
}

impl ScanError {
    /// What to type instead, where that is clear.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoFolder(path) | Self::NoProject(path) => {
                Some(format!("name a project's folder, or make one with `sonder init {path}`"))
            }
            _ => None,
        }
    }
}

/// Reads the project in `root`.
///
/// # Errors
/// When it is not a project, or a file of it cannot be read.
pub fn scan(root: &Path) -> Result<Scan, ScanError> {
    if !root.is_dir() {
        return Err(ScanError::NoFolder(root.display().to_string()));
    }
    if !root.join("sonder.yaml").is_file() {
        return Err(ScanError::NoProject(root.display().to_string()));
    }
    let mut walk = Walk { root, texts: Vec::new(), plugins: Vec::new() };
    walk.folder(root, 0)?;
    walk.plugins.sort();
    let sources = SourceSet::new(walk.texts);
    let hash = hash(root, &sources, &walk.plugins)?;
    Ok(Scan { root: root.to_path_buf(), sources, hash })
}

/// What a file is to a project, by its name.
enum Kind {
    Text,
    Plugin,
    Other,
}

/// Whether a file of this name is a text of the project.
#[must_use]
pub fn is_text_of_project(path: &Path) -> bool {
    matches!(kind(path), Kind::Text)
}

fn kind(path: &Path) -> Kind {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml" | "sonder") => Kind::Text,
        Some("wasm") => Kind::Plugin,
        _ => Kind::Other,
    }
}

struct Walk<'a> {
    root: &'a Path,
    texts: Vec<SourceFile>,
    plugins: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), ScanError> {
        if depth > MAX_DEPTH {
            return Err(ScanError::TooDeep(folder.display().to_string()));
        }
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            if self.is_foreign(&path) {
                continue;
            }
            if path.is_dir() {
                self.folder(&path, depth + 1)?;
                continue;
            }
            match kind(&path) {
                Kind::Text => self.text(&path)?,
                Kind::Plugin => self.plugins.push(path),
                Kind::Other => {}
            }
            if self.texts.len() + self.plugins.len() > MAX_FILES {
                return Err(ScanError::TooMany(self.root.display().to_string()));
            }
        }
        Ok(())
    }

    /// Folders that stand inside a project without being part of it: hidden ones, installed packages, and what other
    /// tools leave behind; and editors' temporary files.
    fn is_foreign(&self, path: &Path) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return true };
        name.starts_with('.') || name.ends_with('~') || (name == "node_modules" && path.is_dir())
    }

    fn text(&mut self, path: &Path) -> Result<(), ScanError> {
        // A file that vanishes between listing and reading belongs to a change under way; the next scan sees its end.
        let Some(bytes) = read(path, MAX_TEXT)? else { return Ok(()) };
        let Ok(text) = String::from_utf8(bytes) else { return Err(ScanError::NotText(path.display().to_string())) };
        self.texts.push(SourceFile { path: relative(self.root, path), text });
        Ok(())
    }
}

fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ScanError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    if bytes.len() as u64 > limit {
        return Err(ScanError::TooLarge { path: path.display().to_string(), limit });
    }
    Ok(Some(bytes))
}

fn hash(root: &Path, sources: &SourceSet, plugins: &[PathBuf]) -> Result<u64, ScanError> {
    let mut hash = Xxh3::new();
    let mut take = |path: &str, bytes: &[u8]| {
        for part in [path.as_bytes(), bytes] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    for (_, file) in sources.iter() {
        take(&file.path, file.text.as_bytes());
    }
    for plugin in plugins {
        if let Some(bytes) = read(plugin, MAX_PLUGIN)? {
            take(&relative(root, plugin), &bytes);
        }
    }
    Ok(hash.digest())
}

fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

fn unreadable(path: &Path, error: std::io::Error) -> ScanError {
    ScanError::Unreadable { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn paths(scan: &Scan) -> Vec<&str> {
        scan.sources.iter().map(|(_, file)| file.path.as_str()).collect()
    }

    #[test]
    fn finds_the_text_files_and_leaves_foreign_ones() {
        let dir = project(&[
            ("sonder.yaml", "name: x"),
            ("rules/deep/a.sonder", ""),
            ("events/b.yaml", ""),
            ("README.md", ""),
            (".sonder/checkpoint.yaml", ""),
            ("node_modules/x/y.yaml", ""),
            ("events/b.yaml~", ""),
        ]);
        assert_eq!(paths(&scan(dir.path()).unwrap()), ["events/b.yaml", "rules/deep/a.sonder", "sonder.yaml"]);
    }

    #[test]
    fn a_folder_without_sonder_yaml_is_no_project() {
        let dir = project(&[("events/a.yaml", "")]);
        assert!(matches!(scan(dir.path()), Err(ScanError::NoProject(_))));
        assert!(matches!(scan(&dir.path().join("nowhere")), Err(ScanError::NoFolder(_))));
    }

    #[test]
    fn the_hash_follows_content_paths_and_plugins() {
        let before = project(&[("sonder.yaml", "name: x"), ("events/a.yaml", "1")]);
        let same = project(&[("events/a.yaml", "1"), ("sonder.yaml", "name: x")]);
        let moved = project(&[("sonder.yaml", "name: x"), ("events/b.yaml", "1")]);
        let plugin = project(&[("sonder.yaml", "name: x"), ("events/a.yaml", "1"), ("plugins/p.wasm", "x")]);
        let hash = |dir: &tempfile::TempDir| scan(dir.path()).unwrap().hash;
        assert_eq!(hash(&before), hash(&same));
        assert_ne!(hash(&before), hash(&moved));
        assert_ne!(hash(&before), hash(&plugin));
    }

    #[test]
    fn a_file_that_is_not_text_is_named() {
        let dir = project(&[("sonder.yaml", "name: x")]);
        fs::write(dir.path().join("events.yaml"), [0xff, 0xfe]).unwrap();
        assert!(matches!(scan(dir.path()), Err(ScanError::NotText(path)) if path.ends_with("events.yaml")));
    }

    #[test]
    fn folders_that_never_end_are_refused() {
        let dir = project(&[("sonder.yaml", "name: x")]);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).unwrap();
        assert!(matches!(scan(dir.path()), Err(ScanError::TooDeep(_))));
    }
}
