//! The archives themselves: written as a stream, read as a stream, hashed on the way.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sonder_core::consent::ledger::hex;
use sonder_store::{KEYS_FILE, KeyFigures, KeysCopy, Snapshot, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};
use tar::{Archive, Builder, EntryType, Header};

/// The format of backups that this version writes. Format 1 had keys in it.
const FORMAT: u32 = 2;
const MANIFEST: &str = "manifest.json";
const DATA: &str = "data/";
/// Bytes of a manifest, at most.
const MANIFEST_BYTES: u64 = 16 << 20;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the backup.
    pub format: u32,
    /// The version of sonder that wrote it.
    pub version: String,
    /// When.
    pub made_at: String,
    /// The last place of the log that it has, where that was known.
    pub seq: Option<u64>,
    /// What it is.
    #[serde(default)]
    pub contents: Contents,
    /// Tells the data directory, and what was restored from its backups, from others; not known of format 1.
    #[serde(default)]
    pub directory: Option<String>,
    /// What a copy of the keys is to it.
    #[serde(default)]
    pub keys: Keys,
    /// What is in it.
    pub files: Vec<Entry>,
}

/// What an archive is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contents {
    /// All data as of a moment, but for keys.
    #[default]
    Data,
    /// Keys that personal data is sealed with, and who was erased.
    Keys,
}

/// What a copy of the keys is to a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keys {
    /// Nothing: nothing is sealed, and nobody was erased by then.
    #[default]
    None,
    /// It says who was erased.
    Useful,
    /// Without it nothing can be read that is sealed.
    Needed,
}

impl From<&KeyFigures> for Keys {
    fn from(figures: &KeyFigures) -> Self {
        match figures {
            KeyFigures { are_needed: true, .. } => Self::Needed,
            KeyFigures { erased: 1.., .. } => Self::Useful,
            _ => Self::None,
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From the data directory on.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// What is to be kept cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be written or read on.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It ends before its end.
    #[error("the backup is cut off: it has no manifest")]
    CutOff,
    /// It is not what was written.
    #[error("`{0}` in the backup is not what was written")]
    Damaged(String),
    /// It is not what was asked for.
    #[error("it is {}", match .0 { Contents::Data => "a backup, not a copy of keys", Contents::Keys => "a copy of keys, not a backup" })]
    Other(Contents),
    /// A newer version wrote it.
    #[error("the backup has format {0}, and this version of sonder reads up to format {FORMAT}")]
    Newer(u32),
}

/// Writes a backup of what a snapshot holds, of data whose keys are these.
///
/// # Errors
/// When it cannot be read or written to its end.
pub fn write(
    snapshot: Snapshot<'_>,
    figures: &KeyFigures,
    made_at: String,
    out: impl Write,
) -> Result<Manifest, ArchiveError> {
    let mut builder = Builder::new(out);
    let mut files = Vec::new();
    for (name, bytes) in snapshot.files().to_vec() {
        let file = snapshot.open(&name, bytes)?;
        let entry = if name.contains(".duckdb") {
            append(&mut builder, &name, bytes, file)?
        } else {
            // Small files may be written anew while they are read.
            let mut content = Vec::new();
            file.take(bytes).read_to_end(&mut content)?;
            append(&mut builder, &name, content.len() as u64, content.as_slice())?
        };
        files.push(entry);
    }
    let seq = snapshot.last_seq().map(|seq| seq.0);
    let manifest = Manifest { seq, ..manifest(Contents::Data, figures, made_at, files) };
    snapshot.finish()?;
    end(builder, manifest)
}

/// Writes a copy of keys.
///
/// # Errors
/// When it cannot be read or written to its end.
pub fn write_keys(copy: &KeysCopy, made_at: String, out: impl Write) -> Result<Manifest, ArchiveError> {
    let mut builder = Builder::new(out);
    let (file, bytes) = copy.open()?;
    let files = vec![append(&mut builder, KEYS_FILE, bytes, file)?];
    end(builder, manifest(Contents::Keys, &copy.figures, made_at, files))
}

fn manifest(contents: Contents, figures: &KeyFigures, made_at: String, files: Vec<Entry>) -> Manifest {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let (directory, keys) = (Some(figures.directory.clone()), figures.into());
    Manifest { format: FORMAT, version, made_at, seq: None, contents, directory, keys, files }
}

/// Writes the manifest, without which it is nothing.
fn end(mut builder: Builder<impl Write>, manifest: Manifest) -> Result<Manifest, ArchiveError> {
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    builder.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    builder.into_inner()?.flush()?;
    Ok(manifest)
}

fn append(builder: &mut Builder<impl Write>, name: &str, bytes: u64, from: impl Read) -> Result<Entry, ArchiveError> {
    let mut hashed = Hashed::new(from);
    builder.append_data(&mut header(bytes), format!("{DATA}{name}"), &mut hashed)?;
    if hashed.bytes != bytes {
        return Err(ArchiveError::Damaged(name.to_owned()));
    }
    Ok(Entry { name: name.to_owned(), bytes, sha256: hashed.finish() })
}

fn header(bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

/// Reads an archive to its end and holds it against its manifest; with a directory, its files are written there.
///
/// # Errors
/// When it has something else, is cut off, or not what was written; files that were written by then stay.
pub fn read(backup: impl Read, contents: Contents, into: Option<&Path>) -> Result<Manifest, ArchiveError> {
    let mut archive = Archive::new(backup);
    let mut found: Vec<Entry> = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        if path == Path::new(MANIFEST) {
            let mut text = String::new();
            entry.take(MANIFEST_BYTES).read_to_string(&mut text)?;
            let manifest: Manifest = serde_json::from_str(&text).map_err(io::Error::other)?;
            return hold_against(manifest, contents, &found);
        }
        let is_ours = entry.header().entry_type() == EntryType::Regular
            && path.components().all(|part| matches!(part, Component::Normal(_)));
        let name = path.to_str().and_then(|path| path.strip_prefix(DATA)).filter(|_| is_ours);
        let Some(name) = name else { return Err(ArchiveError::Damaged(path.display().to_string())) };
        let mut hashed = Hashed::new(entry);
        match into {
            None => io::copy(&mut hashed, &mut io::sink())?,
            Some(dir) => {
                let mut file = create(&dir.join(name))?;
                let copied = io::copy(&mut hashed, &mut file)?;
                file.sync_all()?;
                copied
            }
        };
        found.push(Entry { name: name.to_owned(), bytes: hashed.bytes, sha256: hashed.finish() });
    }
    Err(ArchiveError::CutOff)
}

fn hold_against(manifest: Manifest, contents: Contents, found: &[Entry]) -> Result<Manifest, ArchiveError> {
    if manifest.format > FORMAT {
        return Err(ArchiveError::Newer(manifest.format));
    }
    if manifest.contents != contents {
        return Err(ArchiveError::Other(manifest.contents));
    }
    let wrong = manifest.files.iter().find(|entry| !found.contains(entry));
    let unknown = found.iter().find(|entry| !manifest.files.contains(entry));
    match wrong.or(unknown) {
        Some(entry) => Err(ArchiveError::Damaged(entry.name.clone())),
        None => Ok(manifest),
    }
}

/// Only the owner reads what is in a backup: personal data, and keys of the API and of the directory.
fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Counts and hashes what is read through it.
struct Hashed<R> {
    from: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    fn new(from: R) -> Self {
        Self { from, hash: Sha256::new(), bytes: 0 }
    }

    fn finish(self) -> String {
        let hash: [u8; 32] = self.hash.finalize().into();
        hex(&hash)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
