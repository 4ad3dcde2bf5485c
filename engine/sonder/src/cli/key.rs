//! `sonder key`: keys of the API, each shown once while the data directory keeps hashes only; and what the project key does with
//! personal data at rest.

use super::backup::copy_keys;
use super::output::{Failure, Output};
use super::reach::Place;
use crate::pipeline::clock;
use crate::project::store_options;
use crate::server::{Offline, key_failure, store_failure};
use sonder_console::keys::{KeyError, KeyRing, Scope};
use sonder_dsl::ir::Program;
use sonder_store::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Make, list and revoke keys of the API; wrap and seal personal data at rest with the project key
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder key create --name grafana --scope read")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key and show it once
    #[command(after_help = "Example:\n  sonder key create --name grafana --scope read")]
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do: collect, read, decide, admin, privacy
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        #[command(flatten)]
        data: Data,
    },
    /// All keys, without their secrets
    #[command(after_help = "Example:\n  sonder key list")]
    List {
        #[command(flatten)]
        data: Data,
    },
    /// Take a key back; it stops working at once
    #[command(after_help = "Example:\n  sonder key revoke key_3f9c2a117b04")]
    Revoke {
        /// As `sonder key list` shows it
        id: String,
        #[command(flatten)]
        data: Data,
    },
    /// Wrap the keys of personal data with the present project key; an engine does it by itself when it starts
    ///
    /// The data is not rewritten. When it is done, no key under `encryption: previous` is needed any more. Stop the engine first.
    #[command(after_help = "Example:\n  sonder key rotate --data /var/lib/sonder")]
    Rotate(AtRest),
    /// Seal the personal data of messages that came before the project had a key, or before it marked them
    ///
    /// The files are rewritten afterwards, so that the bytes from before are gone. Stop the engine first.
    #[command(after_help = "Example:\n  sonder key seal --data /var/lib/sonder")]
    Seal(AtRest),
    /// Copy the keys of personal data into a file, in the place of an earlier copy
    ///
    /// Backups have no keys: this file belongs to all of them. It says who was erased, too, so that they are erased from a backup
    /// that is restored. `sonder backup` writes it each time; after an erasure, this puts the keys that are left in its place.
    #[command(after_help = "Example:\n  sonder key copy /vault/shop-keys.tar")]
    Copy {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct AtRest {
    #[command(flatten)]
    data: Data,
    /// The project; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Data {
    /// The data directory
    #[arg(long = "data", default_value = "./.sonder", value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::Create { name, scopes, data } => {
            let new = ring(&data.dir)?.create(name, scopes, clock::wall()).map_err(|error| failure(&error))?;
            output.line(&new.secret)?;
            output.note(format!("made `{}`; this is the only time its secret is shown", new.key.id))
        }
        Action::List { data } => {
            for key in ring(&data.dir)?.list() {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
                output.line(format!("{}  {}  {}  {}", key.id, key.created_at, scopes.join(","), key.name))?;
            }
            Ok(())
        }
        Action::Revoke { id, data } => {
            if ring(&data.dir)?.revoke(id).map_err(|error| failure(&error))? {
                return output.note(format!("revoked `{id}`"));
            }
            Err(Failure::user(format!("there is no key `{id}`")).help("`sonder key list` shows them"))
        }
        Action::Rotate(args) => rotate(args, output),
        Action::Seal(args) => seal(args, output),
        Action::Copy { file, place } => copy_keys(file, place, output),
    }
}

fn rotate(args: &AtRest, output: &mut Output<'_>) -> Result<(), Failure> {
    let (store, _) = open(args)?;
    let Some((version, fingerprint)) = store.project_key() else { return Err(no_key()) };
    let mut count = 0;
    loop {
        match store.rotate_keys().map_err(|error| store_failure(&error))? {
            0 => break,
            some => count += some,
        }
    }
    output.line(format!("{count} keys are wrapped anew; all are wrapped by version {version}, {fingerprint}"))
}

fn seal(args: &AtRest, output: &mut Output<'_>) -> Result<(), Failure> {
    let (store, program) = open(args)?;
    if program.settings.encryption.as_ref().is_none_or(|it| it.key.is_none()) {
        return Err(no_key());
    }
    let count = store.seal_old(&program).map_err(|error| store_failure(&error))?;
    store.rewrite(&[], clock::wall()).map_err(|error| store_failure(&error))?;
    output.line(format!("the personal data of {count} messages is sealed; the files are rewritten"))
}

/// The store at rest, and its project.
fn open(args: &AtRest) -> Result<(Store, Arc<Program>), Failure> {
    let program = Offline::open(&args.data.dir)?.program(args.project.as_deref())?;
    let options = store_options(&program.settings).map_err(|error| key_failure(&error))?;
    let (store, _) = Store::open_with(&args.data.dir, &program, options).map_err(|error| store_failure(&error))?;
    Ok((store, program))
}

fn no_key() -> Failure {
    Failure::user("the project names no key").help("name one under `encryption` of sonder.yaml, as `key`")
}

fn ring(data: &Path) -> Result<KeyRing, Failure> {
    std::fs::create_dir_all(data)
        .map_err(|error| Failure::user(format!("could not make `{}`: {error}", data.display())))?;
    KeyRing::open(data).map_err(|error| failure(&error))
}

fn failure(error: &KeyError) -> Failure {
    Failure::user(error.to_string())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::named(text).ok_or_else(|| {
        let names: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        format!("a scope is one of {}", names.join(", "))
    })
}
