//! `sonder restore`: a backup becomes a data directory, once it was checked.

use super::backup::{failure, open};
use super::doctor;
use super::output::{Failure, Output};
use crate::backup::read;
use crate::pipeline::{EraseError, erase_again};
use crate::server::announce::announce_restored;
use crate::server::{Offline, store_failure};
use sonder_store::{Reader, StoreOptions};
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Make a data directory of a backup, and check it before it gets its name
///
/// Whoever was erased after the backup was made is in it. While the data that they were erased from is there, `--erased-in`
/// erases them from what is restored, too: by what it keeps of them, which nobody can read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder restore shop-2026-03-01.tar --data /var/lib/sonder-restored\n  \
    sonder restore shop.tar --data restored --project shop --erased-in /var/lib/sonder")]
pub struct Args {
    /// A file that `sonder backup` wrote
    file: PathBuf,
    /// The data directory; it must not be there yet
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The project, to check the state against the log; default: the one that last ran on the data, if it is there
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    /// Erase from it whoever was erased from the data in this directory
    #[arg(long, value_name = "DIR")]
    erased_in: Option<PathBuf>,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let is_there = args.data.exists();
    if is_there && fs::read_dir(&args.data).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::user(format!("there is something in `{}` already", args.data.display()))
            .help("name a new directory with `--data`"));
    }
    let mut draft = args.data.clone().into_os_string();
    draft.push(".restoring");
    let draft = PathBuf::from(draft);
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    fs::create_dir_all(&draft)
        .map_err(|error| Failure::user(format!("could not make `{}`: {error}", draft.display())))?;
    fill(args, &draft, output).inspect_err(|_| drop(fs::remove_dir_all(&draft)))?;
    if is_there {
        fs::remove_dir(&args.data)?;
    }
    fs::rename(&draft, &args.data)?;
    output.line(format!("`{}` is restored to `{}`", args.file.display(), args.data.display()))
}

fn fill(args: &Args, draft: &Path, output: &mut Output<'_>) -> Result<(), Failure> {
    let backup = BufReader::new(open(&args.file)?);
    let manifest = read(backup, Some(draft)).map_err(|error| failure(&args.file, &error))?;
    announce_restored(draft)?;
    output.line(format!("{} files, each as it was written at {}", manifest.files.len(), manifest.made_at))?;
    doctor::check(draft, args.project.as_deref(), false, output)?;
    let Some(erased_in) = &args.erased_in else { return Ok(()) };
    let later = Reader::open(erased_in, StoreOptions::default()).map_err(|error| store_failure(&error))?;
    let opened = Offline::open(draft)?.recover(args.project.as_deref())?;
    let people = erase_again(&opened, &later).map_err(|error| match error {
        EraseError::Store(error) => store_failure(&error),
        error => Failure::user(format!("`{}`: {error}", erased_in.display())),
    })?;
    output.line(format!(
        "{people} people who were erased since are struck; the next start takes their bytes from the files"
    ))
}
