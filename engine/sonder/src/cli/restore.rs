//! `sonder restore`: a backup becomes a data directory, once it was checked.

use super::backup::{checked, keys_beside, unpacked};
use super::doctor;
use super::output::{Failure, Output};
use crate::backup::{Contents, Keys, Manifest};
use crate::server::announce::announce_restored;
use crate::server::{Offline, store_failure};
use sonder_store::{KEYS_FILE, Reader, StoreOptions, note_later_keys};
use std::fs;
use std::path::{Path, PathBuf};

/// Make a data directory of a backup, and check it before it gets its name
///
/// The keys that belong to it are taken from the file beside it, or from the one that `--keys` names. Whoever was erased after
/// the backup was made is in it, but no longer among the keys: they are erased from what is restored, too. While the data that
/// they were erased from is there, `--erased-in` takes the keys, and who was erased, from there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder restore shop-2026-03-01.tar --data /var/lib/sonder-restored\n  \
    sonder restore shop.tar --keys /vault/shop-keys.tar --data restored\n  \
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
    /// The copy of the keys; default: the one beside the file, where there is one
    #[arg(long, value_name = "FILE", conflicts_with = "erased_in")]
    keys: Option<PathBuf>,
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
    let manifest = unpacked(&args.file, Contents::Data, Some(draft))?;
    announce_restored(draft)?;
    output.line(format!("{} files, each as it was written at {}", manifest.files.len(), manifest.made_at))?;
    if let Some(as_of) = put_keys(args, &manifest, draft)? {
        note_later_keys(draft).map_err(|error| store_failure(&error))?;
        output.line(format!("keys, and who was erased, {as_of}"))?;
        strike(args, draft, output)?;
    }
    doctor::check(draft, args.project.as_deref(), false, output)
}

/// Puts the keys where they belong; gives as of when they are, where there are any.
fn put_keys(args: &Args, manifest: &Manifest, draft: &Path) -> Result<Option<String>, Failure> {
    if let Some(erased_in) = &args.erased_in {
        let later = Reader::open(erased_in, StoreOptions::default()).and_then(|reader| reader.copy_keys());
        let later = later.map_err(|error| store_failure(&error))?;
        belong(&later.figures.directory, draft, erased_in)?;
        fs::copy(later.path(), draft.join(KEYS_FILE))?;
        return Ok(Some(format!("as `{}` has them", erased_in.display())));
    }
    let beside = keys_beside(&args.file, manifest).filter(|it| it.exists());
    let Some(file) = args.keys.clone().or(beside) else {
        if manifest.keys == Keys::Needed {
            let where_to = keys_beside(&args.file, manifest).unwrap_or_default();
            return Err(Failure::user(format!(
                "personal data in `{}` is encrypted, and a copy of the keys is not at `{}`",
                args.file.display(),
                where_to.display()
            ))
            .help("name the copy that was written with it, or with any later backup: `--keys FILE`"));
        }
        return Ok(None);
    };
    checked(&file, Contents::Keys)?;
    let keys = unpacked(&file, Contents::Keys, Some(draft))?;
    belong(&keys.directory.unwrap_or_default(), draft, &file)?;
    Ok(Some(format!("as of {}", keys.made_at)))
}

/// Whether keys are of the same data.
fn belong(directory: &str, draft: &Path, keys: &Path) -> Result<(), Failure> {
    let reader = Reader::open(draft, StoreOptions::default()).map_err(|error| store_failure(&error))?;
    if reader.key_figures().map_err(|error| store_failure(&error))?.directory == directory {
        return Ok(());
    }
    Err(Failure::user(format!("`{}` is of other data: its keys open nothing in this backup", keys.display())))
}

/// Strikes whoever was erased since, where the project is at hand; otherwise the next start does.
fn strike(args: &Args, draft: &Path, output: &mut Output<'_>) -> Result<(), Failure> {
    let offline = Offline::open(draft)?;
    if args.project.is_none() && offline.program(None).is_err() {
        return output.line("whoever was erased since is struck at the next start: the project is not here");
    }
    let opened = offline.recover(args.project.as_deref())?;
    let people = opened.struck.len();
    output.line(format!(
        "{people} people who were erased since are struck; the next start takes their bytes from the files"
    ))
}
