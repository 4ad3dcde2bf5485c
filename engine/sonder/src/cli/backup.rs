//! `sonder backup`: the data as of one moment in one file, while the engine goes on or at rest.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::Place;
use crate::backup::{ArchiveError, Manifest, read, write};
use crate::pipeline::clock;
use crate::server::store_failure;
use sonder_store::Snapshot;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write all data into one file, as of one moment, while the engine goes on
///
/// The file is read back and held against its checksums before it gets its name. It has keys and personal data in it: keep it
/// where only few can read it, and no longer than erasures may wait.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder backup /backups/shop-2026-03-01.tar\n  \
    sonder backup shop.tar --url https://cdp.example.com --key $SONDER_KEY\n  sonder backup shop.tar --check")]
pub struct Args {
    /// The file
    file: PathBuf,
    /// Only check a backup that was written before
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let manifest = if args.check { checked(&args.file)? } else { made(args)? };
    let seq = manifest.seq.map(|seq| format!("{seq} records, ")).unwrap_or_default();
    output.line(format!(
        "{}: {seq}{} files, {} KiB, made at {}",
        args.file.display(),
        manifest.files.len(),
        manifest.bytes() >> 10,
        manifest.made_at
    ))
}

fn made(args: &Args) -> Result<Manifest, Failure> {
    if args.file.exists() {
        return Err(Failure::user(format!("`{}` is there already", args.file.display())).help("name a new file"));
    }
    let mut draft = args.file.clone().into_os_string();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let manifest = fill(args, &draft).and_then(|()| checked(&draft)).inspect_err(|_| drop(fs::remove_file(&draft)))?;
    fs::rename(&draft, &args.file)?;
    Ok(manifest)
}

fn fill(args: &Args, draft: &Path) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft);
    let mut file = file.map_err(|error| Failure::user(format!("could not write `{}`: {error}", draft.display())))?;
    let engine = block_on(async {
        let Some(client) = args.place.engine().await? else { return Ok(false) };
        client.download("/api/v1/backup", &mut file).await.map(|()| true)
    })?;
    if !engine {
        let snapshot = Snapshot::at_rest(&args.place.data).map_err(|error| store_failure(&error))?;
        write(snapshot, clock::wall().to_string(), BufWriter::new(&file)).map_err(|error| failure(draft, &error))?;
    }
    Ok(file.sync_all()?)
}

/// Reads a backup to its end.
pub(super) fn checked(path: &Path) -> Result<Manifest, Failure> {
    read(BufReader::new(open(path)?), None).map_err(|error| failure(path, &error))
}

pub(super) fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::user(format!("could not read `{}`: {error}", path.display())))
}

pub(super) fn failure(path: &Path, error: &ArchiveError) -> Failure {
    match error {
        ArchiveError::Store(error) => store_failure(error),
        ArchiveError::Io(_) | ArchiveError::CutOff | ArchiveError::Damaged(_) => {
            Failure::user(format!("`{}`: {error}", path.display())).help("take another backup, or make it again")
        }
        ArchiveError::Newer(_) => Failure::user(format!("`{}`: {error}", path.display()))
            .help("run the version of sonder that wrote it, or a newer one"),
    }
}
