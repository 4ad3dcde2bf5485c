//! The project as text: files, spans, lines and columns. Nothing here reads a disk.

/// One file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the project, with `/` between folders.
    pub path: String,
    /// The whole content.
    pub text: String,
}

/// The files of a project, sorted by path.
#[derive(Clone, Debug, Default)]
pub struct SourceSet {
    files: Vec<SourceFile>,
    lines: Vec<LineIndex>,
}

/// A file of a [`SourceSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

#[derive(Clone, Debug, Default)]
struct LineIndex {
    // INVARIANT: starts with 0, sorted.
    starts: Vec<u32>,
}

impl SourceSet {
    /// Takes in files; sorts them by path, so that nothing depends on the order of a directory listing.
    #[must_use]
    pub fn new(mut files: Vec<SourceFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let lines = files.iter().map(|file| LineIndex::new(&file.text)).collect();
        Self { files, lines }
    }

    /// All files with their ids, by path.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(index as u32), file))
    }

    /// A file; an id of another set gives `None`.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// The path of a file, or `""` for an id of another set.
    #[must_use]
    pub fn path(&self, id: FileId) -> &str {
        self.file(id).map_or("", |file| file.path.as_str())
    }

    /// Where a byte of a file is.
    #[must_use]
    pub fn position(&self, file: FileId, byte: u32) -> Position {
        let (Some(source), Some(lines)) = (self.file(file), self.lines.get(file.0 as usize)) else {
            return Position { line: 1, column: 1 };
        };
        lines.position(&source.text, byte)
    }
}

impl LineIndex {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1);
        Self { starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn position(&self, text: &str, byte: u32) -> Position {
        let line = self.starts.partition_point(|&start| start <= byte).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (byte as usize).min(text.len());
        let column = text.get(start..end).map_or(0, |before| before.chars().count()) + 1;
        Position { line: line as u32, column: column as u32 }
    }
}
