//! `sonder key`: keys of the API. Each is shown once; the data directory keeps hashes only.

use super::output::{Failure, Output};
use crate::pipeline::clock;
use sonder_console::keys::{KeyError, KeyRing, Scope};
use std::path::{Path, PathBuf};

/// Make, list and revoke keys of the API
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
    }
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
