//! The copy of the keys that is kept where backups are: one file for all backups of a data directory.

use super::archive::{ArchiveError, Contents, Manifest, read, write_keys};
use sonder_store::Reader;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Characters of what tells data directories apart, in a name.
const TELLING: usize = 8;

/// Where in a folder the keys of a data directory are, which is told from others so.
#[must_use]
pub fn keys_in(folder: &Path, directory: &str) -> Option<PathBuf> {
    Some(folder.join(format!("sonder-keys-{}.tar", directory.get(..TELLING)?)))
}

/// Puts the keys as of now in the place of an earlier copy of them, whole or not at all. What is not one is left there.
///
/// # Errors
/// When the keys cannot be read, or the file cannot be written; [`ArchiveError::Other`] where something else has its name.
pub fn keep_keys(reader: &Reader, file: &Path, made_at: String) -> Result<Manifest, ArchiveError> {
    if file.exists() {
        read(BufReader::new(File::open(file)?), Contents::Keys, None)?;
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let written = fill(reader, &draft, made_at).inspect_err(|_| drop(fs::remove_file(&draft)))?;
    fs::rename(&draft, file)?;
    File::open(folder)?.sync_all()?;
    Ok(written)
}

fn fill(reader: &Reader, draft: &Path, made_at: String) -> Result<Manifest, ArchiveError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    let manifest = write_keys(&reader.copy_keys()?, made_at, BufWriter::new(&file))?;
    file.sync_all()?;
    read(BufReader::new(File::open(draft)?), Contents::Keys, None)?;
    Ok(manifest)
}
