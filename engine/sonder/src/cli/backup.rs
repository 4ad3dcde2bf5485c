//! `sonder backup`: the data as of one moment in one file, while the engine goes on or at rest; and the keys that belong to it.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::Place;
use crate::backup::{ArchiveError, Contents, Keys, Manifest, keys_in, read, write, write_keys};
use crate::pipeline::clock;
use crate::server::store_failure;
use sonder_store::{Reader, Snapshot, StoreOptions};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write all data into one file, as of one moment, while the engine goes on
///
/// The file is read back and held against its checksums before it gets its name. Keys of encrypted personal data are not in it,
/// but in a file beside it, which says who was erased, too. One such file is for all backups; each backup puts the present
/// keys in its place, and what was encrypted of whoever was erased by then can be read in no backup. `sonder key copy` does that
/// without a backup.
/// All of them have personal data or keys in them: keep them where only few can read them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder backup /backups/shop-2026-03-01.tar\n  \
    sonder backup shop.tar --url https://cdp.example.com --key $SONDER_KEY\n  \
    sonder backup /backups/shop.tar --keys /vault/shop-keys.tar\n  sonder backup shop.tar --check")]
pub struct Args {
    /// The file
    file: PathBuf,
    /// The file of the keys, where there are any; default: `sonder-keys-….tar` beside the file, named after the data
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    keys: Option<PathBuf>,
    /// Only check a backup that was written before
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    if args.check {
        return said(&args.file, &checked(&args.file, Contents::Data)?, output);
    }
    if args.file.exists() {
        return Err(Failure::user(format!("`{}` is there already", args.file.display())).help("name a new file"));
    }
    let manifest = made(&args.file, Contents::Data, &args.place)?;
    said(&args.file, &manifest, output)?;
    if manifest.keys == Keys::None && args.keys.is_none() {
        return Ok(());
    }
    // After the data: it has every key that the data needs.
    let keys = args.keys.clone().or_else(|| keys_beside(&args.file, &manifest));
    keys.map_or(Ok(()), |keys| copy_keys(&keys, &args.place, output))
}

/// Puts the present keys in the place of an earlier copy.
pub(super) fn copy_keys(file: &Path, place: &Place, output: &mut Output<'_>) -> Result<(), Failure> {
    // What is not a copy of keys is not replaced by one.
    if file.exists() {
        checked(file, Contents::Keys)?;
    }
    said(file, &made(file, Contents::Keys, place)?, output)
}

/// Where the keys that belong to a backup are by default.
pub(super) fn keys_beside(backup: &Path, manifest: &Manifest) -> Option<PathBuf> {
    keys_in(backup.parent().unwrap_or(Path::new("")), manifest.directory.as_deref()?)
}

fn said(file: &Path, manifest: &Manifest, output: &mut Output<'_>) -> Result<(), Failure> {
    let what = match (manifest.contents, manifest.seq) {
        (Contents::Keys, _) => "keys of personal data, ".to_owned(),
        (Contents::Data, seq) => seq.map(|seq| format!("{seq} records, ")).unwrap_or_default(),
    };
    output.line(format!(
        "{}: {what}{} files, {} KiB, made at {}",
        file.display(),
        manifest.files.len(),
        manifest.bytes() >> 10,
        manifest.made_at
    ))
}

fn made(file: &Path, contents: Contents, place: &Place) -> Result<Manifest, Failure> {
    let mut draft = file.to_path_buf().into_os_string();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let filled = fill(&draft, contents, place).and_then(|()| checked(&draft, contents));
    let manifest = filled.inspect_err(|_| drop(fs::remove_file(&draft)))?;
    fs::rename(&draft, file)?;
    Ok(manifest)
}

fn fill(draft: &Path, contents: Contents, place: &Place) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft);
    let mut file = file.map_err(|error| Failure::user(format!("could not write `{}`: {error}", draft.display())))?;
    let path = match contents {
        Contents::Data => "/api/v1/backup",
        Contents::Keys => "/api/v1/backup/keys",
    };
    let engine = block_on(async {
        let Some(client) = place.engine().await? else { return Ok(false) };
        client.download(path, &mut file).await.map(|()| true)
    })?;
    if !engine {
        at_rest(&place.data, contents, BufWriter::new(&file)).map_err(|error| failure(draft, &error))?;
    }
    Ok(file.sync_all()?)
}

fn at_rest(data: &Path, contents: Contents, out: BufWriter<&File>) -> Result<Manifest, ArchiveError> {
    let (reader, made_at) = (Reader::open(data, StoreOptions::default())?, clock::wall().to_string());
    match contents {
        Contents::Data => write(Snapshot::at_rest(data)?, &reader.key_figures()?, made_at, out),
        Contents::Keys => write_keys(&reader.copy_keys()?, made_at, out),
    }
}

/// Reads an archive to its end.
pub(super) fn checked(path: &Path, contents: Contents) -> Result<Manifest, Failure> {
    unpacked(path, contents, None)
}

/// The same, with its files written into a directory where one is named.
pub(super) fn unpacked(path: &Path, contents: Contents, into: Option<&Path>) -> Result<Manifest, Failure> {
    let file =
        File::open(path).map_err(|error| Failure::user(format!("could not read `{}`: {error}", path.display())))?;
    read(BufReader::new(file), contents, into).map_err(|error| failure(path, &error))
}

fn failure(path: &Path, error: &ArchiveError) -> Failure {
    match error {
        ArchiveError::Store(error) => store_failure(error),
        ArchiveError::Io(_) | ArchiveError::CutOff | ArchiveError::Damaged(_) => {
            Failure::user(format!("`{}`: {error}", path.display())).help("take another backup, or make it again")
        }
        ArchiveError::Other(_) => Failure::user(format!("`{}`: {error}", path.display())).help("name another file"),
        ArchiveError::Newer(_) => Failure::user(format!("`{}`: {error}", path.display()))
            .help("run the version of sonder that wrote it, or a newer one"),
    }
}
